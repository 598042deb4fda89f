// The history in a file, and back into an account (client/SPEC.md, section 18).
//
// Whole or not at all, both ways, and in memory that does not grow with the
// history.

#ifndef CLIENT_BACKUP_BACKUP_H_
#define CLIENT_BACKUP_BACKUP_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/backup/backup_key.h"
#include "client/messenger/messenger.h"
#include "client/store/client_store.h"
#include "crypto/random/random.h"
#include "routing/runtime/clock.h"

namespace messenger::client {

// The account; all of it must outlive the calls.
struct BackupAccount {
  ClientStore& store;
  Messenger& messenger;
  const routing::Clock& clock;
  crypto::Random& random;
};

struct BackupReport {
  uint64_t contacts = 0;
  uint64_t messages = 0;  // those to be seen
};

// Writes a new file. `key` must be new. Fails as `SealedFileWriter` and the
// store do.
absl::StatusOr<BackupReport> CreateBackup(const BackupAccount& account,
                                          const std::string& path,
                                          const BackupKey& key);

// Reads all of it, and changes nothing. Fails as `SealedFileReader` does, and
//   PERMISSION_DENIED  of another account
absl::Status CheckBackup(const BackupAccount& account, const std::string& path,
                         const BackupKey& key);

struct RestoreReport {
  uint64_t added = 0;    // messages to be seen that were not here
  uint64_t present = 0;  // that were, or have been removed here
};

// Merges a file into its account, in one transaction. Fails as `CheckBackup`,
// which it calls first, and as the store does.
absl::StatusOr<RestoreReport> RestoreBackup(const BackupAccount& account,
                                            const std::string& path,
                                            const BackupKey& key);

}  // namespace messenger::client

#endif  // CLIENT_BACKUP_BACKUP_H_
