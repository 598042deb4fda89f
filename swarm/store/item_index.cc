#include "swarm/store/item_index.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "absl/time/time.h"
#include "swarm/auth/limits.h"

namespace messenger::swarm {

// 0 for an empty mailbox; then four classes for each power of two.
size_t ItemIndex::SizeClass(uint64_t bytes) {
  if (bytes < 4) return bytes;
  const int log = std::bit_width(bytes) - 1;
  return 4 * (log - 1) + ((bytes >> (log - 2)) & 3);
}

void ItemIndex::Replace(const MailboxAddress& mailbox,
                        const MailboxState& state) {
  const auto [found, fresh] = mailboxes_.try_emplace(mailbox);
  MailboxState& old = found->second.state;
  if (!fresh) {
    --sizes_[SizeClass(old.bytes)];
    size_bytes_[SizeClass(old.bytes)] -= old.bytes;
    bytes_ -= old.bytes;
    tombstones_ -= old.owner_ids + old.local_tombstones;
    --mailboxes_of_shard_[old.shard];
  }
  if (state.IsEmpty()) {
    by_row_.erase(state.row);
    mailboxes_.erase(found);
    return;
  }
  if (fresh) by_row_.try_emplace(state.row, mailbox);
  old = state;
  ++sizes_[SizeClass(state.bytes)];
  size_bytes_[SizeClass(state.bytes)] += state.bytes;
  bytes_ += state.bytes;
  tombstones_ += state.owner_ids + state.local_tombstones;
  ++mailboxes_of_shard_[state.shard];
}

void ItemIndex::Commit(const Change& change) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [mailbox, seq] : change.added_) {
    const auto [found, fresh] = mailboxes_.try_emplace(mailbox);
    found->second.messages.push_back(seq);
    if (fresh) {
      // Counted as empty until its state is set below.
      const MailboxState& state = change.mailboxes_.at(mailbox);
      found->second.state.row = state.row;
      found->second.state.shard = state.shard;
      by_row_.try_emplace(state.row, mailbox);
      ++sizes_[0];
      ++mailboxes_of_shard_[state.shard];
    }
  }
  for (const auto& [mailbox, seq] : change.removed_) {
    std::vector<uint64_t>& messages = mailboxes_.at(mailbox).messages;
    const auto at = std::lower_bound(messages.begin(), messages.end(), seq);
    if (at != messages.end() && *at == seq) messages.erase(at);
  }
  for (const auto& [mailbox, state] : change.mailboxes_) {
    Replace(mailbox, state);
  }
  for (const auto& [key, delta] : change.cells_) {
    auto& windows = cells_[key.first];
    Cell& cell = windows[key.second];
    cell.count += static_cast<uint64_t>(delta.count);
    cell.digest.Add(delta.digest);
    cell.first_message_ms =
        std::min(cell.first_message_ms, delta.first_message_ms);
    if (cell.count == 0) windows.erase(key.second);
  }
  for (const Change::FirstMessages& known : change.first_messages_) {
    for (auto& [window, cell] : cells_[known.shard]) {
      if (window > known.until) break;
      const auto first = known.first.find(window);
      cell.first_message_ms =
          first == known.first.end() ? kNeverMs : first->second;
    }
  }
  for (size_t kind = 0; kind < items_.size(); ++kind) {
    items_[kind] += static_cast<uint64_t>(change.items_[kind]);
  }
  for (const auto& [shard, epoch] : change.fills_) fills_[shard] = epoch;
  for (const auto& [peer, count] : change.hints_) {
    const uint64_t left = hints_[peer] += static_cast<uint64_t>(count);
    if (left == 0) hints_.erase(peer);
  }
  hints_dropped_ += change.hints_dropped_;
}

void ItemIndex::SortMessages() {
  absl::MutexLock lock(&mutex_);
  for (auto& [address, mailbox] : mailboxes_) {
    std::sort(mailbox.messages.begin(), mailbox.messages.end());
  }
}

std::optional<MailboxState> ItemIndex::Find(
    const MailboxAddress& mailbox) const {
  absl::MutexLock lock(&mutex_);
  const auto found = mailboxes_.find(mailbox);
  if (found == mailboxes_.end()) return std::nullopt;
  return found->second.state;
}

std::optional<MailboxAddress> ItemIndex::AddressOf(int64_t row) const {
  absl::MutexLock lock(&mutex_);
  const auto found = by_row_.find(row);
  if (found == by_row_.end()) return std::nullopt;
  return found->second;
}

MailboxUsage ItemIndex::Usage(const MailboxAddress& mailbox) const {
  const std::optional<MailboxState> state = Find(mailbox);
  MailboxUsage usage;
  if (!state.has_value()) return usage;
  if (state->registered_ms.has_value()) {
    usage.registered_until_ms =
        *state->registered_ms + absl::ToInt64Milliseconds(kRegistrationLife);
  }
  usage.messages = state->messages;
  usage.bytes = state->bytes;
  usage.owner_ids = state->owner_ids;
  return usage;
}

std::vector<uint64_t> ItemIndex::Messages(const MailboxAddress& mailbox,
                                          uint64_t after_seq,
                                          size_t limit) const {
  absl::MutexLock lock(&mutex_);
  const auto found = mailboxes_.find(mailbox);
  if (found == mailboxes_.end()) return {};
  const std::vector<uint64_t>& all = found->second.messages;
  const auto first = std::upper_bound(all.begin(), all.end(), after_seq);
  const size_t count =
      std::min(limit, static_cast<size_t>(std::distance(first, all.end())));
  return std::vector<uint64_t>(first, first + static_cast<ptrdiff_t>(count));
}

StoreTotals ItemIndex::Totals() const {
  absl::MutexLock lock(&mutex_);
  StoreTotals totals;
  totals.messages = items_[static_cast<size_t>(ItemKind::kMessage)];
  totals.tombstones = tombstones_;
  totals.records = items_[static_cast<size_t>(ItemKind::kRecord)];
  totals.deletions = items_[static_cast<size_t>(ItemKind::kDeletion)];
  totals.registrations = items_[static_cast<size_t>(ItemKind::kRegistration)];
  for (const auto& [peer, hints] : hints_) totals.hints += hints;
  totals.hints_dropped = hints_dropped_;
  totals.payload_bytes = bytes_;
  return totals;
}

uint64_t ItemIndex::MedianMailboxBytes() const {
  absl::MutexLock lock(&mutex_);
  uint64_t mailboxes = 0;
  for (size_t i = 1; i < sizes_.size(); ++i) mailboxes += sizes_[i];
  if (mailboxes == 0) return 0;
  uint64_t seen = 0;
  size_t at = 0;
  while (2 * seen < mailboxes) seen += sizes_[++at];
  if (at < 4) return at;
  // The largest number of its class.
  const size_t log = at / 4 + 1;
  return ((uint64_t{4 + at % 4} + 1) << (log - 2)) - 1;
}

uint64_t ItemIndex::FairMailboxBytes(uint64_t kept, uint64_t of) const {
  absl::MutexLock lock(&mutex_);
  uint64_t left = 0;
  for (size_t i = 1; i < sizes_.size(); ++i) left += sizes_[i];
  // What those that are not cut have leaves the rest to the others, in equal
  // parts.
  double budget = static_cast<double>(bytes_) * static_cast<double>(kept) /
                  static_cast<double>(of);
  for (size_t i = 1; left > 0; ++i) {
    if (sizes_[i] == 0) continue;
    const double level = budget / static_cast<double>(left);
    if (level * static_cast<double>(sizes_[i]) <
        static_cast<double>(size_bytes_[i])) {
      return static_cast<uint64_t>(level);
    }
    budget -= static_cast<double>(size_bytes_[i]);
    left -= sizes_[i];
  }
  return std::numeric_limits<uint64_t>::max();
}

std::vector<Shard> ItemIndex::Shards() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Shard> shards;
  for (int shard = 0; shard < kShards; ++shard) {
    if (!cells_[shard].empty() || mailboxes_of_shard_[shard] > 0) {
      shards.push_back(static_cast<Shard>(shard));
    }
  }
  return shards;
}

std::vector<WindowSummary> ItemIndex::Windows(Shard shard,
                                              uint64_t from_ms) const {
  std::vector<WindowSummary> summaries;
  if (shard >= kShards) return summaries;
  absl::MutexLock lock(&mutex_);
  for (const auto& [window, cell] : cells_[shard]) {
    if (WindowEndMs(window) <= from_ms) continue;
    summaries.push_back(
        {.window = window, .count = cell.count, .digest = cell.digest});
  }
  return summaries;
}

std::vector<Shard> ItemIndex::ShardsWithDueMessages(uint64_t now_ms) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Shard> due;
  for (int shard = 0; shard < kShards; ++shard) {
    for (const auto& [window, cell] : cells_[shard]) {
      if (window > WindowOf(now_ms)) break;
      if (cell.first_message_ms > now_ms) continue;
      due.push_back(static_cast<Shard>(shard));
      break;
    }
  }
  return due;
}

uint64_t ItemIndex::FilledIn(Shard shard) const {
  if (shard >= kShards) return 0;
  absl::MutexLock lock(&mutex_);
  return fills_[shard];
}

uint64_t ItemIndex::HintsFor(const routing::NodeId& peer) const {
  absl::MutexLock lock(&mutex_);
  const auto found = hints_.find(peer);
  return found == hints_.end() ? 0 : found->second;
}

std::vector<routing::NodeId> ItemIndex::PeersWithHints() const {
  absl::MutexLock lock(&mutex_);
  std::vector<routing::NodeId> peers;
  for (const auto& [peer, hints] : hints_) peers.push_back(peer);
  std::sort(peers.begin(), peers.end());
  return peers;
}

MailboxState* ItemIndex::Change::Find(const MailboxAddress& mailbox) {
  const auto found = mailboxes_.find(mailbox);
  if (found != mailboxes_.end()) return &found->second;
  std::optional<MailboxState> state = base_.Find(mailbox);
  if (!state.has_value()) return nullptr;
  return &mailboxes_.emplace(mailbox, *state).first->second;
}

MailboxState& ItemIndex::Change::Add(const MailboxAddress& mailbox, int64_t row,
                                     Shard shard) {
  MailboxState& state = mailboxes_[mailbox];
  state.row = row;
  state.shard = shard;
  return state;
}

void ItemIndex::Change::AddItem(ItemKind kind, Shard shard, const ObjectId& id,
                                uint64_t end_ms) {
  CellChange& cell = cells_[CellKey(shard, WindowOf(end_ms))];
  ++cell.count;
  cell.digest.Add(ItemEntry{.kind = kind, .id = id, .expiry_ms = end_ms});
  if (kind == ItemKind::kMessage) {
    cell.first_message_ms = std::min(cell.first_message_ms, end_ms);
  }
  ++items_[static_cast<size_t>(kind)];
}

void ItemIndex::Change::RemoveItem(ItemKind kind, Shard shard,
                                   const ObjectId& id, uint64_t end_ms) {
  CellChange& cell = cells_[CellKey(shard, WindowOf(end_ms))];
  --cell.count;
  cell.digest.Remove(ItemEntry{.kind = kind, .id = id, .expiry_ms = end_ms});
  --items_[static_cast<size_t>(kind)];
}

void ItemIndex::Change::AddMessage(const MailboxAddress& mailbox,
                                   const MessageId& id, uint64_t expiry_ms,
                                   uint64_t seq, size_t bytes) {
  MailboxState& state = *Find(mailbox);
  ++state.messages;
  state.bytes += bytes;
  added_bytes_ += bytes;
  added_.emplace_back(mailbox, seq);
  AddItem(ItemKind::kMessage, state.shard, id, expiry_ms);
}

void ItemIndex::Change::RemoveMessage(const MailboxAddress& mailbox,
                                      const MessageId& id, uint64_t expiry_ms,
                                      uint64_t seq, size_t bytes) {
  MailboxState& state = *Find(mailbox);
  --state.messages;
  state.bytes -= bytes;
  removed_.emplace_back(mailbox, seq);
  RemoveItem(ItemKind::kMessage, state.shard, id, expiry_ms);
}

void ItemIndex::Change::MoveMessage(Shard shard, const MessageId& id,
                                    uint64_t from_ms, uint64_t to_ms) {
  RemoveItem(ItemKind::kMessage, shard, id, from_ms);
  AddItem(ItemKind::kMessage, shard, id, to_ms);
}

void ItemIndex::Change::SetFirstMessages(
    Shard shard, uint64_t until_ms,
    absl::flat_hash_map<Window, uint64_t> first) {
  first_messages_.push_back(
      {.shard = shard, .until = WindowOf(until_ms), .first = std::move(first)});
}

std::vector<uint64_t> ItemIndex::Change::Messages(
    const MailboxAddress& mailbox) const {
  std::vector<uint64_t> all = base_.Messages(mailbox, 0, SIZE_MAX);
  for (const auto& [address, seq] : added_) {
    if (address == mailbox) all.push_back(seq);
  }
  absl::flat_hash_set<uint64_t> gone;
  for (const auto& [address, seq] : removed_) {
    if (address == mailbox) gone.insert(seq);
  }
  if (!gone.empty()) {
    std::erase_if(all, [&](uint64_t seq) { return gone.contains(seq); });
  }
  return all;
}

uint64_t ItemIndex::Change::HintsFor(const routing::NodeId& peer) const {
  const auto found = hints_.find(peer);
  return base_.HintsFor(peer) +
         (found == hints_.end() ? 0 : static_cast<uint64_t>(found->second));
}

}  // namespace messenger::swarm
