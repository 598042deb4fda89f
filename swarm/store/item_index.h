// What a store knows without looking at its disk: digests of what it holds,
// what each mailbox takes, and which rows are a mailbox's. It costs a write no
// disk, and is made anew from one scan at start (design/0003, "Three nets").
//
// A transaction collects what it is about to do in a Change, sees its own
// changes in it, and hands it over when it is on disk; one that fails drops it.
// So nobody ever sees here what is not on the disk.
//
// Thread-safe: one thread makes changes, any may read.

#ifndef SWARM_STORE_ITEM_INDEX_H_
#define SWARM_STORE_ITEM_INDEX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/item.h"
#include "swarm/auth/mailbox.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

struct MailboxState {
  // The store's own number for it; rows of equal numbers are one mailbox's.
  int64_t row = 0;
  Shard shard = 0;
  // The time of its registration.
  std::optional<uint64_t> registered_ms;
  std::optional<uint64_t> purged_until_ms;
  uint64_t messages = 0;
  uint64_t bytes = 0;  // of payloads
  uint64_t deletions = 0;
  uint64_t owner_ids = 0;  // in those
  uint64_t records = 0;
  // Tombstones without an order behind them, of an older version.
  uint64_t local_tombstones = 0;

  // Nothing is kept for it, not even its name.
  bool IsEmpty() const {
    return !registered_ms.has_value() && !purged_until_ms.has_value() &&
           messages + deletions + records + local_tombstones == 0;
  }
};

class ItemIndex final {
 public:
  class Change;

  ItemIndex() = default;
  ItemIndex(const ItemIndex&) = delete;
  ItemIndex& operator=(const ItemIndex&) = delete;

  // What a transaction did, now that it is on disk. Mailboxes that have become
  // empty are forgotten.
  void Commit(const Change& change);
  // After commits that brought messages in another order than that of their
  // numbers: while the index is made anew.
  void SortMessages();

  std::optional<MailboxState> Find(const MailboxAddress& mailbox) const;
  std::optional<MailboxAddress> AddressOf(int64_t row) const;
  MailboxUsage Usage(const MailboxAddress& mailbox) const;
  // The numbers of a mailbox's messages above `after_seq`, rising.
  std::vector<uint64_t> Messages(const MailboxAddress& mailbox,
                                 uint64_t after_seq, size_t limit) const;

  StoreTotals Totals() const;
  // Half of the mailboxes with messages have at most so many bytes, and it is
  // at most a quarter above the least such number: mailboxes are counted by
  // quarters of powers of two.
  uint64_t MedianMailboxBytes() const;
  // The size to which larger mailboxes would have to be cut for all of them
  // together to have `kept` of `of` parts of their bytes, or up to a fifth
  // less: within a class all are taken to be alike. `of` is not 0.
  uint64_t FairMailboxBytes(uint64_t kept, uint64_t of) const;

  // Shards with anything in them.
  std::vector<Shard> Shards() const;
  std::vector<WindowSummary> Windows(Shard shard, uint64_t from_ms) const;
  // Shards in which a message may have ended by `now_ms`. There are no others.
  std::vector<Shard> ShardsWithDueMessages(uint64_t now_ms) const;

  uint64_t FilledIn(Shard shard) const;
  uint64_t HintsFor(const routing::NodeId& peer) const;
  std::vector<routing::NodeId> PeersWithHints() const;

 private:
  using CellKey = std::pair<Shard, Window>;
  struct Cell {
    uint64_t count = 0;
    SetDigest digest;
    // No message of this window ends earlier.
    uint64_t first_message_ms = kNeverMs;
  };
  struct Mailbox {
    MailboxState state;
    std::vector<uint64_t> messages;  // rising
  };
  static constexpr size_t kSizeClasses = 4 * 64;

  static size_t SizeClass(uint64_t bytes);
  void Replace(const MailboxAddress& mailbox, const MailboxState& state)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<MailboxAddress, Mailbox> mailboxes_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<int64_t, MailboxAddress> by_row_ ABSL_GUARDED_BY(mutex_);
  std::array<absl::btree_map<Window, Cell>, kShards> cells_
      ABSL_GUARDED_BY(mutex_);
  std::array<uint32_t, kShards> mailboxes_of_shard_
      ABSL_GUARDED_BY(mutex_) = {};
  std::array<uint64_t, kShards> fills_ ABSL_GUARDED_BY(mutex_) = {};
  // Mailboxes by size, and the bytes of those of each class.
  std::array<uint64_t, kSizeClasses> sizes_ ABSL_GUARDED_BY(mutex_) = {};
  std::array<uint64_t, kSizeClasses> size_bytes_ ABSL_GUARDED_BY(mutex_) = {};
  absl::flat_hash_map<routing::NodeId, uint64_t> hints_ ABSL_GUARDED_BY(mutex_);
  std::array<uint64_t, kItemKinds + 1> items_ ABSL_GUARDED_BY(mutex_) = {};
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t tombstones_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t hints_dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

// One transaction's changes, on top of an index. Belongs to the thread that
// writes.
class ItemIndex::Change final {
 public:
  explicit Change(const ItemIndex& base) : base_(base) {}

  // The mailbox as this transaction has left it so far, to be changed; null if
  // it is not known. Good as long as the Change.
  MailboxState* Find(const MailboxAddress& mailbox);
  // One that is not known.
  MailboxState& Add(const MailboxAddress& mailbox, int64_t row, Shard shard);

  // Keep count of the mailbox's messages and bytes, too.
  void AddMessage(const MailboxAddress& mailbox, const MessageId& id,
                  uint64_t expiry_ms, uint64_t seq, size_t bytes);
  void RemoveMessage(const MailboxAddress& mailbox, const MessageId& id,
                     uint64_t expiry_ms, uint64_t seq, size_t bytes);
  void MoveMessage(Shard shard, const MessageId& id, uint64_t from_ms,
                   uint64_t to_ms);
  // Of items that are no messages. What they do to their mailbox's state is the
  // caller's business.
  void AddItem(ItemKind kind, Shard shard, const ObjectId& id, uint64_t end_ms);
  void RemoveItem(ItemKind kind, Shard shard, const ObjectId& id,
                  uint64_t end_ms);

  void SetFill(Shard shard, uint64_t epoch) { fills_[shard] = epoch; }
  void AddHints(const routing::NodeId& peer, int64_t count) {
    hints_[peer] += count;
  }
  void DropHint() { ++hints_dropped_; }
  // All messages of `shard` that end before `until_ms` are known: the first of
  // each window is in `first`.
  void SetFirstMessages(Shard shard, uint64_t until_ms,
                        absl::flat_hash_map<Window, uint64_t> first);

  // All messages of a mailbox as this transaction has left them.
  std::vector<uint64_t> Messages(const MailboxAddress& mailbox) const;
  uint64_t HintsFor(const routing::NodeId& peer) const;
  // Bytes of payloads that this transaction adds.
  uint64_t added_bytes() const { return added_bytes_; }

  const absl::node_hash_map<MailboxAddress, MailboxState>& mailboxes() const {
    return mailboxes_;
  }

 private:
  friend class ItemIndex;
  struct CellChange {
    int64_t count = 0;
    SetDigest digest;
    uint64_t first_message_ms = kNeverMs;
  };
  struct FirstMessages {
    Shard shard;
    Window until;
    absl::flat_hash_map<Window, uint64_t> first;
  };

  const ItemIndex& base_;
  absl::node_hash_map<MailboxAddress, MailboxState> mailboxes_;
  std::vector<std::pair<MailboxAddress, uint64_t>> added_;
  std::vector<std::pair<MailboxAddress, uint64_t>> removed_;
  absl::flat_hash_map<CellKey, CellChange> cells_;
  std::array<int64_t, kItemKinds + 1> items_ = {};
  absl::flat_hash_map<Shard, uint64_t> fills_;
  absl::flat_hash_map<routing::NodeId, int64_t> hints_;
  std::vector<FirstMessages> first_messages_;
  uint64_t hints_dropped_ = 0;
  uint64_t added_bytes_ = 0;
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_ITEM_INDEX_H_
