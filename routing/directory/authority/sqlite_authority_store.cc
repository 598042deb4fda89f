#include "routing/directory/authority/sqlite_authority_store.h"

#include "absl/status/status.h"
#include "crypto/base/status_macros.h"

namespace messenger::routing {
namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr int64_t kSchemaVersion = 2;

// One row each of vote, signature and consensus: only the newest epoch is ever
// asked for.
constexpr char kSchema[] = R"sql(
  CREATE TABLE vote (
    slot INTEGER PRIMARY KEY CHECK (slot = 0),
    epoch INTEGER NOT NULL,
    bytes BLOB NOT NULL);
  CREATE TABLE signature (
    slot INTEGER PRIMARY KEY CHECK (slot = 0),
    epoch INTEGER NOT NULL,
    digest BLOB NOT NULL);
  CREATE TABLE consensus (
    slot INTEGER PRIMARY KEY CHECK (slot = 0),
    wire BLOB NOT NULL);
  CREATE TABLE node (
    id BLOB PRIMARY KEY,
    descriptor BLOB NOT NULL,
    reached INTEGER NOT NULL,
    unreachable_since_ms INTEGER,
    storage_report BLOB NOT NULL) WITHOUT ROWID;
)sql";

// Keeps `bytes` for `epoch` in `read`'s table unless there is a row of that
// epoch; returns what the table holds then.
absl::StatusOr<std::string> KeepFirst(Database& db, const char* read,
                                      const char* write, uint64_t epoch,
                                      absl::string_view bytes) {
  std::string kept;
  const absl::Status status = db.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(Statement * select, db.Prepared(read));
    ASSIGN_OR_RETURN(const bool found, select->Step());
    const uint64_t held = found ? static_cast<uint64_t>(select->Int(0)) : 0;
    if (found && held > epoch) {
      select->Reset();
      return absl::FailedPreconditionError("a later epoch is on record");
    }
    if (found && held == epoch) {
      kept = select->Blob(1);
      select->Reset();
      return absl::OkStatus();
    }
    select->Reset();
    kept = std::string(bytes);
    ASSIGN_OR_RETURN(Statement * insert, db.Prepared(write));
    return insert->BindInt(1, static_cast<int64_t>(epoch))
        .BindBlob(2, bytes)
        .Run();
  });
  RETURN_IF_ERROR(status);
  return kept;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteAuthorityStore>>
SqliteAuthorityStore::Open(const std::string& path) {
  Database::Options options;
  options.exclusive = true;
  ASSIGN_OR_RETURN(std::unique_ptr<Database> db, Database::Open(path, options));
  RETURN_IF_ERROR(db->QuickCheck());
  ASSIGN_OR_RETURN(const int64_t version, db->UserVersion());
  if (version != 0 && version != kSchemaVersion) {
    return absl::FailedPreconditionError(
        "the authority's database was written by another version");
  }
  if (version == 0) {
    RETURN_IF_ERROR(db->Transaction([&]() -> absl::Status {
      RETURN_IF_ERROR(db->Exec(kSchema));
      return db->SetUserVersion(kSchemaVersion);
    }));
  }
  return std::unique_ptr<SqliteAuthorityStore>(
      new SqliteAuthorityStore(std::move(db)));
}

absl::StatusOr<std::string> SqliteAuthorityStore::KeepVote(
    uint64_t epoch, absl::string_view vote) {
  return KeepFirst(
      *db_, "SELECT epoch, bytes FROM vote WHERE slot = 0",
      "INSERT OR REPLACE INTO vote (slot, epoch, bytes) VALUES (0, ?, ?)",
      epoch, vote);
}

absl::Status SqliteAuthorityStore::RecordSigned(
    uint64_t epoch, const crypto::Digest256& digest) {
  ASSIGN_OR_RETURN(
      const std::string kept,
      KeepFirst(*db_, "SELECT epoch, digest FROM signature WHERE slot = 0",
                "INSERT OR REPLACE INTO signature (slot, epoch, digest) "
                "VALUES (0, ?, ?)",
                epoch, digest.bytes()));
  if (kept != digest.bytes()) {
    return absl::FailedPreconditionError(
        "another consensus of this epoch was signed");
  }
  return absl::OkStatus();
}

absl::Status SqliteAuthorityStore::SaveConsensus(absl::string_view wire) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      db_->Prepared(
          "INSERT OR REPLACE INTO consensus (slot, wire) VALUES (0, ?)"));
  return insert->BindBlob(1, wire).Run();
}

absl::StatusOr<std::string> SqliteAuthorityStore::LoadConsensus() {
  ASSIGN_OR_RETURN(Statement * select,
                   db_->Prepared("SELECT wire FROM consensus WHERE slot = 0"));
  ASSIGN_OR_RETURN(const bool found, select->Step());
  if (!found) return absl::NotFoundError("no consensus is stored");
  std::string wire = select->Blob(0);
  select->Reset();
  return wire;
}

absl::Status SqliteAuthorityStore::SaveNode(const StoredNode& node) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      db_->Prepared("INSERT OR REPLACE INTO node "
                    "(id, descriptor, reached, unreachable_since_ms, "
                    "storage_report) VALUES (?, ?, ?, ?, ?)"));
  insert->BindBlob(1, node.id.bytes())
      .BindBlob(2, node.descriptor)
      .BindInt(3, node.reached ? 1 : 0);
  if (node.unreachable_since.has_value()) {
    insert->BindInt(4, absl::ToUnixMillis(*node.unreachable_since));
  } else {
    insert->BindNull(4);
  }
  insert->BindBlob(5, node.storage_report);
  return insert->Run();
}

absl::Status SqliteAuthorityStore::RemoveNode(const NodeId& id) {
  ASSIGN_OR_RETURN(Statement * remove,
                   db_->Prepared("DELETE FROM node WHERE id = ?"));
  return remove->BindBlob(1, id.bytes()).Run();
}

absl::StatusOr<std::vector<AuthorityStore::StoredNode>>
SqliteAuthorityStore::LoadNodes() {
  ASSIGN_OR_RETURN(
      Statement * select,
      db_->Prepared("SELECT id, descriptor, reached, unreachable_since_ms, "
                    "storage_report FROM node ORDER BY id"));
  std::vector<StoredNode> nodes;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, select->Step());
    if (!row) break;
    StoredNode node;
    const auto id = NodeId::FromBytes(select->Blob(0));
    if (!id.ok()) return absl::DataLossError("a stored node id is damaged");
    node.id = *id;
    node.descriptor = select->Blob(1);
    node.reached = select->Int(2) != 0;
    if (!select->IsNull(3)) {
      node.unreachable_since = absl::FromUnixMillis(select->Int(3));
    }
    node.storage_report = select->Blob(4);
    nodes.push_back(std::move(node));
  }
  select->Reset();
  return nodes;
}

}  // namespace messenger::routing
