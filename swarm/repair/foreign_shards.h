// Erases shards that are no longer this node's, a day after they left, and only
// while no transition is under way (swarm/SPEC.md, section 5.7): until then
// they are the spare copy of members that are still filling.
//
// Remembers in memory since when; a restart begins the day anew. Belongs to the
// core executor. May be destroyed at any time.

#ifndef SWARM_REPAIR_FOREIGN_SHARDS_H_
#define SWARM_REPAIR_FOREIGN_SHARDS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "swarm/repair/planted_bug.h"
#include "swarm/repair/shard_map.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

// MessageStore::EraseShard() where the store is written; `done` runs on the
// core executor, never inside the call, with the number of rows erased.
using EraseFunction =
    std::function<void(Shard shard, size_t limit_rows,
                       absl::AnyInvocable<void(absl::StatusOr<size_t>)> done)>;

class ForeignShards final {
 public:
  static constexpr absl::Duration kKept = absl::Hours(24);
  // Between two looks, or half of what rows are kept if that is less.
  static constexpr absl::Duration kLook = absl::Minutes(5);
  // Rows erased in one transaction, and the pause before the next.
  static constexpr size_t kSlice = 512;
  static constexpr absl::Duration kPause = absl::Milliseconds(100);

  struct Options {
    const MessageStore& store;  // all references must outlive this
    routing::Executor& executor;
    const routing::Clock& clock;
    ShardMapSource maps;
    EraseFunction erase;
    absl::Duration kept = kKept;
    PlantedBug bug = PlantedBug::kNone;
  };
  struct Counters {
    uint64_t rows_erased = 0;
    uint64_t failures = 0;
  };

  explicit ForeignShards(Options options);
  ~ForeignShards();

  ForeignShards(const ForeignShards&) = delete;
  ForeignShards& operator=(const ForeignShards&) = delete;

  void Start();
  void Stop();

  // Shards with items here that are not this node's.
  size_t foreign() const { return since_.size(); }
  const Counters& counters() const { return counters_; }

 private:
  void Look();
  void LookLater();
  void After(absl::Duration delay);

  const Options options_;
  absl::flat_hash_map<Shard, absl::Time> since_;
  Counters counters_;
  routing::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_FOREIGN_SHARDS_H_
