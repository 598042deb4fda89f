// Which shards this node holds completely, and so may answer for
// (swarm/SPEC.md, section 5.7; design/0003).
//
// A shard is held once this node, since it became its own, has completed a
// comparison with R other members that hold it, or with all other members,
// whatever they hold: then nothing more can be had. And where nobody holds it,
// with so many, kRoundsWithoutHolder times, that together they are a write
// quorum: then the swarm is new, or W disks are lost, and a member that never
// came up must not keep the others from serving. The first that holds it in
// this way passes it on: one holder alone is enough that was seen filling since
// this node has the shard, for it had everything when it ended, and what came
// later has come to both. And where more is out than the promise is about, an
// hour of comparisons, kRoundsUntilResigned with each that answers, ends the
// waiting for those that do not: what is left is served. Until then reads of it
// are answered with FILLING. This is what makes W + R > N true across a wipe:
// an empty disk never counts as an answer.
//
// What is held is on the disk (SetFill) before it is said. Belongs to the core
// executor. May be destroyed at any time.

#ifndef SWARM_REPAIR_SHARD_FILLER_H_
#define SWARM_REPAIR_SHARD_FILLER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"
#include "routing/onion/node_id.h"
#include "swarm/repair/item_intake.h"
#include "swarm/repair/planted_bug.h"
#include "swarm/repair/shard_map.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class ShardFiller final {
 public:
  // Comparisons of one shard, at least half a second apart.
  // Or so many with each that was compared with, if that is more: a member that
  // waits for a silent one is to have seen the others filling first.
  static constexpr int kRoundsWithoutHolder = 8;
  static constexpr int kRoundsWithEach = 4;
  static constexpr int kRoundsUntilResigned = 900;

  struct Counters {
    uint64_t filled = 0;     // shards that came to be held
    uint64_t forgotten = 0;  // that are no longer this node's
    uint64_t failed_commits = 0;
  };

  // `store` must outlive the filler.
  ShardFiller(const MessageStore& store, CommitFunction commit,
              PlantedBug bug = PlantedBug::kNone);
  ~ShardFiller();

  ShardFiller(const ShardFiller&) = delete;
  ShardFiller& operator=(const ShardFiller&) = delete;

  // A new directory. Shards that are no longer this node's are forgotten; those
  // that came with the transition under way are to be filled.
  void SetMap(std::shared_ptr<const ShardMap> map);

  // A comparison with `peer` was begun by the present map and has completed
  // for `shards`; of those in `peer_filling` the peer does not hold all itself.
  // Both rise.
  void Reconciled(const routing::NodeId& peer, absl::Span<const Shard> shards,
                  absl::Span<const Shard> peer_filling);

  bool Holds(Shard shard) const { return held_in_[shard] != 0; }
  // Of this node's shards, those it does not hold. Rising.
  std::vector<Shard> Unfilled() const;
  // Other members of those that have not been compared with, in the map's
  // order.
  std::vector<routing::NodeId> Able() const;

  // The epoch of the newest directory, if this node holds all shards in which
  // it is a target; else 0.
  uint64_t ReadyEpoch() const;

  const Counters& counters() const { return counters_; }

 private:
  // Who has been compared with since the shard is to be filled.
  struct Compared {
    absl::flat_hash_set<routing::NodeId> filled;
    absl::flat_hash_set<routing::NodeId> filling;
    absl::flat_hash_set<routing::NodeId> all;
    bool has_filled_meanwhile = false;  // one of `filling`
    int rounds = 0;
    int rounds_without_holder = 0;
    bool committing = false;
  };

  bool IsEnough(Shard shard, const Compared& compared) const;
  void Commit(std::vector<Shard> shards);
  void Forget(std::vector<Shard> shards);

  const CommitFunction commit_;
  const PlantedBug bug_;
  std::shared_ptr<const ShardMap> map_;
  std::vector<uint64_t> held_in_;  // by shard: epoch; 0: not held
  absl::flat_hash_map<Shard, Compared> unfilled_;
  Counters counters_;
  std::shared_ptr<bool> alive_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_SHARD_FILLER_H_
