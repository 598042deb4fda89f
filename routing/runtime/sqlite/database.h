// A thin, typed wrapper around the one SQLite engine of the project.
//
// Servers open plain databases, the client opens one encrypted with a raw
// 256-bit key (SQLCipher page format). The storage seam is SQLite's own VFS:
// `Options::vfs` names the one to use, so a simulated disk goes under the real
// engine.
//
// Not thread-safe: one `Database` belongs to one thread (or one executor).
//
// Status codes, the same everywhere:
//   DATA_LOSS           the file is corrupt, or is not a database
//   UNAUTHENTICATED     the key does not open it (a keyed database only)
//   RESOURCE_EXHAUSTED  the disk is full
//   UNAVAILABLE         another I/O error, or the database is locked
//   ALREADY_EXISTS      a uniqueness constraint
//   INTERNAL            a bug in our SQL

#ifndef ROUTING_RUNTIME_SQLITE_DATABASE_H_
#define ROUTING_RUNTIME_SQLITE_DATABASE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/secret_bytes.h"

struct sqlite3;
struct sqlite3_stmt;

namespace messenger::sqlite {

// A prepared statement. Parameters are numbered from 1, columns from 0. A
// binding lasts until `Reset`.
class Statement {
 public:
  Statement(sqlite3* db, sqlite3_stmt* stmt) : db_(db), stmt_(stmt) {}
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& BindInt(int index, int64_t value);
  Statement& BindBlob(int index, absl::string_view value);
  Statement& BindText(int index, absl::string_view value);
  Statement& BindNull(int index);

  // Whether there is a row to read.
  absl::StatusOr<bool> Step();
  // For a statement without rows: runs it once and resets it.
  absl::Status Run();

  int64_t Int(int column) const;
  std::string Blob(int column) const;
  std::string Text(int column) const { return Blob(column); }
  bool IsNull(int column) const;

  void Reset();

 private:
  sqlite3* db_;
  sqlite3_stmt* stmt_;
};

class Database {
 public:
  struct Options {
    // Null: a plain database. Only read during `Open`.
    const crypto::SecretBytes<32>* key = nullptr;
    // FULL: a commit is on disk when it returns.
    bool synchronous_full = true;
    // One process only; also avoids the shared-memory file.
    bool exclusive = false;
    bool read_only = false;
    // Empty: the platform's VFS.
    std::string vfs;
  };

  // Creates the file when it is missing. Sets WAL, foreign keys and SQLite's
  // defensive settings.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path,
                                                        const Options& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs one or several statements without results.
  absl::Status Exec(const char* sql);

  // A cached statement, reset and unbound. `sql` must be a literal: the cache
  // is keyed by its address.
  absl::StatusOr<Statement*> Prepared(const char* sql);

  // Runs `body` between BEGIN IMMEDIATE and COMMIT; any error rolls back and
  // is returned.
  absl::Status Transaction(absl::FunctionRef<absl::Status()> body);

  // DATA_LOSS when SQLite finds a damaged page or index, UNAVAILABLE when it
  // cannot read one.
  absl::Status QuickCheck();

  absl::StatusOr<int64_t> UserVersion();
  absl::Status SetUserVersion(int64_t version);

  int64_t LastInsertRowId() const;
  int Changes() const;

 private:
  explicit Database(sqlite3* db) : db_(db) {}

  sqlite3* db_;
  std::unordered_map<const char*, std::unique_ptr<Statement>> statements_;
};

}  // namespace messenger::sqlite

#endif  // ROUTING_RUNTIME_SQLITE_DATABASE_H_
