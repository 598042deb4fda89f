// This node as one of the members: commits a write and, only once it is on
// disk, signs the receipt (swarm/SPEC.md, section 6.2).
//
// Belongs to the core executor.

#ifndef SWARM_REPLICATION_LOCAL_REPLICA_H_
#define SWARM_REPLICATION_LOCAL_REPLICA_H_

#include <cstdint>
#include <functional>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "crypto/sign/ed25519.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "swarm/auth/item.h"
#include "swarm/auth/receipt.h"
#include "swarm/store/fair_queue.h"
#include "swarm/store/group_committer.h"
#include "swarm/validation/request_validator.h"

namespace messenger::swarm {

class LocalReplica final {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<Receipt>)>;

  // Whether this node holds all of a shard (swarm/SPEC.md, section 5.7).
  using Holds = std::function<bool(Shard)>;

  // All references must outlive the replica.
  LocalReplica(const routing::NodeId& node,
               const crypto::Ed25519PrivateKey& storage_key,
               const routing::Clock& clock, GroupCommitter& committer,
               Holds holds);

  // `epoch` is the one of the directory that made this node a member. `done`
  // runs on the executor, never inside the call. A message whose deletion is
  // on disk gets a receipt like one that is itself.
  // Refusals carry their reason (swarm/proto/refusal.h).
  //   ABORTED             a newer version of the record is stored
  //   PERMISSION_DENIED   the mailbox is not registered
  //   UNAVAILABLE         nor is it known whether it is: this node is filling
  //   RESOURCE_EXHAUSTED  no space, too busy, or the mailbox is full
  //   UNAVAILABLE, DATA_LOSS  the disk fails
  // `brought` counts for what a peer brings (FairQueue).
  void Commit(ValidWrite write, uint64_t epoch, Done done,
              FairQueue::Brought brought = FairQueue::Brought::kForRepair);

  const routing::NodeId& node() const { return node_; }

 private:
  const routing::NodeId node_;
  const crypto::Ed25519PrivateKey& storage_key_;
  const routing::Clock& clock_;
  GroupCommitter& committer_;
  const Holds holds_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPLICATION_LOCAL_REPLICA_H_
