#include "swarm/node/placement_shard_map.h"

#include <algorithm>
#include <set>
#include <utility>

#include "routing/directory/consensus.h"

namespace messenger::swarm {
namespace {

bool Contains(const std::vector<routing::NodeId>& nodes,
              const routing::NodeId& node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

}  // namespace

PlacementShardMap::PlacementShardMap(const routing::NodeId& self,
                                     std::shared_ptr<const Placement> placement)
    : self_(self), placement_(std::move(placement)) {
  std::set<routing::NodeId> peers;
  for (const Shard shard : placement_->ShardsOf(self)) {
    const ShardMembers members = placement_->MembersOf(shard);
    if (Contains(members.serving, self)) serving_.push_back(shard);
    if (Contains(members.target, self)) target_.push_back(shard);
    peers.insert(members.all.begin(), members.all.end());
  }
  peers.erase(self);
  peers_.assign(peers.begin(), peers.end());
}

uint64_t PlacementShardMap::epoch() const {
  return placement_->consensus().epoch();
}

uint64_t PlacementShardMap::transition_epoch() const {
  return placement_->consensus().transition_epoch();
}

std::vector<routing::NodeId> PlacementShardMap::Members(Shard shard) const {
  return placement_->MembersOf(shard).all;
}

std::vector<Shard> PlacementShardMap::SharedWith(
    const routing::NodeId& peer) const {
  return placement_->SharedShards(self_, peer);
}

std::optional<routing::Endpoint> PlacementShardMap::EndpointOf(
    const routing::NodeId& node) const {
  const routing::NodeRecord* record = placement_->consensus().Find(node);
  if (record == nullptr || !record->storage_role) return std::nullopt;
  return record->storage;
}

std::optional<routing::NodeId> PlacementShardMap::StorageNode(
    const routing::Peer& peer) const {
  if (!peer.tls_key.has_value()) return std::nullopt;
  for (const routing::NodeRecord& node : placement_->consensus().nodes()) {
    // Whoever gets or got messages of a mailbox may bring them.
    if ((node.serving() || node.target()) &&
        node.storage.tls_key == *peer.tls_key) {
      return node.id;
    }
  }
  return std::nullopt;
}

}  // namespace messenger::swarm
