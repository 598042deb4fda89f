#include "client/store/device_secret.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"
#include "routing/runtime/files.h"

namespace messenger::client {
namespace {

constexpr size_t kSecretBytes = DeviceSecretBytes::kSize;

// Parents as usual, the last folder for its owner only.
void MakeFolder(const std::string& folder) {
  for (size_t slash = folder.find('/', 1); slash != std::string::npos;
       slash = folder.find('/', slash + 1)) {
    mkdir(folder.substr(0, slash).c_str(), 0777);
  }
  mkdir(folder.c_str(), 0700);  // Whether it is there shows at the writing.
}

absl::StatusOr<DeviceSecretBytes> ReadSecret(const std::string& path) {
  absl::StatusOr<std::string> file =
      routing::ReadFile(path, /*max_bytes=*/kSecretBytes);
  if (absl::IsResourceExhausted(file.status())) {
    return absl::NotFoundError("the file holds no device secret");
  }
  RETURN_IF_ERROR(file.status());
  absl::StatusOr<DeviceSecretBytes> secret =
      DeviceSecretBytes::FromBytes(*file);
  crypto::SecureWipe(*file);
  if (!secret.ok()) {
    return absl::NotFoundError("the file holds no device secret");
  }
  return secret;
}

absl::Status MoveUp(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat("rename: ", strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace

DeviceSecretId IdOfDeviceSecret(const DeviceSecretBytes& secret) {
  const auto digest = crypto::Blake2b256("nm1-device-id", {secret.Expose()});
  return *DeviceSecretId::FromBytes(
      absl::string_view(digest.bytes()).substr(0, DeviceSecretId::kSize));
}

std::string FileDeviceSecret::PathOf(const DeviceSecretId& id) const {
  if (!named_by_id_) return path_;
  return absl::StrCat(path_, "/", id.ToHex());
}

absl::Status FileDeviceSecret::Add(const DeviceSecretId& id,
                                   const DeviceSecretBytes& secret) {
  const std::string path = PathOf(id);
  struct stat existing;
  if (lstat(path.c_str(), &existing) == 0) {
    return absl::AlreadyExistsError("there is a device secret already");
  }
  if (named_by_id_) MakeFolder(path_);
  return routing::WriteFileAtomically(path, secret.Expose());
}

absl::Status FileDeviceSecret::AddSuccessor(const DeviceSecretId& current,
                                            const DeviceSecretId& id,
                                            const DeviceSecretBytes& secret) {
  if (named_by_id_) return Add(id, secret);
  const absl::StatusOr<DeviceSecretBytes> here = ReadSecret(path_);
  if (absl::IsNotFound(here.status()) ||
      (here.ok() && IdOfDeviceSecret(*here) != current)) {
    // A crash came before the current one had moved up; or this is another
    // account's file, and then there is nothing to succeed.
    const absl::StatusOr<DeviceSecretBytes> next = ReadSecret(NextPath());
    if (!next.ok() || IdOfDeviceSecret(*next) != current) {
      return absl::NotFoundError("the current device secret is not there");
    }
    if (here.ok()) {
      return absl::AlreadyExistsError("another account's secret is there");
    }
    RETURN_IF_ERROR(MoveUp(NextPath(), path_));
  } else {
    RETURN_IF_ERROR(here.status());
  }
  return routing::WriteFileAtomically(NextPath(), secret.Expose());
}

absl::StatusOr<DeviceSecretBytes> FileDeviceSecret::Read(
    const DeviceSecretId& id) {
  absl::StatusOr<DeviceSecretBytes> secret = ReadSecret(PathOf(id));
  if (named_by_id_ || (secret.ok() && IdOfDeviceSecret(*secret) == id)) {
    return secret;
  }
  absl::StatusOr<DeviceSecretBytes> next = ReadSecret(NextPath());
  return next.ok() && IdOfDeviceSecret(*next) == id ? std::move(next)
                                                    : std::move(secret);
}

absl::Status FileDeviceSecret::Destroy(const DeviceSecretId& id) {
  for (const std::string& path : {PathOf(id), NextPath()}) {
    const absl::StatusOr<DeviceSecretBytes> secret = ReadSecret(path);
    // Never another account's.
    if (absl::IsNotFound(secret.status()) ||
        (secret.ok() && IdOfDeviceSecret(*secret) != id)) {
      if (named_by_id_) break;
      continue;
    }
    RETURN_IF_ERROR(secret.status());
    RETURN_IF_ERROR(OverwriteInPlace(path, std::string(kSecretBytes, '\0')));
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
      return absl::UnavailableError(absl::StrCat("unlink: ", strerror(errno)));
    }
    if (named_by_id_) break;
  }
  if (named_by_id_ || access(path_.c_str(), F_OK) == 0 ||
      access(NextPath().c_str(), F_OK) != 0) {
    return absl::OkStatus();
  }
  return MoveUp(NextPath(), path_);
}

absl::Status OverwriteInPlace(const std::string& path,
                              absl::string_view contents) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return absl::NotFoundError("no such file");
  if (file < 0) {
    return absl::UnavailableError(absl::StrCat("open: ", strerror(errno)));
  }
  absl::Cleanup close_file = [file] { close(file); };
  while (!contents.empty()) {
    const ssize_t count = write(file, contents.data(), contents.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      return absl::UnavailableError(absl::StrCat("write: ", strerror(errno)));
    }
    contents.remove_prefix(static_cast<size_t>(count));
  }
  if (fsync(file) != 0) {
    return absl::UnavailableError(absl::StrCat("sync: ", strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace messenger::client
