#include "client/store/keyslot.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "client/store/keyslot_file.h"
#include "client/store/pin_text.h"
#include "crypto/aead/committing_aead.h"
#include "crypto/base/bytes.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/kdf/hkdf.h"
#include "crypto/pwhash/argon2id.h"

namespace messenger::client {
namespace {

constexpr char kRefusalPayload[] = "nm1-pin-refusal";

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

// What a box says of its key.
enum class BoxState : uint8_t {
  kOrdinary = 0,
  kErases = 1,   // whoever opens it destroys the other
  kErasing = 2,  // that has begun and may not be done
};

struct Box {
  DatabaseKey key;
  BoxState state = BoxState::kOrdinary;
  // kErasing: the one to destroy.
  DeviceSecretId old_device_secret;
};

// The second PIN, and what it opens.
struct Second {
  absl::string_view pin;
  DatabaseKey key;
  std::string note;  // sealed
};

absl::StatusOr<crypto::SecretBytes<32>> Stretched(const Slot& slot,
                                                  absl::string_view pin) {
  std::string typed =
      slot.pin_is_normalised ? NormalisedPin(pin) : std::string(pin);
  const absl::Cleanup wipe = [&typed] { crypto::SecureWipe(typed); };
  return crypto::Argon2id(typed, slot.salt, slot.cost.passes,
                          uint64_t{slot.cost.memory_kib} * 1024);
}

// What the keys of the boxes are derived from.
crypto::SecretBytes<64> SealingRoot(const Slot& slot,
                                    const crypto::SecretBytes<32>& stretched,
                                    const DeviceSecretBytes& secret) {
  return crypto::HkdfSha512Extract(
      "nm/v1/keyslot",
      {stretched.Expose(), slot.has_device_secret ? secret.Expose() : ""});
}

std::string BoxHeader(const Slot& slot, size_t index, absl::string_view nonce) {
  return absl::StrCat(SlotHeader(slot),
                      absl::string_view(index == 0 ? "\0" : "\1", 1), nonce);
}

std::string SealBox(const Slot& slot, size_t index,
                    const crypto::SecretBytes<64>& root, const Box& box,
                    crypto::Random& random) {
  std::string nonce = random.String(kBoxNonceBytes);
  const std::string header = BoxHeader(slot, index, nonce);
  std::string plaintext = crypto::ByteWriter()
                              .Bytes(box.key.Expose())
                              .U8(static_cast<uint8_t>(box.state))
                              .Bytes(box.old_device_secret.bytes())
                              .Take();
  const absl::Cleanup wipe = [&plaintext] { crypto::SecureWipe(plaintext); };
  return nonce +
         crypto::CommittingSeal(
             crypto::HkdfSha512Expand<32>(
                 root.Expose(), crypto::KdfLabel::kKeyEncryption, header),
             header, plaintext);
}

absl::StatusOr<Box> OpenBox(const Slot& slot, size_t index,
                            const crypto::SecretBytes<64>& root) {
  const absl::string_view sealed = slot.boxes[index];
  const std::string header =
      BoxHeader(slot, index, sealed.substr(0, kBoxNonceBytes));
  ASSIGN_OR_RETURN(
      std::string opened,
      crypto::CommittingOpen(
          crypto::HkdfSha512Expand<32>(
              root.Expose(), crypto::KdfLabel::kKeyEncryption, header),
          header, sealed.substr(kBoxNonceBytes)));
  const absl::Cleanup wipe = [&opened] { crypto::SecureWipe(opened); };
  crypto::ByteReader reader(opened);
  Box box;
  ASSIGN_OR_RETURN(box.key,
                   DatabaseKey::FromBytes(reader.Bytes(DatabaseKey::kSize)));
  box.state = static_cast<BoxState>(reader.U8());
  ASSIGN_OR_RETURN(
      box.old_device_secret,
      DeviceSecretId::FromBytes(reader.Bytes(DeviceSecretId::kSize)));
  return box;
}

crypto::SecretBytes<32> NoteKey(const DatabaseKey& key,
                                absl::string_view nonce) {
  return crypto::HkdfSha512Expand<32>(key.Expose(),
                                      crypto::KdfLabel::kKeyEncryption,
                                      absl::StrCat("keyslot note", nonce));
}

std::string SealNote(const DatabaseKey& key, absl::string_view note,
                     crypto::Random& random) {
  std::string nonce = random.String(kBoxNonceBytes);
  std::string plaintext = crypto::ByteWriter()
                              .U16(static_cast<uint16_t>(note.size()))
                              .Bytes(note)
                              .Take();
  static_assert(kPaddedNoteBytes == 2 + kMaxNoteBytes);
  plaintext.resize(kPaddedNoteBytes, '\0');
  return nonce + crypto::CommittingSeal(NoteKey(key, nonce), "", plaintext);
}

// Empty if it cannot be had: the new account can do without.
std::string OpenNote(const DatabaseKey& key, absl::string_view sealed) {
  const absl::StatusOr<std::string> opened =
      crypto::CommittingOpen(NoteKey(key, sealed.substr(0, kBoxNonceBytes)), "",
                             sealed.substr(kBoxNonceBytes));
  if (!opened.ok()) return "";
  crypto::ByteReader reader(*opened);
  const uint16_t size = reader.U16();
  return std::string(reader.Bytes(size));
}

// Under a new salt. `secret` counts if the slot says that it has one.
absl::Status Seal(Slot& slot, const DatabaseKey& key,
                  std::optional<absl::string_view> pin, const PinCost& cost,
                  const DeviceSecretBytes& secret,
                  const std::optional<Second>& second, crypto::Random& random) {
  slot.version = 3;
  slot.sealed.clear();
  slot.has_pin = slot.pin_is_normalised = pin.has_value();
  slot.device_secret_id =
      slot.has_device_secret ? IdOfDeviceSecret(secret) : DeviceSecretId();
  slot.cost = cost;
  slot.salt = random.Fixed<crypto::Argon2Salt>();
  slot.wrong_pins = 0;
  crypto::SecretBytes<32> stretched;  // Zero: no PIN protects the slot.
  if (pin) {
    ASSIGN_OR_RETURN(stretched, Stretched(slot, *pin));
  }
  // Which is which, only their keys tell.
  const size_t own = random.Uniform(2);
  Box box;
  box.key = key.Clone();
  slot.boxes[own] =
      SealBox(slot, own, SealingRoot(slot, stretched, secret), box, random);
  if (!second) {
    slot.boxes[1 - own] = random.String(kBoxBytes);
    slot.note = random.String(kNoteBytes);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(stretched, Stretched(slot, second->pin));
  box.key = second->key.Clone();
  box.state = BoxState::kErases;
  slot.boxes[1 - own] =
      SealBox(slot, 1 - own, SealingRoot(slot, stretched, secret), box, random);
  slot.note = second->note;
  return absl::OkStatus();
}

// What a guess has opened.
struct Opened {
  Box box;
  size_t index = 0;
  DeviceSecretBytes device_secret;
  crypto::SecretBytes<32> stretched;
  crypto::SecretBytes<64> root;
};

// The formats before there were boxes.
absl::StatusOr<Box> OpenSealed(const Slot& slot,
                               const crypto::SecretBytes<64>& root) {
  const std::string header = SlotHeader(slot);
  ASSIGN_OR_RETURN(
      std::string opened,
      crypto::CommittingOpen(
          crypto::HkdfSha512Expand<32>(
              root.Expose(), crypto::KdfLabel::kKeyEncryption, header),
          header, slot.sealed));
  const absl::Cleanup wipe = [&opened] { crypto::SecureWipe(opened); };
  Box box;
  ASSIGN_OR_RETURN(box.key, DatabaseKey::FromBytes(opened));
  return box;
}

absl::StatusOr<Opened> Unseal(const Slot& slot,
                              std::optional<absl::string_view> pin,
                              DeviceSecretBytes secret) {
  Opened opened;
  if (slot.has_pin) {
    ASSIGN_OR_RETURN(opened.stretched, Stretched(slot, *pin));
  }
  opened.root = SealingRoot(slot, opened.stretched, secret);
  opened.device_secret = std::move(secret);
  if (slot.version < 3) {
    absl::StatusOr<Box> box = OpenSealed(slot, opened.root);
    if (!box.ok()) return absl::UnauthenticatedError("the PIN is wrong");
    opened.box = *std::move(box);
    return opened;
  }
  // Both, whatever the first one says.
  absl::StatusOr<Box> boxes[] = {OpenBox(slot, 0, opened.root),
                                 OpenBox(slot, 1, opened.root)};
  for (size_t index = 0; index < 2; ++index) {
    if (!boxes[index].ok()) continue;
    opened.box = *std::move(boxes[index]);
    opened.index = index;
    return opened;
  }
  return absl::UnauthenticatedError("the PIN is wrong");
}

absl::Status NoDeviceSecret(absl::string_view words) {
  return Refuse(PinRefusal::kDeviceSecret,
                absl::FailedPreconditionError(words));
}

absl::StatusOr<DeviceSecretBytes> MakeDeviceSecret(DeviceSecret* place,
                                                   crypto::Random& random) {
  if (place == nullptr) {
    return absl::InvalidArgumentError("there is no place for a device secret");
  }
  DeviceSecretBytes secret = random.Secret<DeviceSecretBytes::kSize>();
  const absl::Status added = place->Add(IdOfDeviceSecret(secret), secret);
  if (absl::IsUnavailable(added)) {
    return NoDeviceSecret(
        absl::StrCat("the device secret cannot be kept, and nothing was "
                     "changed: ",
                     added.message()));
  }
  RETURN_IF_ERROR(added);
  return secret;
}

// The one that the slot was sealed with; zeros where it needs none.
absl::StatusOr<DeviceSecretBytes> ReadDeviceSecret(
    const Slot& slot, const DeviceSecretPlaces& places) {
  if (!slot.has_device_secret) return DeviceSecretBytes();
  DeviceSecret* const place = places.At(slot.device_secret_kind);
  absl::Status missing = absl::NotFoundError("");
  if (place != nullptr) {
    absl::StatusOr<DeviceSecretBytes> secret =
        place->Read(slot.device_secret_id);
    if (secret.ok() && IdOfDeviceSecret(*secret) == slot.device_secret_id) {
      return secret;
    }
    if (!secret.ok()) missing = secret.status();
  }
  if (!absl::IsNotFound(missing)) {
    return NoDeviceSecret(absl::StrCat(
        "the device secret that this data was locked with cannot be had, and "
        "without it no PIN opens the data; no try was counted: ",
        missing.message()));
  }
  return NoDeviceSecret(
      "the device secret that this data was locked with is not here, and "
      "without it no PIN opens the data. If this is a copy, use it on the "
      "device it comes from or bring its device secret; if the secret is "
      "lost, restore the account into another folder with its 13 words");
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
                  const DeviceSecretPlaces& places) {
  RETURN_IF_ERROR(OverwriteWithWiped(folder, slot));
  DeviceSecret* const place = places.At(slot.device_secret_kind);
  if (!slot.has_device_secret || place == nullptr) return absl::OkStatus();
  return place->Destroy(slot.device_secret_id);
}

absl::Status WrongPin(const std::string& folder, const Slot& slot,
                      const DeviceSecretPlaces& places) {
  if (slot.wipe_after != 0 && slot.wrong_pins >= slot.wipe_after) {
    RETURN_IF_ERROR(Wipe(folder, slot, places));
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

// The second PIN was given. A new device secret; then the slot, over the bytes
// that are there, without what the first PIN opens; then the old device secret,
// without which copies of the old slot in free blocks open nothing. Until the
// first copy is whole the old slot works; from then on this goes on.
absl::Status Erase(const std::string& folder, Slot& slot, Opened& opened,
                   const DeviceSecretPlaces& places, crypto::Random& random) {
  DeviceSecret* const place = places.At(slot.device_secret_kind);
  if (place == nullptr || !slot.has_device_secret) {
    return absl::InternalError("a PIN erases without a device secret");
  }
  if (opened.box.state == BoxState::kErases) {
    opened.box.old_device_secret = slot.device_secret_id;
    opened.box.state = BoxState::kErasing;
    opened.device_secret = random.Secret<DeviceSecretBytes::kSize>();
    slot.device_secret_id = IdOfDeviceSecret(opened.device_secret);
    RETURN_IF_ERROR(place->AddSuccessor(opened.box.old_device_secret,
                                        slot.device_secret_id,
                                        opened.device_secret));
    opened.root = SealingRoot(slot, opened.stretched, opened.device_secret);
    slot.boxes[opened.index] =
        SealBox(slot, opened.index, opened.root, opened.box, random);
    slot.boxes[1 - opened.index] = random.String(kBoxBytes);
    RETURN_IF_ERROR(OverwriteSlot(folder, slot));
  }
  return place->Destroy(opened.box.old_device_secret);
}

// One guess: counted before it is tried, so that whoever ends the program in
// between has spent it.
absl::StatusOr<Opened> Guess(const std::string& folder, Slot& slot,
                             std::optional<absl::string_view> pin,
                             const DeviceSecretPlaces& places,
                             const routing::Clock& clock,
                             crypto::Random& random) {
  if (slot.wiped) {
    // What it leaves undone changes nothing for whoever asks.
    Wipe(folder, slot, places).IgnoreError();
    return Wiped();
  }
  if (slot.has_pin && !pin) {
    return absl::FailedPreconditionError("a PIN is needed");
  }
  const absl::Time now = clock.Now();
  RETURN_IF_ERROR(CheckWait(folder, slot, now));
  ASSIGN_OR_RETURN(DeviceSecretBytes secret, ReadDeviceSecret(slot, places));
  if (slot.has_pin) {
    if (slot.wrong_pins < std::numeric_limits<uint32_t>::max()) {
      ++slot.wrong_pins;
    }
    slot.last_wrong_pin = now;
    RETURN_IF_ERROR(WriteSlot(folder, slot));
  }
  absl::StatusOr<Opened> opened = Unseal(slot, pin, std::move(secret));
  if (absl::IsUnauthenticated(opened.status()) && slot.has_pin) {
    return WrongPin(folder, slot, places);
  }
  RETURN_IF_ERROR(opened.status());
  slot.wrong_pins = 0;
  if (opened->box.state != BoxState::kOrdinary) {
    RETURN_IF_ERROR(Erase(folder, slot, *opened, places, random));
  }
  if (slot.has_pin) {
    // If the disk refuses, the next one may have to wait: no reason to keep
    // this one out.
    WriteSlot(folder, slot).IgnoreError();
  }
  return opened;
}

// What the second PIN opens, which changes nothing.
absl::StatusOr<Second> OpenSecond(const Slot& slot, absl::string_view pin,
                                  const DeviceSecretBytes& secret) {
  absl::StatusOr<Opened> opened = Unseal(slot, pin, secret.Clone());
  if (!opened.ok() || opened->box.state != BoxState::kErases) {
    return absl::InvalidArgumentError(
        "that is not the second PIN that is in force");
  }
  return Second{pin, std::move(opened->box.key), slot.note};
}

// Whoever sets PINs has opened the account before; this is not the same state.
absl::Status OpenFirst() {
  return absl::FailedPreconditionError(
      "the account has begun anew and must be opened before its PIN is "
      "changed");
}

absl::Status CheckNearness(absl::string_view pin, absl::string_view second) {
  if (!AreNearPins(pin, second)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the two PINs are so near to each other that a slip of the finger could "
      "give one for the other; choose one that differs more");
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
                                          const DeviceSecretPlaces& places,
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
    slot.device_secret_kind = policy.device_secret_kind;
    ASSIGN_OR_RETURN(
        secret, MakeDeviceSecret(places.At(slot.device_secret_kind), random));
  }
  RETURN_IF_ERROR(
      Seal(slot, key, pin, policy.cost, secret, std::nullopt, random));
  RETURN_IF_ERROR(WriteSlot(folder, slot));
  return key;
}

absl::StatusOr<KeyslotState> ReadKeyslotState(const std::string& folder) {
  ASSIGN_OR_RETURN(const Slot slot, ReadSlot(folder));
  if (slot.wiped) return Wiped();
  return KeyslotState{slot.has_pin, slot.has_device_secret,
                      slot.device_secret_kind, slot.wipe_after,
                      slot.wrong_pins};
}

absl::Status CheckPinWait(const std::string& folder,
                          const routing::Clock& clock) {
  ASSIGN_OR_RETURN(Slot slot, ReadSlot(folder));
  if (slot.wiped) return Wiped();
  return CheckWait(folder, slot, clock.Now());
}

absl::StatusOr<OpenedKeyslot> OpenKeyslot(const std::string& folder,
                                          std::optional<absl::string_view> pin,
                                          const DeviceSecretPlaces& places,
                                          const routing::Clock& clock,
                                          crypto::Random& random) {
  ASSIGN_OR_RETURN(Slot slot, ReadSlot(folder));
  ASSIGN_OR_RETURN(Opened opened,
                   Guess(folder, slot, pin, places, clock, random));
  OpenedKeyslot result;
  result.key = std::move(opened.box.key);
  result.begins_anew = opened.box.state != BoxState::kOrdinary;
  if (result.begins_anew) {
    result.note = OpenNote(result.key, slot.note);
    result.box = static_cast<int>(opened.index);
    result.sealing_root = std::move(opened.root);
  }
  return result;
}

absl::Status FinishErasing(const std::string& folder,
                           const OpenedKeyslot& opened,
                           crypto::Random& random) {
  ASSIGN_OR_RETURN(Slot slot, ReadSlot(folder));
  if (slot.wiped) return Wiped();
  if (!opened.begins_anew || slot.version < 3) {
    return absl::InternalError("nothing was erased");
  }
  Box box;
  box.key = opened.key.Clone();
  const auto index = static_cast<size_t>(opened.box);
  slot.boxes[index] = SealBox(slot, index, opened.sealing_root, box, random);
  slot.note = random.String(kNoteBytes);
  return WriteSlot(folder, slot);
}

absl::Status ChangeKeyslotPin(const std::string& folder,
                              std::optional<absl::string_view> old_pin,
                              std::optional<absl::string_view> new_pin,
                              const PinPolicy& policy,
                              const DeviceSecretPlaces& places,
                              const routing::Clock& clock,
                              crypto::Random& random) {
  RETURN_IF_ERROR(CheckNewPin(new_pin, policy));
  if (policy.second_pin) {
    if (!new_pin || !policy.use_device_secret) {
      return absl::InvalidArgumentError(
          "a second PIN needs a first one and the device secret");
    }
    RETURN_IF_ERROR(CheckNearness(*new_pin, *policy.second_pin));
  }
  ASSIGN_OR_RETURN(Slot slot, ReadSlot(folder));
  ASSIGN_OR_RETURN(Opened opened,
                   Guess(folder, slot, old_pin, places, clock, random));
  if (opened.box.state != BoxState::kOrdinary) return OpenFirst();
  std::optional<Second> second;
  if (policy.second_pin) {
    ASSIGN_OR_RETURN(
        second, OpenSecond(slot, *policy.second_pin, opened.device_secret));
  }
  const Slot before = slot;
  slot.wipe_after = new_pin ? policy.wipe_after.value_or(slot.wipe_after) : 0;
  slot.has_device_secret = new_pin.has_value() && policy.use_device_secret;
  if (slot.has_device_secret && !before.has_device_secret) {
    slot.device_secret_kind = policy.device_secret_kind;
    ASSIGN_OR_RETURN(
        opened.device_secret,
        MakeDeviceSecret(places.At(slot.device_secret_kind), random));
  }
  RETURN_IF_ERROR(Seal(slot, opened.box.key, new_pin, policy.cost,
                       opened.device_secret, second, random));
  RETURN_IF_ERROR(WriteSlot(folder, slot));
  if (before.has_device_secret && !slot.has_device_secret) {
    // No slot needs it any more, so nothing is wrong if it stays.
    places.At(before.device_secret_kind)
        ->Destroy(before.device_secret_id)
        .IgnoreError();
  }
  return absl::OkStatus();
}

absl::Status SetSecondPin(const std::string& folder, absl::string_view pin,
                          std::optional<absl::string_view> second_pin,
                          absl::string_view note,
                          const DeviceSecretPlaces& places,
                          const routing::Clock& clock, crypto::Random& random) {
  ASSIGN_OR_RETURN(Slot slot, ReadSlot(folder));
  if (slot.wiped) return Wiped();
  if (!slot.has_pin || !slot.has_device_secret) {
    return absl::FailedPreconditionError(
        "a PIN that erases needs a first PIN with a device secret: without one "
        "nobody can promise that what is erased is gone");
  }
  if (note.size() > kMaxNoteBytes) {
    return absl::InvalidArgumentError("the note is too long");
  }
  if (second_pin) {
    PinPolicy policy;
    policy.use_device_secret = true;
    RETURN_IF_ERROR(CheckNewPin(second_pin, policy));
    RETURN_IF_ERROR(CheckNearness(pin, *second_pin));
  }
  ASSIGN_OR_RETURN(Opened opened,
                   Guess(folder, slot, pin, places, clock, random));
  if (opened.box.state != BoxState::kOrdinary) return OpenFirst();
  std::optional<Second> second;
  if (second_pin) {
    DatabaseKey key = random.Secret<DatabaseKey::kSize>();
    std::string sealed_note = SealNote(key, note, random);
    second = Second{*second_pin, std::move(key), std::move(sealed_note)};
  }
  RETURN_IF_ERROR(Seal(slot, opened.box.key, pin, slot.cost,
                       opened.device_secret, second, random));
  return WriteSlot(folder, slot);
}

absl::Status MoveDeviceSecret(const std::string& folder, DeviceSecretKind to,
                              const DeviceSecretPlaces& places) {
  ASSIGN_OR_RETURN(Slot slot, ReadSlot(folder));
  if (slot.wiped) return Wiped();
  if (!slot.has_device_secret) {
    return absl::FailedPreconditionError(
        "there is no device secret to move; `account pin` sets a PIN with one");
  }
  ASSIGN_OR_RETURN(const DeviceSecretBytes secret,
                   ReadDeviceSecret(slot, places));
  DeviceSecret* const target = places.At(to);
  if (target == nullptr) {
    return absl::InvalidArgumentError("there is no such place");
  }
  if (slot.device_secret_kind != to) {
    const absl::Status added = target->Add(slot.device_secret_id, secret);
    // An earlier move may have come as far as this.
    if (absl::IsAlreadyExists(added)) {
      const absl::StatusOr<DeviceSecretBytes> there =
          target->Read(slot.device_secret_id);
      if (!there.ok() || IdOfDeviceSecret(*there) != slot.device_secret_id) {
        return added;
      }
    } else if (absl::IsUnavailable(added)) {
      return NoDeviceSecret(absl::StrCat(
          "the device secret stays where it is: ", added.message()));
    } else {
      RETURN_IF_ERROR(added);
    }
    slot.device_secret_kind = to;
    RETURN_IF_ERROR(WriteSlot(folder, slot));
  }
  for (const DeviceSecretKind kind :
       {DeviceSecretKind::kFile, DeviceSecretKind::kSecretService}) {
    if (kind == to || places.At(kind) == nullptr) continue;
    const absl::Status removed =
        places.At(kind)->Destroy(slot.device_secret_id);
    if (!removed.ok()) {
      return absl::UnavailableError(absl::StrCat(
          "the device secret was moved, but could not be removed from where "
          "it was; move it again to try once more: ",
          removed.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace messenger::client
