#include "client/remote/swarm_record_reading.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "swarm/auth/limits.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::client {
namespace {

// One identity record, or the prekeys of a few devices.
constexpr int kSmallPageCells = 2;
constexpr int kLargestPageCells = 16;
constexpr size_t kPageEnvelopeBytes = 358;

}  // namespace

SwarmRecordReading::SwarmRecordReading(MemberCaller& caller,
                                       swarm::CurrentPlacement& placement,
                                       routing::Executor& executor,
                                       const SwarmClientOptions& options,
                                       const swarm::MailboxAddress& mailbox,
                                       swarm::MailboxNamespace ns, Done done)
    : caller_(caller),
      placement_(placement),
      executor_(executor),
      options_(options),
      mailbox_(mailbox),
      ns_(ns),
      done_(std::move(done)) {}

SwarmRecordReading::~SwarmRecordReading() { executor_.Cancel(deadline_); }

void SwarmRecordReading::Start() {
  deadline_ = executor_.RunAfter(options_.read_deadline,
                                 [this] { Finish(/*enough=*/false); });
  executor_.Run([this, weak = std::weak_ptr<const bool>(alive_)] {
    if (!weak.expired()) Begin();
  });
}

void SwarmRecordReading::Begin() {
  const std::shared_ptr<const swarm::Placement> placement = placement_.Get();
  if (placement == nullptr) return Finish(/*enough=*/false);
  members_ = placement->Members(mailbox_);
  quorum_ = static_cast<size_t>(placement->read_quorum());
  std::vector<routing::NodeId> asked;
  for (const routing::NodeId& member : members_) {
    if (placement->consensus().Find(member)->running) asked.push_back(member);
  }
  if (asked.size() < quorum_) asked = members_;
  if (asked.empty()) return Finish(/*enough=*/false);
  for (const routing::NodeId& member : asked) asked_[member];
  for (const routing::NodeId& member : asked) Ask(member);
}

void SwarmRecordReading::Ask(const routing::NodeId& member) {
  const int cells =
      asked_[member].large_page ? kLargestPageCells : kSmallPageCells;
  swarm::v1::ClientRequest request;
  swarm::v1::GetRecordsRequest& get = *request.mutable_get_records();
  get.set_mailbox(std::string(mailbox_.bytes()));
  get.set_ns(static_cast<uint32_t>(ns_));
  get.set_page_bytes(
      static_cast<uint32_t>(ReplyBytes(cells) - kPageEnvelopeBytes));
  caller_.Call(member, members_, request.SerializeAsString(), cells,
               options_.request_timeout,
               [this, member, weak = std::weak_ptr<const bool>(alive_)](
                   const MemberAnswer& answer) {
                 if (!weak.expired()) OnAnswer(member, answer);
               });
}

void SwarmRecordReading::Take(const MemberAnswer& answer) {
  for (const swarm::v1::StoredRecord& proto :
       answer.response->get_records().records()) {
    absl::StatusOr<swarm::Record> record = swarm::RecordFromProto(proto);
    if (!record.ok() || record->body.size() > swarm::kMaxRecordBodyBytes ||
        !swarm::VerifyRecord(mailbox_, ns_, *record).ok()) {
      continue;
    }
    const swarm::ObjectId id = swarm::RecordId(mailbox_, ns_, *record);
    const auto [it, fresh] = found_.try_emplace(record->key);
    if (fresh || swarm::Supersedes(record->seq, id, it->second.record.seq,
                                   it->second.id)) {
      it->second = {.id = id, .record = *std::move(record)};
    }
  }
}

void SwarmRecordReading::OnAnswer(const routing::NodeId& member,
                                  const MemberAnswer& answer) {
  if (finished_) return;
  Asked& asked = asked_[member];
  if (!answer.status.ok() || answer.response == nullptr ||
      !answer.response->has_get_records()) {
    if (++asked.failures < options_.read_attempts) return Ask(member);
    asked_.erase(member);
  } else if (Take(answer);
             answer.response->get_records().truncated() && !asked.large_page) {
    asked.large_page = true;
    return Ask(member);
  } else {
    asked_.erase(member);
    ++answered_;
  }
  if (answered_ >= quorum_) return Finish(/*enough=*/true);
  if (asked_.size() + answered_ < quorum_) Finish(/*enough=*/false);
}

void SwarmRecordReading::Finish(bool enough) {
  if (finished_) return;
  finished_ = true;
  executor_.Cancel(deadline_);
  // `done` may destroy this.
  Done done = std::move(done_);
  if (!enough) {
    return done(absl::UnavailableError(
        "too few members of the swarm could be reached"));
  }
  std::vector<swarm::Record> records;
  for (auto& [key, found] : found_) records.push_back(std::move(found.record));
  done(std::move(records));
}

}  // namespace messenger::client
