// Decides which nodes hold a mailbox (swarm/SPEC.md, section 2).
//
// A pure function of a directory snapshot: two parties with the same snapshot
// agree on every mailbox. Thread-safe. Cheap to make; the members of a shard
// are computed when first asked for.

#ifndef SWARM_PLACEMENT_PLACEMENT_H_
#define SWARM_PLACEMENT_PLACEMENT_H_

#include <memory>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "routing/directory/consensus.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/mailbox.h"
#include "swarm/placement/rendezvous.h"

namespace messenger::swarm {

// The nodes of one shard: those that hold what was stored, and those that will
// when the change of members under way is done. Equal while there is none.
struct ShardMembers {
  std::vector<routing::NodeId> serving;
  std::vector<routing::NodeId> target;
  // Serving members, then those that are only targets.
  std::vector<routing::NodeId> all;

  bool in_transition() const { return serving != target; }
};

class Placement final {
 public:
  explicit Placement(std::shared_ptr<const routing::Consensus> consensus);

  // The members of the mailbox's swarm: active storage nodes, whether or not
  // they run just now. Fewer than swarm_size where the network has no more.
  std::vector<routing::NodeId> Members(const MailboxAddress& mailbox) const;
  bool IsMember(const MailboxAddress& mailbox,
                const routing::NodeId& node) const;

  ShardMembers MembersOf(const MailboxAddress& mailbox) const;
  // W of each set have confirmed; R of the serving have answered. Other nodes
  // in the argument do not count.
  bool HasWriteQuorum(const ShardMembers& members,
                      const std::set<routing::NodeId>& confirmed) const;
  bool HasReadQuorum(const ShardMembers& members,
                     const std::set<routing::NodeId>& answered) const;

  // Of the swarm size the network aims at, not of the members it has: a
  // network too small for W receipts stores nothing.
  int write_quorum() const { return consensus_->params().write_quorum(); }
  int read_quorum() const { return consensus_->params().read_quorum(); }

  const routing::Consensus& consensus() const { return *consensus_; }

 private:
  const std::shared_ptr<const routing::Consensus> consensus_;
  std::vector<Candidate> candidates_;
  mutable absl::Mutex mutex_;
  mutable absl::flat_hash_map<Shard, std::vector<routing::NodeId>> shards_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace messenger::swarm

#endif  // SWARM_PLACEMENT_PLACEMENT_H_
