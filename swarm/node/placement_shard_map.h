// The members of shards by one directory, as repair asks for them.
//
// Immutable, hence thread-safe.

#ifndef SWARM_NODE_PLACEMENT_SHARD_MAP_H_
#define SWARM_NODE_PLACEMENT_SHARD_MAP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "routing/onion/node_id.h"
#include "routing/runtime/server.h"
#include "routing/runtime/transport.h"
#include "swarm/auth/item.h"
#include "swarm/placement/placement.h"
#include "swarm/repair/shard_map.h"

namespace messenger::swarm {

class PlacementShardMap final : public ShardMap {
 public:
  // Computes the members of all shards: some 4,096 rankings.
  PlacementShardMap(const routing::NodeId& self,
                    std::shared_ptr<const Placement> placement);

  uint64_t epoch() const override;
  uint64_t layout() const override { return placement_->layout(); }
  const routing::NodeId& self() const override { return self_; }
  int read_quorum() const override { return placement_->read_quorum(); }
  uint64_t transition_epoch() const override;
  std::vector<Shard> ServingShards() const override { return serving_; }
  std::vector<Shard> TargetShards() const override { return target_; }
  std::vector<routing::NodeId> Members(Shard shard) const override;
  std::vector<Shard> SharedWith(const routing::NodeId& peer) const override;
  std::vector<routing::NodeId> Peers() const override { return peers_; }
  std::optional<routing::Endpoint> EndpointOf(
      const routing::NodeId& node) const override;
  std::optional<routing::NodeId> StorageNode(
      const routing::Peer& peer) const override;

 private:
  const routing::NodeId self_;
  const std::shared_ptr<const Placement> placement_;
  std::vector<Shard> serving_;
  std::vector<Shard> target_;
  std::vector<routing::NodeId> peers_;
};

}  // namespace messenger::swarm

#endif  // SWARM_NODE_PLACEMENT_SHARD_MAP_H_
