#include "swarm/store/sqlite_store.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/status_macros.h"
#include "routing/runtime/sqlite/log_check.h"
#include "swarm/auth/limits.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/store/admission.h"
#include "swarm/store/sql.h"
#include "swarm/store/sqlite_schema.h"

namespace messenger::swarm {
namespace {

constexpr uint64_t kPageBytes = 4096;
// New messages change pages all over their index: the more of it is in memory,
// and the more transactions share a checkpoint, the fewer pages are read and
// written twice.
constexpr char kTuning[] =
    "PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=8000";
constexpr uint64_t kSeqsAtOnce = 65'536;
// More than a log can hold messages.
constexpr uint64_t kSeqsPerBrokenLog = uint64_t{1} << 32;
constexpr absl::Duration kCheckInterval = absl::Hours(24);

absl::Status Damaged() {
  return absl::DataLossError("a row of the store is damaged");
}

uint64_t Plus(uint64_t time_ms, absl::Duration duration) {
  return time_ms + absl::ToInt64Milliseconds(duration);
}

std::string JoinIds(const std::vector<MessageId>& ids) {
  std::string bytes;
  bytes.reserve(ids.size() * MessageId::kSize);
  for (const MessageId& id : ids) absl::StrAppend(&bytes, id.bytes());
  return bytes;
}

// The ids that `rows` has in its first column, as names of items.
absl::Status AppendItems(Rows rows, ItemKind kind, Shard shard,
                         std::vector<ItemKey>& items) {
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, rows.Next());
    if (!row) return absl::OkStatus();
    const auto id = ObjectId::FromBytes(rows.Blob(0));
    if (!id.ok()) return Damaged();
    items.push_back({kind, shard, *id});
  }
}

}  // namespace

SqliteStore::SqliteStore(std::unique_ptr<FileLock> lock,
                         std::unique_ptr<sqlite::Database> writer,
                         std::unique_ptr<sqlite::Database> reader,
                         uint64_t capacity_bytes)
    : lock_(std::move(lock)),
      writer_(std::move(writer)),
      reader_(std::move(reader)),
      capacity_bytes_(capacity_bytes) {}

SqliteStore::~SqliteStore() {
  // One that did not come up knows no number and must write none.
  if (!started_) return;
  // Where this fails, the next start takes it for a crash.
  Run(*writer_, "UPDATE meta SET clean=1, next_seq=?", next_seq_).IgnoreError();
}

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(
    const Options& options, crypto::Random& random) {
  absl::StatusOr<std::unique_ptr<SqliteStore>> opened =
      OpenOnce(options, random);
  // One read that went wrong can make rows seem to contradict one another: what
  // is damaged is so twice.
  if (absl::IsDataLoss(opened.status())) opened = OpenOnce(options, random);
  return opened;
}

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::OpenOnce(
    const Options& options, crypto::Random& random) {
  std::unique_ptr<FileLock> lock;
  if (options.vfs.empty()) {
    ASSIGN_OR_RETURN(lock, FileLock::Take(absl::StrCat(options.path, ".lock")));
  }
  ASSIGN_OR_RETURN(const sqlite::LogState log,
                   sqlite::CheckLog(options.path, options.vfs));
  sqlite::Database::Options database;
  database.vfs = options.vfs;
  ASSIGN_OR_RETURN(std::unique_ptr<sqlite::Database> writer,
                   sqlite::Database::Open(options.path, database));
  RETURN_IF_ERROR(writer->Exec(kTuning));
  RETURN_IF_ERROR(PrepareSchema(*writer, random, options.now_ms));
  if (log != sqlite::LogState::kWhole) {
    RETURN_IF_ERROR(GoOnAfterLog(log, *writer));
  }
  database.read_only = true;
  ASSIGN_OR_RETURN(std::unique_ptr<sqlite::Database> reader,
                   sqlite::Database::Open(options.path, database));
  RETURN_IF_ERROR(reader->Exec(kTuning));
  std::unique_ptr<SqliteStore> store(
      new SqliteStore(std::move(lock), std::move(writer), std::move(reader),
                      options.capacity_bytes));
  store->log_was_damaged_ = log == sqlite::LogState::kDamaged;
  RETURN_IF_ERROR(store->Start());
  return store;
}

// Numbers that readers know may be gone with what was committed last, and are
// passed over; where more may be gone, no shard counts as held any more.
absl::Status SqliteStore::GoOnAfterLog(sqlite::LogState log,
                                       sqlite::Database& writer) {
  RETURN_IF_ERROR(writer.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(Run(writer, "UPDATE meta SET clean=0, next_seq=next_seq+?",
                        kSeqsPerBrokenLog));
    return log == sqlite::LogState::kDamaged ? Run(writer, "DELETE FROM fills")
                                             : absl::OkStatus();
  }));
  // The next crash must not meet what remains of the tail.
  writer.Exec("PRAGMA wal_checkpoint(TRUNCATE)").IgnoreError();
  return absl::OkStatus();
}

absl::Status SqliteStore::Start() {
  {
    ASSIGN_OR_RETURN(
        Rows meta,
        Select(*reader_,
               "SELECT incarnation, next_seq, clean, checked_ms FROM meta"));
    ASSIGN_OR_RETURN(const bool row, meta.Next());
    if (!row) return Damaged();
    incarnation_ = meta.Unsigned(0);
    next_seq_ = reserved_seq_ = meta.Unsigned(1);
    was_closed_ = meta.Int(2) != 0;
    checked_ms_ = meta.Unsigned(3);
  }
  RETURN_IF_ERROR(LoadIndex(*reader_, index_));
  if (was_closed_) {
    const absl::Status opened = Run(*writer_, "UPDATE meta SET clean=0");
    // Deletions must work on a full disk, so a store opens on one.
    if (!opened.ok() && !absl::IsResourceExhausted(opened)) return opened;
  }
  if (capacity_bytes_ > 0) {
    RETURN_IF_ERROR(writer_->Exec(
        absl::StrCat("PRAGMA max_page_count=",
                     std::max<uint64_t>(capacity_bytes_ / kPageBytes, 1))
            .c_str()));
  }
  RETURN_IF_ERROR(ReadUsedBytes());
  started_ = true;
  return absl::OkStatus();
}

absl::Status SqliteStore::SetAside(const std::string& path,
                                   absl::string_view suffix) {
  ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock,
                   FileLock::Take(absl::StrCat(path, ".lock")));
  const std::string prefix = absl::StrCat(path, ".damaged-");
  std::error_code error;
  // The log goes last: without its database it is nothing, while the other way
  // round there would be a database that lacks what its log has.
  for (const char* part : {"", "-wal", "-shm"}) {
    const std::string from = absl::StrCat(path, part);
    if (!std::filesystem::exists(from, error)) continue;
    std::filesystem::rename(from, absl::StrCat(prefix, suffix, part), error);
    if (error) return absl::UnavailableError("the store cannot be set aside");
  }
  std::vector<std::filesystem::path> kept;
  const std::filesystem::path folder =
      std::filesystem::path(path).parent_path();
  const std::string name_prefix =
      std::filesystem::path(prefix).filename().string();
  for (const auto& entry : std::filesystem::directory_iterator(
           folder.empty() ? "." : folder, error)) {
    const std::string name = entry.path().filename().string();
    if (absl::StartsWith(name, name_prefix) && !absl::EndsWith(name, "-wal") &&
        !absl::EndsWith(name, "-shm")) {
      kept.push_back(entry.path());
    }
  }
  std::sort(kept.begin(), kept.end());
  for (size_t i = 0; i + kMaxSetAside < kept.size(); ++i) {
    for (const char* part : {"", "-wal", "-shm"}) {
      std::filesystem::remove(absl::StrCat(kept[i].string(), part), error);
    }
  }
  return absl::OkStatus();
}

bool SqliteStore::NeedsCheck(uint64_t now_ms) const {
  return !was_closed_ || now_ms >= Plus(checked_ms_, kCheckInterval);
}

absl::Status SqliteStore::SetChecked(uint64_t now_ms) {
  RETURN_IF_ERROR(Run(*writer_, "UPDATE meta SET checked_ms=?", now_ms));
  was_closed_ = true;
  checked_ms_ = now_ms;
  return absl::OkStatus();
}

absl::Status SqliteStore::ReadUsedBytes() {
  if (capacity_bytes_ == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(Rows pages, Select(*writer_, "PRAGMA page_count"));
  RETURN_IF_ERROR(pages.Next().status());
  ASSIGN_OR_RETURN(Rows unused, Select(*writer_, "PRAGMA freelist_count"));
  RETURN_IF_ERROR(unused.Next().status());
  used_bytes_ = (pages.Unsigned(0) - unused.Unsigned(0)) * kPageBytes;
  return absl::OkStatus();
}

NodeSpace SqliteStore::Space() const {
  NodeSpace space;
  space.capacity_bytes = capacity_bytes_;
  space.used_bytes =
      capacity_bytes_ > 0 ? used_bytes_.load() : index_.Totals().payload_bytes;
  space.median_mailbox_bytes = index_.MedianMailboxBytes();
  space.fair_mailbox_bytes = FairMailboxBytes(space, index_);
  return space;
}

absl::Status SqliteStore::Write(absl::FunctionRef<absl::Status(Change&)> body) {
  const uint64_t next_seq = next_seq_;
  const uint64_t reserved_seq = reserved_seq_;
  Change change(index_);
  const absl::Status written = writer_->Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(body(change));
    return DropEmptyMailboxes(change);
  });
  if (!written.ok()) {
    next_seq_ = next_seq;
    reserved_seq_ = reserved_seq;
    return written;
  }
  index_.Commit(change);
  // Of no consequence for what has been written.
  ReadUsedBytes().IgnoreError();
  return absl::OkStatus();
}

absl::Status SqliteStore::DropEmptyMailboxes(const Change& change) {
  for (const auto& [address, state] : change.mailboxes()) {
    if (!state.IsEmpty()) continue;
    RETURN_IF_ERROR(
        Run(*writer_, "DELETE FROM mailboxes WHERE row=?", state.row));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> SqliteStore::NextSeq() {
  if (next_seq_ >= reserved_seq_) {
    RETURN_IF_ERROR(
        Run(*writer_, "UPDATE meta SET next_seq=?", next_seq_ + kSeqsAtOnce));
    reserved_seq_ = next_seq_ + kSeqsAtOnce;
  }
  return next_seq_++;
}

absl::StatusOr<std::vector<OpResult>> SqliteStore::Apply(
    absl::Span<const StoreOp> ops, uint64_t now_ms) {
  std::vector<OpResult> results;
  results.reserve(ops.size());
  RETURN_IF_ERROR(Write([&](Change& change) -> absl::Status {
    for (const StoreOp& op : ops) {
      ASSIGN_OR_RETURN(
          const OpResult result,
          std::visit([&](const auto& one) { return Do(one, now_ms, change); },
                     op));
      results.push_back(result);
    }
    return absl::OkStatus();
  }));
  return results;
}

absl::StatusOr<std::optional<uint64_t>> SqliteStore::EndOf(
    const MailboxState& mailbox, const MessageId& id,
    uint64_t author_expiry_ms) {
  uint64_t end_ms = author_expiry_ms;
  if (mailbox.deletions > 0) {
    ASSIGN_OR_RETURN(Rows rows,
                     Select(*writer_,
                            "SELECT min(effective_ms) FROM tombstones WHERE "
                            "mailbox=? AND id=?",
                            mailbox.row, id.bytes()));
    RETURN_IF_ERROR(rows.Next().status());
    if (!rows.IsNull(0)) end_ms = std::min(end_ms, rows.Unsigned(0));
    if (end_ms == 0) return std::nullopt;
  }
  if (mailbox.purged_until_ms.has_value() &&
      end_ms <= *mailbox.purged_until_ms) {
    return std::nullopt;
  }
  if (mailbox.local_tombstones > 0) {
    ASSIGN_OR_RETURN(
        Rows rows,
        Select(*writer_,
               "SELECT 1 FROM local_tombstones WHERE mailbox=? AND id=?",
               mailbox.row, id.bytes()));
    ASSIGN_OR_RETURN(const bool deleted, rows.Next());
    if (deleted) return std::nullopt;
  }
  return end_ms;
}

absl::StatusOr<std::optional<SqliteStore::MessageRow>> SqliteStore::FindMessage(
    const MailboxState& mailbox, const MessageId& id) {
  ASSIGN_OR_RETURN(
      Rows rows, Select(*writer_,
                        "SELECT seq, expiry_ms, size FROM messages INDEXED BY "
                        "messages_by_id WHERE shard=? AND id=? AND mailbox=?",
                        mailbox.shard, id.bytes(), mailbox.row));
  ASSIGN_OR_RETURN(const bool row, rows.Next());
  if (!row) return std::nullopt;
  MessageRow message;
  message.seq = rows.Unsigned(0);
  message.id = id;
  message.expiry_ms = rows.Unsigned(1);
  message.size = static_cast<size_t>(rows.Int(2));
  return message;
}

absl::StatusOr<std::optional<SqliteStore::MessageRow>> SqliteStore::MessageAt(
    uint64_t seq) {
  ASSIGN_OR_RETURN(Rows rows,
                   Select(*writer_,
                          "SELECT id, expiry_ms, author_expiry_ms, size FROM "
                          "messages WHERE seq=?",
                          seq));
  ASSIGN_OR_RETURN(const bool row, rows.Next());
  if (!row) return std::nullopt;
  const auto id = MessageId::FromBytes(rows.Blob(0));
  if (!id.ok()) return Damaged();
  MessageRow message;
  message.seq = seq;
  message.id = *id;
  message.expiry_ms = rows.Unsigned(1);
  message.author_expiry_ms = rows.Unsigned(2);
  message.size = static_cast<size_t>(rows.Int(3));
  return message;
}

absl::StatusOr<OpResult> SqliteStore::Do(const PutMessage& op, uint64_t now_ms,
                                         Change& change) {
  MailboxState* state = change.Find(op.mailbox);
  if (state == nullptr || !HasMessages(op.mailbox, op.ns) ||
      !IsRegistered(*state, op.origin, now_ms)) {
    return OpResult::kNotRegistered;
  }
  ASSIGN_OR_RETURN(std::optional<MessageRow> stored,
                   FindMessage(*state, op.id));
  if (stored.has_value()) {
    // The author's expiry is never before the one that counts.
    if (op.expiry_ms <= stored->expiry_ms) return OpResult::kDone;
    ASSIGN_OR_RETURN(stored, MessageAt(stored->seq));
    if (!stored.has_value()) return Damaged();
    if (op.expiry_ms <= stored->author_expiry_ms) return OpResult::kDone;
    if (stored->expiry_ms > now_ms) {
      // A proof speaks for one expiry, so the two change together.
      RETURN_IF_ERROR(
          Run(*writer_,
              "UPDATE messages SET author_expiry_ms=?, proof=? WHERE seq=?",
              op.expiry_ms, op.proof, stored->seq));
      stored->author_expiry_ms = op.expiry_ms;
      RETURN_IF_ERROR(Shorten(op.mailbox, *stored, change));
      return OpResult::kDone;
    }
    // It has ended and readers have gone past its number: it comes anew.
    RETURN_IF_ERROR(RemoveMessage(op.mailbox, *stored, change));
  }
  ASSIGN_OR_RETURN(const std::optional<uint64_t> end_ms,
                   EndOf(*state, op.id, op.expiry_ms));
  if (!end_ms.has_value()) return OpResult::kDeleted;
  NodeSpace space;
  if (capacity_bytes_ > 0) {
    space = Space();
    space.used_bytes += change.added_bytes();
  }
  const OpResult admitted = AdmitMessage(op, *state, space);
  if (admitted != OpResult::kDone) return admitted;
  ASSIGN_OR_RETURN(const uint64_t seq, NextSeq());
  RETURN_IF_ERROR(Run(*writer_,
                      "INSERT INTO messages (seq, shard, mailbox, id, "
                      "expiry_ms, author_expiry_ms, size, proof, payload) "
                      "VALUES (?,?,?,?,?,?,?,?,?)",
                      seq, state->shard, state->row, op.id.bytes(), *end_ms,
                      op.expiry_ms, op.payload.size(), op.proof, op.payload));
  change.AddMessage(op.mailbox, op.id, *end_ms, seq, op.payload.size());
  return OpResult::kDone;
}

absl::Status SqliteStore::Shorten(const MailboxAddress& mailbox,
                                  const MessageRow& message, Change& change) {
  const MailboxState& state = *change.Find(mailbox);
  ASSIGN_OR_RETURN(const std::optional<uint64_t> end_ms,
                   EndOf(state, message.id, message.author_expiry_ms));
  if (!end_ms.has_value()) return RemoveMessage(mailbox, message, change);
  if (*end_ms == message.expiry_ms) return absl::OkStatus();
  RETURN_IF_ERROR(Run(*writer_, "UPDATE messages SET expiry_ms=? WHERE seq=?",
                      *end_ms, message.seq));
  change.MoveMessage(state.shard, message.id, message.expiry_ms, *end_ms);
  return absl::OkStatus();
}

absl::Status SqliteStore::RemoveMessage(const MailboxAddress& mailbox,
                                        const MessageRow& message,
                                        Change& change) {
  RETURN_IF_ERROR(
      Run(*writer_, "DELETE FROM messages WHERE seq=?", message.seq));
  change.RemoveMessage(mailbox, message.id, message.expiry_ms, message.seq,
                       message.size);
  return absl::OkStatus();
}

absl::StatusOr<OpResult> SqliteStore::Do(const DeleteMessages& op,
                                         uint64_t now_ms, Change& change) {
  const DeleteTerms& terms = op.terms;
  MailboxState* state = change.Find(terms.mailbox);
  if (state == nullptr || !HasMessages(terms.mailbox, terms.ns) ||
      !IsRegistered(*state, op.origin, now_ms)) {
    return OpResult::kNotRegistered;
  }
  {
    ASSIGN_OR_RETURN(
        Rows rows,
        Select(*writer_, "SELECT 1 FROM deletions WHERE shard=? AND id=?",
               state->shard, op.order_id.bytes()));
    ASSIGN_OR_RETURN(const bool known, rows.Next());
    if (known) return OpResult::kDone;
  }
  const OpResult admitted = AdmitDeletion(op, *state);
  if (admitted != OpResult::kDone) return admitted;
  const uint64_t ends_ms = Plus(terms.timestamp_ms, kUnknownTombstoneLife);
  RETURN_IF_ERROR(
      Run(*writer_,
          "INSERT INTO deletions (shard, id, mailbox, ns, ends_ms, count, "
          "timestamp_ms, effective_ms, nonce, proof, ids) VALUES "
          "(?,?,?,?,?,?,?,?,?,?,?)",
          state->shard, op.order_id.bytes(), state->row, terms.ns, ends_ms,
          terms.ids.size(), terms.timestamp_ms, terms.effective_ms,
          terms.nonce.bytes(), op.proof, JoinIds(terms.ids)));
  const int64_t row = writer_->LastInsertRowId();
  ++state->deletions;
  state->owner_ids += terms.ids.size();
  change.AddItem(ItemKind::kDeletion, state->shard, op.order_id, ends_ms);
  for (const MessageId& id : terms.ids) {
    RETURN_IF_ERROR(Run(*writer_,
                        "INSERT OR IGNORE INTO tombstones (mailbox, id, "
                        "deletion, effective_ms) VALUES (?,?,?,?)",
                        state->row, id.bytes(), row, terms.effective_ms));
    ASSIGN_OR_RETURN(std::optional<MessageRow> stored, FindMessage(*state, id));
    if (!stored.has_value()) continue;
    if (terms.effective_ms != 0) {
      ASSIGN_OR_RETURN(stored, MessageAt(stored->seq));
      if (!stored.has_value()) return Damaged();
      RETURN_IF_ERROR(Shorten(terms.mailbox, *stored, change));
    } else {
      RETURN_IF_ERROR(RemoveMessage(terms.mailbox, *stored, change));
    }
  }
  return OpResult::kDone;
}

absl::StatusOr<OpResult> SqliteStore::Do(const PurgeMessages& op,
                                         uint64_t now_ms, Change& change) {
  const PurgeTerms& terms = op.terms;
  MailboxState* state = change.Find(terms.mailbox);
  if (state == nullptr || !HasMessages(terms.mailbox, terms.ns) ||
      !IsRegistered(*state, op.origin, now_ms)) {
    return OpResult::kNotRegistered;
  }
  {
    ASSIGN_OR_RETURN(
        Rows rows,
        Select(*writer_,
               "SELECT id, until_ms, ends_ms FROM purges WHERE mailbox=?",
               state->row));
    ASSIGN_OR_RETURN(const bool exists, rows.Next());
    if (exists) {
      const auto id = ObjectId::FromBytes(rows.Blob(0));
      if (!id.ok()) return Damaged();
      if (*id == op.order_id) return OpResult::kDone;
      if (!Supersedes(terms.expiry_until_ms, op.order_id, rows.Unsigned(1),
                      *id)) {
        return OpResult::kSuperseded;
      }
      change.RemoveItem(ItemKind::kPurge, state->shard, *id, rows.Unsigned(2));
    }
  }
  const uint64_t ends_ms = Plus(terms.expiry_until_ms, kTombstoneGrace);
  RETURN_IF_ERROR(
      Run(*writer_,
          "INSERT OR REPLACE INTO purges (mailbox, shard, id, ns, ends_ms, "
          "until_ms, timestamp_ms, nonce, proof) VALUES (?,?,?,?,?,?,?,?,?)",
          state->row, state->shard, op.order_id.bytes(), terms.ns, ends_ms,
          terms.expiry_until_ms, terms.timestamp_ms, terms.nonce.bytes(),
          op.proof));
  state->purged_until_ms = terms.expiry_until_ms;
  change.AddItem(ItemKind::kPurge, state->shard, op.order_id, ends_ms);
  for (const uint64_t seq : change.Messages(terms.mailbox)) {
    ASSIGN_OR_RETURN(const std::optional<MessageRow> message, MessageAt(seq));
    if (!message.has_value()) return Damaged();
    if (message->expiry_ms > terms.expiry_until_ms) continue;
    RETURN_IF_ERROR(RemoveMessage(terms.mailbox, *message, change));
  }
  return OpResult::kDone;
}

absl::StatusOr<OpResult> SqliteStore::Do(const PutRecord& op, uint64_t now_ms,
                                         Change& change) {
  MailboxState* state = change.Find(op.mailbox);
  if (state == nullptr || !IsRegistered(*state, op.origin, now_ms)) {
    return OpResult::kNotRegistered;
  }
  {
    ASSIGN_OR_RETURN(Rows stored,
                     Select(*writer_,
                            "SELECT seq, id FROM records WHERE mailbox=? AND "
                            "ns=? AND key=?",
                            state->row, op.ns, op.record.key.bytes()));
    ASSIGN_OR_RETURN(const bool exists, stored.Next());
    if (exists) {
      const auto id = ObjectId::FromBytes(stored.Blob(1));
      if (!id.ok()) return Damaged();
      if (*id == op.id) return OpResult::kDone;
      if (!Supersedes(op.record.seq, op.id, stored.Unsigned(0), *id)) {
        return OpResult::kSuperseded;
      }
      change.RemoveItem(ItemKind::kRecord, state->shard, *id, kNeverMs);
      --state->records;
    } else if (state->records >= kMaxRecordsPerNamespace) {
      ASSIGN_OR_RETURN(
          Rows count,
          Select(*writer_,
                 "SELECT count(*) FROM records WHERE mailbox=? AND ns=?",
                 state->row, op.ns));
      RETURN_IF_ERROR(count.Next().status());
      if (count.Unsigned(0) >= kMaxRecordsPerNamespace) {
        return OpResult::kOwnerLimit;
      }
    }
  }
  RETURN_IF_ERROR(
      Run(*writer_,
          "INSERT OR REPLACE INTO records (mailbox, ns, key, seq, shard, id, "
          "owner_key, signature, body) VALUES (?,?,?,?,?,?,?,?,?)",
          state->row, op.ns, op.record.key.bytes(), op.record.seq, state->shard,
          op.id.bytes(), op.record.owner_key.bytes(),
          op.record.signature.bytes(), op.record.body));
  ++state->records;
  change.AddItem(ItemKind::kRecord, state->shard, op.id, kNeverMs);
  return OpResult::kDone;
}

absl::StatusOr<OpResult> SqliteStore::Do(const PutRegistration& op,
                                         uint64_t /*now_ms*/, Change& change) {
  MailboxState* state = change.Find(op.mailbox);
  if (state == nullptr) {
    const Shard shard = ShardOf(op.mailbox);
    RETURN_IF_ERROR(Run(*writer_,
                        "INSERT INTO mailboxes (address, shard) VALUES (?,?)",
                        op.mailbox.bytes(), shard));
    state = &change.Add(op.mailbox, writer_->LastInsertRowId(), shard);
  }
  if (state->registered_ms.has_value()) {
    ASSIGN_OR_RETURN(
        Rows stored,
        Select(*writer_, "SELECT registration FROM mailboxes WHERE row=?",
               state->row));
    ASSIGN_OR_RETURN(const bool row, stored.Next());
    if (!row) return Damaged();
    // One without an id stands in for what version 1 did not have.
    if (!stored.IsNull(0)) {
      const auto id = ObjectId::FromBytes(stored.Blob(0));
      if (!id.ok()) return Damaged();
      if (*id == op.id) return OpResult::kDone;
      if (!Supersedes(op.timestamp_ms, op.id, *state->registered_ms, *id)) {
        return OpResult::kSuperseded;
      }
      change.RemoveItem(ItemKind::kRegistration, state->shard, *id,
                        Plus(*state->registered_ms, kRegistrationKept));
    }
  }
  RETURN_IF_ERROR(Run(*writer_,
                      "UPDATE mailboxes SET registration=?, registered_ms=?, "
                      "proof_nonce=?, proof=? WHERE row=?",
                      op.id.bytes(), op.timestamp_ms, op.proof_nonce, op.proof,
                      state->row));
  state->registered_ms = op.timestamp_ms;
  change.AddItem(ItemKind::kRegistration, state->shard, op.id,
                 Plus(op.timestamp_ms, kRegistrationKept));
  return OpResult::kDone;
}

absl::StatusOr<OpResult> SqliteStore::Do(const PutHints& op,
                                         uint64_t /*now_ms*/, Change& change) {
  for (const ItemKey& item : op.items) {
    RETURN_IF_ERROR(Run(
        *writer_,
        "UPDATE hints SET until_ms=max(until_ms,?) WHERE peer=? AND kind=? "
        "AND shard=? AND id=?",
        op.until_ms, op.peer.bytes(), item.kind, item.shard, item.id.bytes()));
    if (writer_->Changes() > 0) continue;
    if (change.HintsFor(op.peer) >= kMaxHintsPerPeer) {
      change.DropHint();
      continue;
    }
    RETURN_IF_ERROR(Run(
        *writer_,
        "INSERT INTO hints (peer, kind, shard, id, until_ms) VALUES "
        "(?,?,?,?,?)",
        op.peer.bytes(), item.kind, item.shard, item.id.bytes(), op.until_ms));
    change.AddHints(op.peer, 1);
  }
  return OpResult::kDone;
}

absl::StatusOr<OpResult> SqliteStore::Do(const DropHints& op,
                                         uint64_t /*now_ms*/, Change& change) {
  for (const ItemKey& item : op.items) {
    RETURN_IF_ERROR(Run(*writer_,
                        "DELETE FROM hints WHERE peer=? AND kind=? AND shard=? "
                        "AND id=?",
                        op.peer.bytes(), item.kind, item.shard,
                        item.id.bytes()));
    change.AddHints(op.peer, -writer_->Changes());
  }
  return OpResult::kDone;
}

absl::StatusOr<OpResult> SqliteStore::Do(const SetFill& op, uint64_t /*now_ms*/,
                                         Change& change) {
  for (const auto& [shard, epoch] : op.shards) {
    RETURN_IF_ERROR(
        epoch == 0 ? Run(*writer_, "DELETE FROM fills WHERE shard=?", shard)
                   : Run(*writer_, "INSERT OR REPLACE INTO fills VALUES (?,?)",
                         shard, epoch));
    change.SetFill(shard, epoch);
  }
  return OpResult::kDone;
}

absl::StatusOr<OpResult> SqliteStore::Do(const DropDamaged& op,
                                         uint64_t /*now_ms*/, Change& change) {
  RETURN_IF_ERROR(Forget(op.item, change).status());
  return OpResult::kDone;
}

absl::StatusOr<MailboxState*> SqliteStore::StateOf(int64_t row,
                                                   MailboxAddress* address,
                                                   Change& change) {
  if (const auto known = index_.AddressOf(row); known.has_value()) {
    *address = *known;
    return change.Find(*known);
  }
  // One that this transaction has made.
  for (const auto& [added, state] : change.mailboxes()) {
    if (state.row != row) continue;
    *address = added;
    return change.Find(added);
  }
  return Damaged();
}

absl::StatusOr<size_t> SqliteStore::Forget(const ItemKey& item,
                                           Change& change) {
  MailboxAddress address = *MailboxAddress::FromBytes(
      absl::StrCat("\x05", std::string(MailboxAddress::kSize - 1, '\0')));
  switch (item.kind) {
    case ItemKind::kMessage: {
      MessageRow message;
      {
        ASSIGN_OR_RETURN(
            Rows rows,
            Select(*writer_,
                   "SELECT seq, expiry_ms, size, mailbox FROM messages INDEXED "
                   "BY messages_by_id WHERE shard=? AND id=?",
                   item.shard, item.id.bytes()));
        ASSIGN_OR_RETURN(const bool row, rows.Next());
        if (!row) return 0;
        RETURN_IF_ERROR(StateOf(rows.Int(3), &address, change).status());
        message.seq = rows.Unsigned(0);
        message.id = item.id;
        message.expiry_ms = rows.Unsigned(1);
        message.size = static_cast<size_t>(rows.Int(2));
      }
      RETURN_IF_ERROR(RemoveMessage(address, message, change));
      return 1;
    }
    case ItemKind::kDeletion: {
      int64_t order = 0;
      int64_t mailbox = 0;
      std::string ids;
      {
        ASSIGN_OR_RETURN(
            Rows rows,
            Select(*writer_,
                   "SELECT row, mailbox, ends_ms, count, ids FROM deletions "
                   "WHERE shard=? AND id=?",
                   item.shard, item.id.bytes()));
        ASSIGN_OR_RETURN(const bool row, rows.Next());
        if (!row) return 0;
        order = rows.Int(0);
        mailbox = rows.Int(1);
        ids = rows.Blob(4);
        ASSIGN_OR_RETURN(MailboxState * state,
                         StateOf(mailbox, &address, change));
        --state->deletions;
        state->owner_ids -= rows.Unsigned(3);
        change.RemoveItem(item.kind, item.shard, item.id, rows.Unsigned(2));
        if (ids.size() != rows.Unsigned(3) * MessageId::kSize) ids.clear();
      }
      for (size_t at = 0; at < ids.size(); at += MessageId::kSize) {
        RETURN_IF_ERROR(
            Run(*writer_,
                "DELETE FROM tombstones WHERE mailbox=? AND id=? AND "
                "deletion=?",
                mailbox, ids.substr(at, MessageId::kSize), order));
      }
      if (ids.empty()) {
        RETURN_IF_ERROR(Run(
            *writer_, "DELETE FROM tombstones WHERE mailbox=? AND deletion=?",
            mailbox, order));
      }
      RETURN_IF_ERROR(
          Run(*writer_, "DELETE FROM deletions WHERE row=?", order));
      return 1;
    }
    case ItemKind::kPurge: {
      ASSIGN_OR_RETURN(Rows rows, Select(*writer_,
                                         "SELECT mailbox, ends_ms FROM purges "
                                         "WHERE shard=? AND id=?",
                                         item.shard, item.id.bytes()));
      ASSIGN_OR_RETURN(const bool row, rows.Next());
      if (!row) return 0;
      ASSIGN_OR_RETURN(MailboxState * state,
                       StateOf(rows.Int(0), &address, change));
      state->purged_until_ms.reset();
      change.RemoveItem(item.kind, item.shard, item.id, rows.Unsigned(1));
      RETURN_IF_ERROR(
          Run(*writer_, "DELETE FROM purges WHERE mailbox=?", rows.Int(0)));
      return 1;
    }
    case ItemKind::kRecord: {
      ASSIGN_OR_RETURN(
          Rows rows,
          Select(*writer_, "SELECT mailbox FROM records WHERE shard=? AND id=?",
                 item.shard, item.id.bytes()));
      ASSIGN_OR_RETURN(const bool row, rows.Next());
      if (!row) return 0;
      ASSIGN_OR_RETURN(MailboxState * state,
                       StateOf(rows.Int(0), &address, change));
      --state->records;
      change.RemoveItem(item.kind, item.shard, item.id, kNeverMs);
      RETURN_IF_ERROR(Run(*writer_,
                          "DELETE FROM records WHERE shard=? AND id=?",
                          item.shard, item.id.bytes()));
      return 1;
    }
    case ItemKind::kRegistration: {
      int64_t mailbox = 0;
      {
        ASSIGN_OR_RETURN(Rows rows,
                         Select(*writer_,
                                "SELECT row FROM mailboxes WHERE shard=? AND "
                                "registration=?",
                                item.shard, item.id.bytes()));
        ASSIGN_OR_RETURN(const bool row, rows.Next());
        if (!row) return 0;
        mailbox = rows.Int(0);
      }
      return ForgetRegistration(mailbox, change);
    }
  }
  return 0;
}

absl::StatusOr<size_t> SqliteStore::ForgetRegistration(int64_t row,
                                                       Change& change) {
  {
    ASSIGN_OR_RETURN(Rows rows, Select(*writer_,
                                       "SELECT address, shard, registration, "
                                       "registered_ms FROM mailboxes WHERE "
                                       "row=?",
                                       row));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return 0;
    const auto address = MailboxAddress::FromBytes(rows.Blob(0));
    if (!address.ok()) return Damaged();
    MailboxState* state = change.Find(*address);
    if (state == nullptr) return Damaged();
    state->registered_ms.reset();
    if (!rows.IsNull(2)) {
      const auto id = ObjectId::FromBytes(rows.Blob(2));
      if (!id.ok()) return Damaged();
      change.RemoveItem(ItemKind::kRegistration,
                        static_cast<Shard>(rows.Int(1)), *id,
                        Plus(rows.Unsigned(3), kRegistrationKept));
    }
  }
  RETURN_IF_ERROR(Run(*writer_,
                      "UPDATE mailboxes SET registration=NULL, "
                      "registered_ms=NULL, proof_nonce=NULL, proof=NULL WHERE "
                      "row=?",
                      row));
  return 1;
}

absl::StatusOr<size_t> SqliteStore::ForgetAll(std::vector<ItemKey> items,
                                              Change& change) {
  size_t forgotten = 0;
  for (const ItemKey& item : items) {
    ASSIGN_OR_RETURN(const size_t count, Forget(item, change));
    forgotten += count;
  }
  return forgotten;
}

absl::StatusOr<size_t> SqliteStore::Expire(uint64_t now_ms, size_t limit_rows) {
  size_t forgotten = 0;
  RETURN_IF_ERROR(Write([&](Change& change) -> absl::Status {
    const auto add = [&](absl::StatusOr<size_t> count) -> absl::Status {
      if (count.ok()) forgotten += *count;
      return count.status();
    };
    RETURN_IF_ERROR(add(ExpireMessages(now_ms, limit_rows, change)));
    RETURN_IF_ERROR(add(ExpireOrders(now_ms, limit_rows, change)));
    RETURN_IF_ERROR(add(ExpireRegistrations(now_ms, limit_rows, change)));
    RETURN_IF_ERROR(add(ExpireHints(now_ms, limit_rows, change)));
    return add(ExpireLocalTombstones(now_ms, limit_rows, change));
  }));
  return forgotten;
}

absl::StatusOr<size_t> SqliteStore::ExpireMessages(uint64_t now_ms,
                                                   size_t limit,
                                                   Change& change) {
  size_t forgotten = 0;
  for (const Shard shard : index_.ShardsWithDueMessages(now_ms)) {
    if (forgotten == limit) break;
    ASSIGN_OR_RETURN(
        const size_t count,
        ExpireMessagesOf(shard, now_ms, limit - forgotten, change));
    forgotten += count;
  }
  return forgotten;
}

absl::StatusOr<size_t> SqliteStore::ExpireMessagesOf(Shard shard,
                                                     uint64_t now_ms,
                                                     size_t limit,
                                                     Change& change) {
  std::vector<std::pair<MailboxAddress, MessageRow>> due;
  absl::flat_hash_map<Window, uint64_t> first;
  {
    ASSIGN_OR_RETURN(
        Rows rows,
        Select(*writer_,
               "SELECT seq, id, expiry_ms, size, mailbox FROM messages INDEXED "
               "BY messages_by_id WHERE shard=?",
               shard));
    for (;;) {
      ASSIGN_OR_RETURN(const bool row, rows.Next());
      if (!row) break;
      const uint64_t expiry_ms = rows.Unsigned(2);
      if (expiry_ms > now_ms || due.size() == limit) {
        uint64_t& known =
            first.try_emplace(WindowOf(expiry_ms), kNeverMs).first->second;
        known = std::min(known, expiry_ms);
        continue;
      }
      const auto id = MessageId::FromBytes(rows.Blob(1));
      const auto address = index_.AddressOf(rows.Int(4));
      if (!id.ok() || !address.has_value()) return Damaged();
      MessageRow message;
      message.seq = rows.Unsigned(0);
      message.id = *id;
      message.expiry_ms = expiry_ms;
      message.size = static_cast<size_t>(rows.Int(3));
      due.emplace_back(*address, message);
    }
  }
  for (const auto& [address, message] : due) {
    RETURN_IF_ERROR(RemoveMessage(address, message, change));
  }
  change.SetFirstMessages(shard, now_ms, std::move(first));
  return due.size();
}

absl::StatusOr<size_t> SqliteStore::ExpireOrders(uint64_t now_ms, size_t limit,
                                                 Change& change) {
  std::vector<ItemKey> due;
  const auto collect = [&due](Rows rows, ItemKind kind) -> absl::Status {
    for (;;) {
      ASSIGN_OR_RETURN(const bool row, rows.Next());
      if (!row) return absl::OkStatus();
      const auto id = ObjectId::FromBytes(rows.Blob(1));
      if (!id.ok()) return Damaged();
      due.push_back({kind, static_cast<Shard>(rows.Int(0)), *id});
    }
  };
  ASSIGN_OR_RETURN(
      Rows deletions,
      Select(*writer_,
             "SELECT shard, id FROM deletions WHERE ends_ms<=? LIMIT ?", now_ms,
             limit));
  RETURN_IF_ERROR(collect(std::move(deletions), ItemKind::kDeletion));
  ASSIGN_OR_RETURN(
      Rows purges,
      Select(*writer_, "SELECT shard, id FROM purges WHERE ends_ms<=? LIMIT ?",
             now_ms, limit));
  RETURN_IF_ERROR(collect(std::move(purges), ItemKind::kPurge));
  return ForgetAll(std::move(due), change);
}

absl::StatusOr<size_t> SqliteStore::ExpireRegistrations(uint64_t now_ms,
                                                        size_t limit,
                                                        Change& change) {
  const uint64_t kept_ms = absl::ToInt64Milliseconds(kRegistrationKept);
  if (now_ms < kept_ms) return 0;
  std::vector<std::pair<int64_t, Shard>> due;
  {
    ASSIGN_OR_RETURN(Rows rows, Select(*writer_,
                                       "SELECT row, shard FROM mailboxes WHERE "
                                       "registered_ms<=? LIMIT ?",
                                       now_ms - kept_ms, limit));
    for (;;) {
      ASSIGN_OR_RETURN(const bool row, rows.Next());
      if (!row) break;
      due.emplace_back(rows.Int(0), static_cast<Shard>(rows.Int(1)));
    }
  }
  size_t forgotten = 0;
  for (const auto& [mailbox, shard] : due) {
    // The records of an account go with it.
    std::vector<ItemKey> records;
    {
      ASSIGN_OR_RETURN(
          Rows rows,
          Select(*writer_, "SELECT id FROM records WHERE mailbox=?", mailbox));
      RETURN_IF_ERROR(
          AppendItems(std::move(rows), ItemKind::kRecord, shard, records));
    }
    ASSIGN_OR_RETURN(const size_t gone, ForgetAll(std::move(records), change));
    ASSIGN_OR_RETURN(const size_t one, ForgetRegistration(mailbox, change));
    forgotten += gone + one;
  }
  return forgotten;
}

absl::StatusOr<size_t> SqliteStore::ForgetHints(Rows rows, Change& change) {
  std::vector<int64_t> due;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, rows.Next());
    if (!row) break;
    const auto peer = routing::NodeId::FromBytes(rows.Blob(1));
    if (!peer.ok()) return Damaged();
    due.push_back(rows.Int(0));
    change.AddHints(*peer, -1);
  }
  for (const int64_t hint : due) {
    RETURN_IF_ERROR(Run(*writer_, "DELETE FROM hints WHERE row=?", hint));
  }
  return due.size();
}

absl::StatusOr<size_t> SqliteStore::ExpireHints(uint64_t now_ms, size_t limit,
                                                Change& change) {
  ASSIGN_OR_RETURN(
      Rows rows,
      Select(*writer_, "SELECT row, peer FROM hints WHERE until_ms<=? LIMIT ?",
             now_ms, limit));
  return ForgetHints(std::move(rows), change);
}

absl::StatusOr<size_t> SqliteStore::ForgetLocalTombstones(Rows rows,
                                                          Change& change) {
  std::vector<std::pair<int64_t, std::string>> due;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, rows.Next());
    if (!row) break;
    const auto address = index_.AddressOf(rows.Int(0));
    if (!address.has_value()) return Damaged();
    --change.Find(*address)->local_tombstones;
    due.emplace_back(rows.Int(0), rows.Blob(1));
  }
  for (const auto& [mailbox, id] : due) {
    RETURN_IF_ERROR(Run(*writer_,
                        "DELETE FROM local_tombstones WHERE mailbox=? AND id=?",
                        mailbox, id));
  }
  return due.size();
}

absl::StatusOr<size_t> SqliteStore::ExpireLocalTombstones(uint64_t now_ms,
                                                          size_t limit,
                                                          Change& change) {
  ASSIGN_OR_RETURN(Rows rows, Select(*writer_,
                                     "SELECT mailbox, id FROM local_tombstones "
                                     "WHERE until_ms<=? LIMIT ?",
                                     now_ms, limit));
  return ForgetLocalTombstones(std::move(rows), change);
}

absl::StatusOr<size_t> SqliteStore::EraseShard(Shard shard, size_t limit_rows) {
  size_t forgotten = 0;
  RETURN_IF_ERROR(Write([&](Change& change) -> absl::Status {
    RETURN_IF_ERROR(Run(*writer_, "DELETE FROM fills WHERE shard=?", shard));
    change.SetFill(shard, 0);
    // What decides about others goes last.
    constexpr std::pair<ItemKind, const char*> kItems[] = {
        {ItemKind::kMessage,
         "SELECT id FROM messages INDEXED BY messages_by_id WHERE shard=? "
         "LIMIT ?"},
        {ItemKind::kRecord, "SELECT id FROM records WHERE shard=? LIMIT ?"},
        {ItemKind::kDeletion, "SELECT id FROM deletions WHERE shard=? LIMIT ?"},
        {ItemKind::kPurge, "SELECT id FROM purges WHERE shard=? LIMIT ?"}};
    for (const auto& [kind, sql] : kItems) {
      std::vector<ItemKey> items;
      ASSIGN_OR_RETURN(Rows rows,
                       Select(*writer_, sql, shard, limit_rows - forgotten));
      RETURN_IF_ERROR(AppendItems(std::move(rows), kind, shard, items));
      ASSIGN_OR_RETURN(const size_t count, ForgetAll(std::move(items), change));
      forgotten += count;
    }
    ASSIGN_OR_RETURN(const size_t rest,
                     EraseRest(shard, limit_rows - forgotten, change));
    forgotten += rest;
    return absl::OkStatus();
  }));
  return forgotten;
}

absl::StatusOr<size_t> SqliteStore::EraseRest(Shard shard, size_t limit,
                                              Change& change) {
  std::vector<int64_t> registered;
  {
    ASSIGN_OR_RETURN(Rows rows, Select(*writer_,
                                       "SELECT row FROM mailboxes WHERE "
                                       "shard=? AND registered_ms IS NOT NULL "
                                       "LIMIT ?",
                                       shard, limit));
    for (;;) {
      ASSIGN_OR_RETURN(const bool row, rows.Next());
      if (!row) break;
      registered.push_back(rows.Int(0));
    }
  }
  for (const int64_t row : registered) {
    RETURN_IF_ERROR(ForgetRegistration(row, change).status());
  }
  size_t forgotten = registered.size();
  ASSIGN_OR_RETURN(
      Rows tombstones,
      Select(*writer_,
             "SELECT mailbox, id FROM local_tombstones WHERE mailbox IN "
             "(SELECT row FROM mailboxes WHERE shard=?) LIMIT ?",
             shard, limit - forgotten));
  ASSIGN_OR_RETURN(const size_t unproven,
                   ForgetLocalTombstones(std::move(tombstones), change));
  forgotten += unproven;
  ASSIGN_OR_RETURN(
      Rows hints,
      Select(*writer_, "SELECT row, peer FROM hints WHERE shard=? LIMIT ?",
             shard, limit - forgotten));
  ASSIGN_OR_RETURN(const size_t noted, ForgetHints(std::move(hints), change));
  return forgotten + noted;
}

}  // namespace messenger::swarm
