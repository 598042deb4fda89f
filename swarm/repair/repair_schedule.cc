#include "swarm/repair/repair_schedule.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace messenger::swarm {

void RepairSchedule::SetPeers(std::vector<routing::NodeId> peers) {
  peers_ = std::move(peers);
  const absl::flat_hash_set<routing::NodeId> there(peers_.begin(),
                                                   peers_.end());
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(),
                                [&there](const routing::NodeId& peer) {
                                  return !there.contains(peer);
                                }),
                 waiting_.end());
  absl::erase_if(rests_, [&there](const auto& entry) {
    return !there.contains(entry.first);
  });
}

std::optional<routing::NodeId> RepairSchedule::NextPeer() {
  if (waiting_.empty()) {
    waiting_ = peers_;
    for (size_t i = waiting_.size(); i > 1; --i) {
      std::swap(waiting_[i - 1], waiting_[random_.Uniform(i)]);
    }
  }
  if (waiting_.empty()) return std::nullopt;
  const routing::NodeId next = waiting_.back();
  waiting_.pop_back();
  return next;
}

absl::Duration RepairSchedule::NextDelay() {
  const absl::Duration share =
      kRound / static_cast<int64_t>(std::max<size_t>(peers_.size(), 1));
  return std::clamp(share, kShortestPause, kLongestPause) *
         (0.5 + random_.UnitDouble());
}

absl::Time RepairSchedule::RestsUntil(const routing::NodeId& peer) const {
  const auto rest = rests_.find(peer);
  return rest == rests_.end() ? absl::InfinitePast() : rest->second.until;
}

std::optional<routing::NodeId> RepairSchedule::NextFill(
    absl::Span<const routing::NodeId> able, absl::Time now) {
  std::vector<routing::NodeId> ready;
  for (const routing::NodeId& peer : able) {
    const absl::Time until = RestsUntil(peer);
    if (until <= now || until > now + kLastFillRetry) ready.push_back(peer);
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
