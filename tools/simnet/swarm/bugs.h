// The planted bugs, and how long the simulator takes to find them. One that it
// does not find shows that the simulator is too weak.

#ifndef TOOLS_SIMNET_SWARM_BUGS_H_
#define TOOLS_SIMNET_SWARM_BUGS_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/remote/swarm_client_options.h"
#include "swarm/repair/planted_bug.h"
#include "tools/simnet/swarm/plan.h"

namespace messenger::simnet {

struct PlantedBugName {
  absl::string_view name;
  swarm::PlantedBug bug = swarm::PlantedBug::kNone;
  client::PlantedClientBug client_bug = client::PlantedClientBug::kNone;
  StoreBug store_bug = StoreBug::kNone;

  void Plant(SimulationOptions& options) const {
    options.bug = bug;
    options.client_bug = client_bug;
    options.store_bug = store_bug;
  }
};

const std::vector<PlantedBugName>& AllBugs();
// Null if there is none of that name.
const PlantedBugName* FindBug(absl::string_view name);

struct BugSearch {
  bool found = false;
  uint64_t seeds = 0;  // until found, or tried
  std::string check;   // that found it
};
BugSearch SearchBug(const PlantedBugName& bug, SimulationOptions options,
                    uint64_t first_seed, uint64_t most_seeds);

// Of those whose names contain `name`, from `searches` first seeds each; prints
// a table. False if one was not found.
bool FindBugs(absl::string_view name, const SimulationOptions& options,
              uint64_t first_seed, int most_seeds, int searches,
              std::ostream& out);

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_BUGS_H_
