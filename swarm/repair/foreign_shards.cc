#include "swarm/repair/foreign_shards.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace messenger::swarm {

ForeignShards::ForeignShards(Options options)
    : options_(std::move(options)), alive_(std::make_shared<bool>(true)) {}

ForeignShards::~ForeignShards() { Stop(); }

void ForeignShards::Start() { Look(); }

void ForeignShards::Stop() {
  *std::exchange(alive_, std::make_shared<bool>(true)) = false;
  options_.executor.Cancel(timer_);
}

void ForeignShards::After(absl::Duration delay) {
  timer_ = options_.executor.RunAfter(delay, [this] { Look(); });
}

void ForeignShards::LookLater() { After(std::min(kLook, options_.kept / 2)); }

void ForeignShards::Look() {
  const auto map = options_.maps();
  if (map == nullptr) return LookLater();
  std::vector<bool> mine(kShards);
  for (const Shard shard : map->ServingShards()) mine[shard] = true;
  for (const Shard shard : map->TargetShards()) mine[shard] = true;
  const absl::Time now = options_.clock.Now();
  absl::flat_hash_map<Shard, absl::Time> since;
  std::optional<Shard> due;
  for (const Shard shard : options_.store.Shards()) {
    if (mine[shard]) continue;
    const auto known = since_.find(shard);
    since[shard] = known == since_.end() ? now : std::min(known->second, now);
    const bool old = now - since[shard] >= options_.kept;
    if (!due.has_value() &&
        (old || options_.bug == PlantedBug::kForeignErasedAtOnce)) {
      due = shard;
    }
  }
  since_ = std::move(since);
  const bool settled = map->transition_epoch() == 0 ||
                       options_.bug == PlantedBug::kForeignErasedAtOnce;
  if (!due.has_value() || !settled ||
      options_.bug == PlantedBug::kForeignRowsKept) {
    return LookLater();
  }
  options_.erase(*due, kSlice,
                 [this, alive = alive_](absl::StatusOr<size_t> erased) {
                   if (!*alive) return;
                   if (!erased.ok()) {
                     ++counters_.failures;
                     return LookLater();
                   }
                   counters_.rows_erased += *erased;
                   After(kPause);
                 });
}

}  // namespace messenger::swarm
