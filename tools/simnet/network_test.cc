// That the invariants find what they are there to find: a simulator that
// never complains proves nothing.

#include "tools/simnet/network.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/simnet/lying_store.h"

namespace messenger::simnet {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;

class NetworkTest : public ::testing::Test {
 protected:
  NetworkTest() { EXPECT_TRUE(network_.Settle()); }

  std::vector<int> SwarmOfBob() { return network_.SwarmOf(bob_.account()); }
  bool RunUntilSent() {
    return network_.RunUntil([&] { return alice_.AllSent(); },
                             absl::Minutes(2));
  }

  Network network_{Network::Options()};
  Device& alice_ = network_.AddDevice("alice");
  Device& bob_ = network_.AddDevice("bob");
};

TEST_F(NetworkTest, AWholeConspiracyOfMembersLosesATextAndIsFoundOut) {
  for (const int member : SwarmOfBob()) {
    network_.SetLie(member, Lie::kDropAfterReceipt);
  }
  ASSERT_THAT(alice_.Send(bob_.account(), "into the void"), IsOk());
  ASSERT_TRUE(RunUntilSent());
  EXPECT_FALSE(network_.Delivered());
  EXPECT_THAT(
      network_.CheckInvariants(),
      StatusIs(absl::StatusCode::kInternal, HasSubstr("is on 0 honest disks")));
}

TEST_F(NetworkTest, NothingIsSentWithoutAWriteQuorum) {
  const std::vector<int> swarm = SwarmOfBob();
  bob_.GoOffline();
  network_.Crash(swarm[0], Network::Part::kStorage);
  network_.Crash(swarm[1], Network::Part::kStorage);
  ASSERT_THAT(alice_.Send(bob_.account(), "one is not enough"), IsOk());
  EXPECT_FALSE(RunUntilSent());
  EXPECT_THAT(network_.CheckInvariants(), IsOk());
  // And is, as soon as there are two.
  network_.Restart(swarm[0], Network::Part::kStorage);
  bob_.GoOnline();
  EXPECT_TRUE(network_.RunUntil([&] { return network_.Delivered(); },
                                absl::Minutes(10)));
  EXPECT_THAT(network_.CheckInvariants(), IsOk());
}

TEST_F(NetworkTest, ADeviceThatIsOffSendsNothing) {
  alice_.GoOffline();
  EXPECT_THAT(alice_.Send(bob_.account(), "from beyond"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(NetworkTest, PathsAreSeenAsTheyWereTaken) {
  ASSERT_FALSE(network_.Paths(alice_).empty());
  bool whole = false;
  for (const std::vector<int>& path : network_.Paths(alice_)) {
    EXPECT_LE(path.size(), 4u);
    whole = whole || path.size() == 4;
  }
  EXPECT_TRUE(whole);
}

}  // namespace
}  // namespace messenger::simnet
