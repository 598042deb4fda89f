#include "routing/runtime/sqlite/database.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/hex.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "routing/runtime/sqlite/status_from_code.h"
#include "sqlite3.h"

namespace messenger::sqlite {
namespace {

constexpr int kBusyTimeoutMs = 5000;

// The check writes into its report what it could not read, too. A disk that
// fails now says nothing about the file.
bool IsReadError(absl::string_view report) {
  constexpr absl::string_view kCode = "unable to get the page. error code=";
  const size_t at = report.find(kCode);
  int code = 0;
  if (at != report.npos &&
      absl::SimpleAtoi(report.substr(at + kCode.size()), &code)) {
    return (code & 0xff) == SQLITE_IOERR;
  }
  return absl::StrContains(report, "failed to get page");
}

}  // namespace

Statement::~Statement() { sqlite3_finalize(stmt_); }

Statement& Statement::BindInt(int index, int64_t value) {
  sqlite3_bind_int64(stmt_, index, value);
  return *this;
}

Statement& Statement::BindBlob(int index, absl::string_view value) {
  // A null pointer would bind NULL, and an empty view may have one.
  sqlite3_bind_blob(stmt_, index, value.empty() ? "" : value.data(),
                    static_cast<int>(value.size()), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::BindText(int index, absl::string_view value) {
  sqlite3_bind_text(stmt_, index, value.empty() ? "" : value.data(),
                    static_cast<int>(value.size()), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::BindNull(int index) {
  sqlite3_bind_null(stmt_, index);
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(stmt_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const int extended = sqlite3_extended_errcode(db_);
  sqlite3_reset(stmt_);
  return StatusFromCode(extended, "step");
}

absl::Status Statement::Run() {
  const absl::StatusOr<bool> row = Step();
  Reset();
  return row.status();
}

int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(stmt_, column);
}

std::string Statement::Blob(int column) const {
  const void* data = sqlite3_column_blob(stmt_, column);
  const int size = sqlite3_column_bytes(stmt_, column);
  if (data == nullptr || size <= 0) return std::string();
  return std::string(static_cast<const char*>(data), size);
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(stmt_, column) == SQLITE_NULL;
}

void Statement::Reset() {
  sqlite3_reset(stmt_);
  sqlite3_clear_bindings(stmt_);
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(
    const std::string& path, const Options& options) {
  sqlite3* raw = nullptr;
  const int flags = options.read_only
                        ? SQLITE_OPEN_READONLY
                        : (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const int code =
      sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX,
                      options.vfs.empty() ? nullptr : options.vfs.c_str());
  std::unique_ptr<Database> database(new Database(raw));
  if (code != SQLITE_OK) return StatusFromCode(code, "open");
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  if (options.key != nullptr) {
    std::string hex = crypto::HexEncode(options.key->Expose());
    std::string pragma = absl::StrCat("PRAGMA key = \"x'", hex, "'\"");
    const absl::Status keyed = database->Exec(pragma.c_str());
    crypto::SecureWipe(hex);
    crypto::SecureWipe(pragma);
    RETURN_IF_ERROR(keyed);
  }
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  // The first read tells a wrong key (or a file that is no database) apart
  // from everything later.
  absl::Status readable = database->Exec("SELECT count(*) FROM sqlite_schema");
  if (absl::IsDataLoss(readable) && options.key != nullptr) {
    return absl::UnauthenticatedError("the key does not open the database");
  }
  RETURN_IF_ERROR(readable);
  if (options.exclusive) {
    RETURN_IF_ERROR(database->Exec("PRAGMA locking_mode=EXCLUSIVE"));
  }
  if (!options.read_only) {
    RETURN_IF_ERROR(database->Exec("PRAGMA journal_mode=WAL"));
  }
  RETURN_IF_ERROR(database->Exec(options.synchronous_full
                                     ? "PRAGMA synchronous=FULL"
                                     : "PRAGMA synchronous=NORMAL"));
  RETURN_IF_ERROR(
      database->Exec("PRAGMA foreign_keys=ON; PRAGMA cell_size_check=ON;"
                     "PRAGMA secure_delete=FAST; PRAGMA mmap_size=0;"
                     "PRAGMA temp_store=MEMORY"));
  return database;
}

Database::~Database() {
  statements_.clear();
  sqlite3_close_v2(db_);
}

absl::Status Database::Exec(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return absl::OkStatus();
  return StatusFromCode(sqlite3_extended_errcode(db_), "exec");
}

absl::StatusOr<Statement*> Database::Prepared(const char* sql) {
  std::unique_ptr<Statement>& slot = statements_[sql];
  if (slot == nullptr) {
    sqlite3_stmt* stmt = nullptr;
    const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                        &stmt, nullptr);
    if (code != SQLITE_OK) {
      const absl::Status error =
          StatusFromCode(sqlite3_extended_errcode(db_), sqlite3_errmsg(db_));
      statements_.erase(sql);
      return error;
    }
    slot = std::make_unique<Statement>(db_, stmt);
  }
  slot->Reset();
  return slot.get();
}

absl::Status Database::Transaction(absl::FunctionRef<absl::Status()> body) {
  RETURN_IF_ERROR(Exec("BEGIN IMMEDIATE"));
  absl::Status status = body();
  if (status.ok()) status = Exec("COMMIT");
  if (!status.ok() && sqlite3_get_autocommit(db_) == 0) {
    // The first error is the one to report. A failed ROLLBACK leaves the
    // transaction to SQLite, which rolls it back when the file is reopened.
    Exec("ROLLBACK").IgnoreError();
  }
  return status;
}

absl::Status Database::QuickCheck() {
  ASSIGN_OR_RETURN(Statement * check, Prepared("PRAGMA quick_check(1)"));
  absl::Cleanup reset = [check] { check->Reset(); };
  ASSIGN_OR_RETURN(const bool row, check->Step());
  const std::string report = row ? check->Text(0) : std::string();
  if (IsReadError(report)) {
    return absl::UnavailableError("the database cannot be read (quick_check)");
  }
  if (report != "ok") {
    return absl::DataLossError("the database is damaged (quick_check)");
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Database::UserVersion() {
  ASSIGN_OR_RETURN(Statement * pragma, Prepared("PRAGMA user_version"));
  absl::Cleanup reset = [pragma] { pragma->Reset(); };
  ASSIGN_OR_RETURN(const bool row, pragma->Step());
  return row ? pragma->Int(0) : 0;
}

absl::Status Database::SetUserVersion(int64_t version) {
  return Exec(absl::StrCat("PRAGMA user_version=", version).c_str());
}

int64_t Database::LastInsertRowId() const {
  return sqlite3_last_insert_rowid(db_);
}

int Database::Changes() const { return sqlite3_changes(db_); }

}  // namespace messenger::sqlite
