#include "routing/directory/authority/storage_membership.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::testing::UnorderedElementsAre;

using enum StorageState;

constexpr absl::Duration kEpoch = absl::Minutes(1);

NodeId Id(int i) {
  std::string bytes(NodeId::kSize, '\0');
  bytes[0] = static_cast<char>(i);
  return NodeId::FromBytes(bytes).value();
}

// A network on paper: nodes by number, one step per epoch.
class Membership {
 public:
  struct Node {
    StorageFacts facts;
    bool up = true;
    bool reports = true;     // Says in each epoch that it is ready by the last.
    bool was_ready = false;  // By the target of the last epoch.
  };

  Membership() {
    params_.swarm_size = 3;
    params_.evict_after = absl::Minutes(30);
    params_.min_overlap = absl::Minutes(10);
  }

  Node& operator[](int i) {
    Node& node = nodes_[i];
    node.facts.storage_role = true;
    return node;
  }

  void Add(int first, int last) {
    for (int i = first; i <= last; ++i) (*this)[i];
  }

  void Step() {
    now_ += kEpoch;
    ++epoch_;
    std::map<NodeId, StorageFacts> facts;
    for (auto& [i, node] : nodes_) {
      if (node.up) {
        node.facts.down_since.reset();
        if (node.reports) node.facts.ready_epoch = epoch_ - 1;
      } else if (!node.facts.down_since.has_value()) {
        node.facts.down_since = now_;
      }
      node.was_ready =
          transition_.epoch != 0 && node.facts.ready_epoch >= transition_.epoch;
      facts[Id(i)] = node.facts;
    }
    StorageMembership next =
        NextStorageMembership(facts, transition_, params_, epoch_, now_);
    for (auto& [i, node] : nodes_) node.facts.before = next.states.at(Id(i));
    transition_ = next.transition;
  }

  void Steps(int count) {
    for (int i = 0; i < count; ++i) Step();
  }
  // Until nothing is pending; false if that takes over a day.
  bool Settle() {
    for (int i = 0; i < 24 * 60; ++i) {
      Step();
      if (transition_.epoch == 0) return true;
    }
    return false;
  }

  StorageState State(int i) const { return nodes_.at(i).facts.before; }
  std::set<int> Serving() const { return Those(IsServing); }
  std::set<int> Target() const { return Those(IsTarget); }
  const StorageTransition& transition() const { return transition_; }
  uint64_t epoch() const { return epoch_; }
  NetworkParams& params() { return params_; }
  std::map<int, Node>& nodes() { return nodes_; }

 private:
  std::set<int> Those(bool (*wanted)(StorageState)) const {
    std::set<int> found;
    for (const auto& [i, node] : nodes_) {
      if (wanted(node.facts.before)) found.insert(i);
    }
    return found;
  }

  std::map<int, Node> nodes_;
  NetworkParams params_;
  StorageTransition transition_;
  absl::Time now_ = absl::FromUnixSeconds(1893456000);
  uint64_t epoch_ = 100;
};

TEST(StorageMembershipTest, TheFirstNodesOfANetworkStoreAtOnce) {
  Membership net;
  net.Step();
  net.Add(1, 4);
  net[3].up = false;
  net[4].facts.storage_role = false;
  net.Step();
  EXPECT_THAT(net.Serving(), UnorderedElementsAre(1, 2));
  EXPECT_THAT(net.Target(), UnorderedElementsAre(1, 2));
  EXPECT_EQ(net.State(3), kWaiting);
  EXPECT_EQ(net.State(4), kNone);
  EXPECT_EQ(net.transition().epoch, 0);
}

TEST(StorageMembershipTest, ANetworkBootedWithTwoOfThreeGetsItsThird) {
  Membership net;
  net.Add(1, 3);
  net[3].up = false;
  net.Step();
  net[3].up = true;
  net.Step();
  EXPECT_EQ(net.State(3), kJoining);
  EXPECT_EQ(net.transition().epoch, net.epoch());
  ASSERT_TRUE(net.Settle());
  EXPECT_THAT(net.Serving(), UnorderedElementsAre(1, 2, 3));
}

TEST(StorageMembershipTest, AJoinerServesWhenAllOfTheTargetIsReady) {
  Membership net;
  net.Add(1, 3);
  net.Step();
  net[4].reports = false;
  net[2].reports = false;
  net.Steps(30);
  EXPECT_EQ(net.State(4), kJoining);
  EXPECT_THAT(net.Serving(), UnorderedElementsAre(1, 2, 3));
  EXPECT_THAT(net.Target(), UnorderedElementsAre(1, 2, 3, 4));
  net[4].reports = true;
  net.Steps(30);
  EXPECT_EQ(net.State(4), kJoining);
  net[2].reports = true;
  net.Step();
  EXPECT_EQ(net.State(4), kActive);
  EXPECT_EQ(net.transition().epoch, 0);
}

TEST(StorageMembershipTest, ReadyBeforeTheTransitionIsNotReadyForIt) {
  Membership net;
  net.Add(1, 4);
  net[4].up = false;
  net.Step();
  net[2].reports = false;
  net.Steps(3);
  net[4].up = true;
  net.Steps(60);
  EXPECT_EQ(net.State(4), kJoining);
}

TEST(StorageMembershipTest, OldAndNewMembersOverlapForAWhile) {
  Membership net;
  net.Add(1, 3);
  net.Step();
  net[4];
  net.Steps(10);
  EXPECT_EQ(net.State(4), kJoining);
  net.Step();
  EXPECT_EQ(net.State(4), kActive);
}

TEST(StorageMembershipTest, WhoComesDuringATransitionWaitsForTheNext) {
  Membership net;
  net.Add(1, 3);
  net.Step();
  net.Add(4, 5);
  net.Step();
  const uint64_t first = net.transition().epoch;
  net.Add(6, 7);
  net.Step();
  EXPECT_EQ(net.State(6), kWaiting);
  EXPECT_EQ(net.transition().epoch, first);
  ASSERT_TRUE(net.Settle());
  EXPECT_THAT(net.Serving(), UnorderedElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(net.State(6), kWaiting);
  net.Step();
  EXPECT_EQ(net.State(6), kJoining);
  EXPECT_EQ(net.State(7), kJoining);
  EXPECT_GT(net.transition().epoch, first);
}

TEST(StorageMembershipTest, ANodeThatWantsToLeaveServesUntilOthersHaveAll) {
  Membership net;
  net.Add(1, 4);
  net.Step();
  net[2].facts.leaving = true;
  net.Step();
  EXPECT_EQ(net.State(2), kLeaving);
  EXPECT_THAT(net.Target(), UnorderedElementsAre(1, 3, 4));
  ASSERT_TRUE(net.Settle());
  EXPECT_EQ(net.State(2), kWaiting);
  net.Steps(30);
  EXPECT_EQ(net.State(2), kWaiting);
  // Its operator thinks again.
  net[2].facts.leaving = false;
  net.Step();
  EXPECT_EQ(net.State(2), kJoining);
}

TEST(StorageMembershipTest, NobodyLeavesWhomNobodyCanReplace) {
  Membership net;
  net.Add(1, 3);
  net.Step();
  net[2].facts.leaving = true;
  net[3].up = false;
  net.Steps(120);
  EXPECT_THAT(net.Target(), UnorderedElementsAre(1, 2, 3));
  EXPECT_EQ(net.transition().epoch, 0);
  // With one more it is the dead one's turn, and with two the other's.
  net[4];
  net.Step();
  EXPECT_THAT(net.Target(), UnorderedElementsAre(1, 2, 4));
  net[5];
  ASSERT_TRUE(net.Settle());
  net.Step();
  EXPECT_THAT(net.Target(), UnorderedElementsAre(1, 4, 5));
}

TEST(StorageMembershipTest, ANodeThatWasDownForLongIsReplaced) {
  Membership net;
  net.Add(1, 4);
  net.Step();
  net[2].up = false;
  net.Steps(30);
  EXPECT_EQ(net.State(2), kActive);
  net.Step();
  EXPECT_EQ(net.State(2), kLeaving);
  ASSERT_TRUE(net.Settle());
  EXPECT_EQ(net.State(2), kWaiting);
  net[2].up = true;
  net.Step();
  EXPECT_EQ(net.State(2), kJoining);
}

TEST(StorageMembershipTest, AnEvictedNodeThatIsBackInTimeStays) {
  Membership net;
  net.Add(1, 4);
  net.Step();
  net[2].up = false;
  net.Steps(32);
  ASSERT_EQ(net.State(2), kLeaving);
  net[2].up = true;
  net.Step();
  EXPECT_EQ(net.State(2), kActive);
  // Nothing is left to change.
  EXPECT_EQ(net.transition().epoch, 0);
}

TEST(StorageMembershipTest, TheReturnOfOneRestartsTheTransitionOfOthers) {
  Membership net;
  net.Add(1, 4);
  net.Step();
  net[2].up = false;
  net[3].reports = false;
  net[5];
  net.Steps(32);
  ASSERT_EQ(net.State(2), kLeaving);
  ASSERT_EQ(net.State(5), kJoining);
  net.Steps(5);
  EXPECT_LT(net.transition().epoch, net.epoch());
  net[2].up = true;
  net.Step();
  EXPECT_EQ(net.State(2), kActive);
  EXPECT_EQ(net.State(5), kJoining);
  EXPECT_EQ(net.transition().epoch, net.epoch());
}

TEST(StorageMembershipTest, AnEvictionDuringATransitionChangesIt) {
  Membership net;
  net.Add(1, 5);
  net.Step();
  net[2].up = false;
  net.Steps(25);
  net[6].reports = false;
  net.Step();
  const uint64_t begun = net.transition().epoch;
  net[7];
  net.Steps(4);
  ASSERT_EQ(net.transition().epoch, begun);
  net.Step();
  EXPECT_EQ(net.State(2), kLeaving);
  EXPECT_EQ(net.transition().epoch, net.epoch());
  // The target changes anyway, so that whoever waits may join as well.
  EXPECT_EQ(net.State(7), kJoining);
}

TEST(StorageMembershipTest, WhenManyAreDownItIsTheNetwork) {
  Membership net;
  net.Add(1, 9);
  net.Step();
  for (int i : {1, 2, 3, 4}) net[i].up = false;
  net.Steps(600);
  EXPECT_EQ(net.Target().size(), 9);
  net[4].up = true;
  net.Step();
  EXPECT_THAT(net.Target(), UnorderedElementsAre(4, 5, 6, 7, 8, 9));
}

TEST(StorageMembershipTest, AnEvictionNeverMakesASwarmSmaller) {
  Membership net;
  net.params().swarm_size = 5;
  net.Add(1, 6);
  net.Step();
  net[1].up = false;
  net.Step();
  net[2].up = false;
  net.Steps(60);
  // The one that has been down for longer.
  EXPECT_THAT(net.Target(), UnorderedElementsAre(2, 3, 4, 5, 6));
}

TEST(StorageMembershipTest, AJoinerThatGoesDownIsNotWaitedFor) {
  Membership net;
  net.Add(1, 3);
  net.Step();
  net.Add(4, 5);
  net[4].reports = net[5].reports = false;
  net.Step();
  net[4].up = false;
  net[5].reports = true;
  net.Steps(31);
  EXPECT_EQ(net.State(4), kWaiting);
  EXPECT_EQ(net.transition().epoch, net.epoch());
  ASSERT_TRUE(net.Settle());
  EXPECT_THAT(net.Serving(), UnorderedElementsAre(1, 2, 3, 5));
}

TEST(StorageMembershipTest, WithoutItsReplacementALeavingNodeStays) {
  Membership net;
  net.Add(1, 3);
  net.Step();
  net[2].facts.leaving = true;
  net[4].reports = false;
  net.Step();
  ASSERT_EQ(net.State(2), kLeaving);
  net[4].up = false;
  net.Steps(31);
  EXPECT_EQ(net.State(4), kWaiting);
  EXPECT_EQ(net.State(2), kActive);
  EXPECT_EQ(net.transition().epoch, 0);
}

TEST(StorageMembershipTest, TwoLostOneAfterTheOtherAreReplacedByWhoWaits) {
  Membership net;
  net.params().swarm_size = 5;
  net.Add(1, 5);
  net.Step();
  net[5].up = false;
  net.Steps(29);
  net[6].reports = false;
  net.Steps(2);
  ASSERT_THAT(net.Target(), UnorderedElementsAre(1, 2, 3, 4, 6));
  net[7];
  net[4].up = false;
  net.Steps(31);
  EXPECT_THAT(net.Target(), UnorderedElementsAre(1, 2, 3, 6, 7));
  net[6].reports = true;
  ASSERT_TRUE(net.Settle());
  EXPECT_THAT(net.Serving(), UnorderedElementsAre(1, 2, 3, 6, 7));
}

// Any order of joins, leaves, crashes and reports: the laws of SPEC 5.6.
class StorageMembershipLaws : public ::testing::TestWithParam<uint64_t> {
 protected:
  void Disturb() {
    if (random_.Uniform(8) == 0 && net_.nodes().size() < 40) {
      net_[static_cast<int>(net_.nodes().size()) + 1];
    }
    for (auto& [i, node] : net_.nodes()) {
      if (random_.Uniform(60) == 0) node.up = !node.up;
      if (random_.Uniform(200) == 0) node.facts.leaving = !node.facts.leaving;
      if (random_.Uniform(20) == 0) node.reports = !node.reports;
    }
  }

  void StepAndCheck() {
    std::map<int, StorageState> before;
    for (const auto& [i, node] : net_.nodes()) before[i] = node.facts.before;
    const std::set<int> serving = net_.Serving();
    const std::set<int> target = net_.Target();
    const StorageTransition pending = net_.transition();
    net_.Step();
    const StorageTransition& transition = net_.transition();
    SCOPED_TRACE(absl::StrCat("seed ", GetParam(), " epoch ", net_.epoch()));

    const bool first = serving.empty();
    const bool s_changed = net_.Serving() != serving;
    const bool t_changed = net_.Target() != target;
    EXPECT_TRUE(first || !s_changed || !t_changed);
    if (!first && s_changed) {
      ++completed_;
      // Only at the end of a transition, to the target that it had.
      EXPECT_EQ(net_.Serving(), target);
      EXPECT_NE(pending.epoch, 0);
      EXPECT_EQ(transition.epoch, 0);
      for (const int i : target) EXPECT_TRUE(net_[i].was_ready) << i;
    }
    const bool differ = net_.Serving() != net_.Target();
    EXPECT_EQ(transition.epoch != 0, differ);
    if (transition.epoch != 0) {
      EXPECT_EQ(transition.epoch,
                t_changed || pending.epoch == 0 ? net_.epoch() : pending.epoch);
      EXPECT_GE(transition.epoch, newest_);
      newest_ = transition.epoch;
    }
    const size_t floor = std::min<size_t>(serving.size(), 3);
    EXPECT_GE(net_.Target().size(), floor);
    EXPECT_GE(net_.Serving().size(), floor);
    for (const auto& [i, node] : net_.nodes()) {
      const StorageState now = node.facts.before;
      if (now == kActive && before[i] != kActive && !first) {
        EXPECT_TRUE((before[i] == kJoining && node.was_ready) ||
                    before[i] == kLeaving)
            << i;
      }
      if (now == kJoining && before[i] != kJoining) {
        EXPECT_TRUE(node.up && !node.facts.leaving);
        EXPECT_EQ(before[i] == kNone ? kWaiting : before[i], kWaiting) << i;
      }
    }
  }

  crypto::SeededRandom random_{GetParam()};
  Membership net_;
  uint64_t newest_ = 0;
  int completed_ = 0;
};

TEST_P(StorageMembershipLaws, HoldWhateverHappens) {
  net_.params().evict_after = absl::Minutes(1 + random_.Uniform(40));
  net_.params().min_overlap = absl::Minutes(random_.Uniform(15));
  net_.Add(1, static_cast<int>(random_.Uniform(6)));
  for (int step = 0; step < 600; ++step) {
    Disturb();
    StepAndCheck();
    if (HasFailure()) return;
  }
  // With faults stopped, every transition completes.
  for (auto& [i, node] : net_.nodes()) node.up = node.reports = true;
  for (int step = 0; step < 120; ++step) {
    StepAndCheck();
    if (HasFailure()) return;
  }
  EXPECT_EQ(net_.transition().epoch, 0);
  EXPECT_GT(completed_, 0);
  for (const auto& [i, node] : net_.nodes()) {
    EXPECT_TRUE(node.facts.leaving || net_.State(i) == kActive) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, StorageMembershipLaws,
                         ::testing::Range<uint64_t>(0, 50));

}  // namespace
}  // namespace messenger::routing
