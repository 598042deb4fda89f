// What a member shows of its store to another: some shards, and of those what
// ends at or after an instant (swarm/SPEC.md, section 5.4). Both sides of a
// comparison look at their stores through one of these, so they compute alike.
//
// Reads the store's digests, and entries only of the one window in which the
// instant lies. Not thread-safe; lives as long as a step or a run.

#ifndef SWARM_REPAIR_SET_VIEW_H_
#define SWARM_REPAIR_SET_VIEW_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "swarm/auth/item.h"
#include "swarm/repair/reconcile_codec.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class SetView final {
 public:
  // `shards` rise. `store` must outlive the view.
  SetView(const MessageStore& store, std::vector<Shard> shards,
          uint64_t from_ms);

  const std::vector<Shard>& shards() const { return shards_; }
  uint64_t from_ms() const { return from_ms_; }
  bool Shows(Shard shard) const;

  // The digest of each of kGroups groups.
  absl::StatusOr<std::vector<SetDigest>> Groups() const;
  // The windows of a shard that hold anything, rising.
  absl::StatusOr<std::vector<WindowSummary>> Windows(Shard shard) const;
  // The entries of a range, sorted. Remembers the last window it read.
  absl::StatusOr<std::vector<ItemEntry>> Entries(const EntryRange& range) const;

 private:
  const MessageStore& store_;
  const std::vector<Shard> shards_;
  const uint64_t from_ms_;
  mutable EntryRange read_;
  mutable std::vector<ItemEntry> read_entries_;
  mutable bool has_read_ = false;
};

// Digests of the entries, by the byte of their ids that follows the prefix.
PartsOfRange PartsOf(absl::Span<const ItemEntry> entries, size_t prefix_bytes);

// All groups together.
SetDigest SumOf(absl::Span<const SetDigest> digests);

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_SET_VIEW_H_
