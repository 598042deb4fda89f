#include "swarm/repair/cluster_clock.h"

#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::swarm {
namespace {

class ClusterClockTest : public ::testing::Test {
 protected:
  ClusterClockTest() {
    for (int i = 0; i < 9; ++i) {
      nodes_.push_back(random_.Fixed<routing::NodeId>());
    }
  }
  // Each is heard from a peer of its own.
  void Hear(const std::vector<int>& seconds) {
    for (size_t i = 0; i < seconds.size(); ++i) {
      cluster_.Heard(nodes_[i], absl::Seconds(seconds[i]));
    }
  }

  crypto::SeededRandom random_{1};
  std::vector<routing::NodeId> nodes_;
  routing::SimulatedClock clock_;
  ClusterClock cluster_{clock_};
};

TEST_F(ClusterClockTest, WithoutTwoPeersItIsTheLocalClock) {
  EXPECT_EQ(cluster_.Now(), clock_.Now());
  Hear({500});
  cluster_.Heard(nodes_[0], absl::Seconds(600));
  EXPECT_EQ(cluster_.Now(), clock_.Now());
  EXPECT_FALSE(cluster_.alarm());
  Hear({500, 500});
  EXPECT_EQ(cluster_.Now(), clock_.Now() + absl::Seconds(500));
}

TEST_F(ClusterClockTest, IsTheMedianOfPeersAndItself) {
  Hear({4, 10});  // and 0
  EXPECT_EQ(cluster_.Offset(), absl::Seconds(4));
  Hear({4, 10, -2});  // between 0 and 4
  EXPECT_EQ(cluster_.Offset(), absl::Seconds(2));
}

TEST_F(ClusterClockTest, OnePeerAloneDoesNotMoveIt) {
  for (const int far : {1'000'000, -1'000'000}) {
    Hear({1, -1, 2, far});
    EXPECT_GE(cluster_.Offset(), absl::Seconds(-1));
    EXPECT_LE(cluster_.Offset(), absl::Seconds(2));
  }
}

// Whatever a minority says, the time is between what the others say.
TEST_F(ClusterClockTest, AMinorityDoesNotMoveIt) {
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 8; ++i) {
      const bool honest = i < 5;
      cluster_.Heard(nodes_[i],
                     absl::Milliseconds(static_cast<int64_t>(random_.Uniform(
                                            honest ? 2000 : 2'000'000'000)) -
                                        (honest ? 1000 : 1'000'000'000)));
    }
    EXPECT_LE(absl::AbsDuration(cluster_.Offset()), absl::Seconds(1)) << round;
  }
}

TEST_F(ClusterClockTest, OnlyTheLatestOfAPeerCounts) {
  Hear({100, 100});
  Hear({3, 3});
  EXPECT_EQ(cluster_.Offset(), absl::Seconds(3));
  EXPECT_EQ(cluster_.peers(), 2u);
}

TEST_F(ClusterClockTest, AnOffsetIsGoodForAnHour) {
  Hear({100, 100});
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(cluster_.Offset(), absl::Seconds(100));
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(cluster_.Offset(), absl::ZeroDuration());
  EXPECT_EQ(cluster_.peers(), 0u);
}

TEST_F(ClusterClockTest, SoItIsWhenTheLocalClockIsSetBack) {
  Hear({100, 100});
  clock_.Advance(-absl::Hours(2));
  EXPECT_EQ(cluster_.Offset(), absl::ZeroDuration());
}

TEST_F(ClusterClockTest, BeyondFiveSecondsAlarmBeyondSixtyUnfit) {
  struct {
    int seconds;
    bool alarm;
    bool unfit;
  } const cases[] = {{5, false, false},  {6, true, false},   {60, true, false},
                     {61, true, true},   {-5, false, false}, {-6, true, false},
                     {-60, true, false}, {-61, true, true}};
  for (const auto& [seconds, alarm, unfit] : cases) {
    Hear({seconds, seconds});
    EXPECT_EQ(cluster_.alarm(), alarm) << seconds;
    EXPECT_EQ(cluster_.unfit(), unfit) << seconds;
  }
}

TEST_F(ClusterClockTest, NothingIsForgottenThatOneClockSaysIsAlive) {
  Hear({30, 30});
  EXPECT_EQ(cluster_.GcNow(), clock_.Now());
  Hear({-30, -30});
  EXPECT_EQ(cluster_.GcNow(), clock_.Now() - absl::Seconds(30));
}

TEST_F(ClusterClockTest, RemembersABoundedNumberOfPeersTheLatest) {
  for (size_t i = 0; i < ClusterClock::kMaxPeers; ++i) {
    cluster_.Heard(random_.Fixed<routing::NodeId>(), absl::Seconds(9));
  }
  clock_.Advance(absl::Minutes(1));
  for (size_t i = 0; i < ClusterClock::kMaxPeers / 2 + 10; ++i) {
    cluster_.Heard(random_.Fixed<routing::NodeId>(), absl::Seconds(2));
  }
  EXPECT_EQ(cluster_.peers(), ClusterClock::kMaxPeers);
  EXPECT_EQ(cluster_.Offset(), absl::Seconds(2));
}

}  // namespace
}  // namespace messenger::swarm
