// One plain file beside a database, through the same VFS: what is written here
// lies on the same disk, real or simulated (database.h), without pages,
// journal or encryption.
//
// Not thread-safe. Status codes as of `Database`.

#ifndef ROUTING_RUNTIME_SQLITE_VFS_FILE_H_
#define ROUTING_RUNTIME_SQLITE_VFS_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3_file;

namespace messenger::sqlite {

class VfsFile {
 public:
  // Creates the file when it is missing; its entry in the folder is durable
  // after the first `Sync`. `path` is that of a database which exists, with
  // something after a hyphen, "messages.db-keys": the file gets its mode. `vfs`
  // as in `Database::Options`.
  static absl::StatusOr<std::unique_ptr<VfsFile>> Open(const std::string& path,
                                                       const std::string& vfs);
  ~VfsFile();
  VfsFile(const VfsFile&) = delete;
  VfsFile& operator=(const VfsFile&) = delete;

  // Bytes.
  absl::StatusOr<uint64_t> Size();
  // Zeros after the end of the file.
  absl::StatusOr<std::string> Read(uint64_t offset, size_t size);
  absl::Status Write(uint64_t offset, absl::string_view bytes);
  // What was written before is on the disk.
  absl::Status Sync();

 private:
  VfsFile() = default;

  // The VFS keeps a pointer to it while the file is open.
  std::string path_;
  std::unique_ptr<char[]> memory_;
  sqlite3_file* file_ = nullptr;  // in memory_
};

}  // namespace messenger::sqlite

#endif  // ROUTING_RUNTIME_SQLITE_VFS_FILE_H_
