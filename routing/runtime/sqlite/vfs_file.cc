#include "routing/runtime/sqlite/vfs_file.h"

#include <utility>

#include "crypto/base/status_macros.h"
#include "routing/runtime/sqlite/status_from_code.h"
#include "sqlite3.h"

namespace messenger::sqlite {
namespace {

absl::Status Check(int code, absl::string_view what) {
  return code == SQLITE_OK ? absl::OkStatus() : StatusFromCode(code, what);
}

}  // namespace

absl::StatusOr<std::unique_ptr<VfsFile>> VfsFile::Open(const std::string& path,
                                                       const std::string& vfs) {
  // SQLite registers its own VFS here.
  RETURN_IF_ERROR(Check(sqlite3_initialize(), "start"));
  sqlite3_vfs* const system =
      sqlite3_vfs_find(vfs.empty() ? nullptr : vfs.c_str());
  if (system == nullptr) return absl::InternalError("there is no such VFS");
  std::unique_ptr<VfsFile> file(new VfsFile());
  std::string full(static_cast<size_t>(system->mxPathname) + 1, 0);
  RETURN_IF_ERROR(
      Check(system->xFullPathname(system, path.c_str(),
                                  static_cast<int>(full.size()), full.data()),
            "open"));
  file->path_ = full.c_str();
  file->memory_ =
      std::make_unique<char[]>(static_cast<size_t>(system->szOsFile));
  auto* const raw = reinterpret_cast<sqlite3_file*>(file->memory_.get());
  // To a VFS it is what a journal is: a plain file that belongs to a database.
  const int code = system->xOpen(
      system, file->path_.c_str(), raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_JOURNAL,
      nullptr);
  // Even a file that was not opened has to be closed if it has methods.
  file->file_ = raw;
  RETURN_IF_ERROR(Check(code, "open"));
  return file;
}

VfsFile::~VfsFile() {
  if (file_ != nullptr && file_->pMethods != nullptr) {
    file_->pMethods->xClose(file_);
  }
}

absl::StatusOr<uint64_t> VfsFile::Size() {
  sqlite3_int64 size = 0;
  RETURN_IF_ERROR(Check(file_->pMethods->xFileSize(file_, &size), "size"));
  return static_cast<uint64_t>(size);
}

absl::StatusOr<std::string> VfsFile::Read(uint64_t offset, size_t size) {
  std::string bytes(size, 0);
  const int code = file_->pMethods->xRead(file_, bytes.data(),
                                          static_cast<int>(bytes.size()),
                                          static_cast<sqlite3_int64>(offset));
  if (code != SQLITE_IOERR_SHORT_READ) RETURN_IF_ERROR(Check(code, "read"));
  return bytes;
}

absl::Status VfsFile::Write(uint64_t offset, absl::string_view bytes) {
  return Check(file_->pMethods->xWrite(file_, bytes.data(),
                                       static_cast<int>(bytes.size()),
                                       static_cast<sqlite3_int64>(offset)),
               "write");
}

absl::Status VfsFile::Sync() {
  return Check(file_->pMethods->xSync(file_, SQLITE_SYNC_NORMAL), "sync");
}

}  // namespace messenger::sqlite
