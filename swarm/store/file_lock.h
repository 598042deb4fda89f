// Holds a lock file for as long as it lives, so that one process at a time has
// what the file stands for. The system frees it when the process ends, however
// it does.

#ifndef SWARM_STORE_FILE_LOCK_H_
#define SWARM_STORE_FILE_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace messenger::swarm {

class FileLock final {
 public:
  // Makes the file if need be. UNAVAILABLE if another holds it, in this process
  // or elsewhere, or the file cannot be made.
  static absl::StatusOr<std::unique_ptr<FileLock>> Take(
      const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int file) : file_(file) {}

  const int file_;
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_FILE_LOCK_H_
