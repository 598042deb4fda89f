#include "swarm/node/placement_shard_map.h"

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/testing/test_network.h"

namespace messenger::swarm {
namespace {

using routing::StorageState;
using routing::TestNetwork;
using ::testing::IsEmpty;

class PlacementShardMapTest : public ::testing::Test {
 protected:
  static constexpr int kNodes = 8;

  // Node 6 is on its way in, node 7 on its way out.
  PlacementShardMapTest()
      : placement_(std::make_shared<Placement>(
            network_.Reissue([](TestNetwork::Draft& draft) {
              draft.nodes[6].storage_state = StorageState::kJoining;
              draft.nodes[7].storage_state = StorageState::kLeaving;
            }))) {}

  PlacementShardMap MapOf(int node) {
    return PlacementShardMap(network_.node(node).id(), placement_);
  }
  routing::NodeId Id(int node) { return network_.node(node).id(); }

  crypto::SeededRandom random_{1};
  TestNetwork network_{kNodes, TestNetwork::SmallParams(), random_,
                       absl::FromUnixSeconds(1'900'000'000)};
  std::shared_ptr<const Placement> placement_;
};

bool Has(const std::vector<Shard>& shards, Shard shard) {
  return std::binary_search(shards.begin(), shards.end(), shard);
}
bool Has(const std::vector<routing::NodeId>& nodes,
         const routing::NodeId& node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

TEST_F(PlacementShardMapTest, SaysOfWhichShardsANodeIsInSAndInT) {
  for (int node = 0; node < kNodes; ++node) {
    const PlacementShardMap map = MapOf(node);
    EXPECT_EQ(map.self(), Id(node));
    for (int i = 0; i < kShards; ++i) {
      const auto shard = static_cast<Shard>(i);
      const ShardMembers members = placement_->MembersOf(shard);
      ASSERT_EQ(Has(map.ServingShards(), shard),
                Has(members.serving, Id(node)));
      ASSERT_EQ(Has(map.TargetShards(), shard), Has(members.target, Id(node)));
      ASSERT_EQ(map.Members(shard), members.all);
    }
  }
  EXPECT_THAT(MapOf(6).ServingShards(), IsEmpty());
  EXPECT_THAT(MapOf(7).TargetShards(), IsEmpty());
}

TEST_F(PlacementShardMapTest, BothSeeTheSameSharedShards) {
  for (int a = 0; a < kNodes; ++a) {
    for (int b = a + 1; b < kNodes; ++b) {
      const std::vector<Shard> shared = MapOf(a).SharedWith(Id(b));
      EXPECT_EQ(shared, MapOf(b).SharedWith(Id(a)));
      for (const Shard shard : shared) {
        const auto members = placement_->MembersOf(shard).all;
        ASSERT_TRUE(Has(members, Id(a)) && Has(members, Id(b)));
      }
    }
  }
  // Whoever comes fills from whoever goes.
  EXPECT_FALSE(MapOf(6).SharedWith(Id(7)).empty());
}

TEST_F(PlacementShardMapTest, PeersAreTheOthersThatShareAShard) {
  for (int node = 0; node < kNodes; ++node) {
    const PlacementShardMap map = MapOf(node);
    std::set<routing::NodeId> expected;
    for (int other = 0; other < kNodes; ++other) {
      if (other != node && !map.SharedWith(Id(other)).empty()) {
        expected.insert(Id(other));
      }
    }
    const std::vector<routing::NodeId> peers = map.Peers();
    EXPECT_EQ(std::set<routing::NodeId>(peers.begin(), peers.end()), expected);
    EXPECT_EQ(peers.size(), expected.size());
    EXPECT_EQ(peers, MapOf(node).Peers()) << "in a fixed order";
  }
}

TEST_F(PlacementShardMapTest, AStorageNodeIsKnownByItsStorageTlsKey) {
  const PlacementShardMap map = MapOf(0);
  for (int node = 0; node < kNodes; ++node) {
    const auto endpoint = map.EndpointOf(Id(node));
    ASSERT_TRUE(endpoint.has_value());
    EXPECT_EQ(*endpoint, placement_->consensus().Find(Id(node))->storage);
    EXPECT_EQ(map.StorageNode({.tls_key = endpoint->tls_key}), Id(node));
  }
  EXPECT_EQ(map.StorageNode({.tls_key = std::nullopt}), std::nullopt);
  EXPECT_EQ(map.StorageNode({.tls_key = random_.Fixed<routing::TlsKey>()}),
            std::nullopt);
  EXPECT_EQ(map.EndpointOf(random_.Fixed<routing::NodeId>()), std::nullopt);
}

TEST_F(PlacementShardMapTest, WhoIsInNeitherSetIsNoStorageNode) {
  placement_ = std::make_shared<Placement>(
      network_.Reissue([](TestNetwork::Draft& draft) {
        draft.nodes[3].storage_state = StorageState::kWaiting;
        draft.nodes[4].descriptor.storage_role = false;
        draft.nodes[4].descriptor.storage = {};
        draft.nodes[4].descriptor.storage_key = {};
        draft.nodes[4].storage_state = StorageState::kNone;
      }));
  const PlacementShardMap map = MapOf(0);
  const auto& waiting = *placement_->consensus().Find(Id(3));
  EXPECT_EQ(map.StorageNode({.tls_key = waiting.storage.tls_key}),
            std::nullopt);
  EXPECT_EQ(map.EndpointOf(Id(4)), std::nullopt);
  // The key of zeros of a relay's empty endpoint names nobody.
  EXPECT_EQ(map.StorageNode({.tls_key = routing::TlsKey()}), std::nullopt);
  EXPECT_FALSE(Has(map.Peers(), Id(3)));
  EXPECT_FALSE(Has(map.Peers(), Id(4)));
}

TEST_F(PlacementShardMapTest, SaysWhatTheDirectorySays) {
  const PlacementShardMap map = MapOf(0);
  EXPECT_EQ(map.epoch(), placement_->consensus().epoch());
  EXPECT_EQ(map.transition_epoch(), placement_->consensus().transition_epoch());
  EXPECT_EQ(map.layout(), placement_->layout());
  EXPECT_EQ(map.read_quorum(), placement_->read_quorum());
}

}  // namespace
}  // namespace messenger::swarm
