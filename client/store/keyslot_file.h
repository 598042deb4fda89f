// The bytes of the keyslot file and its two copies (client/SPEC.md, section
// 7). What opens it is in keyslot.h; this knows no PIN.
//
// Private to this package. Stateless functions; one process at a time uses a
// folder.

#ifndef CLIENT_STORE_KEYSLOT_FILE_H_
#define CLIENT_STORE_KEYSLOT_FILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/store/device_secret.h"
#include "client/store/pin_cost.h"
#include "crypto/pwhash/argon2id.h"

namespace messenger::client {

// A nonce, the commitment and tag of the seal, and what is sealed: a key of 32
// bytes, a state, an id of 16.
inline constexpr size_t kBoxNonceBytes = 16;
inline constexpr size_t kBoxBytes = kBoxNonceBytes + 48 + 32 + 1 + 16;
// For the account of the second PIN: a length u16, the note, zeros.
inline constexpr size_t kPaddedNoteBytes = 3072;
inline constexpr size_t kNoteBytes = kBoxNonceBytes + 48 + kPaddedNoteBytes;

struct Slot {
  // Of the format. The first knew neither device secrets nor wiping, the
  // second one PIN only.
  int version = 3;
  // All that is left is the id of the device secret to destroy.
  bool wiped = false;
  uint64_t generation = 0;
  bool has_pin = false;
  bool has_device_secret = false;
  // However it was typed. Not in older slots, whose PIN counts byte by byte.
  bool pin_is_normalised = false;
  PinCost cost;
  crypto::Argon2Salt salt;
  DeviceSecretId device_secret_id;
  uint16_t wipe_after = 0;
  uint32_t wrong_pins = 0;
  absl::Time last_wrong_pin = absl::UnixEpoch();
  // A hint: who lies about it makes the secret absent, nothing else.
  DeviceSecretKind device_secret_kind = DeviceSecretKind::kFile;
  // Of versions 1 and 2.
  std::string sealed;
  // Of version 3, of kBoxBytes each and kNoteBytes.
  std::array<std::string, 2> boxes;
  std::string note;
};

// The part that the seal authenticates.
std::string SlotHeader(const Slot& slot);

// Of the copy that counts. NOT_FOUND without a keyslot, DATA_LOSS when both
// copies are damaged, UNAVAILABLE when one cannot be read.
absl::StatusOr<Slot> ReadSlot(const std::string& folder);

// Both copies, one after the other, each as a new file: a crash in between
// leaves one of each generation, and the newer one wins. Raises the generation.
//   RESOURCE_EXHAUSTED, UNAVAILABLE  the disk
absl::Status WriteSlot(const std::string& folder, Slot& slot);

// The same over the bytes that are there. Until the first copy is whole, the
// other one counts; needs both to be sound.
absl::Status OverwriteSlot(const std::string& folder, Slot& slot);

// Both copies, in place, with what is left after wiping.
absl::Status OverwriteWithWiped(const std::string& folder, const Slot& slot);

}  // namespace messenger::client

#endif  // CLIENT_STORE_KEYSLOT_FILE_H_
