#include "swarm/repair/shard_filler.h"

#include <algorithm>
#include <utility>

namespace messenger::swarm {

ShardFiller::ShardFiller(const MessageStore& store, CommitFunction commit,
                         PlantedBug bug)
    : commit_(std::move(commit)),
      bug_(bug),
      held_in_(kShards),
      alive_(std::make_shared<bool>(true)) {
  for (int shard = 0; shard < kShards; ++shard) {
    held_in_[shard] = store.FilledIn(static_cast<Shard>(shard));
  }
}

ShardFiller::~ShardFiller() { *alive_ = false; }

void ShardFiller::SetMap(std::shared_ptr<const ShardMap> map) {
  map_ = std::move(map);
  std::vector<bool> serving(kShards);
  std::vector<bool> target(kShards);
  for (const Shard shard : map_->ServingShards()) serving[shard] = true;
  for (const Shard shard : map_->TargetShards()) target[shard] = true;
  std::vector<Shard> stale;
  std::vector<Shard> enough;
  for (int i = 0; i < kShards; ++i) {
    const auto shard = static_cast<Shard>(i);
    // What this node held in earlier times is not what the shard holds now.
    const bool gained = target[i] && !serving[i];
    if (held_in_[i] != 0 &&
        ((!serving[i] && !target[i]) ||
         (gained && held_in_[i] < map_->transition_epoch()))) {
      stale.push_back(shard);
      held_in_[i] = 0;
    }
    if ((serving[i] || target[i]) && held_in_[i] == 0) {
      const Compared& compared = unfilled_[shard];
      if (bug_ == PlantedBug::kReadyBeforePull || IsEnough(shard, compared)) {
        enough.push_back(shard);
      }
    } else {
      unfilled_.erase(shard);
    }
  }
  Forget(std::move(stale));
  Commit(std::move(enough));
}

void ShardFiller::Reconciled(const routing::NodeId& peer,
                             absl::Span<const Shard> shards,
                             absl::Span<const Shard> peer_filling) {
  std::vector<Shard> enough;
  for (const Shard shard : shards) {
    const auto unfilled = unfilled_.find(shard);
    if (unfilled == unfilled_.end()) continue;
    Compared& compared = unfilled->second;
    compared.all.insert(peer);
    // One that is still filling may fill up later; then it counts anew.
    if (std::binary_search(peer_filling.begin(), peer_filling.end(), shard)) {
      compared.filling.insert(peer);
    } else {
      compared.filled.insert(peer);
      compared.has_filled_meanwhile |= compared.filling.contains(peer);
    }
    ++compared.rounds;
    compared.rounds_without_holder =
        compared.filled.empty() ? compared.rounds_without_holder + 1 : 0;
    if (IsEnough(shard, compared)) enough.push_back(shard);
  }
  Commit(std::move(enough));
}

bool ShardFiller::IsEnough(Shard shard, const Compared& compared) const {
  int filled = 0;
  int compared_with = 0;
  int others = 0;
  for (const routing::NodeId& member : map_->Members(shard)) {
    if (member == map_->self()) continue;
    ++others;
    filled += compared.filled.contains(member) ? 1 : 0;
    compared_with += compared.all.contains(member) ? 1 : 0;
  }
  if (filled >= map_->read_quorum() || compared_with == others ||
      compared.has_filled_meanwhile ||
      (compared_with > 0 &&
       compared.rounds >= kRoundsUntilResigned * compared_with)) {
    return true;
  }
  // N - R + 1 of the N members.
  const int write_quorum = others + 1 - map_->read_quorum() + 1;
  return compared.rounds_without_holder >=
             std::max(kRoundsWithoutHolder, kRoundsWithEach * compared_with) &&
         compared_with + 1 >= write_quorum;
}

void ShardFiller::Commit(std::vector<Shard> shards) {
  SetFill fill;
  for (const Shard shard : shards) {
    Compared& compared = unfilled_[shard];
    if (std::exchange(compared.committing, true)) continue;
    fill.shards.emplace_back(shard, map_->epoch());
  }
  if (fill.shards.empty()) return;
  auto filled = fill.shards;
  commit_(std::move(fill), [this, alive = alive_, filled = std::move(filled)](
                               absl::StatusOr<OpResult> result) {
    if (!*alive) return;
    if (!result.ok()) ++counters_.failed_commits;
    std::vector<Shard> gone;
    for (const auto& [shard, epoch] : filled) {
      const auto unfilled = unfilled_.find(shard);
      if (unfilled == unfilled_.end() || !unfilled->second.committing) {
        // It went, or went and came, meanwhile. A restart must not find it.
        if (result.ok() && held_in_[shard] == 0) gone.push_back(shard);
        continue;
      }
      unfilled->second.committing = false;
      if (!result.ok()) continue;  // The next comparison tries again.
      held_in_[shard] = epoch;
      unfilled_.erase(unfilled);
      ++counters_.filled;
    }
    Forget(std::move(gone));
  });
}

void ShardFiller::Forget(std::vector<Shard> shards) {
  SetFill fill;
  for (const Shard shard : shards) fill.shards.emplace_back(shard, 0);
  if (fill.shards.empty()) return;
  counters_.forgotten += fill.shards.size();
  // A failure is harmless: it is stale again at the next start.
  commit_(std::move(fill),
          [this, alive = alive_](absl::StatusOr<OpResult> result) {
            if (*alive && !result.ok()) ++counters_.failed_commits;
          });
}

std::vector<Shard> ShardFiller::Unfilled() const {
  std::vector<Shard> shards;
  for (const auto& [shard, compared] : unfilled_) shards.push_back(shard);
  std::sort(shards.begin(), shards.end());
  return shards;
}

std::vector<routing::NodeId> ShardFiller::Able() const {
  std::vector<routing::NodeId> able;
  if (map_ == nullptr || unfilled_.empty()) return able;
  // Usually a few shards name all there are: looking at thousands more, at
  // every turn, would only be slow.
  const size_t peers = map_->Peers().size();
  absl::flat_hash_set<routing::NodeId> wanted;
  for (const auto& [shard, compared] : unfilled_) {
    for (const routing::NodeId& member : map_->Members(shard)) {
      if (member != map_->self() && !compared.filled.contains(member)) {
        wanted.insert(member);
      }
    }
    if (wanted.size() >= peers) break;
  }
  for (const routing::NodeId& peer : map_->Peers()) {
    if (wanted.contains(peer)) able.push_back(peer);
  }
  return able;
}

uint64_t ShardFiller::ReadyEpoch() const {
  if (map_ == nullptr) return 0;
  for (const Shard shard : map_->TargetShards()) {
    if (!Holds(shard)) return 0;
  }
  return map_->epoch();
}

}  // namespace messenger::swarm
