#include "swarm/placement/current_placement.h"

#include <utility>

namespace messenger::swarm {

std::shared_ptr<const Placement> CurrentPlacement::Get() {
  std::shared_ptr<const routing::Consensus> newest = directory_.current();
  if (newest != nullptr && newest != consensus_) {
    placement_ = std::make_shared<const Placement>(newest);
    consensus_ = std::move(newest);
  }
  return placement_;
}

}  // namespace messenger::swarm
