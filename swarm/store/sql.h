// Shorthand for statements of one of the store's databases: bound in one line,
// and reset when the rows go out of scope, which also ends a read transaction
// so that the log can be checkpointed.

#ifndef SWARM_STORE_SQL_H_
#define SWARM_STORE_SQL_H_

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/status_macros.h"
#include "routing/runtime/sqlite/database.h"

namespace messenger::swarm {

// Unsigned numbers of 64 bits are stored as signed ones with the same bits.
template <typename Value>
void BindTo(sqlite::Statement& statement, int index, const Value& value) {
  if constexpr (std::is_convertible_v<Value, absl::string_view>) {
    statement.BindBlob(index, value);
  } else {
    statement.BindInt(index, static_cast<int64_t>(value));
  }
}

class Rows final {
 public:
  explicit Rows(sqlite::Statement* statement) : statement_(statement) {}
  Rows(Rows&& other) : statement_(std::exchange(other.statement_, nullptr)) {}
  Rows& operator=(Rows&&) = delete;
  ~Rows() {
    if (statement_ != nullptr) statement_->Reset();
  }

  absl::StatusOr<bool> Next() { return statement_->Step(); }
  int64_t Int(int column) const { return statement_->Int(column); }
  uint64_t Unsigned(int column) const {
    return static_cast<uint64_t>(statement_->Int(column));
  }
  std::string Blob(int column) const { return statement_->Blob(column); }
  bool IsNull(int column) const { return statement_->IsNull(column); }

 private:
  sqlite::Statement* statement_;
};

// `sql` must be a literal (Database::Prepared). One statement is used by one
// set of rows at a time.
template <typename... Values>
absl::StatusOr<Rows> Select(sqlite::Database& database, const char* sql,
                            const Values&... values) {
  ASSIGN_OR_RETURN(sqlite::Statement * statement, database.Prepared(sql));
  int index = 0;
  (BindTo(*statement, ++index, values), ...);
  return Rows(statement);
}

template <typename... Values>
absl::Status Run(sqlite::Database& database, const char* sql,
                 const Values&... values) {
  ASSIGN_OR_RETURN(sqlite::Statement * statement, database.Prepared(sql));
  int index = 0;
  (BindTo(*statement, ++index, values), ...);
  return statement->Run();
}

}  // namespace messenger::swarm

#endif  // SWARM_STORE_SQL_H_
