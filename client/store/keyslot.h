// The keyslot file: the database key, sealed under the PIN
// (client/SPEC.md, section 7).
//
// The database is encrypted under a random 256-bit key that never changes.
// That key lies here, sealed under a key derived from the PIN and, where there
// is one, the device secret, so that a new PIN rewrites one small file and no
// database page. Two copies, each written whole and renamed into place, hold
// every moment of a change: one of them is always readable.
//
// Each guess of the PIN is counted on the disk before it is tried.
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
#include "absl/time/time.h"
#include "client/store/device_secret.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/random/random.h"
#include "routing/runtime/clock.h"

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

// Bounds of a new PIN: characters of UTF-8 at least, bytes at most. A PIN that
// is in force keeps opening, whatever its length.
inline constexpr size_t kMinPinCharacters = 8;
inline constexpr size_t kMinPinCharactersWithDeviceSecret = 6;
inline constexpr size_t kMaxPinBytes = 128;

// What a new PIN comes with.
struct PinPolicy {
  PinCost cost;
  // Mixes the device secret in; one is made where the slot has none.
  bool use_device_secret = false;
  // After so many wrong PINs in a row everything is destroyed; 0: never.
  // Nothing: as it was.
  std::optional<uint16_t> wipe_after;
};
inline constexpr uint16_t kMinWipeAfter = 4;
inline constexpr uint16_t kMaxWipeAfter = 1000;

// Wrong PINs in a row that cost no wait; then 5 s, doubled by each.
inline constexpr uint32_t kFreeTries = 3;
inline constexpr absl::Duration kFirstPinWait = absl::Seconds(5);
inline constexpr absl::Duration kLongestPinWait = absl::Hours(1);

// Why a keyslot that is whole does not open. The words of such a status are
// for the person: what happened and what to do.
enum class PinRefusal : char {
  kNone = '0',          // Any other status.
  kWait = '1',          // RESOURCE_EXHAUSTED: too many wrong PINs, too soon.
  kDeviceSecret = '2',  // FAILED_PRECONDITION: it is absent, or another one.
  kWiped = '3',         // FAILED_PRECONDITION: destroyed after wrong PINs.
};
PinRefusal PinRefusalOf(const absl::Status& status);

struct KeyslotState {
  bool has_pin = false;
  bool has_device_secret = false;
  uint16_t wipe_after = 0;
  uint32_t wrong_pins = 0;  // In a row, with those that were cut short.
};

// Makes a key and its keyslot in `folder`, which exists. Without a PIN the
// slot protects nothing: whoever has the folder has the key, and the policy
// says nothing. `device_secret` is needed if the policy uses it.
//   ALREADY_EXISTS    the folder has a keyslot, or there is a device secret at
//                     the place where it would be kept
//   INVALID_ARGUMENT  the PIN is too short or too long, or the policy out of
//                     bounds
//   RESOURCE_EXHAUSTED, UNAVAILABLE  the disk
absl::StatusOr<DatabaseKey> CreateKeyslot(const std::string& folder,
                                          std::optional<absl::string_view> pin,
                                          const PinPolicy& policy,
                                          DeviceSecret* device_secret,
                                          crypto::Random& random);

// NOT_FOUND without a keyslot, DATA_LOSS when both copies are damaged,
// FAILED_PRECONDITION (kWiped) when it was destroyed.
absl::StatusOr<KeyslotState> ReadKeyslotState(const std::string& folder);

// Whether a PIN may be tried now: RESOURCE_EXHAUSTED (kWait) if not. For
// asking before a person types; OpenKeyslot() looks by itself.
absl::Status CheckPinWait(const std::string& folder,
                          const routing::Clock& clock);

// `device_secret` may be null where the slot needs none.
//   NOT_FOUND            no keyslot
//   FAILED_PRECONDITION  a PIN is needed and none was given; kDeviceSecret;
//                        kWiped, perhaps by this very guess
//   RESOURCE_EXHAUSTED   kWait; the disk
//   UNAVAILABLE          the disk
//   UNAUTHENTICATED      the wrong PIN
//   DATA_LOSS            both copies are damaged
absl::StatusOr<DatabaseKey> OpenKeyslot(const std::string& folder,
                                        std::optional<absl::string_view> pin,
                                        DeviceSecret* device_secret,
                                        const routing::Clock& clock);

// Seals the same key under another PIN, or under none. A device secret that
// the slot has is kept, or destroyed if the policy does not use one. Codes of
// all above.
absl::Status ChangeKeyslotPin(const std::string& folder,
                              std::optional<absl::string_view> old_pin,
                              std::optional<absl::string_view> new_pin,
                              const PinPolicy& policy,
                              DeviceSecret* device_secret,
                              const routing::Clock& clock,
                              crypto::Random& random);

}  // namespace messenger::client

#endif  // CLIENT_STORE_KEYSLOT_H_
