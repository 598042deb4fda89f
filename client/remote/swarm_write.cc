#include "client/remote/swarm_write.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/registration.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::client {
namespace {

// Receipts of a full swarm take about 1 KiB.
constexpr int kReplyCells = 1;
// A member may lie about a request; two of them are believed.
constexpr size_t kBelievedRefusals = 2;
// The demand rises while others store into the same inbox.
constexpr int kMaxSearches = 3;

bool WillNotGetBetter(absl::StatusCode code) {
  return code == absl::StatusCode::kAborted ||
         code == absl::StatusCode::kInvalidArgument ||
         code == absl::StatusCode::kUnauthenticated ||
         code == absl::StatusCode::kPermissionDenied;
}

// Another member may still have room.
bool MayDifferBetweenMembers(RefusalReason reason) {
  return reason == RefusalReason::kMailboxFull ||
         reason == RefusalReason::kNodeFull;
}

// All members would say so.
bool HoldsForAllMembers(RefusalReason reason) {
  return reason == RefusalReason::kNotRegistered ||
         reason == RefusalReason::kClockSkew ||
         reason == RefusalReason::kOwnerLimit;
}

}  // namespace

SwarmWrite::SwarmWrite(SwarmContext& context,
                       std::unique_ptr<swarm::v1::ClientRequest> request,
                       const swarm::ReceiptSubject& subject, Done done)
    : context_(context),
      request_(std::move(request)),
      subject_(subject),
      done_(std::move(done)) {
  outcome_.id = subject.id;
}

SwarmWrite::~SwarmWrite() {
  context_.executor.Cancel(pause_);
  context_.executor.Cancel(patience_);
  context_.executor.Cancel(deadline_);
}

void SwarmWrite::Start() {
  StartDeadline();
  context_.executor.Run([this, weak = std::weak_ptr<const bool>(alive_)] {
    if (!weak.expired()) TryNext();
  });
}

void SwarmWrite::StartDeadline() {
  deadline_ =
      context_.executor.RunAfter(context_.options.write_deadline, [this] {
        Finish(absl::UnavailableError("the swarm did not confirm in time"));
      });
}

void SwarmWrite::TryNext() {
  const std::shared_ptr<const swarm::Placement> placement =
      context_.placement.Get();
  if (placement == nullptr) {
    return Finish(absl::UnavailableError("there is no directory yet"));
  }
  const swarm::ShardMembers members = placement->MembersOf(subject_.mailbox);
  const size_t quorum = static_cast<size_t>(placement->write_quorum());
  if (members.serving.size() < quorum || members.target.size() < quorum) {
    return Finish(absl::UnavailableError(
        "the network has too few storage nodes to keep messages safe"));
  }
  if (outcome_.attempts >= context_.options.write_attempts) {
    return Finish(last_error_);
  }
  const std::vector<routing::NodeId> all = members.all;
  if (round_.empty() || placement != round_placement_) {
    // In random order; members that do not run come last.
    round_placement_ = placement;
    round_ = all;
    context_.random.Shuffle(round_.begin(), round_.end());
    std::stable_partition(round_.begin(), round_.end(),
                          [&](const routing::NodeId& id) {
                            return !placement->consensus().Find(id)->running;
                          });
  }
  const routing::NodeId member = round_.back();
  round_.pop_back();
  ++outcome_.attempts;
  patience_ = context_.executor.RunAfter(context_.options.write_patience,
                                         [this] { LosePatience(); });
  context_.caller.Call(
      member, all, request_->SerializeAsString(), kReplyCells,
      context_.options.request_timeout,
      [this, member, attempt = ++attempt_,
       weak = std::weak_ptr<const bool>(alive_)](MemberAnswer answer) {
        if (!weak.expired()) {
          OnAnswer(member, attempt, std::move(answer));
        }
      });
}

void SwarmWrite::LosePatience() {
  // Where there is nobody else to ask, its answer is worth waiting for.
  if (round_.empty() || outcome_.attempts >= context_.options.write_attempts) {
    return;
  }
  TryNext();
}

void SwarmWrite::TryAfter(absl::Duration pause) {
  pause_ = context_.executor.RunAfter(pause, [this] { TryNext(); });
}

void SwarmWrite::TakeReceipts(const MemberAnswer& answer) {
  if (answer.response == nullptr || !answer.response->has_receipts()) return;
  const std::shared_ptr<const swarm::Placement> placement =
      context_.placement.Get();
  const std::vector<routing::NodeId> members =
      placement->MembersOf(subject_.mailbox).all;
  for (const swarm::v1::Receipt& proto :
       answer.response->receipts().receipts()) {
    const absl::StatusOr<swarm::Receipt> receipt =
        swarm::ReceiptFromProto(proto);
    if (!receipt.ok() || confirmed_.contains(receipt->node)) continue;
    if (std::find(members.begin(), members.end(), receipt->node) ==
        members.end()) {
      continue;
    }
    const routing::NodeRecord* node =
        placement->consensus().Find(receipt->node);
    if (context_.options.bug == PlantedClientBug::kReceiptsUnchecked ||
        swarm::VerifyReceipt(node->storage_key, subject_, *receipt).ok()) {
      confirmed_.insert(receipt->node);
      receipts_epoch_ = std::max(receipts_epoch_, receipt->epoch);
    }
  }
}

// Those that have left the swarm since they confirmed do not count.
void SwarmWrite::TakeHolders() {
  outcome_.holders.clear();
  for (const routing::NodeId& member :
       context_.placement.Get()->MembersOf(subject_.mailbox).all) {
    if (confirmed_.contains(member)) outcome_.holders.push_back(member);
  }
}

bool SwarmWrite::MayCount(const MemberAnswer& answer) const {
  return answer.status.ok() ||
         receipts_epoch_ <= context_.placement.Get()->consensus().epoch();
}

absl::Status SwarmWrite::NotYet() const {
  if (outcome_.holders.size() >=
      static_cast<size_t>(context_.placement.Get()->write_quorum())) {
    return absl::UnavailableError(
        "members of the swarm are changing, and too few of the new ones or of "
        "the old ones have confirmed");
  }
  return absl::UnavailableError(absl::StrCat(
      outcome_.holders.size(), " of ", context_.placement.Get()->write_quorum(),
      " needed members of the swarm have confirmed"));
}

SwarmWrite::Next SwarmWrite::Judge(const routing::NodeId& member,
                                   const MemberAnswer& answer) {
  const absl::StatusCode code = answer.status.code();
  const RefusalReason reason = answer.refusal.reason;
  last_error_ = code == absl::StatusCode::kFailedPrecondition ||
                        code == absl::StatusCode::kResourceExhausted
                    ? answer.status
                    : NotYet();
  size_t agreeing = 0;
  if (reason != RefusalReason::kNone && !answer.status.ok()) {
    reasons_[reason].insert(member);
    agreeing = reasons_[reason].size();
    if (agreeing >= kBelievedRefusals) {
      last_error_ = WithRefusal(answer.status, answer.refusal);
    }
  }
  if (answer.OurDirectoryIsOld(context_.placement.Get()->consensus().epoch()) ||
      !MayCount(answer)) {
    return ++directory_waits_ <= context_.options.directory_waits
               ? Next::kDirectory
               : Next::kAskOthers;
  }
  if (reason == RefusalReason::kBusy) {
    busy_pause_ = std::max(busy_pause_, answer.refusal.retry_after);
  }
  if (reason == RefusalReason::kWorkNeeded && request_->has_store() &&
      request_->store().ns() ==
          static_cast<uint32_t>(swarm::MailboxNamespace::kInbox)) {
    return JudgeDemand(member, answer);
  }
  if (answer.status.ok()) return Next::kAskOthers;
  if (WillNotGetBetter(code)) refusals_[code].insert(member);
  if (agreeing >= kBelievedRefusals &&
      (HoldsForAllMembers(reason) ||
       (MayDifferBetweenMembers(reason) && round_.empty()))) {
    return Next::kEnd;
  }
  if (WillNotGetBetter(code) && !MayDifferBetweenMembers(reason) &&
      refusals_[code].size() >= kBelievedRefusals) {
    last_error_ = agreeing >= kBelievedRefusals
                      ? WithRefusal(answer.status, answer.refusal)
                      : answer.status;
    return Next::kEnd;
  }
  return Next::kAskOthers;
}

SwarmWrite::Next SwarmWrite::JudgeDemand(const routing::NodeId& member,
                                         const MemberAnswer& answer) {
  demands_[member] = answer.refusal.work_bits;
  // One member alone cannot make us work, for it may lie; and a message that
  // fewer than two take is not stored.
  if (demands_.size() < kBelievedRefusals) return Next::kAskOthers;
  const int needed = DemandOfTwo();
  last_error_ =
      WithRefusal(answer.status,
                  {.reason = RefusalReason::kWorkNeeded, .work_bits = needed});
  // Nor can it keep us from doing enough: where one asks for less than the
  // others, what they ask for counts once two of them have been heard.
  if (needed <= work_done_) return Next::kAskOthers;
  return searches_ < kMaxSearches ? Next::kWork : Next::kEnd;
}

int SwarmWrite::DemandOfTwo() const {
  std::vector<int> bits;
  for (const auto& [member, demand] : demands_) bits.push_back(demand);
  std::sort(bits.begin(), bits.end(), std::greater<int>());
  return bits[1];
}

void SwarmWrite::OnAnswer(const routing::NodeId& member, uint64_t attempt,
                          MemberAnswer answer) {
  if (finished_) return;
  if (attempt == attempt_) context_.executor.Cancel(patience_);
  if (!answer.route.hops.empty()) {
    outcome_.routes.push_back(std::move(answer.route));
  }
  TakeReceipts(answer);
  TakeHolders();
  const std::shared_ptr<const swarm::Placement> placement =
      context_.placement.Get();
  swarm::ShardMembers members = placement->MembersOf(subject_.mailbox);
  if (context_.options.bug == PlantedClientBug::kTargetsIgnored) {
    members.target = members.serving;
  }
  if ((MayCount(answer) && placement->HasWriteQuorum(members, confirmed_)) ||
      ((context_.options.bug == PlantedClientBug::kOneReceiptIsEnough ||
        context_.options.bug == PlantedClientBug::kBaseline) &&
       !confirmed_.empty())) {
    return Finish(absl::OkStatus());
  }
  if (attempt != attempt_) return;
  switch (Judge(member, answer)) {
    case Next::kEnd:
      return Finish(last_error_);
    case Next::kWork:
      return Work();
    case Next::kDirectory:
      context_.refresh_directory();
      return TryAfter(context_.options.directory_pause);
    case Next::kAskOthers:
      break;
  }
  if (round_.empty() && outcome_.attempts < context_.options.write_attempts) {
    const absl::Duration pause =
        std::max(context_.options.write_pause,
                 std::min(busy_pause_, context_.options.longest_busy_pause));
    busy_pause_ = absl::ZeroDuration();
    return TryAfter(pause);
  }
  TryNext();
}

void SwarmWrite::Work() {
  const int needed = DemandOfTwo();
  work_done_ = needed;
  demands_.clear();
  ++searches_;
  last_error_ =
      WithRefusal(absl::ResourceExhaustedError("the inbox is crowded"),
                  {.reason = RefusalReason::kWorkNeeded, .work_bits = needed});
  context_.executor.Cancel(deadline_);
  const uint32_t hour =
      static_cast<uint32_t>(absl::ToUnixSeconds(context_.time.Now()) / 3600);
  search_ = std::make_unique<WorkSearch>(
      context_.executor, needed,
      [id = subject_.id, mailbox = subject_.mailbox, hour, needed](
          uint64_t from, uint64_t tries) {
        return swarm::FindMessageNonce(id, mailbox, hour, needed, from, tries);
      },
      [this, hour](absl::StatusOr<uint64_t> nonce) {
        if (!nonce.ok()) return Finish(last_error_);
        request_->mutable_store()->set_work_hour(hour);
        request_->mutable_store()->set_work_nonce(*nonce);
        StartDeadline();
        round_.clear();
        // The attempts so far only asked for the price.
        outcome_.attempts = 0;
        TryNext();
      });
  search_->Start();
}

void SwarmWrite::Finish(absl::Status status) {
  if (finished_) return;
  finished_ = true;
  context_.executor.Cancel(pause_);
  context_.executor.Cancel(patience_);
  context_.executor.Cancel(deadline_);
  // `done` may destroy this.
  Done done = std::move(done_);
  if (!status.ok()) return done(std::move(status));
  StoreOutcome outcome = std::move(outcome_);
  done(std::move(outcome));
}

}  // namespace messenger::client
