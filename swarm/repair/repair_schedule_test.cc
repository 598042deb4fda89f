#include "swarm/repair/repair_schedule.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::swarm {
namespace {

class RepairScheduleTest : public ::testing::Test {
 protected:
  RepairScheduleTest() {
    for (int i = 0; i < 5; ++i) {
      nodes_.push_back(random_.Fixed<routing::NodeId>());
    }
  }

  crypto::SeededRandom random_{1};
  std::vector<routing::NodeId> nodes_;
  routing::SimulatedClock clock_;
  RepairSchedule schedule_{random_};
};

TEST_F(RepairScheduleTest, EachHasOneTurnInARoundInAnOrderDrawnAnew) {
  schedule_.SetPeers(nodes_);
  std::set<std::vector<routing::NodeId>> orders;
  for (int round = 0; round < 100; ++round) {
    std::vector<routing::NodeId> order;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      order.push_back(schedule_.NextPeer().value());
    }
    EXPECT_EQ(std::set<routing::NodeId>(order.begin(), order.end()).size(),
              nodes_.size());
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 50u);
}

TEST_F(RepairScheduleTest, WhoLeavesHasNoTurnAnyMore) {
  schedule_.SetPeers(nodes_);
  ASSERT_TRUE(schedule_.NextPeer().has_value());
  schedule_.SetPeers({nodes_[1], nodes_[2]});
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(schedule_.NextPeer().value(),
                ::testing::AnyOf(nodes_[1], nodes_[2]));
  }
}

TEST_F(RepairScheduleTest, OneThatIsAloneHasEveryTurn) {
  EXPECT_EQ(schedule_.NextPeer(), std::nullopt);
  schedule_.SetPeers({nodes_[0]});
  EXPECT_EQ(schedule_.NextPeer(), nodes_[0]);
  EXPECT_EQ(schedule_.NextPeer(), nodes_[0]);
  schedule_.SetPeers({});
  EXPECT_EQ(schedule_.NextPeer(), std::nullopt);
}

TEST_F(RepairScheduleTest, ARoundTakesAMinuteGiveOrTakeHalf) {
  struct Pause {
    size_t peers;
    absl::Duration pause;
  };
  for (const auto& [peers, pause] :
       {Pause{0, absl::Seconds(30)}, Pause{1, absl::Seconds(30)},
        Pause{6, absl::Seconds(10)}, Pause{100, absl::Milliseconds(600)},
        Pause{5000, absl::Milliseconds(100)}}) {
    std::vector<routing::NodeId> nodes;
    while (nodes.size() < peers) {
      nodes.push_back(random_.Fixed<routing::NodeId>());
    }
    schedule_.SetPeers(nodes);
    absl::Duration least = absl::InfiniteDuration();
    absl::Duration most;
    for (int i = 0; i < 1000; ++i) {
      const absl::Duration delay = schedule_.NextDelay();
      least = std::min(least, delay);
      most = std::max(most, delay);
    }
    EXPECT_GE(least, 0.5 * pause) << peers;
    EXPECT_LE(least, 0.55 * pause) << peers;
    EXPECT_LE(most, 1.5 * pause) << peers;
    EXPECT_GE(most, 1.45 * pause) << peers;
    EXPECT_LE(most, RepairSchedule::kLongestDelay);
  }
}

// A rest that seems longer than any is one from before the clock was set back.
TEST_F(RepairScheduleTest, AClockThatIsSetBackKeepsNobodyResting) {
  schedule_.SetPeers(nodes_);
  schedule_.FillEnded(nodes_[0], /*moved_on=*/false,
                      clock_.Now() + absl::Hours(1));
  EXPECT_EQ(schedule_.NextFill({nodes_[0]}, clock_.Now()), nodes_[0]);
}

TEST_F(RepairScheduleTest, AFillBeginsAtOnce) {
  schedule_.SetPeers(nodes_);
  EXPECT_EQ(schedule_.NextFill({}, clock_.Now()), std::nullopt);
  EXPECT_EQ(schedule_.NextFillAt({}), std::nullopt);
  ASSERT_TRUE(schedule_.NextFillAt(nodes_).has_value());
  EXPECT_LE(*schedule_.NextFillAt(nodes_), clock_.Now());
  EXPECT_TRUE(schedule_.NextFill(nodes_, clock_.Now()).has_value());
}

TEST_F(RepairScheduleTest,
       OneThatMovesNothingOnRestsHalfASecondDoublingToFour) {
  const std::vector<routing::NodeId> able = {nodes_[0]};
  schedule_.SetPeers(nodes_);
  for (const int rest_ms : {500, 1000, 2000, 4000, 4000, 4000}) {
    schedule_.FillEnded(nodes_[0], /*moved_on=*/false, clock_.Now());
    const absl::Time until = clock_.Now() + absl::Milliseconds(rest_ms);
    EXPECT_EQ(schedule_.NextFillAt(able), until) << rest_ms;
    EXPECT_EQ(schedule_.NextFill(able, until - absl::Milliseconds(1)),
              std::nullopt);
    EXPECT_EQ(schedule_.NextFill(able, until), nodes_[0]);
    clock_.Advance(absl::Milliseconds(rest_ms));
  }
}

TEST_F(RepairScheduleTest, OneThatMovedSomethingOnGoesOnAndBeginsAnew) {
  const std::vector<routing::NodeId> able = {nodes_[0]};
  schedule_.SetPeers(nodes_);
  for (int i = 0; i < 4; ++i) {
    schedule_.FillEnded(nodes_[0], /*moved_on=*/false, clock_.Now());
  }
  schedule_.FillEnded(nodes_[0], /*moved_on=*/true, clock_.Now());
  EXPECT_EQ(schedule_.NextFill(able, clock_.Now()), nodes_[0]);
  schedule_.FillEnded(nodes_[0], /*moved_on=*/false, clock_.Now());
  EXPECT_EQ(schedule_.NextFillAt(able),
            clock_.Now() + RepairSchedule::kFirstFillRetry);
}

TEST_F(RepairScheduleTest, WhileOneRestsOthersFill) {
  schedule_.SetPeers(nodes_);
  schedule_.FillEnded(nodes_[0], /*moved_on=*/false, clock_.Now());
  const std::vector<routing::NodeId> able = {nodes_[0], nodes_[1]};
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(schedule_.NextFill(able, clock_.Now()), nodes_[1]);
  }
}

TEST_F(RepairScheduleTest, WhoHasLeftRestsNoMore) {
  schedule_.SetPeers(nodes_);
  schedule_.FillEnded(nodes_[0], /*moved_on=*/false, clock_.Now());
  schedule_.SetPeers({nodes_[1]});
  schedule_.SetPeers(nodes_);
  EXPECT_EQ(schedule_.NextFill({nodes_[0]}, clock_.Now()), nodes_[0]);
}

}  // namespace
}  // namespace messenger::swarm
