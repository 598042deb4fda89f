#include "tools/bench/bare_sqlite.h"

#include <cstdio>
#include <cstdlib>

#include "sqlite3.h"

namespace messenger::bench {
namespace {

void Check(bool good, sqlite3* db) {
  if (good) return;
  std::fprintf(stderr, "SQLite: %s\n", sqlite3_errmsg(db));
  std::exit(1);
}

sqlite3_stmt* Prepare(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  Check(sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) == SQLITE_OK, db);
  return statement;
}

void RunOnce(sqlite3* db, sqlite3_stmt* statement) {
  Check(sqlite3_step(statement) == SQLITE_DONE, db);
  sqlite3_reset(statement);
}

void BindBlob(sqlite3_stmt* statement, int index, absl::string_view value) {
  sqlite3_bind_blob(statement, index, value.data(),
                    static_cast<int>(value.size()), SQLITE_STATIC);
}

}  // namespace

BareSqlite::BareSqlite(const std::string& path) {
  Check(sqlite3_open(path.c_str(), &db_) == SQLITE_OK, db_);
  constexpr char kSetUp[] =
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
      "CREATE TABLE messages (seq INTEGER PRIMARY KEY, key BLOB NOT NULL,"
      " payload BLOB NOT NULL); CREATE INDEX by_key ON messages (key);";
  Check(sqlite3_exec(db_, kSetUp, nullptr, nullptr, nullptr) == SQLITE_OK, db_);
  begin_ = Prepare(db_, "BEGIN IMMEDIATE");
  commit_ = Prepare(db_, "COMMIT");
  insert_ = Prepare(db_, "INSERT INTO messages (key, payload) VALUES (?,?)");
  select_ =
      Prepare(db_, "SELECT payload FROM messages WHERE key=? ORDER BY seq");
}

BareSqlite::~BareSqlite() {
  for (sqlite3_stmt* statement : {begin_, commit_, insert_, select_}) {
    sqlite3_finalize(statement);
  }
  sqlite3_close(db_);
}

void BareSqlite::Insert(absl::Span<const Row> rows) {
  RunOnce(db_, begin_);
  for (const Row& row : rows) {
    BindBlob(insert_, 1, row.key);
    BindBlob(insert_, 2, row.payload);
    RunOnce(db_, insert_);
  }
  RunOnce(db_, commit_);
}

std::vector<std::string> BareSqlite::Select(absl::string_view key) {
  std::vector<std::string> payloads;
  BindBlob(select_, 1, key);
  while (sqlite3_step(select_) == SQLITE_ROW) {
    payloads.emplace_back(
        static_cast<const char*>(sqlite3_column_blob(select_, 0)),
        static_cast<size_t>(sqlite3_column_bytes(select_, 0)));
  }
  sqlite3_reset(select_);
  return payloads;
}

}  // namespace messenger::bench
