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

#include "routing/directory/consensus.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/item.h"
#include "swarm/auth/mailbox.h"
#include "swarm/placement/rendezvous.h"

namespace messenger::swarm {

// The members of one shard. While the directory is in transition there are two
// sets of them (design/0003): those that serve it, and those that will.
struct ShardMembers {
  std::vector<routing::NodeId> serving;  // S, best first
  std::vector<routing::NodeId> target;   // T, best first
  // Whoever is in one of them: S, then those of T that are not in S.
  std::vector<routing::NodeId> all;

  bool in_transition() const { return serving != target; }
  bool Has(const routing::NodeId& node) const;
};

class Placement final {
 public:
  explicit Placement(std::shared_ptr<const routing::Consensus> consensus);

  // Whether or not they run just now. Fewer than swarm_size where the network
  // has no more.
  ShardMembers MembersOf(Shard shard) const;
  ShardMembers MembersOf(const MailboxAddress& mailbox) const {
    return MembersOf(ShardOf(mailbox));
  }
  // MembersOf(mailbox).all.
  std::vector<routing::NodeId> Members(const MailboxAddress& mailbox) const;
  bool IsMember(const MailboxAddress& mailbox,
                const routing::NodeId& node) const;

  // Shards of which `node` is a member, in S or in T; rising. Computed for all
  // nodes when first asked for: some 4,096 rankings.
  std::vector<Shard> ShardsOf(const routing::NodeId& node) const;
  // Shards of which both are members.
  std::vector<Shard> SharedShards(const routing::NodeId& a,
                                  const routing::NodeId& b) const;

  // Names who is in S and in T of every shard: the same for directories that
  // agree on it (section 2.4).
  uint64_t layout() const;

  // Of the swarm size the network aims at, not of the members it has: a
  // network too small for W receipts stores nothing.
  int write_quorum() const { return consensus_->params().write_quorum(); }
  int read_quorum() const { return consensus_->params().read_quorum(); }

  // W of S and W of T have confirmed a write.
  bool HasWriteQuorum(const ShardMembers& members,
                      const std::set<routing::NodeId>& confirmed) const;
  // R of S have answered: any W of S and any R of S have one in common.
  bool HasReadQuorum(const ShardMembers& members,
                     const std::set<routing::NodeId>& answered) const;

  const routing::Consensus& consensus() const { return *consensus_; }

 private:
  // The rankings: of the candidates alone, so that directories which differ in
  // nothing but their epoch, and all parties of one process, share them.
  class Table;

  const std::shared_ptr<const routing::Consensus> consensus_;
  std::shared_ptr<const Table> table_;
};

}  // namespace messenger::swarm

#endif  // SWARM_PLACEMENT_PLACEMENT_H_
