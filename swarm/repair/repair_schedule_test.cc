#include "swarm/repair/repair_schedule.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "crypto/random/testing/seeded_random.h"
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

TEST_F(RepairScheduleTest, NeverTheSameTwiceRunningAndAllInTheEnd) {
  schedule_.SetPeers(nodes_);
  std::map<routing::NodeId, int> turns;
  std::optional<routing::NodeId> last;
  for (int i = 0; i < 1000; ++i) {
    const auto next = schedule_.NextPeer();
    ASSERT_TRUE(next.has_value());
    EXPECT_NE(next, last);
    last = next;
    ++turns[*next];
  }
  EXPECT_EQ(turns.size(), nodes_.size());
  for (const auto& [node, count] : turns) EXPECT_GT(count, 100);
}

TEST_F(RepairScheduleTest, OneThatIsAloneHasEveryTurn) {
  EXPECT_EQ(schedule_.NextPeer(), std::nullopt);
  schedule_.SetPeers({nodes_[0]});
  EXPECT_EQ(schedule_.NextPeer(), nodes_[0]);
  EXPECT_EQ(schedule_.NextPeer(), nodes_[0]);
  schedule_.SetPeers({});
  EXPECT_EQ(schedule_.NextPeer(), std::nullopt);
}

TEST_F(RepairScheduleTest, ATurnComesEveryThirtySecondsGiveOrTakeHalf) {
  absl::Duration least = absl::InfiniteDuration();
  absl::Duration most;
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration delay = schedule_.NextDelay();
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_GE(least, absl::Seconds(15));
  EXPECT_LE(least, absl::Seconds(16));
  EXPECT_LE(most, absl::Seconds(45));
  EXPECT_GE(most, absl::Seconds(44));
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
