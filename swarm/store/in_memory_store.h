// A MessageStore that forgets everything when the process ends. For tests and
// simulations. Thread-safe.

#ifndef SWARM_STORE_IN_MEMORY_STORE_H_
#define SWARM_STORE_IN_MEMORY_STORE_H_

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "crypto/random/random.h"
#include "swarm/store/item_index.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class InMemoryStore final : public MessageStore {
 public:
  // What a message takes besides its payload, as Space() counts it.
  static constexpr uint64_t kMessageBytes = 512;

  // `random` gives the incarnation. A capacity of 0 has no bound; otherwise it
  // decides what is admitted, but nothing is ever too large for it.
  explicit InMemoryStore(crypto::Random& random, uint64_t capacity_bytes = 0);

  absl::StatusOr<std::vector<OpResult>> Apply(absl::Span<const StoreOp> ops,
                                              uint64_t now_ms) override;
  absl::StatusOr<size_t> Expire(uint64_t now_ms, size_t limit_rows) override;
  absl::StatusOr<size_t> EraseShard(Shard shard, size_t limit_rows) override;
  absl::StatusOr<MessagePage> List(const MailboxAddress& mailbox,
                                   MailboxNamespace ns, uint64_t after_seq,
                                   uint64_t now_ms, size_t limit_rows,
                                   size_t limit_bytes) const override;
  absl::StatusOr<std::vector<Record>> Records(
      const MailboxAddress& mailbox, MailboxNamespace ns) const override;
  MailboxUsage Usage(const MailboxAddress& mailbox) const override;
  NodeSpace Space() const override;
  std::vector<Shard> Shards() const override;
  std::vector<WindowSummary> Windows(Shard shard,
                                     uint64_t from_ms) const override;
  absl::StatusOr<std::vector<ItemEntry>> Entries(Shard shard,
                                                 Window window) const override;
  absl::StatusOr<std::vector<StoreOp>> Load(
      absl::Span<const ItemKey> items) const override;
  absl::StatusOr<std::vector<ItemKey>> Hints(const routing::NodeId& peer,
                                             size_t limit) const override;
  absl::StatusOr<std::vector<routing::NodeId>> PeersWithHints() const override;
  uint64_t FilledIn(Shard shard) const override;
  absl::StatusOr<StoreTotals> Totals() const override;
  uint64_t incarnation() const override { return incarnation_; }

  // Refuses what takes room, RESOURCE_EXHAUSTED, as a full disk.
  void set_full(bool full);

 private:
  using Change = ItemIndex::Change;
  struct Message {
    PutMessage put;  // with the author's expiry
    uint64_t expiry_ms = 0;
  };
  struct Mailbox {
    std::map<uint64_t, Message> messages;
    std::map<MessageId, uint64_t> seq_of;
    // By id and order: when the message ends.
    std::map<std::pair<MessageId, ObjectId>, uint64_t> tombstones;
    std::map<ObjectId, DeleteMessages> deletions;
    std::optional<PurgeMessages> purge;
    std::optional<PutRegistration> registration;
    std::map<std::pair<MailboxNamespace, RecordKey>, PutRecord> records;
  };
  struct Item {
    MailboxAddress mailbox;
    uint64_t end_ms = 0;
  };
  struct Hint {
    ItemKey item;
    uint64_t until_ms = 0;
  };

  OpResult Do(const PutMessage& op, uint64_t now_ms, Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  OpResult Do(const DeleteMessages& op, uint64_t now_ms, Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  OpResult Do(const PurgeMessages& op, uint64_t now_ms, Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  OpResult Do(const PutRecord& op, uint64_t now_ms, Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  OpResult Do(const PutRegistration& op, uint64_t now_ms, Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  OpResult Do(const PutHints& op, uint64_t now_ms, Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  OpResult Do(const DropHints& op, uint64_t now_ms, Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  OpResult Do(const SetFill& op, uint64_t now_ms, Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  OpResult Do(const DropDamaged& op, uint64_t now_ms, Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // When the message ends, after all that is known of it; nothing: it is not
  // to be there.
  static std::optional<uint64_t> EndOf(const Mailbox& mailbox,
                                       const MessageId& id,
                                       uint64_t author_expiry_ms);
  // Makes the message end when its orders say.
  void Shorten(const MailboxAddress& address, Mailbox& mailbox, uint64_t seq,
               Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddItem(ItemKind kind, const MailboxAddress& mailbox, Shard shard,
               const ObjectId& id, uint64_t end_ms, Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveItem(ItemKind kind, Shard shard, const ObjectId& id,
                  Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveWindow(const ItemEntry& entry, Shard shard)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Forgets the item and all that goes with it; whether it was there.
  bool Forget(const ItemKey& item, Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(const Change& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<StoreOp> LoadOne(const ItemKey& item) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const uint64_t incarnation_;
  const uint64_t capacity_bytes_;
  ItemIndex index_;
  mutable absl::Mutex mutex_;
  bool full_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t last_seq_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t last_row_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<MailboxAddress, Mailbox> mailboxes_ ABSL_GUARDED_BY(mutex_);
  std::map<ItemKey, Item> items_ ABSL_GUARDED_BY(mutex_);
  std::set<std::tuple<ItemKind, uint64_t, ItemKey>> ends_
      ABSL_GUARDED_BY(mutex_);
  // The same by what is compared, so that comparing a window of a large store
  // costs what the window holds.
  std::map<std::pair<Shard, Window>, std::set<ItemEntry>> windows_
      ABSL_GUARDED_BY(mutex_);
  std::map<routing::NodeId, std::list<Hint>> hints_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<routing::NodeId, ItemKey>, std::list<Hint>::iterator>
      hint_of_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_IN_MEMORY_STORE_H_
