// What a backup is made of (client/SPEC.md, section 18.3).

#ifndef CLIENT_BACKUP_BACKUP_RECORD_H_
#define CLIENT_BACKUP_BACKUP_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/messenger/content.h"
#include "client/store/client_store.h"
#include "crypto/identity/account_id.h"

namespace messenger::client {

inline constexpr size_t kMaxRecordBytes = 2'097'152;

struct BackupHead {
  crypto::AccountId account;
  absl::Time created;
};

// Of it the account, the names it calls itself, when it was added, the timer,
// the draft and the identity record; all else is a shared value.
struct KeptContact {
  Contact contact;
};

// Without its row.
struct KeptMessage {
  Message message;
  std::vector<ReactionRow> reactions;
};

struct BackupEnd {
  uint64_t contacts = 0;
  uint64_t messages = 0;
};

// In the order in which they come.
using BackupRecord =
    std::variant<BackupHead, StateEntry, KeptContact, KeptMessage, BackupEnd>;

// Type and fields, without the length.
std::string EncodeRecord(const BackupRecord& record);

// INVALID_ARGUMENT when anything in it is not as our program writes it: what
// is accepted encodes to the same bytes.
absl::StatusOr<BackupRecord> DecodeRecord(absl::string_view bytes);

}  // namespace messenger::client

#endif  // CLIENT_BACKUP_BACKUP_RECORD_H_
