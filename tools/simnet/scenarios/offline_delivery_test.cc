// Delivery when recipients and their storage nodes come and go.

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/simnet/network.h"
#include "tools/simnet/scenarios/scenario.h"

namespace messenger::simnet {
namespace {

using ::messenger::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::Field;

class OfflineDeliveryTest : public ScenarioInEachMode {};

TEST_P(OfflineDeliveryTest, ATextSurvivesTheLossOfAStorageNode) {
  bob().GoOffline();
  ASSERT_THAT(alice().Send(bob().account(), "are you there?"), IsOk());
  ASSERT_TRUE(
      network().RunUntil([&] { return alice().AllSent(); }, absl::Minutes(2)));

  network().Crash(network().SwarmOf(bob().account())[0]);
  bob().GoOnline();

  EXPECT_TRUE(RunUntilDelivered());
  EXPECT_THAT(bob().inbox(),
              ElementsAre(Field(&ReceivedText::text, "are you there?")));
}

TEST_P(OfflineDeliveryTest, ATextIsSentWhileAStorageNodeIsAway) {
  // Of a network that has begun: before, one that never came up counts.
  for (int node = 0; node < network().nodes(); ++node) {
    ASSERT_TRUE(network().RunUntil([&] { return network().HoldsAll(node); },
                                   absl::Minutes(1)));
  }
  const std::vector<int> swarm = network().SwarmOf(bob().account());
  network().Crash(swarm[seed() % swarm.size()]);
  bob().GoOffline();
  ASSERT_THAT(alice().Send(bob().account(), "while you were away"), IsOk());
  ASSERT_TRUE(
      network().RunUntil([&] { return alice().AllSent(); }, absl::Minutes(3)));
  bob().GoOnline();
  EXPECT_TRUE(RunUntilDelivered());
}

INSTANTIATE_TEST_SUITE_P(Seeds, OfflineDeliveryTest, SeedsInEachMode(),
                         NameOfSeedAndMode);

}  // namespace
}  // namespace messenger::simnet
