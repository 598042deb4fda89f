#include "swarm/repair/peer_health.h"

#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::swarm {
namespace {

class PeerHealthTest : public ::testing::Test {
 protected:
  crypto::SeededRandom random_{1};
  const routing::NodeId peer_ = random_.Fixed<routing::NodeId>();
  const routing::NodeId other_ = random_.Fixed<routing::NodeId>();
  routing::SimulatedClock clock_;
  PeerHealth health_{clock_};
};

TEST_F(PeerHealthTest, WhoFailedCountsForTwoMinutes) {
  EXPECT_FALSE(health_.FailedLately(peer_));
  health_.Failed(peer_);
  EXPECT_TRUE(health_.FailedLately(peer_));
  EXPECT_FALSE(health_.FailedLately(other_));
  clock_.Advance(absl::Minutes(2));
  EXPECT_TRUE(health_.FailedLately(peer_));
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_FALSE(health_.FailedLately(peer_));
}

TEST_F(PeerHealthTest, AFailureCountsFromTheLastOne) {
  health_.Failed(peer_);
  clock_.Advance(absl::Seconds(100));
  health_.Failed(peer_);
  clock_.Advance(absl::Seconds(100));
  EXPECT_TRUE(health_.FailedLately(peer_));
}

TEST_F(PeerHealthTest, ASuccessEndsIt) {
  health_.Failed(peer_);
  health_.Failed(other_);
  health_.Succeeded(peer_);
  EXPECT_FALSE(health_.FailedLately(peer_));
  EXPECT_TRUE(health_.FailedLately(other_));
}

TEST_F(PeerHealthTest, AClockThatIsSetBackMakesNobodyFailForLong) {
  health_.Failed(peer_);
  clock_.Advance(-absl::Hours(1));
  EXPECT_FALSE(health_.FailedLately(peer_));
}

TEST_F(PeerHealthTest, TheOldestFailureGivesWay) {
  health_.Failed(peer_);
  clock_.Advance(absl::Seconds(1));
  health_.Failed(other_);
  for (size_t i = 2; i < PeerHealth::kMaxPeers; ++i) {
    health_.Failed(random_.Fixed<routing::NodeId>());
  }
  // One that is known takes no place.
  health_.Failed(other_);
  EXPECT_TRUE(health_.FailedLately(peer_));
  health_.Failed(random_.Fixed<routing::NodeId>());
  EXPECT_FALSE(health_.FailedLately(peer_));
  EXPECT_TRUE(health_.FailedLately(other_));
}

}  // namespace
}  // namespace messenger::swarm
