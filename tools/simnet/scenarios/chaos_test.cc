// Whatever happens, in whatever order: processes die and come back, parts of
// the network fall apart, devices are killed, and people write all the while.
// When it is over, every text has arrived, once.

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "tools/simnet/network.h"
#include "tools/simnet/scenarios/scenario.h"

namespace messenger::simnet {
namespace {

using ::messenger::testing::IsOk;

constexpr int kSteps = 25;

class ChaosTest : public ScenarioInEachMode {
 protected:
  Network::Options options() override {
    Network::Options options = ScenarioInEachMode::options();
    options.packet_loss = 0.02 * static_cast<double>(Draw(8));
    options.mean_delay = absl::Milliseconds(20 + Draw(200));
    return options;
  }

  uint64_t Draw(uint64_t bound) { return chance_.Uniform(bound); }

  void Step(int number) {
    Device& device = Draw(2) == 0 ? alice() : bob();
    Device& other = &device == &alice() ? bob() : alice();
    const int node = static_cast<int>(Draw(network().nodes()));
    switch (Draw(6)) {
      case 0:
      case 1:
        if (!device.online()) break;
        ASSERT_THAT(
            device.Send(other.account(), absl::StrCat("text of step ", number)),
            IsOk());
        break;
      case 2:
        if (device.online()) {
          device.GoOffline();
        } else {
          device.GoOnline();
        }
        break;
      case 3:
        // One machine at a time: two of a swarm would be its end.
        if (down_ >= 0) network().Restart(down_);
        down_ = node;
        network().Crash(node, static_cast<Network::Part>(Draw(3)));
        break;
      case 4:
        network().Partition({node, static_cast<int>(Draw(network().nodes()))});
        break;
      case 5:
        network().Heal();
        break;
    }
    network().RunFor(absl::Milliseconds(Draw(8000)));
  }

  void EndOfTrouble() {
    network().Heal();
    if (down_ >= 0) network().Restart(down_);
    alice().GoOnline();
    bob().GoOnline();
  }

 private:
  crypto::SeededRandom chance_{seed() * 2 +
                               (mode() == routing::RoutingMode::kOnion)};
  int down_ = -1;
};

TEST_P(ChaosTest, EveryTextArrivesOnce) {
  for (int i = 0; i < kSteps; ++i) {
    ASSERT_NO_FATAL_FAILURE(Step(i));
    ASSERT_THAT(network().CheckInvariants(), IsOk()) << "after step " << i;
  }
  EndOfTrouble();
  EXPECT_TRUE(RunUntilDelivered(absl::Minutes(20)));
  EXPECT_EQ(bob().inbox().size(), alice().written().size());
  EXPECT_EQ(alice().inbox().size(), bob().written().size());
}

INSTANTIATE_TEST_SUITE_P(Seeds, ChaosTest, SeedsInEachMode(),
                         NameOfSeedAndMode);

}  // namespace
}  // namespace messenger::simnet
