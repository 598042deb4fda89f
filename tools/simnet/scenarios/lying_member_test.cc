// One member of a swarm of five is dishonest. It can be a nuisance; it can
// neither lose nor change nor repeat a text.

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "tools/simnet/lying_store.h"
#include "tools/simnet/network.h"
#include "tools/simnet/scenarios/scenario.h"

namespace messenger::simnet {
namespace {

using ::messenger::testing::IsOk;

class LyingMemberTest : public Scenario {
 protected:
  Network::Options options() override {
    Network::Options options = Scenario::options();
    options.swarm_size = 5;
    options.nodes = 10;
    return options;
  }

  // In the swarms of both, a different one for each seed.
  void SetLie(Lie lie) {
    for (const Device* device : {&alice(), &bob()}) {
      const std::vector<int> swarm = network().SwarmOf(device->account());
      network().SetLie(swarm[seed() % swarm.size()], lie);
    }
  }

  void ExpectAConversation() {
    ASSERT_THAT(alice().Send(bob().account(), "can you hear me?"), IsOk());
    EXPECT_TRUE(RunUntilDelivered());
    ASSERT_THAT(bob().Send(alice().account(), "loud and clear"), IsOk());
    EXPECT_TRUE(RunUntilDelivered());
    ASSERT_THAT(alice().Send(bob().account(), "so it goes"), IsOk());
    EXPECT_TRUE(RunUntilDelivered());
    EXPECT_EQ(bob().inbox().size(), 2u);
    EXPECT_EQ(alice().inbox().size(), 1u);
  }
};

TEST_P(LyingMemberTest, OneThatThrowsAwayWhatItSignedForLosesNothing) {
  SetLie(Lie::kDropAfterReceipt);
  ExpectAConversation();
}

TEST_P(LyingMemberTest, OneThatHidesWhatItHasHidesNothing) {
  SetLie(seed() % 2 == 0 ? Lie::kHide : Lie::kNoRecords);
  ExpectAConversation();
}

TEST_P(LyingMemberTest, OneThatChangesWhatItHandsOutChangesNothing) {
  SetLie(Lie::kCorrupt);
  ExpectAConversation();
}

INSTANTIATE_TEST_SUITE_P(Seeds, LyingMemberTest, Seeds(), NameOfSeed);

}  // namespace
}  // namespace messenger::simnet
