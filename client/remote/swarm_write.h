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
#include "client/remote/swarm_client_options.h"
#include "crypto/random/random.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/executor.h"
#include "swarm/auth/receipt.h"
#include "swarm/placement/current_placement.h"

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
  // of this client, and not otherwise.
  //   UNAVAILABLE         not enough confirmations; the write may have happened
  //                       at some members, and repeating it is harmless
  //   FAILED_PRECONDITION members have another directory: refresh, repeat
  //   RESOURCE_EXHAUSTED  members have no room
  //   ABORTED, INVALID_ARGUMENT, UNAUTHENTICATED, PERMISSION_DENIED
  //                       said by two members: will not get better
  using Done = absl::AnyInvocable<void(absl::StatusOr<StoreOutcome>)>;

  // All references must outlive this. `request` is a serialised ClientRequest.
  SwarmWrite(MemberCaller& caller, swarm::CurrentPlacement& placement,
             routing::Executor& executor, crypto::Random& random,
             const SwarmClientOptions& options, std::string request,
             const swarm::ReceiptSubject& subject, Done done);
  ~SwarmWrite();

  SwarmWrite(const SwarmWrite&) = delete;
  SwarmWrite& operator=(const SwarmWrite&) = delete;

  // `done` never runs inside.
  void Start();

 private:
  void TryNext();
  void OnAnswer(const routing::NodeId& member, MemberAnswer answer);
  // Counts the answer's receipts that are good.
  void TakeReceipts(const MemberAnswer& answer);
  // Members of the newest directory that have given a good receipt.
  std::vector<routing::NodeId> Holders();
  void Finish(absl::Status status);

  MemberCaller& caller_;
  swarm::CurrentPlacement& placement_;
  routing::Executor& executor_;
  crypto::Random& random_;
  const SwarmClientOptions& options_;
  const std::string request_;
  const swarm::ReceiptSubject subject_;
  Done done_;

  // Members still to be asked in this round, last first.
  std::vector<routing::NodeId> round_;
  std::set<routing::NodeId> confirmed_;
  std::map<absl::StatusCode, std::set<routing::NodeId>> refusals_;
  StoreOutcome outcome_;
  absl::Status last_error_;
  routing::TimerId pause_ = 0;
  routing::TimerId deadline_ = 0;
  bool finished_ = false;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_SWARM_WRITE_H_
