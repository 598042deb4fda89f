#include "tools/simnet/swarm/history.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/base/hex.h"
#include "crypto/base/status_macros.h"
#include "swarm/auth/mailbox.h"
#include "tools/simnet/swarm/history.pb.h"

namespace messenger::simnet {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::ListValue;
using google::protobuf::RepeatedPtrField;
using google::protobuf::Struct;
using google::protobuf::Value;

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

template <typename T>
absl::StatusOr<T> FromJson(absl::string_view json) {
  T message;
  const auto status = google::protobuf::util::JsonStringToMessage(
      {json.data(), json.size()}, &message);
  if (!status.ok()) {
    // The lines below it quote the text.
    const absl::string_view reason(status.message().data(),
                                   status.message().size());
    return absl::InvalidArgumentError(reason.substr(0, reason.find('\n')));
  }
  return message;
}

bool Fits(const Value& value, const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return field.is_repeated()
                 ? value.has_list_value() &&
                       absl::c_all_of(value.list_value().values(),
                                      [](const Value& one) {
                                        return one.has_string_value();
                                      })
                 : value.has_string_value();
    case FieldDescriptor::CPPTYPE_BOOL:
      return value.has_bool_value();
    case FieldDescriptor::CPPTYPE_UINT32:
      return value.has_number_value();
    case FieldDescriptor::CPPTYPE_UINT64:  // is written as text
      return value.has_number_value() || value.has_string_value();
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return field.message_type() == ListValue::descriptor()
                 ? value.has_list_value()
                 : value.has_struct_value();
    default:
      return false;
  }
}

// Protobuf alone takes "true" for true, null for what is missing, and names in
// two spellings.
absl::Status CheckShape(const Struct& given, const Descriptor& descriptor) {
  for (const auto& [name, value] : given.fields()) {
    const FieldDescriptor* field = descriptor.FindFieldByName(name);
    if (field == nullptr) return Invalid(name, "is unknown");
    if (!Fits(value, *field)) return Invalid(name, "has the wrong type");
    if (!value.has_struct_value()) continue;
    const absl::Status status =
        CheckShape(value.struct_value(), *field->message_type());
    if (!status.ok()) return Invalid(name, status.message());
  }
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (field.has_optional_keyword() &&
        !given.fields().contains(field.name())) {
      return Invalid(field.name(), "is missing");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::HistoryLine> ParseLine(absl::string_view json) {
  ASSIGN_OR_RETURN(const Struct given, FromJson<Struct>(json));
  if (given.fields_size() != 1) {
    return absl::InvalidArgumentError("is not one event");
  }
  RETURN_IF_ERROR(CheckShape(given, *v1::HistoryLine::descriptor()));
  return FromJson<v1::HistoryLine>(json);
}

absl::string_view EventName(const v1::HistoryLine& line) {
  return line.GetReflection()
      ->GetOneofFieldDescriptor(line,
                                line.GetDescriptor()->FindOneofByName("event"))
      ->name();
}

absl::StatusOr<absl::Duration> ParseSpan(absl::string_view field,
                                         const std::string& text) {
  absl::Duration span;
  if (!absl::ParseDuration(text, &span) || span < absl::ZeroDuration() ||
      span == absl::InfiniteDuration()) {
    return Invalid(field, "is not like \"1h0m2.5s\", from 0s on");
  }
  return span;
}

absl::StatusOr<swarm::MessageId> ParseId(absl::string_view field,
                                         const std::string& hex) {
  const absl::StatusOr<std::string> bytes = crypto::HexDecode(hex);
  if (!bytes.ok() || bytes->empty() ||
      bytes->size() > swarm::MessageId::kSize) {
    return Invalid(field, "is not 2 to 64 hex digits");
  }
  swarm::MessageId id;
  std::copy(bytes->begin(), bytes->end(), id.data());
  return id;
}

absl::StatusOr<std::vector<swarm::MessageId>> ParseIds(
    const RepeatedPtrField<std::string>& hex) {
  std::vector<swarm::MessageId> ids;
  for (const std::string& one : hex) {
    ASSIGN_OR_RETURN(ids.emplace_back(), ParseId("ids", one));
  }
  return ids;
}

absl::StatusOr<int> ParseMailbox(uint32_t mailbox) {
  if (mailbox >= kMaxHistoryMailboxes) return Invalid("mailbox", "too large");
  return static_cast<int>(mailbox);
}

// One reading of a file: a ledger, and what must be true of the next event.
class Replay final {
 public:
  absl::Status Take(const v1::HistoryLine& line, bool first) {
    const absl::Status status = TakeEvent(line, first);
    return status.ok() ? status : Invalid(EventName(line), status.message());
  }

  // Null before the rules.
  const Ledger* ledger() const { return ledger_ ? &*ledger_ : nullptr; }
  const std::optional<std::vector<std::string>>& expected() const {
    return expected_;
  }

 private:
  absl::Status TakeEvent(const v1::HistoryLine& line, bool first) {
    if (line.has_expect()) {
      if (!first) return absl::InvalidArgumentError("is not at the top");
      return Expect(line.expect());
    }
    if (line.has_rules() == ledger_.has_value()) {
      return absl::InvalidArgumentError(ledger_ ? "come twice"
                                                : "comes before the rules");
    }
    switch (line.event_case()) {
      case v1::HistoryLine::kRules:
        return Take(line.rules());
      case v1::HistoryLine::kDeviceAdded:
        return Take(line.device_added());
      case v1::HistoryLine::kReinstalled:
        return Take(line.reinstalled());
      case v1::HistoryLine::kSending:
        return Take(line.sending());
      case v1::HistoryLine::kSent:
        return Take(line.sent());
      case v1::HistoryLine::kDeleting:
        return Take(line.deleting(), &Ledger::Deleting);
      case v1::HistoryLine::kDeleted:
        return Take(line.deleted(), &Ledger::Deleted);
      case v1::HistoryLine::kPurging:
        return Take(line.purging(), &Ledger::Purging);
      case v1::HistoryLine::kPurged:
        return Take(line.purged(), &Ledger::Purged);
      case v1::HistoryLine::kRead:
        return Take(line.read());
      case v1::HistoryLine::kPuttingRecord:
        return Take(line.putting_record(), &Ledger::PuttingRecord);
      case v1::HistoryLine::kPutRecord:
        return Take(line.put_record(), &Ledger::PutRecordDone);
      case v1::HistoryLine::kGotRecord:
        return Take(line.got_record());
      case v1::HistoryLine::kExpect:
      case v1::HistoryLine::EVENT_NOT_SET:
        break;
    }
    return absl::InternalError("not reached");
  }

  absl::Status Expect(const ListValue& checks) {
    expected_.emplace();
    for (const Value& check : checks.values()) {
      if (!IsCheckName(check.string_value())) {
        return absl::InvalidArgumentError("holds what is no check");
      }
      expected_->push_back(check.string_value());
    }
    return absl::OkStatus();
  }

  absl::Status Take(const v1::Rules& event) {
    Ledger::Rules rules;
    if (!event.clock_error().empty()) {
      ASSIGN_OR_RETURN(rules.clock_error,
                       ParseSpan("clock_error", event.clock_error()));
    }
    if (!event.late_error().empty()) {
      ASSIGN_OR_RETURN(rules.late_error,
                       ParseSpan("late_error", event.late_error()));
    }
    rules.hiding_members = event.hiding_members();
    ledger_.emplace(rules);
    return absl::OkStatus();
  }

  absl::Status Take(const v1::DeviceAdded& event) {
    if (event.device() != devices_) {
      return Invalid("device", absl::StrCat("the next is ", devices_));
    }
    if (devices_ >= kMaxHistoryDevices) return Invalid("device", "too many");
    ASSIGN_OR_RETURN(const int mailbox, ParseMailbox(event.mailbox()));
    ledger_->AddDevice(mailbox);
    ++devices_;
    return absl::OkStatus();
  }

  absl::Status Take(const v1::Reinstalled& event) {
    ASSIGN_OR_RETURN(const int device, ParseDevice(event.device()));
    ledger_->Reinstall(device);
    return absl::OkStatus();
  }

  absl::Status Take(const v1::Sending& event) {
    ASSIGN_OR_RETURN(const absl::Time now, Advance(event.at()));
    ASSIGN_OR_RETURN(const int mailbox, ParseMailbox(event.mailbox()));
    ASSIGN_OR_RETURN(const swarm::MessageId id, ParseId("id", event.id()));
    ASSIGN_OR_RETURN(const absl::Duration expiry,
                     ParseSpan("expiry", event.expiry()));
    ledger_->Sending(mailbox, id, kStart + expiry, now);
    return absl::OkStatus();
  }

  absl::Status Take(const v1::Sent& event) {
    ASSIGN_OR_RETURN(const absl::Time now, Advance(event.at()));
    ASSIGN_OR_RETURN(const swarm::MessageId id, ParseId("id", event.id()));
    ledger_->Sent(id, now, event.how());
    return absl::OkStatus();
  }

  absl::Status Take(const v1::Deletion& event,
                    void (Ledger::*take)(const std::vector<swarm::MessageId>&,
                                         absl::Time, absl::Time)) {
    ASSIGN_OR_RETURN(const absl::Time now, Advance(event.at()));
    ASSIGN_OR_RETURN(const std::vector<swarm::MessageId> ids,
                     ParseIds(event.ids()));
    absl::Time effective = absl::InfinitePast();
    if (!event.effective().empty()) {
      ASSIGN_OR_RETURN(const absl::Duration span,
                       ParseSpan("effective", event.effective()));
      effective = kStart + span;
    }
    ((*ledger_).*take)(ids, effective, now);
    return absl::OkStatus();
  }

  absl::Status Take(const v1::Purge& event,
                    void (Ledger::*take)(int, absl::Time, absl::Time)) {
    ASSIGN_OR_RETURN(const absl::Time now, Advance(event.at()));
    ASSIGN_OR_RETURN(const int mailbox, ParseMailbox(event.mailbox()));
    ASSIGN_OR_RETURN(const absl::Duration until,
                     ParseSpan("expiry_until", event.expiry_until()));
    ((*ledger_).*take)(mailbox, kStart + until, now);
    return absl::OkStatus();
  }

  absl::Status Take(const v1::Read& event) {
    ASSIGN_OR_RETURN(const absl::Time now, Advance(event.at()));
    ASSIGN_OR_RETURN(const int device, ParseDevice(event.device()));
    ASSIGN_OR_RETURN(const absl::Duration begun,
                     ParseSpan("begun", event.begun()));
    Ledger::Reading reading;
    reading.begun = kStart + begun;
    if (reading.begun > now) return Invalid("begun", "after it ended");
    reading.complete = event.complete();
    reading.final_reading = event.final_reading();
    ASSIGN_OR_RETURN(reading.ids, ParseIds(event.ids()));
    ledger_->Read(device, reading, now);
    return absl::OkStatus();
  }

  absl::Status Take(const v1::RecordWritten& event,
                    void (Ledger::*take)(const std::string&, uint64_t)) {
    if (event.seq() == 0) return Invalid("seq", "versions begin at 1");
    ((*ledger_).*take)(event.name(), event.seq());
    return absl::OkStatus();
  }

  absl::Status Take(const v1::RecordRead& event) {
    if (event.confirmed_before() > ledger_->ConfirmedRecord(event.name())) {
      return Invalid("confirmed_before", "was not confirmed by any line");
    }
    ledger_->GotRecord(event.name(), event.confirmed_before(), event.seq());
    return absl::OkStatus();
  }

  // The ledger counts on calls in the order of their times.
  absl::StatusOr<absl::Time> Advance(const std::string& at) {
    ASSIGN_OR_RETURN(const absl::Duration span, ParseSpan("at", at));
    if (kStart + span < now_) return Invalid("at", "before the line above");
    now_ = kStart + span;
    return now_;
  }

  absl::StatusOr<int> ParseDevice(uint32_t device) const {
    if (device >= devices_) return Invalid("device", "was not added");
    return static_cast<int>(device);
  }

  // Any will do: the ledger only compares.
  static constexpr absl::Time kStart = absl::UnixEpoch();

  std::optional<Ledger> ledger_;
  std::optional<std::vector<std::string>> expected_;
  size_t devices_ = 0;
  absl::Time now_ = kStart;
};

absl::Status TakeLine(std::istream& in, std::vector<char>& buffer,
                      uint64_t number, Replay& replay) {
  if (number > kMaxHistoryLines) return absl::InvalidArgumentError("too many");
  in.getline(buffer.data(), static_cast<std::streamsize>(buffer.size()));
  if (in.fail()) return absl::InvalidArgumentError("too long");
  const auto read = static_cast<size_t>(in.gcount());
  const size_t size = in.eof() ? read : read - 1;  // without the line's end
  ASSIGN_OR_RETURN(const v1::HistoryLine line,
                   ParseLine({buffer.data(), size}));
  return replay.Take(line, /*first=*/number == 1);
}

}  // namespace

absl::StatusOr<HistoryVerdict> CheckHistory(std::istream& in) {
  Replay replay;
  HistoryVerdict verdict;
  std::vector<char> buffer(kMaxHistoryLineBytes + 1);  // getline() adds a zero
  while (in.peek() != std::istream::traits_type::eof()) {
    ++verdict.lines;
    const absl::Status status = TakeLine(in, buffer, verdict.lines, replay);
    if (!status.ok()) {
      return Invalid(absl::StrCat("line ", verdict.lines), status.message());
    }
    if (replay.ledger() == nullptr) continue;
    const std::vector<Violation>& violations = replay.ledger()->violations();
    while (verdict.findings.size() < violations.size()) {
      verdict.findings.push_back(
          {verdict.lines, violations[verdict.findings.size()]});
    }
  }
  if (in.bad()) return absl::UnavailableError("cannot be read");
  // Also of an empty file nobody shall think that all is well in it.
  if (replay.ledger() == nullptr) {
    return absl::InvalidArgumentError("ends before the rules");
  }
  verdict.expected = replay.expected();
  verdict.figures = replay.ledger()->figures();
  return verdict;
}

}  // namespace messenger::simnet
