#include "swarm/repair/repair_schedule.h"

#include <algorithm>
#include <utility>

namespace messenger::swarm {

void RepairSchedule::SetPeers(std::vector<routing::NodeId> peers) {
  peers_ = std::move(peers);
  absl::erase_if(rests_, [this](const auto& entry) {
    return std::find(peers_.begin(), peers_.end(), entry.first) == peers_.end();
  });
}

std::optional<routing::NodeId> RepairSchedule::NextPeer() {
  std::vector<routing::NodeId> others;
  for (const routing::NodeId& peer : peers_) {
    if (peer != last_) others.push_back(peer);
  }
  if (others.empty()) others = peers_;
  if (others.empty()) return std::nullopt;
  last_ = others[random_.Uniform(others.size())];
  return last_;
}

absl::Duration RepairSchedule::NextDelay() {
  return kPeriod / 2 + random_.UnitDouble() * kPeriod;
}

absl::Time RepairSchedule::RestsUntil(const routing::NodeId& peer) const {
  const auto rest = rests_.find(peer);
  return rest == rests_.end() ? absl::InfinitePast() : rest->second.until;
}

std::optional<routing::NodeId> RepairSchedule::NextFill(
    absl::Span<const routing::NodeId> able, absl::Time now) {
  std::vector<routing::NodeId> ready;
  for (const routing::NodeId& peer : able) {
    if (RestsUntil(peer) <= now) ready.push_back(peer);
  }
  if (ready.empty()) return std::nullopt;
  return ready[random_.Uniform(ready.size())];
}

std::optional<absl::Time> RepairSchedule::NextFillAt(
    absl::Span<const routing::NodeId> able) const {
  std::optional<absl::Time> earliest;
  for (const routing::NodeId& peer : able) {
    const absl::Time until = RestsUntil(peer);
    if (!earliest.has_value() || until < *earliest) earliest = until;
  }
  return earliest;
}

void RepairSchedule::FillEnded(const routing::NodeId& peer, bool moved_on,
                               absl::Time now) {
  if (moved_on) {
    rests_.erase(peer);
    return;
  }
  const auto [rest, first] = rests_.try_emplace(peer);
  rest->second.length = first
                            ? kFirstFillRetry
                            : std::min(2 * rest->second.length, kLastFillRetry);
  rest->second.until = now + rest->second.length;
}

}  // namespace messenger::swarm
