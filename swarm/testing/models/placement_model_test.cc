// Placement against its model: networks of every size and clumping. An
// operation is one shard whose members are found, or one mailbox whose shard.

#include "swarm/testing/models/placement_model.h"

#include <arpa/inet.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "routing/directory/testing/test_network.h"
#include "swarm/placement/placement.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/testing/models/engine.h"

namespace messenger::swarm {
namespace {

using routing::StorageState;
using routing::TestNetwork;

std::string AddressOf(const ModelNode& node, uint64_t port) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(node.v6 ? AF_INET6 : AF_INET, node.address.data(), text,
            sizeof(text));
  return node.v6 ? absl::StrCat("[", text, "]:", port)
                 : absl::StrCat(text, ":", port);
}

ModelNode DrawNode(crypto::Random& random) {
  ModelNode node;
  node.id = random.String(32);
  // Few operators and few blocks, so that they meet.
  node.operator_key = std::string(32, static_cast<char>(random.Uniform(5)));
  node.v6 = random.Uniform(3) == 0;
  for (uint8_t& byte : node.address) {
    byte = static_cast<uint8_t>(1 + random.Uniform(2));
  }
  return node;
}

TEST(PlacementModelTest, MembersAreThoseOfTheModel) {
  const uint64_t seed = ModelSeed();
  crypto::SeededRandom random(seed);
  for (uint64_t operations = 0; operations < ModelOperations();) {
    std::vector<ModelNode> nodes;
    std::vector<Candidate> candidates;
    for (uint64_t n = random.Uniform(12); n > 0; --n) {
      nodes.push_back(DrawNode(random));
      candidates.push_back(
          {.id = *routing::NodeId::FromBytes(nodes.back().id),
           .operator_key = *OperatorKey::FromBytes(nodes.back().operator_key),
           .address_block = AddressBlock(
               AddressOf(nodes.back(), 1 + random.Uniform(65'535)))});
    }
    const size_t seats = 1 + random.Uniform(8);
    for (int i = 0; i < 20; ++i, ++operations) {
      const auto shard = static_cast<Shard>(random.Uniform(kShards));
      ASSERT_EQ(ChooseMembers(shard, candidates, seats),
                ModelMembers(shard, nodes, ModelSet::kServing, seats))
          << "seed " << seed << " at " << operations;
    }
  }
}

TEST(PlacementModelTest, ServingAndTargetMembersAreThoseOfTheModel) {
  const uint64_t seed = ModelSeed();
  crypto::SeededRandom random(seed);
  TestNetwork network(12, TestNetwork::SmallParams(), random,
                      absl::FromUnixSeconds(1'900'000'000));
  int in_transition = 0;
  for (uint64_t operations = 0; operations < ModelOperations();) {
    std::vector<ModelNode> nodes;
    const Placement placement(network.Reissue([&](TestNetwork::Draft& draft) {
      for (TestNetwork::Draft::Node& node : draft.nodes) {
        ModelNode drawn = DrawNode(random);
        drawn.id = std::string(node.descriptor.node_id.bytes());
        constexpr StorageState kStates[] = {
            StorageState::kActive, StorageState::kActive,
            StorageState::kJoining, StorageState::kLeaving,
            StorageState::kWaiting};
        const StorageState state = kStates[random.Uniform(5)];
        node.storage_state = state;
        drawn.serves =
            state == StorageState::kActive || state == StorageState::kLeaving;
        drawn.is_target =
            state == StorageState::kActive || state == StorageState::kJoining;
        node.descriptor.storage.address = AddressOf(drawn, 4001);
        node.descriptor.operator_key =
            *decltype(node.descriptor.operator_key)::FromBytes(
                drawn.operator_key);
        nodes.push_back(drawn);
      }
    }));
    const auto names = [&](const std::vector<size_t>& members) {
      std::vector<routing::NodeId> ids;
      for (const size_t member : members) {
        ids.push_back(*routing::NodeId::FromBytes(nodes[member].id));
      }
      return ids;
    };
    for (int i = 0; i < 500; ++i, ++operations) {
      const int shard = static_cast<int>(random.Uniform(kShards));
      const ShardMembers members =
          placement.MembersOf(static_cast<Shard>(shard));
      ASSERT_EQ(members.serving,
                names(ModelMembers(shard, nodes, ModelSet::kServing, 3)))
          << "seed " << seed << " at " << operations;
      ASSERT_EQ(members.target,
                names(ModelMembers(shard, nodes, ModelSet::kTarget, 3)))
          << "seed " << seed << " at " << operations;
      in_transition += members.in_transition();
    }
  }
  EXPECT_GT(in_transition, 0);
}

TEST(PlacementModelTest, ShardsAreThoseOfTheModel) {
  const uint64_t seed = ModelSeed();
  crypto::SeededRandom random(seed);
  for (uint64_t i = 0; i < ModelOperations(); ++i) {
    const std::string bytes = absl::StrCat(
        random.Uniform(2) == 0 ? "\x05" : "\x06", random.String(32));
    ASSERT_EQ(ShardOf(*MailboxAddress::FromBytes(bytes)), ModelShard(bytes))
        << "seed " << seed;
  }
}

}  // namespace
}  // namespace messenger::swarm
