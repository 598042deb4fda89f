#include "swarm/store/sqlite_store.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/status_macros.h"
#include "swarm/auth/limits.h"

namespace messenger::swarm {
namespace {

constexpr int64_t kSchemaVersion = 1;
constexpr uint64_t kPageBytes = 4096;

// AUTOINCREMENT: a sequence number is never given out again, so no reader's
// cursor ever skips a message that came later.
constexpr char kSchema[] = R"sql(
  CREATE TABLE meta (incarnation INTEGER NOT NULL);
  CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox BLOB NOT NULL,
    ns INTEGER NOT NULL,
    id BLOB NOT NULL,
    expiry_ms INTEGER NOT NULL,
    proof BLOB NOT NULL,
    payload BLOB NOT NULL
  );
  CREATE UNIQUE INDEX messages_by_id ON messages (id);
  CREATE INDEX messages_by_mailbox ON messages (mailbox, ns, seq);
  CREATE INDEX messages_by_expiry ON messages (expiry_ms);
  CREATE TABLE tombstones (
    mailbox BLOB NOT NULL,
    ns INTEGER NOT NULL,
    id BLOB NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (mailbox, ns, id)
  ) WITHOUT ROWID;
  CREATE INDEX tombstones_by_end ON tombstones (until_ms);
  CREATE TABLE records (
    mailbox BLOB NOT NULL,
    ns INTEGER NOT NULL,
    key BLOB NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    owner_key BLOB NOT NULL,
    signature BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (mailbox, ns, key)
  ) WITHOUT ROWID;
)sql";

// Stands for an id or key of the wrong length: only damage explains it.
absl::Status Damaged() {
  return absl::DataLossError("a row of the store is damaged");
}

int64_t Number(MailboxNamespace ns) { return static_cast<int64_t>(ns); }
int64_t Signed(uint64_t value) { return static_cast<int64_t>(value); }

absl::Status CreateOrCheckSchema(sqlite::Database& database,
                                 crypto::Random& random) {
  ASSIGN_OR_RETURN(const int64_t version, database.UserVersion());
  if (version == kSchemaVersion) return absl::OkStatus();
  if (version != 0) {
    return absl::FailedPreconditionError(
        "the store was written by a newer version of this program");
  }
  return database.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(database.Exec(kSchema));
    ASSIGN_OR_RETURN(sqlite::Statement * insert,
                     database.Prepared("INSERT INTO meta VALUES (?)"));
    RETURN_IF_ERROR(insert->BindInt(1, Signed(random.U64() >> 1)).Run());
    return database.SetUserVersion(kSchemaVersion);
  });
}

absl::StatusOr<uint64_t> ReadIncarnation(sqlite::Database& database) {
  ASSIGN_OR_RETURN(sqlite::Statement * select,
                   database.Prepared("SELECT incarnation FROM meta"));
  absl::Cleanup reset = [select] { select->Reset(); };
  ASSIGN_OR_RETURN(const bool row, select->Step());
  if (!row) return Damaged();
  return static_cast<uint64_t>(select->Int(0));
}

absl::StatusOr<uint64_t> Count(sqlite::Database& database, const char* sql) {
  ASSIGN_OR_RETURN(sqlite::Statement * select, database.Prepared(sql));
  absl::Cleanup reset = [select] { select->Reset(); };
  ASSIGN_OR_RETURN(const bool row, select->Step());
  return row ? static_cast<uint64_t>(select->Int(0)) : 0;
}

}  // namespace

SqliteStore::SqliteStore(std::unique_ptr<sqlite::Database> writer,
                         std::unique_ptr<sqlite::Database> reader,
                         uint64_t incarnation)
    : writer_(std::move(writer)),
      reader_(std::move(reader)),
      incarnation_(incarnation) {}

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(
    const Options& options, crypto::Random& random) {
  sqlite::Database::Options database;
  database.vfs = options.vfs;
  ASSIGN_OR_RETURN(std::unique_ptr<sqlite::Database> writer,
                   sqlite::Database::Open(options.path, database));
  RETURN_IF_ERROR(writer->QuickCheck());
  RETURN_IF_ERROR(CreateOrCheckSchema(*writer, random));
  if (options.capacity_bytes > 0) {
    RETURN_IF_ERROR(writer->Exec(
        absl::StrCat("PRAGMA max_page_count=",
                     std::max<uint64_t>(options.capacity_bytes / kPageBytes, 1))
            .c_str()));
  }
  ASSIGN_OR_RETURN(const uint64_t incarnation, ReadIncarnation(*writer));
  database.read_only = true;
  ASSIGN_OR_RETURN(std::unique_ptr<sqlite::Database> reader,
                   sqlite::Database::Open(options.path, database));
  return std::unique_ptr<SqliteStore>(
      new SqliteStore(std::move(writer), std::move(reader), incarnation));
}

absl::StatusOr<std::vector<OpResult>> SqliteStore::Apply(
    absl::Span<const StoreOp> ops) {
  std::vector<OpResult> results;
  results.reserve(ops.size());
  RETURN_IF_ERROR(writer_->Transaction([&]() -> absl::Status {
    for (const StoreOp& op : ops) {
      ASSIGN_OR_RETURN(
          const OpResult result,
          std::visit([this](const auto& one) { return Do(one); }, op));
      results.push_back(result);
    }
    return absl::OkStatus();
  }));
  return results;
}

absl::StatusOr<OpResult> SqliteStore::Do(const PutMessage& op) {
  ASSIGN_OR_RETURN(sqlite::Statement * tombstone,
                   writer_->Prepared("SELECT 1 FROM tombstones WHERE mailbox=? "
                                     "AND ns=? AND id=?"));
  tombstone->BindBlob(1, op.mailbox.bytes())
      .BindInt(2, Number(op.ns))
      .BindBlob(3, op.id.bytes());
  ASSIGN_OR_RETURN(const bool deleted, tombstone->Step());
  tombstone->Reset();
  if (deleted) return OpResult::kDeleted;
  // A proof speaks for one expiry, so the two change together.
  ASSIGN_OR_RETURN(
      sqlite::Statement * insert,
      writer_->Prepared(
          "INSERT INTO messages (mailbox, ns, id, expiry_ms, proof, payload) "
          "VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
          "expiry_ms=excluded.expiry_ms, proof=excluded.proof "
          "WHERE excluded.expiry_ms>expiry_ms"));
  RETURN_IF_ERROR(insert->BindBlob(1, op.mailbox.bytes())
                      .BindInt(2, Number(op.ns))
                      .BindBlob(3, op.id.bytes())
                      .BindInt(4, Signed(op.expiry_ms))
                      .BindBlob(5, op.proof)
                      .BindBlob(6, op.payload)
                      .Run());
  return OpResult::kDone;
}

absl::StatusOr<OpResult> SqliteStore::Do(const DeleteMessages& op) {
  // The tombstone outlives the message where that is known.
  const int64_t grace_ms = absl::ToInt64Milliseconds(kTombstoneGrace);
  for (const MessageId& id : op.ids) {
    ASSIGN_OR_RETURN(
        sqlite::Statement * bury,
        writer_->Prepared(
            "INSERT INTO tombstones (mailbox, ns, id, until_ms) VALUES (?1,?2,"
            "?3,coalesce((SELECT expiry_ms+?4 FROM messages WHERE id=?3 AND "
            "mailbox=?1 AND ns=?2),?5)) ON CONFLICT DO UPDATE SET "
            "until_ms=max(until_ms,excluded.until_ms)"));
    RETURN_IF_ERROR(bury->BindBlob(1, op.mailbox.bytes())
                        .BindInt(2, Number(op.ns))
                        .BindBlob(3, id.bytes())
                        .BindInt(4, grace_ms)
                        .BindInt(5, Signed(op.unknown_until_ms))
                        .Run());
    ASSIGN_OR_RETURN(sqlite::Statement * erase,
                     writer_->Prepared("DELETE FROM messages WHERE id=? AND "
                                       "mailbox=? AND ns=?"));
    RETURN_IF_ERROR(erase->BindBlob(1, id.bytes())
                        .BindBlob(2, op.mailbox.bytes())
                        .BindInt(3, Number(op.ns))
                        .Run());
  }
  return OpResult::kDone;
}

absl::StatusOr<OpResult> SqliteStore::Do(const PutRecord& op) {
  ASSIGN_OR_RETURN(
      sqlite::Statement * stored,
      writer_->Prepared(
          "SELECT seq, id FROM records WHERE mailbox=? AND ns=? AND key=?"));
  stored->BindBlob(1, op.mailbox.bytes())
      .BindInt(2, Number(op.ns))
      .BindBlob(3, op.record.key.bytes());
  absl::Cleanup reset = [stored] { stored->Reset(); };
  ASSIGN_OR_RETURN(const bool exists, stored->Step());
  if (exists) {
    ASSIGN_OR_RETURN(const ObjectId id, ObjectId::FromBytes(stored->Blob(1)));
    if (id == op.id) return OpResult::kDone;
    if (!Supersedes(op.record.seq, op.id, static_cast<uint64_t>(stored->Int(0)),
                    id)) {
      return OpResult::kSuperseded;
    }
  } else {
    ASSIGN_OR_RETURN(
        sqlite::Statement * count,
        writer_->Prepared(
            "SELECT count(*) FROM records WHERE mailbox=? AND ns=?"));
    count->BindBlob(1, op.mailbox.bytes()).BindInt(2, Number(op.ns));
    absl::Cleanup reset_count = [count] { count->Reset(); };
    RETURN_IF_ERROR(count->Step().status());
    if (count->Int(0) >= static_cast<int64_t>(kMaxRecordsPerNamespace)) {
      return OpResult::kTooManyRecords;
    }
  }
  ASSIGN_OR_RETURN(
      sqlite::Statement * put,
      writer_->Prepared("INSERT OR REPLACE INTO records (mailbox, ns, key, "
                        "seq, id, owner_key, signature, body) VALUES "
                        "(?,?,?,?,?,?,?,?)"));
  RETURN_IF_ERROR(put->BindBlob(1, op.mailbox.bytes())
                      .BindInt(2, Number(op.ns))
                      .BindBlob(3, op.record.key.bytes())
                      .BindInt(4, Signed(op.record.seq))
                      .BindBlob(5, op.id.bytes())
                      .BindBlob(6, op.record.owner_key.bytes())
                      .BindBlob(7, op.record.signature.bytes())
                      .BindBlob(8, op.record.body)
                      .Run());
  return OpResult::kDone;
}

absl::StatusOr<size_t> SqliteStore::Expire(uint64_t now_ms, size_t limit_rows) {
  size_t removed = 0;
  RETURN_IF_ERROR(writer_->Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(
        sqlite::Statement * messages,
        writer_->Prepared("DELETE FROM messages WHERE seq IN (SELECT seq FROM "
                          "messages WHERE expiry_ms<=? LIMIT ?)"));
    RETURN_IF_ERROR(messages->BindInt(1, Signed(now_ms))
                        .BindInt(2, static_cast<int64_t>(limit_rows))
                        .Run());
    removed += static_cast<size_t>(writer_->Changes());
    ASSIGN_OR_RETURN(
        sqlite::Statement * tombstones,
        writer_->Prepared(
            "DELETE FROM tombstones WHERE (mailbox, ns, id) IN (SELECT "
            "mailbox, ns, id FROM tombstones WHERE until_ms<=? LIMIT ?)"));
    RETURN_IF_ERROR(tombstones->BindInt(1, Signed(now_ms))
                        .BindInt(2, static_cast<int64_t>(limit_rows))
                        .Run());
    removed += static_cast<size_t>(writer_->Changes());
    return absl::OkStatus();
  }));
  return removed;
}

absl::StatusOr<MessagePage> SqliteStore::List(
    const MailboxAddress& mailbox, MailboxNamespace ns, uint64_t after_seq,
    uint64_t now_ms, size_t limit_rows, size_t limit_bytes) const {
  ASSIGN_OR_RETURN(
      sqlite::Statement * select,
      reader_->Prepared("SELECT seq, id, expiry_ms, length(payload), payload "
                        "FROM messages WHERE mailbox=? AND ns=? AND seq>? AND "
                        "expiry_ms>? ORDER BY seq"));
  select->BindBlob(1, mailbox.bytes())
      .BindInt(2, Number(ns))
      .BindInt(3, Signed(after_seq))
      .BindInt(4, Signed(now_ms));
  // Also ends the read transaction, so the log can be checkpointed.
  absl::Cleanup reset = [select] { select->Reset(); };
  MessagePage page;
  size_t bytes = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, select->Step());
    if (!row) return page;
    bytes += static_cast<size_t>(select->Int(3)) + kRowOverheadBytes;
    if (page.messages.size() == limit_rows || bytes > limit_bytes) {
      page.more = true;
      return page;
    }
    absl::StatusOr<MessageId> id = MessageId::FromBytes(select->Blob(1));
    if (!id.ok()) return Damaged();
    page.messages.push_back(
        {.seq = static_cast<uint64_t>(select->Int(0)),
         .id = *id,
         .payload = select->Blob(4),
         .expiry_ms = static_cast<uint64_t>(select->Int(2))});
  }
}

absl::StatusOr<std::vector<Record>> SqliteStore::Records(
    const MailboxAddress& mailbox, MailboxNamespace ns) const {
  ASSIGN_OR_RETURN(
      sqlite::Statement * select,
      reader_->Prepared("SELECT key, seq, owner_key, signature, body FROM "
                        "records WHERE mailbox=? AND ns=? ORDER BY key"));
  select->BindBlob(1, mailbox.bytes()).BindInt(2, Number(ns));
  absl::Cleanup reset = [select] { select->Reset(); };
  std::vector<Record> records;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, select->Step());
    if (!row) return records;
    absl::StatusOr<RecordKey> key = RecordKey::FromBytes(select->Blob(0));
    absl::StatusOr<crypto::Ed25519PublicKey> owner_key =
        crypto::Ed25519PublicKey::FromBytes(select->Blob(2));
    absl::StatusOr<crypto::Ed25519Signature> signature =
        crypto::Ed25519Signature::FromBytes(select->Blob(3));
    if (!key.ok() || !owner_key.ok() || !signature.ok()) return Damaged();
    records.push_back({.key = *key,
                       .seq = static_cast<uint64_t>(select->Int(1)),
                       .body = select->Blob(4),
                       .owner_key = *owner_key,
                       .signature = *signature});
  }
}

absl::StatusOr<StoreTotals> SqliteStore::Totals() const {
  StoreTotals totals;
  ASSIGN_OR_RETURN(totals.messages,
                   Count(*reader_, "SELECT count(*) FROM messages"));
  ASSIGN_OR_RETURN(totals.tombstones,
                   Count(*reader_, "SELECT count(*) FROM tombstones"));
  ASSIGN_OR_RETURN(totals.records,
                   Count(*reader_, "SELECT count(*) FROM records"));
  return totals;
}

}  // namespace messenger::swarm
