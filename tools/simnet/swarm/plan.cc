#include "tools/simnet/swarm/plan.h"

#include "absl/strings/str_cat.h"
#include "crypto/random/testing/seeded_random.h"

namespace messenger::simnet {
namespace {

struct FaultKind {
  absl::string_view name;
  int weight;
};
constexpr FaultKind kFaultKinds[] = {
#define X(name, weight, text) {#name, weight},
    SIMNET_SWARM_FAULTS(X)
#undef X
};

}  // namespace

absl::string_view FaultName(Fault fault) {
  return kFaultKinds[static_cast<size_t>(fault)].name.substr(1);
}

int FaultWeight(Fault fault) {
  return kFaultKinds[static_cast<size_t>(fault)].weight;
}

Plan Plan::Draw(uint64_t seed, const SimulationOptions& options) {
  crypto::SeededRandom random(seed * 2 + 1);
  const auto chance = [&](double p) { return random.UnitDouble() < p; };
  const auto between = [&](absl::Duration low, absl::Duration high) {
    return low + (high - low) * random.UnitDouble();
  };
  Plan plan;
  plan.seed = seed;
  plan.options = options;
  const double size = random.UnitDouble();
  plan.swarm_size = size < 0.2 ? 3 : size < 0.5 ? 5 : 7;
  plan.nodes = plan.swarm_size + static_cast<int>(random.Uniform(5));
  plan.min_delay = between(absl::ZeroDuration(), absl::Milliseconds(30));
  plan.mean_delay = between(absl::Milliseconds(30), absl::Milliseconds(100));
  // Half of the runs have a network that loses little, or nothing gets done.
  plan.loss =
      chance(0.5) ? 0.02 * random.UnitDouble() : 0.3 * random.UnitDouble();
  plan.duplication = chance(0.5) ? 0 : 0.5 * random.UnitDouble();
  plan.disk_latency =
      chance(0.5) ? between(absl::ZeroDuration(), absl::Milliseconds(10))
                  : between(absl::Milliseconds(10), absl::Seconds(1));
  plan.clock_skew = between(absl::ZeroDuration(), absl::Seconds(5));
  plan.drift_ppm = 200 * random.UnitDouble();
  plan.mean_time_between_faults = between(absl::Seconds(10), absl::Seconds(60));
  for (size_t i = 0; i < kFaults; ++i) plan.faults[i] = chance(0.5);
  const bool jumps =
      plan.has(Fault::kClockJump) || plan.has(Fault::kClockStrobe);
  plan.largest_jump = jumps ? absl::Seconds(288) : absl::ZeroDuration();
  plan.liars.assign(static_cast<size_t>(plan.nodes), Liar::kHonest);
  if (chance(0.3)) {
    // As many as the promise allows: one honest holder remains.
    const uint64_t f =
        1 + random.Uniform(static_cast<uint64_t>(plan.write_quorum() - 1));
    for (uint64_t i = 0; i < f; ++i) {
      plan.liars[i] = static_cast<Liar>(1 + random.Uniform(kLiars - 1));
    }
  }
  plan.voting_interval = between(absl::Seconds(20), absl::Seconds(40));
  plan.directory_delay = between(absl::Seconds(1), absl::Seconds(30));
  plan.evict_after = between(absl::Minutes(2), absl::Minutes(5));
  plan.min_overlap = between(absl::Seconds(60), absl::Seconds(180));
  plan.crowded = chance(0.15);
  plan.mean_time_between_sends = absl::Seconds(45);
  plan.mean_time_between_polls = absl::Seconds(100);

  if (options.calm) {
    plan.loss = plan.duplication = plan.drift_ppm = 0;
    plan.clock_skew = plan.largest_jump = absl::ZeroDuration();
    plan.faults = {};
    plan.liars.assign(plan.liars.size(), Liar::kHonest);
  }
  return plan;
}

std::string Plan::ToString() const {
  std::string faults_drawn;
  for (size_t i = 0; i < kFaults; ++i) {
    if (faults[i]) {
      absl::StrAppend(&faults_drawn, " ", FaultName(static_cast<Fault>(i)));
    }
  }
  std::string lies;
  for (const Liar liar : liars) {
    if (liar != Liar::kHonest)
      absl::StrAppend(&lies, " ", static_cast<int>(liar));
  }
  return absl::StrCat("N=", swarm_size, " nodes=", nodes, " loss=", loss,
                      " dup=", duplication,
                      " disk=", absl::FormatDuration(disk_latency),
                      " mtbf=", absl::FormatDuration(mean_time_between_faults),
                      " faults:", faults_drawn, " liars:", lies);
}

}  // namespace messenger::simnet
