// The placement by the newest directory, made anew when that changes.
// Belongs to the executor of the holder.

#ifndef SWARM_PLACEMENT_CURRENT_PLACEMENT_H_
#define SWARM_PLACEMENT_CURRENT_PLACEMENT_H_

#include <memory>

#include "routing/directory/consensus.h"
#include "routing/directory/consensus_holder.h"
#include "swarm/placement/placement.h"

namespace messenger::swarm {

class CurrentPlacement final {
 public:
  // `directory` must outlive this.
  explicit CurrentPlacement(const routing::ConsensusHolder& directory)
      : directory_(directory) {}

  // Null while there is no directory.
  std::shared_ptr<const Placement> Get();

 private:
  const routing::ConsensusHolder& directory_;
  std::shared_ptr<const routing::Consensus> consensus_;
  std::shared_ptr<const Placement> placement_;
};

}  // namespace messenger::swarm

#endif  // SWARM_PLACEMENT_CURRENT_PLACEMENT_H_
