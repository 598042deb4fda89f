// A seed is all there is to a run.

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/hash/hash.h"
#include "gtest/gtest.h"
#include "tools/simnet/network.h"
#include "tools/simnet/scenarios/scenario.h"

namespace messenger::simnet {
namespace {

using ::messenger::testing::IsOk;

// Some of everything that scenarios do.
crypto::Digest256 TraceOf(uint64_t seed) {
  Network::Options options;
  options.seed = seed;
  options.packet_loss = 0.05;
  TwoPeople people(options);
  Network& network = people.network();
  EXPECT_THAT(people.alice().Send(people.bob().account(), "hello there"),
              IsOk());
  network.RunFor(absl::Seconds(1));
  const int victim = network.SwarmOf(people.bob().account())[0];
  network.Crash(victim);
  EXPECT_THAT(people.bob().Send(people.alice().account(), "hello yourself"),
              IsOk());
  people.RunUntilDelivered();
  people.alice().GoOffline();
  network.Restart(victim);
  people.alice().GoOnline();
  network.RunFor(absl::Seconds(30));
  people.ExpectInvariants();
  EXPECT_GT(network.requests_delivered(), 0u);
  return network.trace();
}

TEST(DeterminismTest, TheSameSeedGivesTheSameRun) {
  for (const uint64_t seed : {1, 2, 3}) {
    const crypto::Digest256 trace = TraceOf(seed);
    EXPECT_EQ(trace, TraceOf(seed)) << "seed " << seed;
    // For comparing processes and machines.
    RecordProperty(absl::StrCat("trace-of-seed-", seed), trace.ToHex());
  }
}

TEST(DeterminismTest, AnotherSeedGivesAnotherRun) {
  EXPECT_NE(TraceOf(4), TraceOf(5));
}

}  // namespace
}  // namespace messenger::simnet
