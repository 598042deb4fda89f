#include "swarm/repair/set_view.h"

#include <algorithm>
#include <utility>

#include "crypto/base/status_macros.h"

namespace messenger::swarm {

SetView::SetView(const MessageStore& store, std::vector<Shard> shards,
                 uint64_t from_ms)
    : store_(store), shards_(std::move(shards)), from_ms_(from_ms) {}

bool SetView::Shows(Shard shard) const {
  return std::binary_search(shards_.begin(), shards_.end(), shard);
}

absl::StatusOr<std::vector<WindowSummary>> SetView::Windows(Shard shard) const {
  std::vector<WindowSummary> windows;
  if (!Shows(shard)) return windows;
  windows = store_.Windows(shard, from_ms_);
  // Items of the first window may end before `from_ms_`, and the members forget
  // them at instants of their own.
  const Window edge = WindowOf(from_ms_);
  if (windows.empty() || windows.front().window != edge) return windows;
  ASSIGN_OR_RETURN(const std::vector<ItemEntry> entries,
                   Entries({shard, edge, ""}));
  if (entries.empty()) {
    windows.erase(windows.begin());
    return windows;
  }
  windows.front().count = entries.size();
  windows.front().digest = SetDigest();
  for (const ItemEntry& entry : entries) windows.front().digest.Add(entry);
  return windows;
}

absl::StatusOr<std::vector<SetDigest>> SetView::Groups() const {
  std::vector<SetDigest> groups(kGroups);
  for (const Shard shard : shards_) {
    ASSIGN_OR_RETURN(const std::vector<WindowSummary> windows, Windows(shard));
    for (const WindowSummary& window : windows) {
      groups[GroupOf(shard)].Add(window.digest);
    }
  }
  return groups;
}

absl::StatusOr<std::vector<ItemEntry>> SetView::Entries(
    const EntryRange& range) const {
  if (!Shows(range.shard)) return std::vector<ItemEntry>();
  if (!has_read_ || read_.shard != range.shard ||
      read_.window != range.window) {
    has_read_ = false;
    ASSIGN_OR_RETURN(read_entries_, store_.Entries(range.shard, range.window));
    read_entries_.erase(
        std::remove_if(read_entries_.begin(), read_entries_.end(),
                       [this](const ItemEntry& entry) {
                         return entry.expiry_ms < from_ms_;
                       }),
        read_entries_.end());
    read_ = {range.shard, range.window, ""};
    has_read_ = true;
  }
  const auto before = [](const ItemEntry& entry, absl::string_view prefix) {
    return entry.id.bytes().substr(0, prefix.size()) < prefix;
  };
  const auto after = [](absl::string_view prefix, const ItemEntry& entry) {
    return prefix < entry.id.bytes().substr(0, prefix.size());
  };
  const absl::string_view prefix = range.prefix;
  const auto first = std::lower_bound(read_entries_.begin(),
                                      read_entries_.end(), prefix, before);
  const auto last = std::upper_bound(first, read_entries_.end(), prefix, after);
  return std::vector<ItemEntry>(first, last);
}

PartsOfRange PartsOf(absl::Span<const ItemEntry> entries, size_t prefix_bytes) {
  PartsOfRange parts(kPartsOfRange);
  for (const ItemEntry& entry : entries) {
    parts[static_cast<uint8_t>(entry.id.bytes()[prefix_bytes])].Add(entry);
  }
  return parts;
}

SetDigest SumOf(absl::Span<const SetDigest> digests) {
  SetDigest sum;
  for (const SetDigest& digest : digests) sum.Add(digest);
  return sum;
}

}  // namespace messenger::swarm
