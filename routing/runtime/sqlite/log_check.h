// What SQLite, opening a database after a crash, will leave out of its
// write-ahead log.
//
// SQLite takes the log up to the last commit before the first frame that does
// not check, and says nothing about the rest. Where a crash has cut the last
// transaction short that is right: nobody was told of it. Where a bit of an
// older frame has flipped, all that was committed behind it is gone, without an
// error, and the database is at an earlier state. A transaction is only begun
// when the one before it is on the disk: so where a commit is followed by more,
// it was.
//
// Format: https://www.sqlite.org/fileformat2.html#walformat

#ifndef ROUTING_RUNTIME_SQLITE_LOG_CHECK_H_
#define ROUTING_RUNTIME_SQLITE_LOG_CHECK_H_

#include <string>

#include "absl/status/statusor.h"

namespace messenger::sqlite {

enum class LogState {
  kWhole,  // nothing is left out; also where there is no log
  // The last transaction is: a crash cut it short, or, which looks the same, a
  // bit in it has flipped.
  kTorn,
  // Commits that were on the disk are, or may be.
  kDamaged,
};

// Reads the log of the database at `path` once, without changing anything; to
// be called before the database is opened. Frames of an earlier use of the
// log's file do not count.
//
// `vfs` as in Database::Options. UNAVAILABLE: the log cannot be read.
// Thread-safe.
absl::StatusOr<LogState> CheckLog(const std::string& path,
                                  const std::string& vfs);

}  // namespace messenger::sqlite

#endif  // ROUTING_RUNTIME_SQLITE_LOG_CHECK_H_
