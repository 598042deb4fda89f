// Nodes of a path die in the middle of a request, one after the other through
// all places of the path; texts still arrive, and once.

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

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

class RelayDeathTest : public Scenario {
 protected:
  // Waits until a circuit that `device` begins from now on has come as far as
  // its node number `place`, and kills that node's relay there and then.
  int KillOnTheWay(const Device& device, size_t place) {
    const size_t before = network().Paths(device).size();
    int victim = -1;
    EXPECT_TRUE(network().RunUntil(
        [&] {
          const std::vector<std::vector<int>> paths = network().Paths(device);
          for (size_t i = before; i < paths.size(); ++i) {
            if (paths[i].size() <= place) continue;
            victim = paths[i][place];
            return true;
          }
          return false;
        },
        absl::Minutes(1)));
    if (victim >= 0) network().Crash(victim, Network::Part::kRelay);
    return victim;
  }
};

TEST_P(RelayDeathTest, AnyNodeOfAPathMayDieWhileATextIsSent) {
  for (size_t place = 0; place < 4; ++place) {
    ASSERT_THAT(alice().Send(bob().account(), absl::StrCat("text ", place)),
                IsOk());
    const int victim = KillOnTheWay(alice(), place);
    ASSERT_GE(victim, 0);
    EXPECT_TRUE(RunUntilDelivered()) << "place " << place;
    network().Restart(victim, Network::Part::kRelay);
  }
  std::set<std::string> texts;
  for (const ReceivedText& text : bob().inbox()) texts.insert(text.text);
  EXPECT_THAT(texts, ElementsAre("text 0", "text 1", "text 2", "text 3"));
  EXPECT_EQ(bob().inbox().size(), 4u);
}

TEST_P(RelayDeathTest, AnyNodeOfAPathMayDieWhileATextIsRead) {
  const size_t place = seed() % 4;
  bob().GoOffline();
  ASSERT_THAT(alice().Send(bob().account(), "the first of all texts"), IsOk());
  ASSERT_TRUE(
      network().RunUntil([&] { return alice().AllSent(); }, absl::Minutes(2)));
  bob().GoOnline();
  ASSERT_GE(KillOnTheWay(bob(), place), 0);
  EXPECT_TRUE(RunUntilDelivered());
  EXPECT_THAT(bob().inbox(), ElementsAre(Field(&ReceivedText::text,
                                               "the first of all texts")));
}

// The device is killed at some point of sending, and sends what its outbox
// has when it comes back: the same text, which arrives once.
TEST_P(RelayDeathTest, ADeviceMayDieWhileItSends) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(alice().Send(bob().account(), absl::StrCat("try number ", i)),
                IsOk());
    network().RunFor(
        absl::Milliseconds(70 * static_cast<int>(seed()) + 250 * i));
    alice().GoOffline();
    network().RunFor(absl::Seconds(5));
    alice().GoOnline();
  }
  EXPECT_TRUE(RunUntilDelivered());
  EXPECT_EQ(bob().inbox().size(), 3u);
}

// As above, at the other end.
TEST_P(RelayDeathTest, ADeviceMayDieWhileItReads) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(alice().Send(bob().account(), absl::StrCat("try number ", i)),
                IsOk());
    ASSERT_TRUE(network().RunUntil([&] { return alice().AllSent(); },
                                   absl::Minutes(2)));
    bob().GoOffline();
    bob().GoOnline();
    network().RunFor(
        absl::Milliseconds(90 * static_cast<int>(seed()) + 250 * i));
    bob().GoOffline();
    bob().GoOnline();
  }
  EXPECT_TRUE(RunUntilDelivered());
  EXPECT_EQ(bob().inbox().size(), 3u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RelayDeathTest, Seeds(), NameOfSeed);

}  // namespace
}  // namespace messenger::simnet
