#include "swarm/repair/cluster_clock.h"

#include <algorithm>
#include <vector>

namespace messenger::swarm {

bool ClusterClock::IsFresh(const Sample& sample) const {
  // The local clock may have been set back.
  return absl::AbsDuration(local_.Now() - sample.taken) <= kMaxAge;
}

void ClusterClock::Heard(const routing::NodeId& peer, absl::Duration offset) {
  if (samples_.size() >= kMaxPeers && !samples_.contains(peer)) {
    samples_.erase(std::min_element(samples_.begin(), samples_.end(),
                                    [](const auto& a, const auto& b) {
                                      return a.second.taken < b.second.taken;
                                    }));
  }
  samples_[peer] = {offset, local_.Now()};
}

size_t ClusterClock::peers() const {
  return std::count_if(
      samples_.begin(), samples_.end(),
      [this](const auto& entry) { return IsFresh(entry.second); });
}

absl::Duration ClusterClock::Offset() const {
  std::vector<absl::Duration> offsets = {absl::ZeroDuration()};
  for (const auto& [peer, sample] : samples_) {
    if (IsFresh(sample)) offsets.push_back(sample.offset);
  }
  if (offsets.size() < kMinPeers + 1) return absl::ZeroDuration();
  std::sort(offsets.begin(), offsets.end());
  const size_t middle = offsets.size() / 2;
  if (offsets.size() % 2 == 1) return offsets[middle];
  return (offsets[middle - 1] + offsets[middle]) / 2;
}

absl::Time ClusterClock::GcNow() const {
  if (bug_ == PlantedBug::kEarlyGc) return local_.Now() + absl::Minutes(10);
  return std::min(local_.Now(), Now());
}

}  // namespace messenger::swarm
