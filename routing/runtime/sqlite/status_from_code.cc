#include "routing/runtime/sqlite/status_from_code.h"

#include "absl/strings/str_cat.h"
#include "sqlite3.h"

namespace messenger::sqlite {

absl::Status StatusFromCode(int code, absl::string_view what) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(
          absl::StrCat("the database is damaged (", what, ")"));
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(
          absl::StrCat("the disk is full (", what, ")"));
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(
          absl::StrCat("the database cannot be used: ", sqlite3_errstr(code),
                       " (", what, ")"));
    case SQLITE_CONSTRAINT:
      return absl::AlreadyExistsError("a row with this key is already there");
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return absl::ResourceExhaustedError(sqlite3_errstr(code));
    default:
      return absl::InternalError(
          absl::StrCat("SQLite: ", sqlite3_errstr(code), " (", what, ")"));
  }
}

}  // namespace messenger::sqlite
