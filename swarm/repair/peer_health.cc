#include "swarm/repair/peer_health.h"

#include <algorithm>

namespace messenger::swarm {

void PeerHealth::Failed(const routing::NodeId& peer) {
  if (failed_at_.size() >= kMaxPeers && !failed_at_.contains(peer)) {
    failed_at_.erase(std::min_element(
        failed_at_.begin(), failed_at_.end(),
        [](const auto& a, const auto& b) { return a.second < b.second; }));
  }
  failed_at_[peer] = clock_.Now();
}

bool PeerHealth::FailedLately(const routing::NodeId& peer) const {
  const auto failed = failed_at_.find(peer);
  return failed != failed_at_.end() &&
         absl::AbsDuration(clock_.Now() - failed->second) <= kLately;
}

}  // namespace messenger::swarm
