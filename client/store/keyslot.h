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
// There may be a second PIN, which erases: giving it destroys what the first
// one opens, and begins an empty account under a key of its own. Whether there
// is one, the file does not tell, nor does anything that is done with the first
// PIN (client/design/0002).
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
#include "client/store/pin_cost.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/random/random.h"
#include "routing/runtime/clock.h"

namespace messenger::client {

using DatabaseKey = crypto::SecretBytes<32>;

// Bounds of a new PIN: characters of UTF-8 at least, bytes at most. A PIN that
// is in force keeps opening, whatever its length.
inline constexpr size_t kMinPinCharacters = 8;
inline constexpr size_t kMinPinCharactersWithDeviceSecret = 6;
inline constexpr size_t kMaxPinBytes = 128;
// What SetSecondPin() takes with it.
inline constexpr size_t kMaxNoteBytes = 3070;

// What a new PIN comes with.
struct PinPolicy {
  PinCost cost;
  // Mixes the device secret in; one is made where the slot has none, at a place
  // of this kind.
  bool use_device_secret = false;
  DeviceSecretKind device_secret_kind = DeviceSecretKind::kFile;
  // After so many wrong PINs in a row everything is destroyed; 0: never.
  // Nothing: as it was.
  std::optional<uint16_t> wipe_after;
  // The second PIN that is in force and stays so. Nothing: there is none any
  // more. Needs the device secret.
  std::optional<absl::string_view> second_pin;
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
  DeviceSecretKind device_secret_kind = DeviceSecretKind::kFile;
  uint16_t wipe_after = 0;
  uint32_t wrong_pins = 0;  // In a row, with those that were cut short.
};

// What a PIN opens.
struct OpenedKeyslot {
  DatabaseKey key;
  // The second PIN was given, now or before a crash: what the first one opened
  // is gone for good. The caller removes the old database, makes a new one with
  // an account under `key`, then calls FinishErasing(). Until then this is said
  // again.
  bool begins_anew = false;
  // What SetSecondPin() was given for the new account.
  std::string note;
  int box = 0;  // for FinishErasing()
  crypto::SecretBytes<64> sealing_root;
};

// Makes a key and its keyslot in `folder`, which exists. Without a PIN the
// slot protects nothing: whoever has the folder has the key, and the policy
// says nothing. `places` must have the one that the policy uses.
//   ALREADY_EXISTS    the folder has a keyslot, or there is a device secret at
//                     the place where it would be kept
//   INVALID_ARGUMENT  the PIN is too short or too long, or the policy out of
//                     bounds
//   FAILED_PRECONDITION  kDeviceSecret: the place does not take one
//   RESOURCE_EXHAUSTED, UNAVAILABLE  the disk
absl::StatusOr<DatabaseKey> CreateKeyslot(const std::string& folder,
                                          std::optional<absl::string_view> pin,
                                          const PinPolicy& policy,
                                          const DeviceSecretPlaces& places,
                                          crypto::Random& random);

// NOT_FOUND without a keyslot, DATA_LOSS when both copies are damaged,
// FAILED_PRECONDITION (kWiped) when it was destroyed.
absl::StatusOr<KeyslotState> ReadKeyslotState(const std::string& folder);

// Whether a PIN may be tried now: RESOURCE_EXHAUSTED (kWait) if not. For
// asking before a person types; OpenKeyslot() looks by itself.
absl::Status CheckPinWait(const std::string& folder,
                          const routing::Clock& clock);

//   NOT_FOUND            no keyslot
//   FAILED_PRECONDITION  a PIN is needed and none was given; kDeviceSecret;
//                        kWiped, perhaps by this very guess
//   RESOURCE_EXHAUSTED   kWait; the disk
//   UNAVAILABLE          the disk, or the device secret of what was erased
//                        could not be destroyed: the next guess goes on
//   UNAUTHENTICATED      the wrong PIN
//   DATA_LOSS            both copies are damaged
absl::StatusOr<OpenedKeyslot> OpenKeyslot(const std::string& folder,
                                          std::optional<absl::string_view> pin,
                                          const DeviceSecretPlaces& places,
                                          const routing::Clock& clock,
                                          crypto::Random& random);

// After `begins_anew`, once the new account is on the disk: from now on the PIN
// opens it like any other.
absl::Status FinishErasing(const std::string& folder,
                           const OpenedKeyslot& opened, crypto::Random& random);

// Seals the same key under another PIN, or under none. A device secret that
// the slot has is kept where it is, or destroyed if the policy does not use
// one. Codes of all above; INVALID_ARGUMENT also if the second PIN of the
// policy is not the one in force, or too near to the new one.
absl::Status ChangeKeyslotPin(const std::string& folder,
                              std::optional<absl::string_view> old_pin,
                              std::optional<absl::string_view> new_pin,
                              const PinPolicy& policy,
                              const DeviceSecretPlaces& places,
                              const routing::Clock& clock,
                              crypto::Random& random);

// Sets the second PIN, in place of one that there may be; nothing: there is
// none afterwards. `note`, at most kMaxNoteBytes, is for the account that it
// begins.
//   FAILED_PRECONDITION  there is no first PIN, or no device secret, without
//                        which nothing can be destroyed for certain
//   INVALID_ARGUMENT     out of bounds, or so near to the first that a slip
//                        could give one for the other
// and those of OpenKeyslot().
absl::Status SetSecondPin(const std::string& folder, absl::string_view pin,
                          std::optional<absl::string_view> second_pin,
                          absl::string_view note,
                          const DeviceSecretPlaces& places,
                          const routing::Clock& clock, crypto::Random& random);

// Moves the device secret to a place of another kind. A crash leaves it at one
// of them or at both; moving it again ends that.
//   FAILED_PRECONDITION  there is none; kDeviceSecret; kWiped
//   UNAVAILABLE          it was moved, but is also where it was
absl::Status MoveDeviceSecret(const std::string& folder, DeviceSecretKind to,
                              const DeviceSecretPlaces& places);

}  // namespace messenger::client

#endif  // CLIENT_STORE_KEYSLOT_H_
