#include "client/store/keyslot.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "client/store/pin_text.h"
#include "crypto/aead/committing_aead.h"
#include "crypto/base/bytes.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"
#include "crypto/kdf/hkdf.h"
#include "crypto/pwhash/argon2id.h"
#include "routing/runtime/files.h"

namespace messenger::client {
namespace {

constexpr size_t kMagicBytes = 8;
constexpr absl::string_view kMagic1 = "NMKSLOT1";
constexpr absl::string_view kMagic2 = "NMKSLOT2";
constexpr absl::string_view kMagicWiped = "NMKWIPED";
constexpr size_t kFileBytes = 4096;
constexpr size_t kChecksumBytes = 32;
constexpr size_t kSaltBytes = 16;
constexpr size_t kSealedBytes = 32 + 48;
constexpr uint8_t kFlagPin = 1;
constexpr uint8_t kFlagDeviceSecret = 2;
constexpr uint8_t kFlagNormalisedPin = 4;
constexpr char kRefusalPayload[] = "nm1-pin-refusal";
// A crafted file must not make the client allocate without bound.
constexpr PinCost kPinCostCeiling = {64, 4 * 1024 * 1024};

using Salt = crypto::Argon2Salt;

struct Slot {
  // Of the format. The first knew neither device secrets nor wiping.
  int version = 2;
  // All that is left is the id of the device secret to destroy.
  bool wiped = false;
  uint64_t generation = 0;
  bool has_pin = false;
  bool has_device_secret = false;
  // However it was typed. Not in older slots, whose PIN counts byte by byte.
  bool pin_is_normalised = false;
  PinCost cost;
  Salt salt;
  DeviceSecretId device_secret_id;
  uint16_t wipe_after = 0;
  std::string sealed;
  uint32_t wrong_pins = 0;
  absl::Time last_wrong_pin = absl::UnixEpoch();
};

absl::Status Refuse(PinRefusal refusal, absl::Status status) {
  status.SetPayload(kRefusalPayload,
                    absl::Cord(std::string(1, static_cast<char>(refusal))));
  return status;
}

absl::Status Wiped() {
  return Refuse(
      PinRefusal::kWiped,
      absl::FailedPreconditionError(
          "too many wrong PINs were given, and the key of this data was "
          "destroyed, as was set with the PIN: nothing opens it any more. "
          "Restore the account into another folder with its 13 words"));
}

std::string CopyPath(const std::string& folder, int copy) {
  return absl::StrCat(folder, "/keyslot.", copy);
}

// The part that the seal authenticates: everything that decides how the key
// is derived, and when it is destroyed.
std::string SlotHeader(const Slot& slot) {
  crypto::ByteWriter header;
  header
      .U8((slot.has_pin ? kFlagPin : 0) |
          (slot.has_device_secret ? kFlagDeviceSecret : 0) |
          (slot.pin_is_normalised ? kFlagNormalisedPin : 0))
      .U32(slot.cost.passes)
      .U32(slot.cost.memory_kib)
      .Bytes(slot.salt.bytes());
  if (slot.version >= 2) {
    header.Bytes(slot.device_secret_id.bytes()).U16(slot.wipe_after);
  }
  return std::move(header).Take();
}

std::string Checksum(absl::string_view content) {
  return std::string(crypto::Blake2b256("nm1-keyslot", {content}).bytes());
}

std::string WithChecksum(std::string file) {
  file.resize(kFileBytes - kChecksumBytes, '\0');
  return absl::StrCat(file, Checksum(file));
}

std::string EncodeSlot(const Slot& slot) {
  return WithChecksum(
      crypto::ByteWriter()
          .Bytes(slot.version >= 2 ? kMagic2 : kMagic1)
          .U64(slot.generation)
          .Bytes(SlotHeader(slot))
          .Bytes(slot.sealed)
          .U32(slot.wrong_pins)
          .U64(static_cast<uint64_t>(absl::ToUnixMillis(slot.last_wrong_pin)))
          .Take());
}

std::string EncodeWiped(const Slot& slot) {
  return WithChecksum(crypto::ByteWriter()
                          .Bytes(kMagicWiped)
                          .U8(slot.has_device_secret ? kFlagDeviceSecret : 0)
                          .Bytes(slot.device_secret_id.bytes())
                          .Take());
}

absl::StatusOr<Slot> DecodeSlot(absl::string_view file) {
  if (file.size() != kFileBytes) {
    return absl::DataLossError("the keyslot has the wrong size");
  }
  const absl::string_view content = file.substr(0, kFileBytes - kChecksumBytes);
  if (Checksum(content) != file.substr(content.size())) {
    return absl::DataLossError("the keyslot fails its check");
  }
  crypto::ByteReader reader(content);
  const absl::string_view magic = reader.Bytes(kMagicBytes);
  Slot slot;
  if (magic == kMagicWiped) {
    slot.wiped = true;
    slot.has_device_secret = (reader.U8() & kFlagDeviceSecret) != 0;
    ASSIGN_OR_RETURN(
        slot.device_secret_id,
        DeviceSecretId::FromBytes(reader.Bytes(DeviceSecretId::kSize)));
    return slot;
  }
  if (magic != kMagic1 && magic != kMagic2) {
    return absl::DataLossError("the keyslot is of another version");
  }
  slot.version = magic == kMagic1 ? 1 : 2;
  slot.generation = reader.U64();
  const uint8_t flags = reader.U8();
  slot.has_pin = (flags & kFlagPin) != 0;
  slot.has_device_secret =
      slot.version >= 2 && (flags & kFlagDeviceSecret) != 0;
  slot.pin_is_normalised =
      slot.version >= 2 && (flags & kFlagNormalisedPin) != 0;
  slot.cost.passes = reader.U32();
  slot.cost.memory_kib = reader.U32();
  ASSIGN_OR_RETURN(slot.salt, Salt::FromBytes(reader.Bytes(kSaltBytes)));
  if (slot.version >= 2) {
    ASSIGN_OR_RETURN(
        slot.device_secret_id,
        DeviceSecretId::FromBytes(reader.Bytes(DeviceSecretId::kSize)));
    slot.wipe_after = reader.U16();
  }
  slot.sealed = std::string(reader.Bytes(kSealedBytes));
  slot.wrong_pins = reader.U32();
  slot.last_wrong_pin =
      absl::FromUnixMillis(static_cast<int64_t>(reader.U64()));
  if (!reader.ok() || slot.cost.passes < kPinCostFloor.passes ||
      slot.cost.memory_kib < kPinCostFloor.memory_kib ||
      slot.cost.passes > kPinCostCeiling.passes ||
      slot.cost.memory_kib > kPinCostCeiling.memory_kib) {
    return absl::DataLossError("the keyslot's PIN cost is out of bounds");
  }
  return slot;
}

// The newest whole copy, or what a wiping left, even of one copy: the other
// is yet to be overwritten.
absl::StatusOr<Slot> ReadSlot(const std::string& folder) {
  std::optional<Slot> newest;
  bool damaged = false;
  for (int copy = 0; copy < 2; ++copy) {
    const absl::StatusOr<std::string> file =
        routing::ReadFile(CopyPath(folder, copy));
    if (absl::IsNotFound(file.status())) continue;
    RETURN_IF_ERROR(file.status());
    absl::StatusOr<Slot> slot = DecodeSlot(*file);
    if (!slot.ok()) {
      damaged = true;
    } else if (slot->wiped) {
      return slot;
    } else if (!newest || slot->generation > newest->generation) {
      newest = *std::move(slot);
    }
  }
  if (newest) return *std::move(newest);
  if (damaged) {
    return absl::DataLossError("both copies of the keyslot are damaged");
  }
  return absl::NotFoundError("there is no keyslot");
}

// Both copies, one after the other: a crash in between leaves one of each
// generation, and the newer one wins.
absl::Status WriteSlot(const std::string& folder, Slot& slot) {
  ++slot.generation;
  const std::string file = EncodeSlot(slot);
  for (int copy = 0; copy < 2; ++copy) {
    RETURN_IF_ERROR(routing::WriteFileAtomically(CopyPath(folder, copy), file));
  }
  return absl::OkStatus();
}

size_t Characters(absl::string_view utf8) {
  return static_cast<size_t>(std::count_if(
      utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

absl::Status CheckNewPin(std::optional<absl::string_view> pin,
                         const PinPolicy& policy) {
  if (!pin) return absl::OkStatus();
  const size_t least = policy.use_device_secret
                           ? kMinPinCharactersWithDeviceSecret
                           : kMinPinCharacters;
  if (Characters(*pin) < least) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a new PIN has at least ", least, " characters",
        policy.use_device_secret ? "" : " where there is no device secret"));
  }
  if (pin->size() > kMaxPinBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a PIN has at most ", kMaxPinBytes, " bytes"));
  }
  const uint16_t wipe_after = policy.wipe_after.value_or(0);
  if (wipe_after != 0 &&
      (wipe_after < kMinWipeAfter || wipe_after > kMaxWipeAfter)) {
    return absl::InvalidArgumentError(
        absl::StrCat("data is destroyed after ", kMinWipeAfter, " to ",
                     kMaxWipeAfter, " wrong PINs, or never (0)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<crypto::SecretBytes<32>> SealingKey(
    const Slot& slot, std::optional<absl::string_view> pin,
    const DeviceSecretBytes& secret) {
  crypto::SecretBytes<32> stretched;  // Zero: no PIN protects the slot.
  if (slot.has_pin) {
    std::string typed =
        slot.pin_is_normalised ? NormalisedPin(*pin) : std::string(*pin);
    const absl::Cleanup wipe = [&typed] { crypto::SecureWipe(typed); };
    ASSIGN_OR_RETURN(stretched,
                     crypto::Argon2id(typed, slot.salt, slot.cost.passes,
                                      uint64_t{slot.cost.memory_kib} * 1024));
  }
  const auto prk = crypto::HkdfSha512Extract(
      "nm/v1/keyslot",
      {stretched.Expose(), slot.has_device_secret ? secret.Expose() : ""});
  return crypto::HkdfSha512Expand<32>(
      prk.Expose(), crypto::KdfLabel::kKeyEncryption, SlotHeader(slot));
}

// Under a new salt. `secret` counts if the slot says that it has one.
absl::Status Seal(Slot& slot, const DatabaseKey& key,
                  std::optional<absl::string_view> pin, const PinCost& cost,
                  const DeviceSecretBytes& secret, crypto::Random& random) {
  slot.version = 2;
  slot.has_pin = slot.pin_is_normalised = pin.has_value();
  slot.device_secret_id =
      slot.has_device_secret ? IdOfDeviceSecret(secret) : DeviceSecretId();
  slot.cost = cost;
  slot.salt = random.Fixed<Salt>();
  slot.wrong_pins = 0;
  ASSIGN_OR_RETURN(const crypto::SecretBytes<32> sealing,
                   SealingKey(slot, pin, secret));
  slot.sealed = crypto::CommittingSeal(sealing, SlotHeader(slot), key.Expose());
  return absl::OkStatus();
}

absl::StatusOr<DatabaseKey> Unseal(const Slot& slot,
                                   std::optional<absl::string_view> pin,
                                   const DeviceSecretBytes& secret) {
  ASSIGN_OR_RETURN(const crypto::SecretBytes<32> sealing,
                   SealingKey(slot, pin, secret));
  absl::StatusOr<std::string> opened =
      crypto::CommittingOpen(sealing, SlotHeader(slot), slot.sealed);
  if (!opened.ok()) return absl::UnauthenticatedError("the PIN is wrong");
  absl::StatusOr<DatabaseKey> key = DatabaseKey::FromBytes(*opened);
  crypto::SecureWipe(*opened);
  return key;
}

absl::StatusOr<DeviceSecretBytes> MakeDeviceSecret(DeviceSecret* place,
                                                   crypto::Random& random) {
  if (place == nullptr) {
    return absl::InvalidArgumentError("there is no place for a device secret");
  }
  DeviceSecretBytes secret = random.Secret<DeviceSecretBytes::kSize>();
  RETURN_IF_ERROR(place->Add(IdOfDeviceSecret(secret), secret));
  return secret;
}

// The one that the slot was sealed with; zeros where it needs none.
absl::StatusOr<DeviceSecretBytes> ReadDeviceSecret(const Slot& slot,
                                                   DeviceSecret* place) {
  if (!slot.has_device_secret) return DeviceSecretBytes();
  if (place != nullptr) {
    absl::StatusOr<DeviceSecretBytes> secret =
        place->Read(slot.device_secret_id);
    if (secret.ok() && IdOfDeviceSecret(*secret) == slot.device_secret_id) {
      return secret;
    }
    if (!secret.ok() && !absl::IsNotFound(secret.status())) {
      return secret.status();
    }
  }
  return Refuse(
      PinRefusal::kDeviceSecret,
      absl::FailedPreconditionError(
          "the device secret that this data was locked with is not here, and "
          "without it no PIN opens the data. If this is a copy, use it on the "
          "device it comes from or bring its device secret; if the secret is "
          "lost, restore the account into another folder with its 13 words"));
}

absl::Duration WaitAfter(uint32_t wrong_pins) {
  if (wrong_pins < kFreeTries) return absl::ZeroDuration();
  absl::Duration wait = kFirstPinWait;
  for (uint32_t more = wrong_pins - kFreeTries;
       more > 0 && wait < kLongestPinWait; --more) {
    wait *= 2;
  }
  return std::min(wait, kLongestPinWait);
}

std::string Words(absl::Duration wait) {
  return absl::FormatDuration(absl::Ceil(wait, absl::Seconds(1)));
}

absl::Status CheckWait(const std::string& folder, Slot& slot, absl::Time now) {
  const absl::Duration wait = WaitAfter(slot.wrong_pins);
  if (!slot.has_pin || wait == absl::ZeroDuration()) return absl::OkStatus();
  if (now < slot.last_wrong_pin) {
    // The clock was set back. Nobody knows how much of the wait has passed: it
    // begins again, once, by the new clock.
    slot.last_wrong_pin = now;
    RETURN_IF_ERROR(WriteSlot(folder, slot));
  }
  const absl::Duration left = wait - (now - slot.last_wrong_pin);
  if (left <= absl::ZeroDuration()) return absl::OkStatus();
  return Refuse(PinRefusal::kWait,
                absl::ResourceExhaustedError(absl::StrCat(
                    "wait ", Words(left), ", then try again: ", slot.wrong_pins,
                    " wrong PINs were given in a row")));
}

// Both copies, then the device secret. Until the first copy is overwritten the
// slot works (the other copy is whole); from then on nothing opens, and the
// next look goes on from here.
absl::Status Wipe(const std::string& folder, const Slot& slot,
                  DeviceSecret* place) {
  const std::string file = EncodeWiped(slot);
  for (int copy = 0; copy < 2; ++copy) {
    absl::Status written = OverwriteInPlace(CopyPath(folder, copy), file);
    if (absl::IsNotFound(written)) {
      written = routing::WriteFileAtomically(CopyPath(folder, copy), file);
    }
    RETURN_IF_ERROR(written);
  }
  if (!slot.has_device_secret || place == nullptr) return absl::OkStatus();
  return place->Destroy(slot.device_secret_id);
}

struct Opened {
  DatabaseKey key;
  DeviceSecretBytes device_secret;
};

absl::Status WrongPin(const std::string& folder, const Slot& slot,
                      DeviceSecret* place) {
  if (slot.wipe_after != 0 && slot.wrong_pins >= slot.wipe_after) {
    RETURN_IF_ERROR(Wipe(folder, slot, place));
    return Wiped();
  }
  std::string words = "the PIN is wrong";
  const absl::Duration wait = WaitAfter(slot.wrong_pins);
  if (wait > absl::ZeroDuration()) {
    absl::StrAppend(&words, "; the next try is possible in ", Words(wait));
  }
  if (slot.wipe_after != 0) {
    absl::StrAppend(&words, "; after ", slot.wipe_after - slot.wrong_pins,
                    " more the data is destroyed");
  }
  return absl::UnauthenticatedError(words);
}

// One guess: counted before it is tried, so that whoever ends the program in
// between has spent it.
absl::StatusOr<Opened> Guess(const std::string& folder, Slot& slot,
                             std::optional<absl::string_view> pin,
                             DeviceSecret* place, const routing::Clock& clock) {
  if (slot.wiped) {
    RETURN_IF_ERROR(Wipe(folder, slot, place));
    return Wiped();
  }
  if (slot.has_pin && !pin) {
    return absl::FailedPreconditionError("a PIN is needed");
  }
  const absl::Time now = clock.Now();
  RETURN_IF_ERROR(CheckWait(folder, slot, now));
  ASSIGN_OR_RETURN(DeviceSecretBytes secret, ReadDeviceSecret(slot, place));
  if (slot.has_pin) {
    if (slot.wrong_pins < std::numeric_limits<uint32_t>::max()) {
      ++slot.wrong_pins;
    }
    slot.last_wrong_pin = now;
    RETURN_IF_ERROR(WriteSlot(folder, slot));
  }
  absl::StatusOr<DatabaseKey> key = Unseal(slot, pin, secret);
  if (absl::IsUnauthenticated(key.status()) && slot.has_pin) {
    return WrongPin(folder, slot, place);
  }
  RETURN_IF_ERROR(key.status());
  if (slot.has_pin) {
    slot.wrong_pins = 0;
    // If the disk refuses, the next one may have to wait: no reason to keep
    // this one out.
    WriteSlot(folder, slot).IgnoreError();
  }
  return Opened{*std::move(key), std::move(secret)};
}

}  // namespace

PinRefusal PinRefusalOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRefusalPayload);
  if (!payload || payload->size() != 1) return PinRefusal::kNone;
  return static_cast<PinRefusal>((*payload)[0]);
}

absl::StatusOr<DatabaseKey> CreateKeyslot(const std::string& folder,
                                          std::optional<absl::string_view> pin,
                                          const PinPolicy& policy,
                                          DeviceSecret* device_secret,
                                          crypto::Random& random) {
  RETURN_IF_ERROR(CheckNewPin(pin, policy));
  const absl::Status existing = ReadSlot(folder).status();
  if (!absl::IsNotFound(existing)) {
    return absl::AlreadyExistsError("the folder has a keyslot already");
  }
  DatabaseKey key = random.Secret<32>();
  Slot slot;
  DeviceSecretBytes secret;
  if (pin) {
    slot.wipe_after = policy.wipe_after.value_or(0);
    slot.has_device_secret = policy.use_device_secret;
  }
  if (slot.has_device_secret) {
    ASSIGN_OR_RETURN(secret, MakeDeviceSecret(device_secret, random));
  }
  RETURN_IF_ERROR(Seal(slot, key, pin, policy.cost, secret, random));
  RETURN_IF_ERROR(WriteSlot(folder, slot));
  return key;
}

absl::StatusOr<KeyslotState> ReadKeyslotState(const std::string& folder) {
  ASSIGN_OR_RETURN(const Slot slot, ReadSlot(folder));
  if (slot.wiped) return Wiped();
  return KeyslotState{slot.has_pin, slot.has_device_secret, slot.wipe_after,
                      slot.wrong_pins};
}

absl::Status CheckPinWait(const std::string& folder,
                          const routing::Clock& clock) {
  ASSIGN_OR_RETURN(Slot slot, ReadSlot(folder));
  if (slot.wiped) return Wiped();
  return CheckWait(folder, slot, clock.Now());
}

absl::StatusOr<DatabaseKey> OpenKeyslot(const std::string& folder,
                                        std::optional<absl::string_view> pin,
                                        DeviceSecret* device_secret,
                                        const routing::Clock& clock) {
  ASSIGN_OR_RETURN(Slot slot, ReadSlot(folder));
  ASSIGN_OR_RETURN(Opened opened,
                   Guess(folder, slot, pin, device_secret, clock));
  return std::move(opened.key);
}

absl::Status ChangeKeyslotPin(const std::string& folder,
                              std::optional<absl::string_view> old_pin,
                              std::optional<absl::string_view> new_pin,
                              const PinPolicy& policy,
                              DeviceSecret* device_secret,
                              const routing::Clock& clock,
                              crypto::Random& random) {
  RETURN_IF_ERROR(CheckNewPin(new_pin, policy));
  ASSIGN_OR_RETURN(Slot slot, ReadSlot(folder));
  ASSIGN_OR_RETURN(Opened opened,
                   Guess(folder, slot, old_pin, device_secret, clock));
  const Slot before = slot;
  slot.wipe_after = new_pin ? policy.wipe_after.value_or(slot.wipe_after) : 0;
  slot.has_device_secret = new_pin.has_value() && policy.use_device_secret;
  if (slot.has_device_secret && !before.has_device_secret) {
    ASSIGN_OR_RETURN(opened.device_secret,
                     MakeDeviceSecret(device_secret, random));
  }
  RETURN_IF_ERROR(Seal(slot, opened.key, new_pin, policy.cost,
                       opened.device_secret, random));
  RETURN_IF_ERROR(WriteSlot(folder, slot));
  if (before.has_device_secret && !slot.has_device_secret) {
    // No slot needs it any more, so nothing is wrong if it stays.
    device_secret->Destroy(before.device_secret_id).IgnoreError();
  }
  return absl::OkStatus();
}

}  // namespace messenger::client
