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

SwarmRecordReading::SwarmRecordReading(SwarmContext& context,
                                       const swarm::MailboxAddress& mailbox,
                                       swarm::MailboxNamespace ns, Done done)
    : context_(context), mailbox_(mailbox), ns_(ns), done_(std::move(done)) {}

SwarmRecordReading::~SwarmRecordReading() {
  context_.executor.Cancel(pause_);
  context_.executor.Cancel(grace_);
  context_.executor.Cancel(deadline_);
}

void SwarmRecordReading::Start() {
  deadline_ = context_.executor.RunAfter(context_.options.read_deadline,
                                         [this] { Finish(/*enough=*/false); });
  context_.executor.Run([this, weak = std::weak_ptr<const bool>(alive_)] {
    if (!weak.expired()) Begin();
  });
}

void SwarmRecordReading::Begin() {
  placement_ = context_.placement.Get();
  if (placement_ == nullptr) return Finish(/*enough=*/false);
  members_ = placement_->MembersOf(mailbox_);
  directory_is_old_ = false;
  std::vector<routing::NodeId> asked;
  for (const routing::NodeId& member : members_.all) {
    if (placement_->consensus().Find(member)->running) asked.push_back(member);
  }
  if (!placement_->HasReadQuorum(members_, {asked.begin(), asked.end()}) ||
      asked.size() < kRecordMembers) {
    asked = members_.all;
  }
  std::erase_if(asked, [&](const routing::NodeId& member) {
    return answered_.contains(member);
  });
  for (const routing::NodeId& member : asked) asked_[member] = {};
  for (const routing::NodeId& member : asked) Ask(member);
  if (asked.empty()) FinishIfDone();
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
  context_.caller.Call(
      member, context_.StorersOf(mailbox_, members_.all),
      request.SerializeAsString(), cells, context_.options.request_timeout,
      [this, member,
       weak = std::weak_ptr<const bool>(alive_)](const MemberAnswer& answer) {
        if (!weak.expired()) OnAnswer(member, answer);
      });
}

void SwarmRecordReading::Take(const MemberAnswer& answer) {
  // A member that shows more than there can be shows old versions.
  size_t room = swarm::kMaxRecordsPerNamespace;
  for (const swarm::v1::StoredRecord& proto :
       answer.response->get_records().records()) {
    if (room-- == 0) return;
    absl::StatusOr<swarm::Record> record = swarm::RecordFromProto(proto);
    if (!record.ok() || record->body.size() > swarm::kMaxRecordBodyBytes ||
        !swarm::VerifyRecord(mailbox_, ns_, *record).ok()) {
      continue;
    }
    const swarm::ObjectId id = swarm::RecordId(mailbox_, ns_, *record);
    found_[record->key].try_emplace({record->seq, id}, *std::move(record));
  }
}

bool SwarmRecordReading::OnRefusal(const MemberAnswer& answer) {
  if (answer.OurDirectoryIsOld(placement_->consensus().epoch())) {
    if (!directory_is_old_) context_.refresh_directory();
    directory_is_old_ = true;
    return true;
  }
  return false;
}

void SwarmRecordReading::OnAnswer(const routing::NodeId& member,
                                  const MemberAnswer& answer) {
  if (finished_) return;
  Asked& asked = asked_[member];
  if (!answer.status.ok() || answer.response == nullptr ||
      !answer.response->has_get_records()) {
    const bool for_good = OnRefusal(answer);
    if (!for_good && ++asked.failures < context_.options.read_attempts) {
      context_.executor.RunAfter(
          asked.failures * context_.options.read_pause,
          [this, member, weak = std::weak_ptr<const bool>(alive_)] {
            // Unless the members have changed meanwhile.
            if (!weak.expired() && !finished_ && asked_.contains(member)) {
              Ask(member);
            }
          });
      return;
    }
    asked_.erase(member);
  } else if (Take(answer);
             answer.response->get_records().truncated() && !asked.large_page) {
    asked.large_page = true;
    return Ask(member);
  } else {
    asked_.erase(member);
    answered_.insert(member);
  }
  FinishIfDone();
}

bool SwarmRecordReading::HasQuorum() const {
  return placement_->HasReadQuorum(members_, answered_);
}

// Without the others: whoever is missing can only make the news come later.
bool SwarmRecordReading::HasHeardEnough() const {
  const size_t heard = static_cast<size_t>(std::count_if(
      members_.all.begin(), members_.all.end(),
      [&](const routing::NodeId& id) { return answered_.contains(id); }));
  return HasQuorum() &&
         (heard >= std::min(kRecordMembers, members_.all.size()) ||
          asked_.empty() || grace_is_over_);
}

void SwarmRecordReading::FinishIfDone() {
  if (finished_ || pause_ != 0) return;
  if (HasHeardEnough()) return Finish(/*enough=*/true);
  if (HasQuorum()) {
    if (grace_ == 0) {
      grace_ =
          context_.executor.RunAfter(context_.options.record_grace, [this] {
            grace_is_over_ = true;
            FinishIfDone();
          });
    }
    return;
  }
  std::set<routing::NodeId> possible = answered_;
  for (const auto& [member, asked] : asked_) possible.insert(member);
  if (placement_->HasReadQuorum(members_, possible)) return;
  if (!directory_is_old_ ||
      directory_waits_ >= context_.options.directory_waits) {
    return Finish(/*enough=*/false);
  }
  if (!asked_.empty()) return;
  ++directory_waits_;
  pause_ = context_.executor.RunAfter(context_.options.directory_pause, [this] {
    pause_ = 0;
    Begin();
  });
}

void SwarmRecordReading::Finish(bool enough) {
  if (finished_) return;
  finished_ = true;
  context_.executor.Cancel(pause_);
  context_.executor.Cancel(grace_);
  context_.executor.Cancel(deadline_);
  // `done` may destroy this.
  Done done = std::move(done_);
  if (!enough) {
    return done(absl::UnavailableError(
        "too few members of the swarm could be reached"));
  }
  std::vector<swarm::Record> records;
  for (auto& [key, versions] : found_) {
    for (auto& [version, record] : versions) {
      records.push_back(std::move(record));
    }
  }
  done(std::move(records));
}

}  // namespace messenger::client
