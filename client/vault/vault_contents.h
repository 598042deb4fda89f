// What a device keeps in its vault for whoever restores the account from its
// words (client/SPEC.md, section 19.4), and how several are merged into one.
//
// Regular values and pure functions; thread-safe. A vault comes out of a seal
// that only the account's devices can make, but a device may be stolen: the
// decoder trusts nothing.

#ifndef CLIENT_VAULT_VAULT_CONTENTS_H_
#define CLIENT_VAULT_VAULT_CONTENTS_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/messenger/content.h"
#include "client/session/device_keys.h"
#include "crypto/identity/account_id.h"

namespace messenger::client {

inline constexpr size_t kMaxVaultBackupKeys = 5;
inline constexpr size_t kMaxVaultUnread = 25;

// A shared value (client/SPEC.md, section 14.6) without its name.
struct VaultValue {
  std::string value;
  int64_t changed_ms = 0;  // since 1970, not before

  friend bool operator==(const VaultValue&, const VaultValue&) = default;
};

// The shared values of a contact. On the wire: append only.
enum class VaultField : uint8_t {
  kName = 1,
  kStanding = 2,
  kVerified = 3,
  kMuted = 4,
  kArchived = 5,
  kPinned = 6,
};

// Which identity record of a contact was pinned.
struct VaultRecordMark {
  uint64_t seq = 0;
  std::string head;  // the first 16 bytes of its hash

  friend auto operator<=>(const VaultRecordMark&,
                          const VaultRecordMark&) = default;
};

struct VaultTimer {
  uint32_t revision = 0;
  uint32_t seconds = 0;  // zero: never, the longest

  friend bool operator==(const VaultTimer&, const VaultTimer&) = default;
};

struct VaultContact {
  std::map<VaultField, VaultValue> fields;
  std::optional<VaultRecordMark> record;
  std::optional<VaultTimer> timer;
  std::string token;  // kInviteTokenBytes, or empty

  friend bool operator==(const VaultContact&, const VaultContact&) = default;
};

struct VaultBackupKey {
  int64_t made_ms = 0;
  std::string key;  // 32 bytes, secret

  friend auto operator<=>(const VaultBackupKey&,
                          const VaultBackupKey&) = default;
};

struct VaultContents {
  std::map<std::string, VaultValue> values;  // by name; none of a contact
  std::map<crypto::AccountId, VaultContact> contacts;
  std::set<VaultBackupKey> keys;  // at most kMaxVaultBackupKeys
  // Devices whose vaults are still to be taken in; at most kMaxVaultUnread.
  std::set<DeviceId> unread;

  friend bool operator==(const VaultContents&, const VaultContents&) = default;
};

// Puts a shared value in its place; the device is left out. One that is too
// long for a vault is not taken.
void AddValue(const StateEntry& value, VaultContents& contents);
// All of them, the contacts' too, as of no device.
std::vector<StateEntry> ValuesOf(const VaultContents& contents);

// Leaves out what makes the encoding longer than `bytes`, the least important
// first (section 19.6). Returns how many contacts were left out.
size_t TrimToFit(size_t bytes, VaultContents& contents);

// Takes in `from`. Commutative, associative and idempotent but for `unread`,
// which may grow beyond its bound: whoever reads vaults bounds their number.
void Merge(const VaultContents& from, VaultContents& into);
// The newest kMaxVaultBackupKeys.
void KeepNewest(std::set<VaultBackupKey>& keys);

// Without padding.
std::string EncodeVault(const VaultContents& contents);
// With any number of zeros behind. INVALID_ARGUMENT when anything is not as
// section 19.4 says: what is accepted encodes to the same bytes.
absl::StatusOr<VaultContents> DecodeVault(absl::string_view bytes);

}  // namespace messenger::client

#endif  // CLIENT_VAULT_VAULT_CONTENTS_H_
