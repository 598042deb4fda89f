#include "client/remote/network_time.h"

#include <optional>

#include "client/remote/member_caller.h"
#include "client/remote/testing/fake_swarm.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/shifted_clock.h"

namespace messenger::client {
namespace {

class NetworkTimeTest : public ::testing::Test {
 protected:
  std::optional<bool> Correct() {
    std::optional<bool> changed;
    time_.Correct([&](bool value) { changed = value; });
    EXPECT_FALSE(changed.has_value()) << "done ran inside the call";
    swarm_.executor().RunUntil([&] { return changed.has_value(); },
                               absl::Minutes(1));
    return changed;
  }
  void ExpectRight() {
    EXPECT_LT(absl::AbsDuration(time_.Now() - swarm_.clock().Now()),
              absl::Seconds(1));
  }

  FakeSwarm swarm_{3};
  routing::ShiftedClock clock_{swarm_.clock(), absl::Hours(-1)};
  MemberCaller caller_{swarm_.requester()};
  NetworkTime time_{caller_, swarm_.directory(), clock_, swarm_.executor(),
                    swarm_.random()};
};

TEST_F(NetworkTimeTest, IsTheDevicesUntilItIsCorrected) {
  EXPECT_EQ(time_.Now(), clock_.Now());
  EXPECT_TRUE(swarm_.requester().sent().empty());
  EXPECT_EQ(Correct(), true);
  ExpectRight();
  EXPECT_EQ(time_.generation(), 1u);
}

TEST_F(NetworkTimeTest, ARightClockIsLeftAlone) {
  ASSERT_EQ(Correct(), true);
  swarm_.executor().RunFor(NetworkTime::kInterval);
  const absl::Duration offset = time_.offset();
  EXPECT_EQ(Correct(), false);
  EXPECT_EQ(time_.offset(), offset);
}

TEST_F(NetworkTimeTest, OneLiarOfThreeCannotMoveIt) {
  for (const absl::Duration lie :
       {absl::Hours(-100), absl::Hours(100), absl::Minutes(5)}) {
    for (int liar = 0; liar < 3; ++liar) {
      swarm_.node(liar).clock_offset = lie;
      Correct();
      ExpectRight();
      swarm_.node(liar).clock_offset = absl::ZeroDuration();
      swarm_.executor().RunFor(NetworkTime::kInterval);
    }
  }
}

TEST_F(NetworkTimeTest, TwoNodesAreNotBelieved) {
  swarm_.node(1).silent = true;
  EXPECT_EQ(Correct(), false);
  EXPECT_EQ(time_.Now(), clock_.Now());
}

TEST_F(NetworkTimeTest, IsNotMeasuredAgainAtOnce) {
  ASSERT_EQ(Correct(), true);
  const size_t sent = swarm_.requester().sent().size();
  EXPECT_EQ(Correct(), false);
  EXPECT_EQ(swarm_.requester().sent().size(), sent);
  swarm_.executor().RunFor(NetworkTime::kInterval);
  Correct();
  EXPECT_GT(swarm_.requester().sent().size(), sent);
}

TEST_F(NetworkTimeTest, WhoAsksMeanwhileSharesTheMeasurement) {
  int told = 0;
  for (int i = 0; i < 3; ++i) {
    time_.Correct([&](bool changed) { told += changed; });
  }
  swarm_.executor().RunFor(absl::Seconds(1));
  EXPECT_EQ(told, 3);
  EXPECT_EQ(swarm_.requester().sent().size(), 3u);
}

}  // namespace
}  // namespace messenger::client
