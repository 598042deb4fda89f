// Brings one write to all members of its swarm and gathers their receipts
// (swarm/SPEC.md, section 5.1). Any member does this for any client.
//
//   client        this member            other members
//     request ----> commit  |
//                   Replicate ----------> commit
//                           | <---------- receipt
//     W receipts <-
//
// No state outlives an answer: a client whose coordinator is gone asks another
// member for the same thing.
//
// Belongs to the core executor. May be destroyed at any time; callbacks then
// never run.

#ifndef SWARM_REPLICATION_COORDINATOR_H_
#define SWARM_REPLICATION_COORDINATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/transport.h"
#include "swarm/auth/receipt.h"
#include "swarm/placement/placement.h"
#include "swarm/replication/local_replica.h"
#include "swarm/validation/request_validator.h"

namespace messenger::swarm {

namespace v1 {
class ReplicatedItem;
}  // namespace v1

class Coordinator final {
 public:
  // OK: `receipts` has W or more, of distinct members, all verified.
  //   ABORTED             a member has a newer version of the record
  //   RESOURCE_EXHAUSTED  no space here, or too many writes under way
  //   UNAVAILABLE         fewer than W within kReplicateTimeout
  // With an error, `receipts` has those that did come.
  struct Outcome {
    absl::Status status;
    std::vector<Receipt> receipts;
  };
  using Done = absl::AnyInvocable<void(Outcome)>;

  // Writes under way at one time; more are refused.
  static constexpr size_t kMaxUnderWay = 1024;

  // All references must outlive the coordinator.
  Coordinator(LocalReplica& local, routing::Transport& transport,
              routing::Executor& executor);
  ~Coordinator();

  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // `write` was validated from `item`, and this node is a member of its
  // mailbox by `placement`. `done` never runs inside the call.
  void Write(ValidWrite write, v1::ReplicatedItem item,
             const Placement& placement, Done done);

  size_t under_way() const { return writes_.size(); }

 private:
  struct Pending;

  void Add(Pending& pending, absl::StatusOr<Receipt> receipt);
  // Ends `pending`; its `done` may destroy `this`.
  void Answer(Pending& pending);

  LocalReplica& local_;
  routing::Transport& transport_;
  routing::Executor& executor_;
  uint64_t last_write_ = 0;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Pending>> writes_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPLICATION_COORDINATOR_H_
