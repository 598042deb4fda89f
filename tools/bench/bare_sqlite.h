// The least that keeps a message: one SQLite table with one index, a
// write-ahead log, synced at every commit. What a store is compared with.
//
// Not thread-safe. Any failure of the disk ends the program.

#ifndef TOOLS_BENCH_BARE_SQLITE_H_
#define TOOLS_BENCH_BARE_SQLITE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

struct sqlite3;
struct sqlite3_stmt;

namespace messenger::bench {

class BareSqlite final {
 public:
  struct Row {
    std::string key;
    std::string payload;
  };

  // Makes the file.
  explicit BareSqlite(const std::string& path);
  ~BareSqlite();
  BareSqlite(const BareSqlite&) = delete;
  BareSqlite& operator=(const BareSqlite&) = delete;

  // All in one transaction, on disk on return.
  void Insert(absl::Span<const Row> rows);

  // The payloads of a key, the first first.
  std::vector<std::string> Select(absl::string_view key);

 private:
  sqlite3* db_ = nullptr;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
};

}  // namespace messenger::bench

#endif  // TOOLS_BENCH_BARE_SQLITE_H_
