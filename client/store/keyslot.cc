#include "client/store/keyslot.h"

#include <utility>

#include "absl/strings/str_cat.h"
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

constexpr char kMagic[] = "NMKSLOT1";
constexpr size_t kMagicBytes = 8;
constexpr size_t kFileBytes = 4096;
constexpr size_t kChecksumBytes = 32;
constexpr size_t kSaltBytes = 16;
constexpr size_t kSealedBytes = 32 + 48;
constexpr uint8_t kFlagPin = 1;
// A crafted file must not make the client allocate without bound.
constexpr PinCost kPinCostCeiling = {64, 4 * 1024 * 1024};

using Salt = crypto::Argon2Salt;

struct Slot {
  uint64_t generation = 0;
  bool has_pin = false;
  PinCost cost;
  Salt salt;
  std::string sealed;
};

std::string CopyPath(const std::string& folder, int copy) {
  return absl::StrCat(folder, "/keyslot.", copy);
}

// The part that the seal authenticates: everything that decides how the key
// is derived.
std::string SlotHeader(const Slot& slot) {
  return crypto::ByteWriter()
      .U8(slot.has_pin ? kFlagPin : 0)
      .U32(slot.cost.passes)
      .U32(slot.cost.memory_kib)
      .Bytes(slot.salt.bytes())
      .Take();
}

std::string Checksum(absl::string_view content) {
  return std::string(crypto::Blake2b256("nm1-keyslot", {content}).bytes());
}

std::string EncodeSlot(const Slot& slot) {
  std::string file = crypto::ByteWriter()
                         .Bytes(absl::string_view(kMagic, kMagicBytes))
                         .U64(slot.generation)
                         .Bytes(SlotHeader(slot))
                         .Bytes(slot.sealed)
                         .Take();
  file.resize(kFileBytes - kChecksumBytes, '\0');
  return absl::StrCat(file, Checksum(file));
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
  if (reader.Bytes(kMagicBytes) != absl::string_view(kMagic, kMagicBytes)) {
    return absl::DataLossError("the keyslot is of another version");
  }
  Slot slot;
  slot.generation = reader.U64();
  slot.has_pin = (reader.U8() & kFlagPin) != 0;
  slot.cost.passes = reader.U32();
  slot.cost.memory_kib = reader.U32();
  ASSIGN_OR_RETURN(slot.salt, Salt::FromBytes(reader.Bytes(kSaltBytes)));
  slot.sealed = std::string(reader.Bytes(kSealedBytes));
  if (!reader.ok() || slot.cost.passes < kPinCostFloor.passes ||
      slot.cost.memory_kib < kPinCostFloor.memory_kib ||
      slot.cost.passes > kPinCostCeiling.passes ||
      slot.cost.memory_kib > kPinCostCeiling.memory_kib) {
    return absl::DataLossError("the keyslot's PIN cost is out of bounds");
  }
  return slot;
}

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
absl::Status WriteSlot(const std::string& folder, const Slot& slot) {
  const std::string file = EncodeSlot(slot);
  for (int copy = 0; copy < 2; ++copy) {
    RETURN_IF_ERROR(routing::WriteFileAtomically(CopyPath(folder, copy), file));
  }
  return absl::OkStatus();
}

absl::Status CheckPin(std::optional<absl::string_view> pin) {
  if (!pin) return absl::OkStatus();
  if (pin->size() < kMinPinBytes || pin->size() > kMaxPinBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a PIN has ", kMinPinBytes, " to ", kMaxPinBytes, " characters"));
  }
  return absl::OkStatus();
}

absl::StatusOr<crypto::SecretBytes<32>> SealingKey(
    const Slot& slot, std::optional<absl::string_view> pin) {
  crypto::SecretBytes<32> stretched;  // Zero: no PIN protects the slot.
  if (slot.has_pin) {
    ASSIGN_OR_RETURN(stretched,
                     crypto::Argon2id(*pin, slot.salt, slot.cost.passes,
                                      uint64_t{slot.cost.memory_kib} * 1024));
  }
  const auto prk =
      crypto::HkdfSha512Extract("nm/v1/keyslot", {stretched.Expose()});
  return crypto::HkdfSha512Expand<32>(
      prk.Expose(), crypto::KdfLabel::kKeyEncryption, SlotHeader(slot));
}

absl::Status Seal(Slot& slot, const DatabaseKey& key,
                  std::optional<absl::string_view> pin, const PinCost& cost,
                  crypto::Random& random) {
  slot.has_pin = pin.has_value();
  slot.cost = cost;
  slot.salt = random.Fixed<Salt>();
  ++slot.generation;
  ASSIGN_OR_RETURN(const crypto::SecretBytes<32> sealing,
                   SealingKey(slot, pin));
  slot.sealed = crypto::CommittingSeal(sealing, SlotHeader(slot), key.Expose());
  return absl::OkStatus();
}

absl::StatusOr<DatabaseKey> Unseal(const Slot& slot,
                                   std::optional<absl::string_view> pin) {
  if (slot.has_pin && !pin) {
    return absl::FailedPreconditionError("a PIN is needed");
  }
  ASSIGN_OR_RETURN(const crypto::SecretBytes<32> sealing,
                   SealingKey(slot, pin));
  absl::StatusOr<std::string> opened =
      crypto::CommittingOpen(sealing, SlotHeader(slot), slot.sealed);
  if (!opened.ok()) return absl::UnauthenticatedError("the PIN is wrong");
  absl::StatusOr<DatabaseKey> key = DatabaseKey::FromBytes(*opened);
  crypto::SecureWipe(*opened);
  return key;
}

}  // namespace

absl::StatusOr<DatabaseKey> CreateKeyslot(const std::string& folder,
                                          std::optional<absl::string_view> pin,
                                          const PinCost& cost,
                                          crypto::Random& random) {
  RETURN_IF_ERROR(CheckPin(pin));
  const absl::Status existing = ReadSlot(folder).status();
  if (!absl::IsNotFound(existing)) {
    return absl::AlreadyExistsError("the folder has a keyslot already");
  }
  DatabaseKey key = random.Secret<32>();
  Slot slot;
  RETURN_IF_ERROR(Seal(slot, key, pin, cost, random));
  RETURN_IF_ERROR(WriteSlot(folder, slot));
  return key;
}

absl::StatusOr<bool> KeyslotNeedsPin(const std::string& folder) {
  ASSIGN_OR_RETURN(const Slot slot, ReadSlot(folder));
  return slot.has_pin;
}

absl::StatusOr<DatabaseKey> OpenKeyslot(const std::string& folder,
                                        std::optional<absl::string_view> pin) {
  ASSIGN_OR_RETURN(const Slot slot, ReadSlot(folder));
  return Unseal(slot, pin);
}

absl::Status ChangeKeyslotPin(const std::string& folder,
                              std::optional<absl::string_view> old_pin,
                              std::optional<absl::string_view> new_pin,
                              const PinCost& cost, crypto::Random& random) {
  RETURN_IF_ERROR(CheckPin(new_pin));
  ASSIGN_OR_RETURN(Slot slot, ReadSlot(folder));
  ASSIGN_OR_RETURN(const DatabaseKey key, Unseal(slot, old_pin));
  RETURN_IF_ERROR(Seal(slot, key, new_pin, cost, random));
  return WriteSlot(folder, slot);
}

}  // namespace messenger::client
