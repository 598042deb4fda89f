// The key of one backup, and how a person keeps it (client/SPEC.md, section
// 18.2).

#ifndef CLIENT_BACKUP_BACKUP_KEY_H_
#define CLIENT_BACKUP_BACKUP_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::client {

using BackupKey = crypto::SecretBytes<32>;

// 14 groups of four letters or digits, with hyphens. The caller wipes it.
std::string BackupKeyText(const BackupKey& key);

// Reads any case, and skips spaces and hyphens. INVALID_ARGUMENT in words for
// the person who typed, which say nothing of the key.
absl::StatusOr<BackupKey> ParseBackupKey(absl::string_view text);

}  // namespace messenger::client

#endif  // CLIENT_BACKUP_BACKUP_KEY_H_
