// What every scenario starts and ends with: two people in a network of their
// own, drawn from a seed, and the invariants.
//
// A failing case names its seed; tools/simnet/README.md says how to replay it,
// or to try others.

#ifndef TOOLS_SIMNET_SCENARIOS_SCENARIO_H_
#define TOOLS_SIMNET_SCENARIOS_SCENARIO_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <tuple>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "routing/path/path_selector.h"
#include "tools/simnet/network.h"

namespace messenger::simnet {

// Seeds of a scenario: the environment's SIMNET_FIRST_SEED and SIMNET_SEEDS,
// or 1 and `count`.
inline uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  uint64_t value = 0;
  const char* const text = std::getenv(name);
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

inline auto Seeds(uint64_t count = 10) {
  const uint64_t first = FromEnvironment("SIMNET_FIRST_SEED", 1);
  return ::testing::Range(first,
                          first + FromEnvironment("SIMNET_SEEDS", count));
}

inline auto SeedsInEachMode(uint64_t count = 10) {
  return ::testing::Combine(Seeds(count),
                            ::testing::Values(routing::RoutingMode::kOnion,
                                              routing::RoutingMode::kProxy));
}

inline std::string NameOfSeed(const ::testing::TestParamInfo<uint64_t>& info) {
  return absl::StrCat("Seed", info.param);
}

inline std::string NameOfSeedAndMode(
    const ::testing::TestParamInfo<std::tuple<uint64_t, routing::RoutingMode>>&
        info) {
  return absl::StrCat(std::get<1>(info.param) == routing::RoutingMode::kOnion
                          ? "Onion"
                          : "Proxy",
                      "Seed", std::get<0>(info.param));
}

// Alice and Bob, who have never written to each other, both online.
class TwoPeople {
 public:
  explicit TwoPeople(const Network::Options& options)
      : network_(options),
        alice_(network_.AddDevice("alice")),
        bob_(network_.AddDevice("bob")) {
    EXPECT_TRUE(network_.Settle()) << "the accounts were not published";
  }

  Network& network() { return network_; }
  Device& alice() { return alice_; }
  Device& bob() { return bob_; }

  bool RunUntilDelivered(absl::Duration limit = absl::Minutes(5)) {
    return network_.RunUntil([this] { return network_.Delivered(); }, limit);
  }

  // Long enough for a text that would come twice to do so.
  void ExpectInvariants() {
    network_.RunFor(absl::Seconds(20));
    EXPECT_THAT(network_.CheckInvariants(), ::messenger::testing::IsOk());
  }

 private:
  Network network_;
  Device& alice_;
  Device& bob_;
};

template <typename Base>
class ScenarioFixture : public Base {
 protected:
  virtual Network::Options options() {
    Network::Options options;
    options.seed = seed();
    options.mode = mode();
    return options;
  }
  virtual uint64_t seed() = 0;
  virtual routing::RoutingMode mode() { return routing::RoutingMode::kOnion; }

  void SetUp() override { people_ = std::make_unique<TwoPeople>(options()); }
  void TearDown() override { people_->ExpectInvariants(); }

  Network& network() { return people_->network(); }
  Device& alice() { return people_->alice(); }
  Device& bob() { return people_->bob(); }
  bool RunUntilDelivered(absl::Duration limit = absl::Minutes(5)) {
    return people_->RunUntilDelivered(limit);
  }

 private:
  std::unique_ptr<TwoPeople> people_;
};

class Scenario : public ScenarioFixture<::testing::TestWithParam<uint64_t>> {
 protected:
  uint64_t seed() override { return GetParam(); }
};

class ScenarioInEachMode : public ScenarioFixture<::testing::TestWithParam<
                               std::tuple<uint64_t, routing::RoutingMode>>> {
 protected:
  uint64_t seed() override { return std::get<0>(GetParam()); }
  routing::RoutingMode mode() override { return std::get<1>(GetParam()); }
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SCENARIOS_SCENARIO_H_
