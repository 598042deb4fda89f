// One write to a swarm until W members have confirmed it with receipts that
// this client has verified itself (swarm/SPEC.md, section 7.1).
//
// Receipts of several attempts add up: they all speak of the same object.
//
// Belongs to the executor. May be destroyed at any time; `done` then never
// runs.

#ifndef CLIENT_REMOTE_SWARM_WRITE_H_
#define CLIENT_REMOTE_SWARM_WRITE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/remote/member_caller.h"
#include "client/remote/onion_requester.h"
#include "client/remote/swarm_context.h"
#include "client/remote/work_search.h"
#include "client/remote/write_refusal.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/executor.h"
#include "swarm/auth/receipt.h"
#include "swarm/placement/placement.h"

namespace messenger::swarm::v1 {
class ClientRequest;
}  // namespace messenger::swarm::v1

namespace messenger::client {

struct StoreOutcome {
  // The id of what was written; of a message, for deleting it.
  swarm::ObjectId id;
  // Members whose receipts were good: W or more.
  std::vector<routing::NodeId> holders;
  std::vector<RequestRoute> routes;  // of all attempts
  int attempts = 0;
};

class SwarmWrite final {
 public:
  // OK with W receipts of distinct members of the swarm in the directory copy
  // of this client, and not otherwise; while the swarm changes, W of those that
  // serve and W of those that are to. `RefusalOf` says why members refused.
  //   UNAVAILABLE         not enough confirmations; the write may have happened
  //                       at some members, and repeating it is harmless
  //   FAILED_PRECONDITION members have another directory: refresh, repeat
  //   RESOURCE_EXHAUSTED  members have no room
  //   ABORTED, INVALID_ARGUMENT, UNAUTHENTICATED, PERMISSION_DENIED
  //                       said by two members: will not get better
  using Done = absl::AnyInvocable<void(absl::StatusOr<StoreOutcome>)>;

  // Where members ask for work, it is done and put into `request`, if that
  // stores into an inbox.
  SwarmWrite(SwarmContext& context,
             std::unique_ptr<swarm::v1::ClientRequest> request,
             const swarm::ReceiptSubject& subject, Done done);
  ~SwarmWrite();

  SwarmWrite(const SwarmWrite&) = delete;
  SwarmWrite& operator=(const SwarmWrite&) = delete;

  // `done` never runs inside.
  void Start();

 private:
  // What becomes of the write after a refusal.
  enum class Next { kAskOthers, kEnd, kWork, kDirectory };

  void StartDeadline();
  void TryNext();
  void TryAfter(absl::Duration pause);
  void LosePatience();
  void OnAnswer(const routing::NodeId& member, uint64_t attempt,
                MemberAnswer answer);
  void TakeReceipts(const MemberAnswer& answer);
  void TakeHolders();
  // Members that sign by a newer directory may be changing, and our quorum then
  // is the old one's alone. A coordinator that is content has seen to both; one
  // that is not has not, whatever the receipts look like to us.
  bool MayCount(const MemberAnswer& answer) const;
  Next Judge(const routing::NodeId& member, const MemberAnswer& answer);
  Next JudgeDemand(const routing::NodeId& member, const MemberAnswer& answer);
  // The second highest number of bits asked for: what at least two members are
  // content with. Two must have asked.
  int DemandOfTwo() const;
  absl::Status NotYet() const;
  void Work();
  void Finish(absl::Status status);

  SwarmContext& context_;
  std::unique_ptr<swarm::v1::ClientRequest> request_;
  const swarm::ReceiptSubject subject_;
  Done done_;

  // Members still to be asked in this round, last first, by that placement.
  std::vector<routing::NodeId> round_;
  std::shared_ptr<const swarm::Placement> round_placement_;
  std::set<routing::NodeId> confirmed_;
  uint64_t receipts_epoch_ = 0;  // the newest by which they signed
  std::map<absl::StatusCode, std::set<routing::NodeId>> refusals_;
  std::map<RefusalReason, std::set<routing::NodeId>> reasons_;
  // Bits that each member asked for since work was last done.
  std::map<routing::NodeId, int> demands_;
  int work_done_ = 0;  // bits
  std::unique_ptr<WorkSearch> search_;
  int searches_ = 0;
  int directory_waits_ = 0;
  absl::Duration busy_pause_;
  // The number of the attempt that decides what is next. Of earlier ones, for
  // which there was no patience, only receipts count.
  uint64_t attempt_ = 0;
  routing::TimerId patience_ = 0;
  StoreOutcome outcome_;
  absl::Status last_error_;
  routing::TimerId pause_ = 0;
  routing::TimerId deadline_ = 0;
  bool finished_ = false;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_SWARM_WRITE_H_
