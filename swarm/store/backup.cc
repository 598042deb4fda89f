#include "swarm/store/backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "routing/runtime/sqlite/database.h"
#include "swarm/store/file_lock.h"
#include "swarm/store/sql.h"
#include "swarm/store/sqlite_schema.h"

namespace messenger::swarm {
namespace {

// Files and folders alike.
absl::Status SyncFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && fsync(file) == 0;
  if (file >= 0) close(file);
  return synced ? absl::OkStatus()
                : absl::UnavailableError("a file cannot be synced");
}

absl::Status Rename(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) return absl::UnavailableError("a file cannot be renamed");
  const std::string folder = std::filesystem::path(to).parent_path().string();
  return SyncFile(folder.empty() ? "." : folder);
}

absl::Status Remove(const std::string& path) {
  for (const char* part : {"", "-wal", "-shm"}) {
    std::error_code error;
    std::filesystem::remove(absl::StrCat(path, part), error);
    if (error) return absl::UnavailableError("a file cannot be removed");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<sqlite::Database>> OpenToRead(
    const std::string& path) {
  sqlite::Database::Options options;
  options.read_only = true;
  return sqlite::Database::Open(path, options);
}

// Of one that is there.
absl::Status CheckVersion(sqlite::Database& database) {
  ASSIGN_OR_RETURN(const int64_t version, database.UserVersion());
  if (version < 1 || version > kStoreVersion) {
    return absl::FailedPreconditionError(
        "not a store, or one of a newer version of this program");
  }
  return absl::OkStatus();
}

// Writes a copy without a log, or leaves nothing.
absl::Status Copy(const std::string& from, const std::string& to) {
  {
    ASSIGN_OR_RETURN(std::unique_ptr<sqlite::Database> source,
                     OpenToRead(from));
    RETURN_IF_ERROR(CheckVersion(*source));
    ASSIGN_OR_RETURN(sqlite::Statement * copy,
                     source->Prepared("VACUUM INTO ?"));
    RETURN_IF_ERROR(copy->BindText(1, to).Run());
  }
  ASSIGN_OR_RETURN(std::unique_ptr<sqlite::Database> copy, OpenToRead(to));
  return copy->QuickCheck();
}

absl::Status MakeNew(const std::string& path, crypto::Random& random) {
  ASSIGN_OR_RETURN(std::unique_ptr<sqlite::Database> database,
                   sqlite::Database::Open(path, {}));
  // An older version has nothing to be forgotten but its incarnation.
  ASSIGN_OR_RETURN(const int64_t version, database->UserVersion());
  return database->Transaction([&]() -> absl::Status {
    if (version > 1) RETURN_IF_ERROR(database->Exec("DELETE FROM fills"));
    return Run(*database, "UPDATE meta SET incarnation=?", random.U64() >> 1);
  });
}

}  // namespace

absl::Status BackupStore(const std::string& path, const std::string& to) {
  std::error_code error;
  if (std::filesystem::exists(to, error)) {
    return absl::AlreadyExistsError("there is a file of this name");
  }
  const std::string partial = absl::StrCat(to, ".partial");
  RETURN_IF_ERROR(Remove(partial));
  absl::Status copied = Copy(path, partial);
  if (copied.ok()) copied = SyncFile(partial);
  if (copied.ok()) return Rename(partial, to);
  Remove(partial).IgnoreError();
  return copied;
}

absl::Status RestoreStore(const std::string& from, const std::string& path,
                          crypto::Random& random) {
  ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock,
                   FileLock::Take(absl::StrCat(path, ".lock")));
  std::error_code error;
  const bool replaces = std::filesystem::exists(path, error);
  if (replaces) {
    absl::StatusOr<std::unique_ptr<sqlite::Database>> old = OpenToRead(path);
    // A damaged one is what a backup is for.
    if (old.ok()) {
      RETURN_IF_ERROR(CheckVersion(**old));
    } else if (!absl::IsDataLoss(old.status())) {
      return old.status();
    }
  }
  const std::string partial = absl::StrCat(path, ".partial");
  RETURN_IF_ERROR(Remove(partial));
  absl::Status copied = Copy(from, partial);
  if (copied.ok()) copied = MakeNew(partial, random);
  if (copied.ok()) copied = SyncFile(partial);
  if (!copied.ok()) {
    Remove(partial).IgnoreError();
    return copied;
  }
  // The old store goes before its log does, so that there never is one that
  // lacks its last writes.
  const std::string replaced = absl::StrCat(path, ".replaced");
  RETURN_IF_ERROR(Remove(replaced));
  if (replaces) RETURN_IF_ERROR(Rename(path, replaced));
  RETURN_IF_ERROR(Remove(path));
  RETURN_IF_ERROR(Rename(partial, path));
  return Remove(replaced);
}

}  // namespace messenger::swarm
