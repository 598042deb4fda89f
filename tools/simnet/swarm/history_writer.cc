#include "tools/simnet/swarm/history_writer.h"

#include <google/protobuf/util/json_util.h>

#include "tools/simnet/swarm/history.pb.h"

namespace messenger::simnet {
namespace {

// All times of a written history are counted from its start.
std::string Text(absl::Time time, absl::Time start) {
  return absl::FormatDuration(time - start);
}

v1::Deletion DeletionOf(const std::vector<swarm::MessageId>& ids,
                        absl::Time effective, absl::Time now,
                        absl::Time start) {
  v1::Deletion event;
  event.set_at(Text(now, start));
  for (const swarm::MessageId& id : ids) event.add_ids(id.ToHex());
  if (effective != absl::InfinitePast()) {
    event.set_effective(Text(effective, start));
  }
  return event;
}

v1::Purge PurgeOf(int mailbox, absl::Time expiry_until, absl::Time now,
                  absl::Time start) {
  v1::Purge event;
  event.set_at(Text(now, start));
  event.set_mailbox(static_cast<uint32_t>(mailbox));
  event.set_expiry_until(Text(expiry_until, start));
  return event;
}

v1::RecordWritten RecordOf(const std::string& name, uint64_t seq) {
  v1::RecordWritten event;
  event.set_name(name);
  event.set_seq(seq);
  return event;
}

void Write(const v1::HistoryLine& line, std::ostream& out) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(line, &json, options);
  if (!status.ok()) out.setstate(std::ios::failbit);
  out << json << '\n';
}

}  // namespace

void HistoryWriter::OnRules(const Ledger::Rules& rules) {
  v1::HistoryLine line;
  v1::Rules& event = *line.mutable_rules();
  event.set_clock_error(absl::FormatDuration(rules.clock_error));
  event.set_late_error(absl::FormatDuration(rules.late_error));
  event.set_hiding_members(rules.hiding_members);
  Write(line, out_);
}

void HistoryWriter::OnSending(int mailbox, const swarm::MessageId& id,
                              absl::Time expiry, absl::Time now) {
  v1::HistoryLine line;
  v1::Sending& event = *line.mutable_sending();
  event.set_at(Text(now, start_));
  event.set_mailbox(static_cast<uint32_t>(mailbox));
  event.set_id(id.ToHex());
  event.set_expiry(Text(expiry, start_));
  Write(line, out_);
}

void HistoryWriter::OnSent(const swarm::MessageId& id, absl::Time now,
                           absl::string_view how) {
  v1::HistoryLine line;
  v1::Sent& event = *line.mutable_sent();
  event.set_at(Text(now, start_));
  event.set_id(id.ToHex());
  event.set_how(std::string(how));
  Write(line, out_);
}

void HistoryWriter::OnDeleting(const std::vector<swarm::MessageId>& ids,
                               absl::Time effective, absl::Time now) {
  v1::HistoryLine line;
  *line.mutable_deleting() = DeletionOf(ids, effective, now, start_);
  Write(line, out_);
}

void HistoryWriter::OnDeleted(const std::vector<swarm::MessageId>& ids,
                              absl::Time effective, absl::Time now) {
  v1::HistoryLine line;
  *line.mutable_deleted() = DeletionOf(ids, effective, now, start_);
  Write(line, out_);
}

void HistoryWriter::OnPurging(int mailbox, absl::Time expiry_until,
                              absl::Time now) {
  v1::HistoryLine line;
  *line.mutable_purging() = PurgeOf(mailbox, expiry_until, now, start_);
  Write(line, out_);
}

void HistoryWriter::OnPurged(int mailbox, absl::Time expiry_until,
                             absl::Time now) {
  v1::HistoryLine line;
  *line.mutable_purged() = PurgeOf(mailbox, expiry_until, now, start_);
  Write(line, out_);
}

void HistoryWriter::OnDeviceAdded(int device, int mailbox) {
  v1::HistoryLine line;
  v1::DeviceAdded& event = *line.mutable_device_added();
  event.set_device(static_cast<uint32_t>(device));
  event.set_mailbox(static_cast<uint32_t>(mailbox));
  Write(line, out_);
}

void HistoryWriter::OnReinstall(int device) {
  v1::HistoryLine line;
  line.mutable_reinstalled()->set_device(static_cast<uint32_t>(device));
  Write(line, out_);
}

void HistoryWriter::OnRead(int device, const Ledger::Reading& reading,
                           absl::Time now) {
  v1::HistoryLine line;
  v1::Read& event = *line.mutable_read();
  event.set_at(Text(now, start_));
  event.set_device(static_cast<uint32_t>(device));
  event.set_begun(Text(reading.begun, start_));
  event.set_complete(reading.complete);
  event.set_final_reading(reading.final_reading);
  for (const swarm::MessageId& id : reading.ids) event.add_ids(id.ToHex());
  Write(line, out_);
}

void HistoryWriter::OnPuttingRecord(const std::string& name, uint64_t seq) {
  v1::HistoryLine line;
  *line.mutable_putting_record() = RecordOf(name, seq);
  Write(line, out_);
}

void HistoryWriter::OnPutRecordDone(const std::string& name, uint64_t seq) {
  v1::HistoryLine line;
  *line.mutable_put_record() = RecordOf(name, seq);
  Write(line, out_);
}

void HistoryWriter::OnGotRecord(const std::string& name,
                                uint64_t confirmed_before, uint64_t seq) {
  v1::HistoryLine line;
  v1::RecordRead& event = *line.mutable_got_record();
  event.set_name(name);
  event.set_confirmed_before(confirmed_before);
  event.set_seq(seq);
  Write(line, out_);
}

}  // namespace messenger::simnet
