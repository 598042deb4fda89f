// Two people write, at the same time, at length, and through a bad network.

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
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

class ConversationTest : public ScenarioInEachMode {};

// Neither knows of the other's first text when writing the own one.
TEST_P(ConversationTest, BothMayWriteAtOnce) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(alice().Send(bob().account(), absl::StrCat("from alice ", i)),
                IsOk());
    ASSERT_THAT(bob().Send(alice().account(), absl::StrCat("from bob ", i)),
                IsOk());
    network().RunFor(absl::Seconds(5 * i));
  }
  EXPECT_TRUE(RunUntilDelivered());
  EXPECT_EQ(alice().inbox().size(), 3u);
  EXPECT_EQ(bob().inbox().size(), 3u);
  // And with what they have become by now.
  ASSERT_THAT(alice().Send(bob().account(), "now in turn"), IsOk());
  EXPECT_TRUE(RunUntilDelivered());
  ASSERT_THAT(bob().Send(alice().account(), "now in turn"), IsOk());
  EXPECT_TRUE(RunUntilDelivered());
}

TEST_P(ConversationTest, ALongTextArrivesWhole) {
  std::string text;
  while (text.size() < 100'000) {
    absl::StrAppend(&text, "line ", text.size(), " of a long story\n");
  }
  ASSERT_THAT(alice().Send(bob().account(), text), IsOk());
  EXPECT_TRUE(RunUntilDelivered());
  EXPECT_THAT(bob().inbox(), ElementsAre(Field(&ReceivedText::text, text)));
}

INSTANTIATE_TEST_SUITE_P(Seeds, ConversationTest, SeedsInEachMode(),
                         NameOfSeedAndMode);

class BadNetworkTest : public Scenario {
 protected:
  Network::Options options() override {
    Network::Options options = Scenario::options();
    options.packet_loss = 0.1;
    options.mean_delay = absl::Milliseconds(150);
    options.sqlite_stores = seed() % 2 == 0;
    return options;
  }
};

// A member of each swarm is cut off, with others, then dies, then is back.
TEST_P(BadNetworkTest, TextsArriveThroughLossPartitionAndRestarts) {
  const int of_bob = network().SwarmOf(bob().account())[seed() % 3];
  ASSERT_THAT(alice().Send(bob().account(), "before anything"), IsOk());
  network().RunFor(absl::Seconds(3));
  network().Partition({of_bob, (of_bob + 1) % network().nodes()});
  ASSERT_THAT(alice().Send(bob().account(), "during the partition"), IsOk());
  ASSERT_THAT(bob().Send(alice().account(), "during it, too"), IsOk());
  network().RunFor(absl::Seconds(30));
  network().Heal();
  network().Crash(of_bob);
  ASSERT_THAT(alice().Send(bob().account(), "after the death"), IsOk());
  network().RunFor(absl::Seconds(10));
  network().Restart(of_bob);
  EXPECT_TRUE(RunUntilDelivered(absl::Minutes(10)));
  EXPECT_EQ(bob().inbox().size(), 3u);
  EXPECT_EQ(alice().inbox().size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BadNetworkTest, Seeds(), NameOfSeed);

}  // namespace
}  // namespace messenger::simnet
