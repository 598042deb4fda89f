// The keyslot file: the database key, sealed under the PIN
// (client/SPEC.md, section 7).
//
// The database is encrypted under a random 256-bit key that never changes.
// That key lies here, sealed under a key derived from the PIN, so that a new
// PIN rewrites one small file and no database page. Two copies, each written
// whole and renamed into place, hold every moment of a change: one of them is
// always readable.
//
// Stateless functions; one process at a time uses a folder (the caller holds
// its lock).

#ifndef CLIENT_STORE_KEYSLOT_H_
#define CLIENT_STORE_KEYSLOT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/random/random.h"

namespace messenger::client {

using DatabaseKey = crypto::SecretBytes<32>;

// What one guess of the PIN costs (RFC 9106, one lane). The cost is stored in
// the slot and authenticated with it; a slot below the floor is refused, so
// that nobody can plant a cheap one.
struct PinCost {
  uint32_t passes = 3;
  uint32_t memory_kib = 256 * 1024;
};
inline constexpr PinCost kPinCostFloor = {1, 8 * 1024};

// Bounds of a PIN, in bytes of UTF-8.
inline constexpr size_t kMinPinBytes = 4;
inline constexpr size_t kMaxPinBytes = 128;

// Makes a key and its keyslot in `folder`, which exists. Without a PIN the
// slot protects nothing: whoever has the folder has the key.
//   ALREADY_EXISTS    the folder has a keyslot
//   INVALID_ARGUMENT  the PIN is too short or too long
//   RESOURCE_EXHAUSTED, UNAVAILABLE  the disk
absl::StatusOr<DatabaseKey> CreateKeyslot(const std::string& folder,
                                          std::optional<absl::string_view> pin,
                                          const PinCost& cost,
                                          crypto::Random& random);

// Whether a PIN is needed. NOT_FOUND without a keyslot, DATA_LOSS when both
// copies are damaged.
absl::StatusOr<bool> KeyslotNeedsPin(const std::string& folder);

//   NOT_FOUND            no keyslot
//   FAILED_PRECONDITION  a PIN is needed and none was given
//   UNAUTHENTICATED      the wrong PIN
//   DATA_LOSS            both copies are damaged
absl::StatusOr<DatabaseKey> OpenKeyslot(const std::string& folder,
                                        std::optional<absl::string_view> pin);

// Seals the same key under another PIN, or under none. Codes of both above.
absl::Status ChangeKeyslotPin(const std::string& folder,
                              std::optional<absl::string_view> old_pin,
                              std::optional<absl::string_view> new_pin,
                              const PinCost& cost, crypto::Random& random);

}  // namespace messenger::client

#endif  // CLIENT_STORE_KEYSLOT_H_
