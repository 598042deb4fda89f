// SQLite's result codes as this project's (database.h lists them).
//
// Stateless; thread-safe.

#ifndef ROUTING_RUNTIME_SQLITE_STATUS_FROM_CODE_H_
#define ROUTING_RUNTIME_SQLITE_STATUS_FROM_CODE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace messenger::sqlite {

// Of an (extended) result code that is an error. The text says what failed,
// never which row: it may reach a log.
absl::Status StatusFromCode(int code, absl::string_view what);

}  // namespace messenger::sqlite

#endif  // ROUTING_RUNTIME_SQLITE_STATUS_FROM_CODE_H_
