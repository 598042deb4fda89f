#include "swarm/store/sqlite_schema.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "crypto/base/status_macros.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/mailbox.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/store/sql.h"

namespace messenger::swarm {
namespace {

// Messages have one index besides their numbers, which finds, compares and
// expires them and fills the ItemIndex: every index costs each message a page
// of the log. Which rows are a mailbox's is only in memory.
constexpr char kSchema[] = R"sql(
  CREATE TABLE meta (
    incarnation INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    clean INTEGER NOT NULL,
    checked_ms INTEGER NOT NULL
  );
  CREATE TABLE mailboxes (
    row INTEGER PRIMARY KEY,
    address BLOB NOT NULL UNIQUE,
    shard INTEGER NOT NULL,
    registration BLOB,
    registered_ms INTEGER,
    proof_nonce INTEGER,
    proof BLOB
  );
  CREATE INDEX mailboxes_by_shard ON mailboxes (shard, registration);
  CREATE INDEX mailboxes_by_time ON mailboxes (registered_ms);
  CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    id BLOB NOT NULL,
    expiry_ms INTEGER NOT NULL,
    author_expiry_ms INTEGER NOT NULL,
    size INTEGER NOT NULL,
    proof BLOB NOT NULL,
    payload BLOB NOT NULL
  );
  CREATE UNIQUE INDEX messages_by_id
    ON messages (shard, id, expiry_ms, mailbox, size);
  CREATE TABLE deletions (
    row INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    id BLOB NOT NULL,
    mailbox INTEGER NOT NULL,
    ns INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    count INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    effective_ms INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    proof BLOB NOT NULL,
    ids BLOB NOT NULL
  );
  CREATE UNIQUE INDEX deletions_by_id ON deletions (shard, id);
  CREATE INDEX deletions_by_end ON deletions (ends_ms);
  CREATE TABLE tombstones (
    mailbox INTEGER NOT NULL,
    id BLOB NOT NULL,
    deletion INTEGER NOT NULL,
    effective_ms INTEGER NOT NULL,
    PRIMARY KEY (mailbox, id, deletion)
  ) WITHOUT ROWID;
  CREATE TABLE local_tombstones (
    mailbox INTEGER NOT NULL,
    id BLOB NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (mailbox, id)
  ) WITHOUT ROWID;
  CREATE INDEX local_tombstones_by_end ON local_tombstones (until_ms);
  CREATE TABLE purges (
    mailbox INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    id BLOB NOT NULL,
    ns INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    proof BLOB NOT NULL
  );
  CREATE INDEX purges_by_id ON purges (shard, id);
  CREATE INDEX purges_by_end ON purges (ends_ms);
  CREATE TABLE records (
    mailbox INTEGER NOT NULL,
    ns INTEGER NOT NULL,
    key BLOB NOT NULL,
    seq INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    id BLOB NOT NULL,
    owner_key BLOB NOT NULL,
    signature BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (mailbox, ns, key)
  ) WITHOUT ROWID;
  CREATE INDEX records_by_id ON records (shard, id);
  CREATE TABLE hints (
    row INTEGER PRIMARY KEY,
    peer BLOB NOT NULL,
    kind INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    id BLOB NOT NULL,
    until_ms INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX hints_by_item ON hints (peer, kind, shard, id);
  CREATE INDEX hints_by_peer ON hints (peer);
  CREATE INDEX hints_by_end ON hints (until_ms);
  CREATE TABLE fills (shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL);
)sql";

constexpr char kSetVersion1Aside[] = R"sql(
  DROP INDEX messages_by_id;
  DROP INDEX messages_by_mailbox;
  DROP INDEX messages_by_expiry;
  DROP INDEX tombstones_by_end;
  ALTER TABLE meta RENAME TO meta_1;
  ALTER TABLE messages RENAME TO messages_1;
  ALTER TABLE tombstones RENAME TO tombstones_1;
  ALTER TABLE records RENAME TO records_1;
)sql";

// A sequence number keeps its message, so cursors stay good.
constexpr char kCopyVersion1[] = R"sql(
  INSERT INTO meta SELECT incarnation, 1 + max(
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages_1'), 0),
    coalesce((SELECT max(seq) FROM messages_1), 0)), 0, 0 FROM meta_1;
  INSERT INTO messages SELECT seq, shard, row, id, expiry_ms, expiry_ms,
    length(payload), messages_1.proof, payload
    FROM messages_1 JOIN mailboxes ON address = mailbox ORDER BY seq;
  INSERT INTO local_tombstones SELECT row, id, until_ms
    FROM tombstones_1 JOIN mailboxes ON address = mailbox WHERE true
    ON CONFLICT DO UPDATE SET until_ms = max(until_ms, excluded.until_ms);
  INSERT INTO records SELECT row, ns, key, seq, shard, id, owner_key, signature,
    body FROM records_1 JOIN mailboxes ON address = mailbox;
  DROP TABLE meta_1;
  DROP TABLE messages_1;
  DROP TABLE tombstones_1;
  DROP TABLE records_1;
)sql";

absl::Status Damaged() {
  return absl::DataLossError("rows of the store contradict one another");
}

absl::StatusOr<uint64_t> LastWritten(sqlite::Database& database) {
  ASSIGN_OR_RETURN(
      Rows rows,
      Select(database, "SELECT coalesce(max(expiry_ms), 0) FROM messages_1"));
  RETURN_IF_ERROR(rows.Next().status());
  const uint64_t longest = absl::ToInt64Milliseconds(kMaxTtl);
  return rows.Unsigned(0) > longest ? rows.Unsigned(0) - longest : 0;
}

absl::Status FromVersion1(sqlite::Database& database, uint64_t now_ms) {
  RETURN_IF_ERROR(database.Exec(kSetVersion1Aside));
  RETURN_IF_ERROR(database.Exec(kSchema));
  if (now_ms == 0) {
    ASSIGN_OR_RETURN(now_ms, LastWritten(database));
  }
  std::vector<std::string> addresses;
  {
    ASSIGN_OR_RETURN(
        Rows rows,
        Select(database,
               "SELECT mailbox FROM messages_1 UNION SELECT mailbox FROM "
               "tombstones_1 UNION SELECT mailbox FROM records_1"));
    for (;;) {
      ASSIGN_OR_RETURN(const bool row, rows.Next());
      if (!row) break;
      addresses.push_back(rows.Blob(0));
    }
  }
  for (const std::string& bytes : addresses) {
    const absl::StatusOr<MailboxAddress> address =
        MailboxAddress::FromBytes(bytes);
    if (!address.ok()) return Damaged();
    RETURN_IF_ERROR(Run(database,
                        "INSERT INTO mailboxes (address, shard, registered_ms) "
                        "VALUES (?,?,?)",
                        bytes, ShardOf(*address), now_ms));
  }
  RETURN_IF_ERROR(database.Exec(kCopyVersion1));
  return database.SetUserVersion(2);
}

absl::Status Create(sqlite::Database& database, crypto::Random& random) {
  RETURN_IF_ERROR(database.Exec(kSchema));
  RETURN_IF_ERROR(
      Run(database, "INSERT INTO meta VALUES (?,1,1,0)", random.U64() >> 1));
  return database.SetUserVersion(kStoreVersion);
}

// Fills an ItemIndex table by table.
class IndexLoader {
 public:
  IndexLoader(sqlite::Database& database, ItemIndex& index)
      : database_(database), index_(index) {}

  absl::Status Load() {
    ItemIndex::Change change(index_);
    RETURN_IF_ERROR(LoadMailboxes(change));
    RETURN_IF_ERROR(LoadOrders(change));
    RETURN_IF_ERROR(LoadRecords(change));
    RETURN_IF_ERROR(LoadNotes(change));
    index_.Commit(change);
    RETURN_IF_ERROR(LoadMessages());
    index_.SortMessages();
    return absl::OkStatus();
  }

 private:
  // Calls `each` for all rows.
  template <typename Each>
  absl::Status ForAll(const char* sql, Each each) {
    ASSIGN_OR_RETURN(Rows rows, Select(database_, sql));
    for (;;) {
      ASSIGN_OR_RETURN(const bool row, rows.Next());
      if (!row) return absl::OkStatus();
      RETURN_IF_ERROR(each(rows));
    }
  }

  absl::StatusOr<MailboxState*> StateOf(ItemIndex::Change& change,
                                        int64_t row) {
    const auto found = mailboxes_.find(row);
    if (found == mailboxes_.end()) return Damaged();
    const auto& [address, shard] = found->second;
    MailboxState* state = change.Find(address);
    return state != nullptr ? state : &change.Add(address, row, shard);
  }

  absl::Status LoadMailboxes(ItemIndex::Change& change) {
    return ForAll(
        "SELECT row, address, shard, registration, registered_ms FROM "
        "mailboxes",
        [&](const Rows& rows) -> absl::Status {
          const auto address = MailboxAddress::FromBytes(rows.Blob(1));
          const auto shard = static_cast<Shard>(rows.Int(2));
          if (!address.ok() || ShardOf(*address) != shard) return Damaged();
          mailboxes_.insert({rows.Int(0), {*address, shard}});
          if (rows.IsNull(4)) return absl::OkStatus();
          change.Add(*address, rows.Int(0), shard).registered_ms =
              rows.Unsigned(4);
          if (rows.IsNull(3)) return absl::OkStatus();
          const auto id = ObjectId::FromBytes(rows.Blob(3));
          if (!id.ok()) return Damaged();
          change.AddItem(
              ItemKind::kRegistration, shard, *id,
              rows.Unsigned(4) + absl::ToInt64Milliseconds(kRegistrationKept));
          return absl::OkStatus();
        });
  }

  absl::Status LoadOrders(ItemIndex::Change& change) {
    RETURN_IF_ERROR(ForAll(
        "SELECT mailbox, shard, id, ends_ms, count FROM deletions",
        [&](const Rows& rows) -> absl::Status {
          ASSIGN_OR_RETURN(MailboxState * state, StateOf(change, rows.Int(0)));
          const auto id = ObjectId::FromBytes(rows.Blob(2));
          if (!id.ok() || rows.Int(1) != state->shard) return Damaged();
          ++state->deletions;
          state->owner_ids += rows.Unsigned(4);
          change.AddItem(ItemKind::kDeletion, state->shard, *id,
                         rows.Unsigned(3));
          return absl::OkStatus();
        }));
    RETURN_IF_ERROR(ForAll(
        "SELECT mailbox, shard, id, ends_ms, until_ms FROM purges",
        [&](const Rows& rows) -> absl::Status {
          ASSIGN_OR_RETURN(MailboxState * state, StateOf(change, rows.Int(0)));
          const auto id = ObjectId::FromBytes(rows.Blob(2));
          if (!id.ok() || rows.Int(1) != state->shard) return Damaged();
          state->purged_until_ms = rows.Unsigned(4);
          change.AddItem(ItemKind::kPurge, state->shard, *id, rows.Unsigned(3));
          return absl::OkStatus();
        }));
    return ForAll(
        "SELECT mailbox, count(*) FROM local_tombstones GROUP BY mailbox",
        [&](const Rows& rows) -> absl::Status {
          ASSIGN_OR_RETURN(MailboxState * state, StateOf(change, rows.Int(0)));
          state->local_tombstones = rows.Unsigned(1);
          return absl::OkStatus();
        });
  }

  absl::Status LoadRecords(ItemIndex::Change& change) {
    return ForAll(
        "SELECT mailbox, shard, id FROM records",
        [&](const Rows& rows) -> absl::Status {
          ASSIGN_OR_RETURN(MailboxState * state, StateOf(change, rows.Int(0)));
          const auto id = ObjectId::FromBytes(rows.Blob(2));
          if (!id.ok() || rows.Int(1) != state->shard) return Damaged();
          ++state->records;
          change.AddItem(ItemKind::kRecord, state->shard, *id, kNeverMs);
          return absl::OkStatus();
        });
  }

  absl::Status LoadNotes(ItemIndex::Change& change) {
    RETURN_IF_ERROR(ForAll("SELECT peer, count(*) FROM hints GROUP BY peer",
                           [&](const Rows& rows) -> absl::Status {
                             const auto peer =
                                 routing::NodeId::FromBytes(rows.Blob(0));
                             if (!peer.ok()) return Damaged();
                             change.AddHints(*peer, rows.Int(1));
                             return absl::OkStatus();
                           }));
    return ForAll("SELECT shard, epoch FROM fills",
                  [&](const Rows& rows) -> absl::Status {
                    if (rows.Unsigned(0) >= kShards) return Damaged();
                    change.SetFill(static_cast<Shard>(rows.Int(0)),
                                   rows.Unsigned(1));
                    return absl::OkStatus();
                  });
  }

  // The index covers what is read, so this reads no payloads.
  absl::Status LoadMessages() {
    constexpr size_t kAtOnce = 65'536;
    uint64_t last_seq = 0;
    size_t count = 0;
    auto change = std::make_unique<ItemIndex::Change>(index_);
    RETURN_IF_ERROR(ForAll(
        "SELECT shard, id, expiry_ms, mailbox, size, seq FROM messages "
        "INDEXED BY messages_by_id",
        [&](const Rows& rows) -> absl::Status {
          ASSIGN_OR_RETURN(MailboxState * state, StateOf(*change, rows.Int(3)));
          const auto id = ObjectId::FromBytes(rows.Blob(1));
          if (!id.ok() || rows.Int(0) != state->shard) return Damaged();
          change->AddMessage(mailboxes_.at(rows.Int(3)).first, *id,
                             rows.Unsigned(2), rows.Unsigned(5),
                             rows.Unsigned(4));
          last_seq = std::max(last_seq, rows.Unsigned(5));
          if (++count % kAtOnce == 0) {
            index_.Commit(*change);
            change = std::make_unique<ItemIndex::Change>(index_);
          }
          return absl::OkStatus();
        }));
    index_.Commit(*change);
    // The table's end and the index agree, and no number will be used again.
    ASSIGN_OR_RETURN(
        Rows rows,
        Select(database_,
               "SELECT coalesce((SELECT seq FROM messages NOT INDEXED ORDER BY "
               "seq DESC LIMIT 1), 0), next_seq FROM meta"));
    ASSIGN_OR_RETURN(const bool row, rows.Next());
    if (!row || rows.Unsigned(0) != last_seq || last_seq >= rows.Unsigned(1)) {
      return Damaged();
    }
    return absl::OkStatus();
  }

  sqlite::Database& database_;
  ItemIndex& index_;
  absl::flat_hash_map<int64_t, std::pair<MailboxAddress, Shard>> mailboxes_;
};

}  // namespace

absl::Status PrepareSchema(sqlite::Database& database, crypto::Random& random,
                           uint64_t now_ms) {
  ASSIGN_OR_RETURN(const int64_t version, database.UserVersion());
  if (version == kStoreVersion) return absl::OkStatus();
  if (version > kStoreVersion || version < 0) {
    return absl::FailedPreconditionError(
        "the store was written by a newer version of this program");
  }
  return database.Transaction([&]() -> absl::Status {
    return version == 0 ? Create(database, random)
                        : FromVersion1(database, now_ms);
  });
}

absl::Status LoadIndex(sqlite::Database& database, ItemIndex& index) {
  return IndexLoader(database, index).Load();
}

}  // namespace messenger::swarm
