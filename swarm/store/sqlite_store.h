// The MessageStore of a real node: one SQLite file, write-ahead log, synced at
// every commit (swarm/SPEC.md, section 6).
//
// Writing and reading use a connection each, so the two threads do not wait for
// one another. What needs no payload is answered from an ItemIndex, which is
// made at the start from one scan of an index of the file. A process that is
// killed at any instant, or a machine that loses power, keeps all that Apply()
// returned for and nothing in halves.

#ifndef SWARM_STORE_SQLITE_STORE_H_
#define SWARM_STORE_SQLITE_STORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "crypto/random/random.h"
#include "routing/runtime/sqlite/database.h"
#include "routing/runtime/sqlite/log_check.h"
#include "swarm/store/file_lock.h"
#include "swarm/store/item_index.h"
#include "swarm/store/message_store.h"
#include "swarm/store/sql.h"

namespace messenger::swarm {

class SqliteStore final : public MessageStore {
 public:
  // Damaged files that SetAside() keeps.
  static constexpr size_t kMaxSetAside = 2;

  struct Options {
    std::string path;
    // The file does not grow beyond this, give or take a page and its log;
    // then RESOURCE_EXHAUSTED. 0: as the disk has space.
    uint64_t capacity_bytes = 0;
    // SQLite's virtual file system; empty: the real one. Only on the real one
    // is `path`.lock held, so that two processes cannot have one store.
    std::string vfs;
    // The time, for what an older version did not keep (sqlite_schema.h).
    uint64_t now_ms = 0;
  };

  // Makes the file if there is none, with an incarnation out of `random`.
  // DATA_LOSS if it is seen to be damaged, which takes no reading of all of it
  // (store_check.h); FAILED_PRECONDITION if a newer version of this program has
  // written it; UNAVAILABLE if it cannot be opened or is in use.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(
      const Options& options, crypto::Random& random);

  // Moves a damaged store, which must not be open, to `path`.damaged-`suffix`.
  // The node then starts with an empty one and a new incarnation. Of several
  // only the kMaxSetAside with the highest suffixes are kept.
  static absl::Status SetAside(const std::string& path,
                               absl::string_view suffix);

  // Notes that it was closed in order.
  ~SqliteStore() override;

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

  // Commits may be gone (log_check.h): no shard counts as held, and sequence
  // numbers go on well behind those that were given.
  bool log_was_damaged() const { return log_was_damaged_; }

  // Whether the file should be read as a whole (store_check.h): the process
  // before this one did not close it, or the last time was a day ago. The
  // second notes that it was; on the writing thread.
  bool NeedsCheck(uint64_t now_ms) const;
  absl::Status SetChecked(uint64_t now_ms);

 private:
  static absl::StatusOr<std::unique_ptr<SqliteStore>> OpenOnce(
      const Options& options, crypto::Random& random);
  static absl::Status GoOnAfterLog(sqlite::LogState log,
                                   sqlite::Database& writer);

  using Change = ItemIndex::Change;
  // A message without its payload.
  struct MessageRow {
    uint64_t seq = 0;
    MessageId id;
    uint64_t expiry_ms = 0;
    uint64_t author_expiry_ms = 0;
    size_t size = 0;
  };

  SqliteStore(std::unique_ptr<FileLock> lock,
              std::unique_ptr<sqlite::Database> writer,
              std::unique_ptr<sqlite::Database> reader,
              uint64_t capacity_bytes);
  // Reads `meta` and fills the index.
  absl::Status Start();

  // Runs `body` as one transaction; what is in the change counts once it is on
  // disk.
  absl::Status Write(absl::FunctionRef<absl::Status(Change&)> body);
  absl::Status DropEmptyMailboxes(const Change& change);
  absl::Status ReadUsedBytes();
  absl::StatusOr<uint64_t> NextSeq();

  absl::StatusOr<OpResult> Do(const PutMessage& op, uint64_t now_ms,
                              Change& change);
  absl::StatusOr<OpResult> Do(const DeleteMessages& op, uint64_t now_ms,
                              Change& change);
  absl::StatusOr<OpResult> Do(const PurgeMessages& op, uint64_t now_ms,
                              Change& change);
  absl::StatusOr<OpResult> Do(const PutRecord& op, uint64_t now_ms,
                              Change& change);
  absl::StatusOr<OpResult> Do(const PutRegistration& op, uint64_t now_ms,
                              Change& change);
  absl::StatusOr<OpResult> Do(const PutHints& op, uint64_t now_ms,
                              Change& change);
  absl::StatusOr<OpResult> Do(const DropHints& op, uint64_t now_ms,
                              Change& change);
  absl::StatusOr<OpResult> Do(const SetFill& op, uint64_t now_ms,
                              Change& change);
  absl::StatusOr<OpResult> Do(const DropDamaged& op, uint64_t now_ms,
                              Change& change);

  // When a message ends, after all that is known of it; nothing: it is not to
  // be there.
  absl::StatusOr<std::optional<uint64_t>> EndOf(const MailboxState& mailbox,
                                                const MessageId& id,
                                                uint64_t author_expiry_ms);
  absl::StatusOr<std::optional<MessageRow>> FindMessage(
      const MailboxState& mailbox, const MessageId& id);
  absl::StatusOr<std::optional<MessageRow>> MessageAt(uint64_t seq);
  // Makes the message end when its orders say.
  absl::Status Shorten(const MailboxAddress& mailbox, const MessageRow& message,
                       Change& change);
  absl::Status RemoveMessage(const MailboxAddress& mailbox,
                             const MessageRow& message, Change& change);

  // Each forgets up to `limit` and says how many it did.
  absl::StatusOr<size_t> ExpireMessages(uint64_t now_ms, size_t limit,
                                        Change& change);
  absl::StatusOr<size_t> ExpireMessagesOf(Shard shard, uint64_t now_ms,
                                          size_t limit, Change& change);
  absl::StatusOr<size_t> ExpireOrders(uint64_t now_ms, size_t limit,
                                      Change& change);
  absl::StatusOr<size_t> ExpireRegistrations(uint64_t now_ms, size_t limit,
                                             Change& change);
  absl::StatusOr<size_t> ExpireHints(uint64_t now_ms, size_t limit,
                                     Change& change);
  absl::StatusOr<size_t> ExpireLocalTombstones(uint64_t now_ms, size_t limit,
                                               Change& change);
  absl::StatusOr<size_t> EraseRest(Shard shard, size_t limit, Change& change);
  absl::StatusOr<size_t> ForgetAll(std::vector<ItemKey> items, Change& change);
  // Those that `rows` names.
  absl::StatusOr<size_t> ForgetHints(Rows rows, Change& change);
  absl::StatusOr<size_t> ForgetLocalTombstones(Rows rows, Change& change);
  // An item with what it made; 0 if it was not there.
  absl::StatusOr<size_t> Forget(const ItemKey& item, Change& change);
  absl::StatusOr<size_t> ForgetRegistration(int64_t row, Change& change);
  absl::StatusOr<MailboxState*> StateOf(int64_t row, MailboxAddress* address,
                                        Change& change);

  absl::StatusOr<std::optional<StoreOp>> LoadOne(const ItemKey& item) const;
  absl::StatusOr<std::optional<StoreOp>> LoadMessage(const ItemKey& item) const;
  absl::StatusOr<std::optional<StoreOp>> LoadDeletion(
      const ItemKey& item) const;
  absl::StatusOr<std::optional<StoreOp>> LoadPurge(const ItemKey& item) const;
  absl::StatusOr<std::optional<StoreOp>> LoadRecord(const ItemKey& item) const;
  absl::StatusOr<std::optional<StoreOp>> LoadRegistration(
      const ItemKey& item) const;

  // First in, last out: nobody else may have the file while a connection does.
  const std::unique_ptr<FileLock> lock_;
  const std::unique_ptr<sqlite::Database> writer_;
  const std::unique_ptr<sqlite::Database> reader_;
  const uint64_t capacity_bytes_;
  ItemIndex index_;
  uint64_t incarnation_ = 0;
  bool was_closed_ = false;
  bool log_was_damaged_ = false;
  uint64_t checked_ms_ = 0;
  // Of the writing thread. Numbers below `reserved_seq_` are on disk as used,
  // so that only one transaction in many has to note it.
  bool started_ = false;
  uint64_t next_seq_ = 1;
  uint64_t reserved_seq_ = 1;
  std::atomic<uint64_t> used_bytes_{0};
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_SQLITE_STORE_H_
