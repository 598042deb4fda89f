#include "routing/runtime/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace messenger::routing {
namespace {

absl::Status SystemError(absl::string_view what, int error) {
  if (error == ENOENT) {
    return absl::NotFoundError(absl::StrCat(what, ": no such file"));
  }
  // The words name the cause, never the path: they may reach a log.
  const std::string words = absl::StrCat(what, ": ", strerror(error));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return absl::ResourceExhaustedError(words);
  }
  return absl::UnavailableError(words);
}

// All of `contents`, however many writes that takes.
absl::Status WriteAll(int file, absl::string_view contents) {
  while (!contents.empty()) {
    const ssize_t n = ::write(file, contents.data(), contents.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return SystemError("write", errno);
    contents.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status SyncDirectory(const std::string& directory) {
  const int file =
      ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return SystemError("open directory", errno);
  const int result = ::fsync(file);
  const int error = errno;
  ::close(file);
  return result == 0 ? absl::OkStatus() : SystemError("sync directory", error);
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     size_t max_bytes) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return SystemError("open", errno);
  const absl::Cleanup close_file = [file] { ::close(file); };
  std::string contents;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t n = ::read(file, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError("read", errno);
    if (n == 0) return contents;
    if (contents.size() + static_cast<size_t>(n) > max_bytes) {
      return absl::ResourceExhaustedError("file is too large");
    }
    contents.append(buffer, static_cast<size_t>(n));
  }
}

absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view contents) {
  std::string temporary = path + ".XXXXXX";
  // mkostemp makes files of mode 0600.
  const int file = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (file < 0) {
    const int error = errno;
    return error == ENOENT ? absl::UnavailableError("no such directory")
                           : SystemError("create", error);
  }
  absl::Cleanup remove = [&temporary] { ::unlink(temporary.c_str()); };
  absl::Status written = WriteAll(file, contents);
  if (written.ok() && ::fsync(file) != 0) written = SystemError("sync", errno);
  if (::close(file) != 0 && written.ok()) written = SystemError("close", errno);
  if (!written.ok()) return written;
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return SystemError("rename", errno);
  }
  std::move(remove).Cancel();
  return SyncDirectory(DirectoryOf(path));
}

}  // namespace messenger::routing
