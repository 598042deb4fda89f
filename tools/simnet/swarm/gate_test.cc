// The swarm simulator's share of every change: seeds that once failed, then
// fresh ones, split over shards; one seed twice, for the same trace.

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tools/simnet/swarm/plan.h"
#include "tools/simnet/swarm/report.h"
#include "tools/simnet/swarm/simulation.h"

namespace messenger::simnet {
namespace {

constexpr uint64_t kSeeds = 200;
// Bazel starts this once for each shard (BUILD), and GoogleTest splits cases.
constexpr int kParts = 8;

SimulationOptions GateOptions() {
  SimulationOptions options;
  options.sqlite = true;
  options.span = absl::Minutes(3);
  return options;
}

std::vector<uint64_t> RegressSeeds() {
  std::ifstream file("tools/simnet/swarm/regress_seeds.txt");
  std::vector<uint64_t> seeds;
  for (std::string line; std::getline(file, line);) {
    uint64_t seed = 0;
    if (absl::SimpleAtoi(line, &seed)) seeds.push_back(seed);
  }
  return seeds;
}

class SwarmGateTest : public ::testing::TestWithParam<int> {};

TEST_P(SwarmGateTest, NoSeedBreaksAPromise) {
  std::vector<uint64_t> seeds = RegressSeeds();
  ASSERT_FALSE(seeds.empty());
  for (uint64_t seed = 1000; seed < 1000 + kSeeds; ++seed) {
    seeds.push_back(seed);
  }
  Report report;
  for (size_t i = static_cast<size_t>(GetParam()); i < seeds.size();
       i += kParts) {
    const RunResult run = Simulate(seeds[i], GateOptions());
    report.Add(run);
    for (const Violation& violation : run.violations) {
      ADD_FAILURE() << violation.check << ": " << violation.detail << "\n"
                    << run.plan << "\nreplay: swarm_sim --seeds=" << run.seed
                    << " --hours=0.05";
    }
  }
  EXPECT_GT(report.sent(), 0u);
  std::cout << report.ToString();
}

INSTANTIATE_TEST_SUITE_P(Parts, SwarmGateTest, ::testing::Range(0, kParts));

TEST(SwarmTraceTest, OneSeedRunsTheSameTwice) {
  const RunResult first = Simulate(50, GateOptions());
  const RunResult second = Simulate(50, GateOptions());
  EXPECT_EQ(first.trace_hash, second.trace_hash);
  EXPECT_EQ(first.ledger.sent, second.ledger.sent);
  EXPECT_NE(first.trace_hash, Simulate(51, GateOptions()).trace_hash);
}

}  // namespace
}  // namespace messenger::simnet
