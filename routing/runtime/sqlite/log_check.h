// Whether SQLite, opening a database after a crash, will leave out a part of
// the write-ahead log that may have been on the disk for good.
//
// SQLite takes the log up to the last commit before the first frame that does
// not check, and says nothing about the rest. Where a crash has cut a
// transaction short that is right. Where a bit of an older frame has flipped,
// all that was committed behind it is gone, without an error: the database is
// at an earlier state. The two cannot be told apart for certain, so whoever has
// promised to keep things must take either for the second.
//
// Format: https://www.sqlite.org/fileformat2.html#walformat

#ifndef ROUTING_RUNTIME_SQLITE_LOG_CHECK_H_
#define ROUTING_RUNTIME_SQLITE_LOG_CHECK_H_

#include <string>

#include "absl/status/statusor.h"

namespace messenger::sqlite {

// Reads the log of the database at `path` once, without changing anything; to
// be called before the database is opened. False also where there is no log.
// Frames of an earlier use of the log's file do not count.
//
// `vfs` as in Database::Options. UNAVAILABLE: the log cannot be read.
// Thread-safe.
absl::StatusOr<bool> IsLogCut(const std::string& path, const std::string& vfs);

}  // namespace messenger::sqlite

#endif  // ROUTING_RUNTIME_SQLITE_LOG_CHECK_H_
