#include "client/remote/swarm_write.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::client {
namespace {

// Receipts of a full swarm take about 1 KiB.
constexpr int kReplyCells = 1;
// A member may lie about a request; two of them are believed.
constexpr size_t kBelievedRefusals = 2;

bool WillNotGetBetter(absl::StatusCode code) {
  return code == absl::StatusCode::kAborted ||
         code == absl::StatusCode::kInvalidArgument ||
         code == absl::StatusCode::kUnauthenticated ||
         code == absl::StatusCode::kPermissionDenied;
}

}  // namespace

SwarmWrite::SwarmWrite(MemberCaller& caller, swarm::CurrentPlacement& placement,
                       routing::Executor& executor, crypto::Random& random,
                       const SwarmClientOptions& options, std::string request,
                       const swarm::ReceiptSubject& subject, Done done)
    : caller_(caller),
      placement_(placement),
      executor_(executor),
      random_(random),
      options_(options),
      request_(std::move(request)),
      subject_(subject),
      done_(std::move(done)) {
  outcome_.id = subject.id;
}

SwarmWrite::~SwarmWrite() {
  executor_.Cancel(pause_);
  executor_.Cancel(deadline_);
}

void SwarmWrite::Start() {
  deadline_ = executor_.RunAfter(options_.write_deadline, [this] {
    Finish(absl::UnavailableError("the swarm did not confirm in time"));
  });
  executor_.Run([this, weak = std::weak_ptr<const bool>(alive_)] {
    if (!weak.expired()) TryNext();
  });
}

void SwarmWrite::TryNext() {
  const std::shared_ptr<const swarm::Placement> placement = placement_.Get();
  if (placement == nullptr) {
    return Finish(absl::UnavailableError("there is no directory yet"));
  }
  const std::vector<routing::NodeId> members =
      placement->Members(subject_.mailbox);
  if (members.size() < static_cast<size_t>(placement->write_quorum())) {
    return Finish(absl::UnavailableError(
        "the network has too few storage nodes to keep messages safe"));
  }
  if (outcome_.attempts >= options_.write_attempts) {
    return Finish(last_error_);
  }
  if (round_.empty()) {
    // In random order; members that do not run come last.
    round_ = members;
    random_.Shuffle(round_.begin(), round_.end());
    std::stable_partition(round_.begin(), round_.end(),
                          [&](const routing::NodeId& id) {
                            return !placement->consensus().Find(id)->running;
                          });
  }
  const routing::NodeId member = round_.back();
  round_.pop_back();
  ++outcome_.attempts;
  caller_.Call(member, members, request_, kReplyCells, options_.request_timeout,
               [this, member,
                weak = std::weak_ptr<const bool>(alive_)](MemberAnswer answer) {
                 if (!weak.expired()) OnAnswer(member, std::move(answer));
               });
}

void SwarmWrite::TakeReceipts(const MemberAnswer& answer) {
  if (answer.response == nullptr || !answer.response->has_receipts()) return;
  const std::shared_ptr<const swarm::Placement> placement = placement_.Get();
  const std::vector<routing::NodeId> members =
      placement->Members(subject_.mailbox);
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
    if (swarm::VerifyReceipt(node->storage_key, subject_, *receipt).ok()) {
      confirmed_.insert(receipt->node);
    }
  }
}

std::vector<routing::NodeId> SwarmWrite::Holders() {
  std::vector<routing::NodeId> holders;
  for (const routing::NodeId& member :
       placement_.Get()->Members(subject_.mailbox)) {
    if (confirmed_.contains(member)) holders.push_back(member);
  }
  return holders;
}

void SwarmWrite::OnAnswer(const routing::NodeId& member, MemberAnswer answer) {
  if (finished_) return;
  if (!answer.route.hops.empty()) {
    outcome_.routes.push_back(std::move(answer.route));
  }
  TakeReceipts(answer);
  outcome_.holders = Holders();
  const size_t quorum = static_cast<size_t>(placement_.Get()->write_quorum());
  if (outcome_.holders.size() >= quorum) return Finish(absl::OkStatus());
  const absl::StatusCode code = answer.status.code();
  last_error_ = code == absl::StatusCode::kFailedPrecondition ||
                        code == absl::StatusCode::kResourceExhausted
                    ? answer.status
                    : absl::UnavailableError(absl::StrCat(
                          outcome_.holders.size(), " of ", quorum,
                          " needed members of the swarm have confirmed"));
  if (WillNotGetBetter(code)) {
    refusals_[code].insert(member);
    if (refusals_[code].size() >= kBelievedRefusals) {
      return Finish(answer.status);
    }
  }
  if (round_.empty() && outcome_.attempts < options_.write_attempts) {
    pause_ = executor_.RunAfter(options_.write_pause, [this] { TryNext(); });
    return;
  }
  TryNext();
}

void SwarmWrite::Finish(absl::Status status) {
  if (finished_) return;
  finished_ = true;
  executor_.Cancel(pause_);
  executor_.Cancel(deadline_);
  // `done` may destroy this.
  Done done = std::move(done_);
  if (!status.ok()) return done(std::move(status));
  StoreOutcome outcome = std::move(outcome_);
  done(std::move(outcome));
}

}  // namespace messenger::client
