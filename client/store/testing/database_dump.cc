#include "client/store/testing/database_dump.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "routing/runtime/sqlite/database.h"

namespace messenger::client {
namespace {

using ::messenger::sqlite::Database;
using ::messenger::sqlite::Statement;

absl::StatusOr<std::vector<std::string>> Names(Database& database,
                                               const char* sql,
                                               const std::string& of) {
  std::vector<std::string> names;
  ASSIGN_OR_RETURN(Statement * query, database.Prepared(sql));
  if (!of.empty()) query->BindText(1, of);
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query->Step());
    if (!row) return names;
    names.push_back(query->Text(0));
  }
}

}  // namespace

absl::StatusOr<std::string> DumpDatabase(const std::string& folder,
                                         const DatabaseKey& key) {
  Database::Options options;
  options.key = &key;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<Database> database,
      Database::Open(absl::StrCat(folder, "/messages.db"), options));
  std::string dump;
  ASSIGN_OR_RETURN(
      const std::vector<std::string> tables,
      Names(*database, "SELECT name FROM sqlite_schema WHERE type='table'",
            ""));
  std::vector<std::string> queries;  // the cache goes by their addresses
  queries.reserve(100 * tables.size());
  for (const std::string& table : tables) {
    ASSIGN_OR_RETURN(
        const std::vector<std::string> columns,
        Names(*database, "SELECT name FROM pragma_table_info(?)", table));
    for (const std::string& column : columns) {
      queries.push_back(
          absl::StrCat("SELECT \"", column, "\" FROM \"", table, "\""));
      ASSIGN_OR_RETURN(const std::vector<std::string> values,
                       Names(*database, queries.back().c_str(), ""));
      for (const std::string& value : values) {
        absl::StrAppend(&dump, value, "\n");
      }
    }
  }
  return dump;
}

}  // namespace messenger::client
