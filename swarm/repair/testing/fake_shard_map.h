// A shard map that a test writes by hand.

#ifndef SWARM_REPAIR_TESTING_FAKE_SHARD_MAP_H_
#define SWARM_REPAIR_TESTING_FAKE_SHARD_MAP_H_

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "swarm/repair/shard_map.h"

namespace messenger::swarm {

// Shards that are not in `serving` or `target` have no members.
struct FakeShardMap final : ShardMap {
  using Owners = std::map<Shard, std::vector<routing::NodeId>>;

  uint64_t epoch_number = 1;
  routing::NodeId me;
  int read = 1;
  uint64_t transition = 0;
  Owners serving;
  Owners target;
  std::map<routing::NodeId, routing::Endpoint> endpoints;

  uint64_t epoch() const override { return epoch_number; }
  uint64_t layout() const override { return epoch_number; }
  const routing::NodeId& self() const override { return me; }
  int read_quorum() const override { return read; }
  uint64_t transition_epoch() const override { return transition; }

  static bool IsIn(const Owners& owners, Shard shard,
                   const routing::NodeId& node) {
    const auto found = owners.find(shard);
    return found != owners.end() &&
           std::find(found->second.begin(), found->second.end(), node) !=
               found->second.end();
  }
  bool Has(Shard shard, const routing::NodeId& node) const {
    return IsIn(serving, shard, node) || IsIn(target, shard, node);
  }
  std::vector<Shard> Of(const Owners& owners) const {
    std::vector<Shard> shards;
    for (const auto& [shard, nodes] : owners) {
      if (IsIn(owners, shard, me)) shards.push_back(shard);
    }
    return shards;
  }
  std::vector<Shard> ServingShards() const override { return Of(serving); }
  std::vector<Shard> TargetShards() const override { return Of(target); }
  std::vector<routing::NodeId> Members(Shard shard) const override {
    std::vector<routing::NodeId> members;
    for (const Owners* owners : {&serving, &target}) {
      const auto found = owners->find(shard);
      if (found == owners->end()) continue;
      for (const routing::NodeId& node : found->second) {
        if (std::find(members.begin(), members.end(), node) == members.end()) {
          members.push_back(node);
        }
      }
    }
    return members;
  }
  std::vector<Shard> SharedWith(const routing::NodeId& peer) const override {
    std::vector<Shard> shards;
    for (int shard = 0; shard < kShards; ++shard) {
      if (Has(static_cast<Shard>(shard), me) &&
          Has(static_cast<Shard>(shard), peer)) {
        shards.push_back(static_cast<Shard>(shard));
      }
    }
    return shards;
  }
  std::vector<routing::NodeId> Peers() const override {
    std::vector<routing::NodeId> peers;
    for (const auto& [node, endpoint] : endpoints) {
      if (node != me && !SharedWith(node).empty()) peers.push_back(node);
    }
    return peers;
  }
  std::optional<routing::Endpoint> EndpointOf(
      const routing::NodeId& node) const override {
    const auto found = endpoints.find(node);
    if (found == endpoints.end()) return std::nullopt;
    return found->second;
  }
  std::optional<routing::NodeId> StorageNode(
      const routing::Peer& peer) const override {
    for (const auto& [node, endpoint] : endpoints) {
      if (peer.tls_key == endpoint.tls_key) return node;
    }
    return std::nullopt;
  }
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_TESTING_FAKE_SHARD_MAP_H_
