// Which members hold which shards, as repair asks it (swarm/SPEC.md, section
// 2). One snapshot, of one directory; immutable.
//
// S are the serving members of a shard, T the target members; where no
// transition is under way they are the same.

#ifndef SWARM_REPAIR_SHARD_MAP_H_
#define SWARM_REPAIR_SHARD_MAP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "routing/onion/node_id.h"
#include "routing/runtime/server.h"
#include "routing/runtime/transport.h"
#include "swarm/auth/item.h"

namespace messenger::swarm {

class ShardMap {
 public:
  virtual ~ShardMap() = default;

  virtual uint64_t epoch() const = 0;
  // The same for all directories by which the same nodes are in S and in T of
  // every shard: what two members must agree on to compare.
  virtual uint64_t layout() const = 0;
  virtual const routing::NodeId& self() const = 0;
  // Of the swarm size that the network aims at.
  virtual int read_quorum() const = 0;

  // S differs from T somewhere, and since which epoch; 0: no transition.
  virtual uint64_t transition_epoch() const = 0;

  // This node is in S, in T. Rising.
  virtual std::vector<Shard> ServingShards() const = 0;
  virtual std::vector<Shard> TargetShards() const = 0;
  // S and T together, each node once.
  virtual std::vector<routing::NodeId> Members(Shard shard) const = 0;
  // Shards where both this node and `peer` are in S or T. Rising.
  virtual std::vector<Shard> SharedWith(const routing::NodeId& peer) const = 0;
  // The other nodes that share a shard, in a fixed order.
  virtual std::vector<routing::NodeId> Peers() const = 0;

  // The active storage node with this address or TLS key, if there is one.
  virtual std::optional<routing::Endpoint> EndpointOf(
      const routing::NodeId& node) const = 0;
  virtual std::optional<routing::NodeId> StorageNode(
      const routing::Peer& peer) const = 0;
};

// The newest; null while there is no directory.
using ShardMapSource = std::function<std::shared_ptr<const ShardMap>()>;

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_SHARD_MAP_H_
