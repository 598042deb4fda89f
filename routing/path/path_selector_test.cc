#include "routing/path/path_selector.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/testing/test_network.h"
#include "routing/path/address_block.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Ne;
using ::testing::Not;
using ::testing::SizeIs;

// Keys that stay current over the months in which guards live.
NetworkParams LongLivedKeys() {
  NetworkParams params = TestNetwork::SmallParams();
  params.onion_key_period = absl::Hours(24 * 366);
  params.onion_overlap = absl::ZeroDuration();
  params.kem_key_period = absl::Hours(24 * 366);
  return params;
}

class PathSelectorTest : public ::testing::Test {
 protected:
  static constexpr int kNodes = 12;

  PathSelectorTest() : net_(kNodes, LongLivedKeys(), random_, now_) {}

  NodeId Id(int i) { return net_.node(i).id(); }
  const NodeRecord& Record(const NodeId& id) {
    return *net_.consensus()->Find(id);
  }

  absl::StatusOr<std::vector<NodeId>> Choose(
      PathSelector& selector, RoutingMode mode = RoutingMode::kOnion) {
    return selector.Choose(*net_.consensus(), mode, swarm_[0], swarm_, now_);
  }

  // 2030-01-01, and the months after it.
  absl::Time now_ = absl::FromUnixSeconds(1893456000);
  crypto::SeededRandom random_{1};
  TestNetwork net_;
  std::vector<NodeId> swarm_ = {Id(0), Id(1), Id(2)};
};

TEST_F(PathSelectorTest, ThreeDifferentRelaysOutsideTheSwarm) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    crypto::SeededRandom random(seed);
    PathSelector selector(random, {});
    const auto path = Choose(selector);
    ASSERT_THAT(path, IsOk());
    EXPECT_THAT(std::set<NodeId>(path->begin(), path->end()), SizeIs(3));
    for (const NodeId& member : swarm_) {
      EXPECT_THAT(*path, Not(Contains(member)));
    }
  }
}

TEST_F(PathSelectorTest, TheDestinationIsNeverARelayEvenWithoutASwarm) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    crypto::SeededRandom random(seed);
    PathSelector selector(random, {});
    const auto path = selector.Choose(*net_.consensus(), RoutingMode::kOnion,
                                      Id(4), {}, now_);
    ASSERT_THAT(path, IsOk());
    EXPECT_THAT(*path, Not(Contains(Id(4))));
  }
}

TEST_F(PathSelectorTest, ProxyModeTakesOneRelay) {
  PathSelector selector(random_, {});
  for (int i = 0; i < 50; ++i) {
    const auto path = Choose(selector, RoutingMode::kProxy);
    ASSERT_THAT(path, IsOk());
    ASSERT_THAT(*path, SizeIs(1));
    EXPECT_EQ((*path)[0], selector.guards().guards[0].node);
  }
}

TEST_F(PathSelectorTest, NodesThatCannotRelayAreNotChosen) {
  net_.Reissue([](TestNetwork::Draft& draft) {
    draft.nodes[3].running = false;
    draft.nodes[4].descriptor.relay = false;
    draft.nodes[5].descriptor.onion_keys = {
        {1, draft.nodes[5].descriptor.onion_keys.begin()->second}};
    draft.nodes[6].descriptor.kem_keys = {
        {1, draft.nodes[6].descriptor.kem_keys.begin()->second}};
  });
  for (uint64_t seed = 0; seed < 200; ++seed) {
    crypto::SeededRandom random(seed);
    PathSelector selector(random, {});
    const auto path = Choose(selector);
    ASSERT_THAT(path, IsOk());
    for (int unfit : {3, 4, 5, 6}) EXPECT_THAT(*path, Not(Contains(Id(unfit))));
  }
}

TEST_F(PathSelectorTest, OperatorsDifferWhileThatCanBeHad) {
  // Nine usable nodes of four operators, one of which has most of them.
  net_.Reissue([&](TestNetwork::Draft& draft) {
    for (int i = 3; i < 9; ++i) {
      draft.nodes[i].descriptor.operator_key =
          draft.nodes[3].descriptor.operator_key;
    }
  });
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    crypto::SeededRandom random(seed);
    PathSelector selector(random, {});
    const auto path = Choose(selector);
    ASSERT_THAT(path, IsOk());
    std::set<OperatorKey> operators;
    for (const NodeId& id : *path) operators.insert(Record(id).operator_key);
    EXPECT_THAT(operators, SizeIs(3));
  }
}

TEST_F(PathSelectorTest, AddressBlocksDifferWhileThatCanBeHad) {
  net_.Reissue([&](TestNetwork::Draft& draft) {
    for (int i = 3; i < kNodes; ++i) {
      // 10.0 has seven nodes, 10.1 and 10.2 one each.
      const int block = i < 10 ? 0 : i - 9;
      draft.nodes[i].descriptor.link.address =
          absl::StrCat("10.", block, ".", i, ".1:4000");
    }
  });
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    crypto::SeededRandom random(seed);
    PathSelector selector(random, {});
    const auto path = Choose(selector);
    ASSERT_THAT(path, IsOk());
    std::set<std::string> blocks;
    for (const NodeId& id : *path) {
      blocks.insert(AddressBlock(Record(id).link.address));
    }
    EXPECT_THAT(blocks, SizeIs(3));
  }
}

TEST_F(PathSelectorTest, RelaysAreNotOfTheDestinationsOperatorWhileAvoidable) {
  net_.Reissue([&](TestNetwork::Draft& draft) {
    for (int i : {0, 3, 4, 5}) {
      draft.nodes[i].descriptor.operator_key =
          draft.nodes[0].descriptor.operator_key;
    }
  });
  for (uint64_t seed = 0; seed < 100; ++seed) {
    crypto::SeededRandom random(seed);
    PathSelector selector(random, {});
    const auto path = Choose(selector);
    ASSERT_THAT(path, IsOk());
    // The guards are given; the others are drawn for this request.
    for (size_t hop : {1, 2}) {
      EXPECT_NE(Record((*path)[hop]).operator_key, Record(Id(0)).operator_key);
    }
  }
}

TEST_F(PathSelectorTest, OneOperatorOnOneMachineStillHasPaths) {
  net_.Reissue([&](TestNetwork::Draft& draft) {
    for (auto& node : draft.nodes) {
      node.descriptor.operator_key = draft.nodes[0].descriptor.operator_key;
      node.descriptor.link.address = "127.0.0.1:1";
    }
  });
  PathSelector selector(random_, {});
  EXPECT_THAT(Choose(selector), IsOkAndHolds(SizeIs(3)));
}

TEST_F(PathSelectorTest, TooFewRelaysIsSaidInClearWords) {
  net_.Reissue([](TestNetwork::Draft& draft) {
    for (int i = 5; i < kNodes; ++i) draft.nodes[i].running = false;
  });
  PathSelector selector(random_, {});
  EXPECT_THAT(Choose(selector),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("too few relays"), HasSubstr("needs 3"),
                             HasSubstr("there are 2"))));
  EXPECT_THAT(Choose(selector, RoutingMode::kProxy), IsOk());
}

TEST_F(PathSelectorTest, TheSmallestNetworkThatCanServeDoes) {
  net_.Reissue([](TestNetwork::Draft& draft) {
    for (int i = 6; i < kNodes; ++i) draft.nodes[i].running = false;
  });
  for (uint64_t seed = 0; seed < 50; ++seed) {
    crypto::SeededRandom random(seed);
    PathSelector selector(random, {});
    // All three guards may lie in the swarm.
    EXPECT_THAT(Choose(selector), IsOkAndHolds(SizeIs(3)));
  }
}

TEST_F(PathSelectorTest, MiddleAndLastRelaysAreAllEquallyLikely) {
  PathSelector selector(random_, {});
  std::map<NodeId, int> second;
  std::map<NodeId, int> third;
  constexpr int kDraws = 8000;
  for (int i = 0; i < kDraws; ++i) {
    const auto path = Choose(selector);
    ASSERT_THAT(path, IsOk());
    ++second[(*path)[1]];
    ++third[(*path)[2]];
  }
  // Nine usable, one of them the guard: 1,000 each, standard deviation 30.
  for (const auto* counts : {&second, &third}) {
    EXPECT_THAT(*counts, SizeIs(8));
    for (const auto& [id, count] : *counts) {
      EXPECT_THAT(count, AllOf(Ge(850), Le(1150)));
    }
  }
}

TEST_F(PathSelectorTest, GuardsAreAllEquallyLikely) {
  std::map<NodeId, int> first;
  constexpr int kClients = 3600;
  crypto::SeededRandom random(7);
  for (int i = 0; i < kClients; ++i) {
    PathSelector selector(random, {});
    ASSERT_THAT(selector.Choose(*net_.consensus(), RoutingMode::kOnion,
                                NodeId(), {}, now_),
                IsOk());
    ++first[selector.guards().guards[0].node];
  }
  // 300 each, standard deviation 17.
  EXPECT_THAT(first, SizeIs(kNodes));
  for (const auto& [id, count] : first) {
    EXPECT_THAT(count, AllOf(Ge(215), Le(385)));
  }
}

// Guards.

TEST_F(PathSelectorTest, TheFirstUsableGuardStandsFirstAlways) {
  PathSelector selector(random_, {});
  const auto first = Choose(selector);
  ASSERT_THAT(first, IsOk());
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(Choose(selector)->front(), first->front());
  }
  EXPECT_GE(selector.guards().guards.size(), PathSelector::kGuards);
}

TEST_F(PathSelectorTest, GuardsAreKeptOverARestart) {
  PathSelector before(random_, {});
  ASSERT_THAT(Choose(before), IsOk());
  const auto state = GuardState::Parse(before.guards().Serialize());
  ASSERT_THAT(state, IsOkAndHolds(before.guards()));
  for (uint64_t seed = 0; seed < 20; ++seed) {
    crypto::SeededRandom random(seed);
    PathSelector after(random, *state);
    EXPECT_EQ(Choose(after)->front(), Choose(before)->front());
    EXPECT_EQ(after.guards(), before.guards());
  }
}

TEST_F(PathSelectorTest, GuardsLiveForTwoToFourMonths) {
  PathSelector selector(random_, {});
  swarm_ = {NodeId()};  // Every node is usable: just three guards.
  ASSERT_THAT(Choose(selector), IsOk());
  const GuardState state = selector.guards();
  ASSERT_THAT(state.guards, SizeIs(PathSelector::kGuards));
  for (const Guard& guard : state.guards) {
    EXPECT_GE(guard.expires - guard.chosen, PathSelector::kShortestGuardLife);
    EXPECT_LE(guard.expires - guard.chosen, PathSelector::kLongestGuardLife);
  }
  now_ = state.guards[0].expires - absl::Seconds(1);
  net_.ReissueAt(now_, [](TestNetwork::Draft&) {});
  ASSERT_THAT(Choose(selector), IsOk());
  EXPECT_THAT(selector.guards().guards, Contains(state.guards[0]));
  now_ = state.guards[0].expires;
  ASSERT_THAT(Choose(selector), IsOk());
  EXPECT_THAT(selector.guards().guards, Not(Contains(state.guards[0])));
  EXPECT_THAT(selector.guards().guards, SizeIs(PathSelector::kGuards));
}

TEST_F(PathSelectorTest, AGuardThatLeavesTheNetworkIsReplaced) {
  PathSelector selector(random_, {});
  swarm_ = {NodeId()};
  ASSERT_THAT(Choose(selector), IsOk());
  const NodeId gone = selector.guards().guards[0].node;
  const NodeId next = selector.guards().guards[1].node;
  net_.Reissue([&](TestNetwork::Draft& draft) {
    draft.nodes.erase(draft.nodes.begin() + net_.IndexOf(gone));
  });
  EXPECT_EQ(Choose(selector)->front(), next);
  EXPECT_THAT(selector.guards().guards, SizeIs(PathSelector::kGuards));
}

TEST_F(PathSelectorTest, AGuardThatIsDownKeepsItsPlace) {
  PathSelector selector(random_, {});
  swarm_ = {NodeId()};
  ASSERT_THAT(Choose(selector), IsOk());
  const GuardState state = selector.guards();
  net_.Reissue([&](TestNetwork::Draft& draft) {
    draft.nodes[net_.IndexOf(state.guards[0].node)].running = false;
  });
  EXPECT_EQ(Choose(selector)->front(), state.guards[1].node);
  net_.Reissue([&](TestNetwork::Draft& draft) {
    draft.nodes[net_.IndexOf(state.guards[0].node)].running = true;
  });
  EXPECT_EQ(Choose(selector)->front(), state.guards[0].node);
  EXPECT_EQ(selector.guards(), state);
}

TEST_F(PathSelectorTest, GuardsAreOfDifferentOperatorsWhileAvoidable) {
  net_.Reissue([&](TestNetwork::Draft& draft) {
    for (int i = 0; i < 10; ++i) {
      draft.nodes[i].descriptor.operator_key =
          draft.nodes[0].descriptor.operator_key;
    }
  });
  for (uint64_t seed = 0; seed < 50; ++seed) {
    crypto::SeededRandom random(seed);
    PathSelector selector(random, {});
    swarm_ = {NodeId()};
    ASSERT_THAT(Choose(selector), IsOk());
    std::set<OperatorKey> operators;
    for (const Guard& guard : selector.guards().guards) {
      operators.insert(Record(guard.node).operator_key);
    }
    EXPECT_THAT(operators, SizeIs(3));
  }
}

// Failures.

TEST_F(PathSelectorTest, AfterAFailureTheNextGuardServesForAWhile) {
  PathSelector selector(random_, {});
  swarm_ = {NodeId()};
  ASSERT_THAT(Choose(selector), IsOk());
  const GuardState state = selector.guards();
  selector.ReportFailure(state.guards[0].node, now_);
  EXPECT_EQ(Choose(selector)->front(), state.guards[1].node);
  now_ += PathSelector::kFailureMemory;
  EXPECT_EQ(Choose(selector)->front(), state.guards[0].node);
  EXPECT_EQ(selector.guards(), state);
}

TEST_F(PathSelectorTest, FailuresInARowAreRememberedLonger) {
  PathSelector selector(random_, {});
  swarm_ = {NodeId()};
  ASSERT_THAT(Choose(selector), IsOk());
  const NodeId guard = selector.guards().guards[0].node;
  selector.ReportFailure(guard, now_);
  now_ += PathSelector::kFailureMemory;
  selector.ReportFailure(guard, now_);
  now_ += PathSelector::kFailureMemory * 2 - absl::Milliseconds(1);
  EXPECT_NE(Choose(selector)->front(), guard);
  now_ += absl::Milliseconds(1);
  EXPECT_EQ(Choose(selector)->front(), guard);
  // Never longer than the longest.
  for (int i = 0; i < 30; ++i) selector.ReportFailure(guard, now_);
  now_ += PathSelector::kLongestFailureMemory;
  EXPECT_EQ(Choose(selector)->front(), guard);
}

TEST_F(PathSelectorTest, ASuccessMakesUpForFailures) {
  PathSelector selector(random_, {});
  swarm_ = {NodeId()};
  const auto path = Choose(selector);
  ASSERT_THAT(path, IsOk());
  selector.ReportFailure(path->front(), now_);
  selector.ReportSuccess(*path);
  EXPECT_EQ(Choose(selector)->front(), path->front());
}

TEST_F(PathSelectorTest, AClientThatIsOfflineDoesNotWearOutItsGuards) {
  PathSelector selector(random_, {});
  ASSERT_THAT(Choose(selector), IsOk());
  const GuardState state = selector.guards();
  for (int i = 0; i < 500; ++i) {
    const auto path = Choose(selector);
    ASSERT_THAT(path, IsOk());
    selector.ReportFailure(path->front(), now_);
    now_ += absl::Milliseconds(100);
  }
  EXPECT_EQ(selector.guards(), state);
}

TEST_F(PathSelectorTest, FailedRelaysAreAvoidedWhileThereAreOthers) {
  PathSelector selector(random_, {});
  for (int i : {3, 4, 5}) selector.ReportFailure(Id(i), now_);
  for (int i = 0; i < 100; ++i) {
    const auto path = Choose(selector);
    ASSERT_THAT(path, IsOk());
    for (size_t hop : {1, 2}) {
      for (int failed : {3, 4, 5}) EXPECT_NE((*path)[hop], Id(failed));
    }
  }
  // All failed: better a path that may fail than none.
  for (int i = 0; i < kNodes; ++i) selector.ReportFailure(Id(i), now_);
  EXPECT_THAT(Choose(selector), IsOkAndHolds(SizeIs(3)));
}

TEST_F(PathSelectorTest, TheListOfGuardsIsBounded) {
  PathSelector selector(random_, {});
  for (uint64_t round = 0; round < 200; ++round) {
    crypto::SeededRandom random(round);
    std::vector<int> order(kNodes);
    for (int i = 0; i < kNodes; ++i) order[i] = i;
    random.Shuffle(order.begin(), order.end());
    swarm_.clear();
    for (int i = 0; i < kNodes - 3; ++i) swarm_.push_back(Id(order[i]));
    ASSERT_THAT(Choose(selector), IsOk());
    EXPECT_LE(selector.guards().guards.size(), PathSelector::kMaxGuards);
  }
}

TEST(GuardStateTest, DamageIsNoticed) {
  crypto::SeededRandom random(1);
  GuardState state;
  for (int i = 0; i < 3; ++i) {
    state.guards.push_back({random.Fixed<NodeId>(), absl::FromUnixMillis(1000),
                            absl::FromUnixMillis(2000)});
  }
  const std::string good = state.Serialize();
  ASSERT_THAT(GuardState::Parse(good), IsOkAndHolds(state));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(GuardState::Parse(good.substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(GuardState::Parse(good + "x"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  std::string version = good;
  version[0] = 9;
  EXPECT_THAT(GuardState::Parse(version),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(AddressBlockTest, JoinsWhatIsClose) {
  EXPECT_EQ(AddressBlock("10.1.2.3:80"), AddressBlock("10.1.200.4:443"));
  EXPECT_NE(AddressBlock("10.1.2.3:80"), AddressBlock("10.2.2.3:80"));
  EXPECT_EQ(AddressBlock("[2001:db8:1::1]:80"),
            AddressBlock("[2001:db8:ffff::9]:81"));
  EXPECT_NE(AddressBlock("[2001:db8::1]:80"), AddressBlock("[2001:db9::1]:80"));
  EXPECT_NE(AddressBlock("sim:1"), AddressBlock("sim:2"));
}

}  // namespace
}  // namespace messenger::routing
