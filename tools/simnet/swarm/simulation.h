// One run of the swarm simulator, from its seed: a phase in which everything
// goes wrong and nothing promised may be broken, then one in which everything
// is well and all must come right (README.md).
//
// A function of seed and options: two runs give the same trace.

#ifndef TOOLS_SIMNET_SWARM_SIMULATION_H_
#define TOOLS_SIMNET_SWARM_SIMULATION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tools/simnet/swarm/ledger.h"
#include "tools/simnet/swarm/plan.h"
#include "tools/simnet/swarm/probes.h"
#include "tools/simnet/swarm/traffic.h"
#include "tools/simnet/swarm/world.h"

namespace messenger::simnet {

struct RunResult {
  uint64_t seed = 0;
  std::string plan;
  std::vector<Violation> violations;
  Ledger::Figures ledger;
  Traffic::Figures traffic;
  World::Totals repair;
  std::array<uint64_t, kFaults> faults = {};
  Probes probes;
  absl::Duration simulated;
  // From the end of all faults, writes and changes of members until all
  // members of each shard were equal.
  absl::Duration recovery;
  uint64_t transitions = 0;
  uint64_t calls = 0;
  uint64_t bytes = 0;
  uint64_t trace_hash = 0;
};

// `history`, if not null, gets what the ledger hears (history.h).
RunResult Simulate(uint64_t seed, const SimulationOptions& options,
                   std::ostream* history = nullptr);

// How long members may take to become equal once all is quiet.
inline constexpr absl::Duration kConvergence = absl::Seconds(120);

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_SIMULATION_H_
