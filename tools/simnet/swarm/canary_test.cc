// Can the simulator find anything? Each planted bug, by the seed that found it
// last; where that no longer does, for what a seed draws depends on the whole
// code, by one of the next few.

#include <cstdint>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tools/simnet/swarm/bugs.h"
#include "tools/simnet/swarm/plan.h"

namespace messenger::simnet {
namespace {

constexpr uint64_t kMostSeeds = 60;

// Lines of a bug's name and a seed.
std::map<std::string, uint64_t> KnownSeeds() {
  std::ifstream file("tools/simnet/swarm/canary_seeds.txt");
  std::map<std::string, uint64_t> seeds;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name;
    uint64_t seed = 0;
    if (words >> name >> seed) seeds[name] = seed;
  }
  return seeds;
}

class CanaryTest : public ::testing::TestWithParam<std::string> {};

TEST_P(CanaryTest, IsFound) {
  const PlantedBugName* bug = FindBug(GetParam());
  ASSERT_NE(bug, nullptr);
  const uint64_t first = KnownSeeds().at(GetParam());
  SimulationOptions options;
  options.sqlite = true;
  options.span = absl::Minutes(3);
  const BugSearch search = SearchBug(*bug, options, first, kMostSeeds);
  EXPECT_TRUE(search.found);
  std::cout << GetParam() << ": seed " << first + search.seeds - 1 << ", "
            << search.check << std::endl;
}

std::vector<std::string> KnownBugs() {
  std::vector<std::string> names;
  for (const auto& [name, seed] : KnownSeeds()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(PlantedBugs, CanaryTest,
                         ::testing::ValuesIn(KnownBugs()),
                         [](const ::testing::TestParamInfo<std::string>& info) {
                           return info.param;
                         });

// The promise is about at least fifteen.
TEST(CanaryListTest, HasAtLeastFifteen) { EXPECT_GE(KnownSeeds().size(), 15u); }

}  // namespace
}  // namespace messenger::simnet
