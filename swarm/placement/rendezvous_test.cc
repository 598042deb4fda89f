#include "swarm/placement/rendezvous.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "crypto/base/hex.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::swarm {
namespace {

using ::testing::SizeIs;

constexpr size_t kSwarmSize = 7;

MailboxAddress RandomMailbox(crypto::Random& random) {
  return *MailboxAddress::FromBytes(absl::StrCat("\x05", random.String(32)));
}

std::vector<Candidate> Network(crypto::Random& random, int count) {
  std::vector<Candidate> nodes;
  for (int i = 0; i < count; ++i) {
    nodes.push_back({.id = random.Fixed<routing::NodeId>(),
                     .operator_key = random.Fixed<OperatorKey>(),
                     .address_block = absl::StrCat("block ", i)});
  }
  return nodes;
}

std::set<routing::NodeId> Swarm(Shard shard,
                                const std::vector<Candidate>& nodes) {
  std::set<routing::NodeId> ids;
  for (const size_t i : ChooseMembers(shard, nodes, kSwarmSize)) {
    ids.insert(nodes[i].id);
  }
  return ids;
}

TEST(Rendezvous, AgreesWithTheVectorsOfAnIndependentModel) {
  std::ifstream file("swarm/placement/testdata/placement_vectors.txt");
  std::map<std::string, std::vector<Candidate>> networks;
  int mailboxes = 0;
  int swarms = 0;
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words[0] == "mailbox") {
      const MailboxAddress mailbox =
          *MailboxAddress::FromBytes(*crypto::HexDecode(words[1]));
      EXPECT_EQ(absl::StrCat(ShardOf(mailbox)), words[2]);
      ++mailboxes;
    } else if (words[0] == "node") {
      networks[words[1]].push_back(
          {.id = *routing::NodeId::FromHex(words[2]),
           .operator_key = *OperatorKey::FromHex(words[3]),
           .address_block = AddressBlock(words[4])});
    } else if (words[0] == "swarm") {
      int shard = 0;
      int size = 0;
      ASSERT_TRUE(absl::SimpleAtoi(words[2], &shard));
      ASSERT_TRUE(absl::SimpleAtoi(words[3], &size));
      EXPECT_EQ(absl::StrJoin(
                    ChooseMembers(static_cast<Shard>(shard), networks[words[1]],
                                  static_cast<size_t>(size)),
                    ","),
                words[4])
          << line;
      ++swarms;
    }
  }
  EXPECT_EQ(mailboxes, 16);
  EXPECT_EQ(swarms, 72);
}

TEST(Rendezvous, HundredThousandAccountsSpreadEvenlyOverTheNodes) {
  crypto::SeededRandom random(1);
  const std::vector<Candidate> nodes = Network(random, 50);
  absl::flat_hash_map<Shard, std::vector<size_t>> swarms;
  std::vector<int> load(nodes.size(), 0);
  constexpr int kAccounts = 100'000;
  for (int i = 0; i < kAccounts; ++i) {
    const Shard shard = ShardOf(RandomMailbox(random));
    ASSERT_LT(shard, kShards);
    auto [it, fresh] = swarms.try_emplace(shard);
    if (fresh) it->second = ChooseMembers(shard, nodes, kSwarmSize);
    ASSERT_THAT(it->second, SizeIs(kSwarmSize));
    for (const size_t member : it->second) ++load[member];
  }
  const double mean =
      static_cast<double>(kAccounts) * kSwarmSize / nodes.size();
  for (const int accounts : load) {
    // 4096 shards, each of which takes a node with probability 7/50: the
    // standard deviation is 3.9 % of the mean.
    EXPECT_NEAR(accounts, mean, 0.16 * mean);
  }
}

TEST(Rendezvous, ANodeThatJoinsMovesNothingButWhatItTakes) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    crypto::SeededRandom random(seed);
    std::vector<Candidate> nodes = Network(random, 30);
    std::map<Shard, std::set<routing::NodeId>> before;
    for (int s = 0; s < kShards; s += 4) {
      before[static_cast<Shard>(s)] = Swarm(static_cast<Shard>(s), nodes);
    }
    nodes.push_back(Network(random, 1).front());
    nodes.back().address_block = "new block";
    const routing::NodeId joined = nodes.back().id;
    int changed = 0;
    for (const auto& [shard, old_swarm] : before) {
      std::set<routing::NodeId> swarm = Swarm(shard, nodes);
      if (swarm == old_swarm) continue;
      ++changed;
      EXPECT_TRUE(swarm.erase(joined)) << "seed " << seed;
      std::vector<routing::NodeId> kept;
      std::set_intersection(swarm.begin(), swarm.end(), old_swarm.begin(),
                            old_swarm.end(), std::back_inserter(kept));
      EXPECT_THAT(kept, SizeIs(kSwarmSize - 1)) << "seed " << seed;
    }
    // The newcomer's fair share of 1,024 shards is 7/31: 231, give or take 13.
    EXPECT_NEAR(changed, 231, 60) << "seed " << seed;
  }
}

TEST(Rendezvous, ANodeThatLeavesIsReplacedByOneSpareAndNothingElseMoves) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    crypto::SeededRandom random(seed);
    const std::vector<Candidate> nodes = Network(random, 30);
    std::vector<Candidate> rest = nodes;
    const routing::NodeId left = rest[4].id;
    rest.erase(rest.begin() + 4);
    for (int s = 0; s < kShards; s += 4) {
      const std::vector<size_t> order =
          ChooseMembers(static_cast<Shard>(s), nodes, kSwarmSize + 1);
      std::set<routing::NodeId> expected = Swarm(static_cast<Shard>(s), nodes);
      // The spare is the next in order, known beforehand.
      if (expected.erase(left)) expected.insert(nodes[order.back()].id);
      EXPECT_EQ(Swarm(static_cast<Shard>(s), rest), expected)
          << "seed " << seed;
    }
  }
}

TEST(Rendezvous, TheOrderOfTheNodesDoesNotMatter) {
  crypto::SeededRandom random(3);
  std::vector<Candidate> nodes = Network(random, 20);
  std::vector<Candidate> shuffled = nodes;
  random.Shuffle(shuffled.begin(), shuffled.end());
  for (int s = 0; s < kShards; s += 16) {
    EXPECT_EQ(Swarm(static_cast<Shard>(s), nodes),
              Swarm(static_cast<Shard>(s), shuffled));
  }
}

TEST(Rendezvous, NoTwoMembersShareOperatorOrBlockWhileThatCanBeAvoided) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    crypto::SeededRandom random(seed);
    // 10 operators with 5 nodes each, in 20 address blocks; one operator sits
    // in blocks nobody else is in, so the rule can always be kept.
    std::vector<OperatorKey> operators;
    for (int i = 0; i < 10; ++i) {
      operators.push_back(random.Fixed<OperatorKey>());
    }
    std::vector<Candidate> nodes;
    for (int i = 0; i < 50; ++i) {
      nodes.push_back({.id = random.Fixed<routing::NodeId>(),
                       .operator_key = operators[i % 10],
                       .address_block = absl::StrCat(i % 20)});
    }
    for (int s = 0; s < kShards; s += 64) {
      std::set<OperatorKey> seen_operators;
      std::set<std::string> seen_blocks;
      const std::vector<size_t> members =
          ChooseMembers(static_cast<Shard>(s), nodes, kSwarmSize);
      EXPECT_THAT(members, SizeIs(kSwarmSize));
      for (const size_t i : members) {
        seen_operators.insert(nodes[i].operator_key);
        seen_blocks.insert(nodes[i].address_block);
      }
      EXPECT_THAT(seen_operators, SizeIs(kSwarmSize)) << "seed " << seed;
      EXPECT_THAT(seen_blocks, SizeIs(kSwarmSize)) << "seed " << seed;
    }
  }
}

TEST(Rendezvous, AClumpIsTakenRatherThanASmallerSwarm) {
  crypto::SeededRandom random(5);
  std::vector<Candidate> nodes = Network(random, 9);
  for (Candidate& node : nodes) node.address_block = "one machine";
  for (size_t i = 3; i < nodes.size(); ++i) {
    nodes[i].operator_key = nodes[3].operator_key;
  }
  for (int s = 0; s < kShards; s += 64) {
    const std::vector<size_t> members =
        ChooseMembers(static_cast<Shard>(s), nodes, kSwarmSize);
    EXPECT_THAT(members, SizeIs(kSwarmSize));
    // Different operators come first, also when all share the block.
    std::set<OperatorKey> first;
    for (size_t i = 0; i < 4; ++i) first.insert(nodes[members[i]].operator_key);
    EXPECT_THAT(first, SizeIs(4));
  }
  EXPECT_THAT(ChooseMembers(7, absl::MakeSpan(nodes).first(2), kSwarmSize),
              SizeIs(2));
  EXPECT_THAT(ChooseMembers(7, {}, kSwarmSize), SizeIs(0));
}

TEST(Rendezvous, UndeclaredOperatorsDoNotCountAsOne) {
  crypto::SeededRandom random(6);
  std::vector<Candidate> nodes = Network(random, 8);
  std::vector<Candidate> undeclared = nodes;
  for (Candidate& node : undeclared) node.operator_key = OperatorKey();
  for (int s = 0; s < kShards; s += 64) {
    EXPECT_EQ(Swarm(static_cast<Shard>(s), nodes),
              Swarm(static_cast<Shard>(s), undeclared));
  }
}

TEST(AddressBlock, IsTheSlash24OrSlash48) {
  EXPECT_EQ(AddressBlock("10.1.2.3:4001"), AddressBlock("10.1.2.250:9"));
  EXPECT_NE(AddressBlock("10.1.2.3:4001"), AddressBlock("10.1.3.3:4001"));
  EXPECT_EQ(AddressBlock("[2001:db8:7:1::1]:1"),
            AddressBlock("[2001:db8:7:2::1]:2"));
  EXPECT_NE(AddressBlock("[2001:db8:7::1]:1"),
            AddressBlock("[2001:db8:8::1]:1"));
  EXPECT_NE(AddressBlock("sim:1"), AddressBlock("sim:2"));
}

}  // namespace
}  // namespace messenger::swarm
