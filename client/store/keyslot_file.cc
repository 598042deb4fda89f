#include "client/store/keyslot_file.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"
#include "routing/runtime/files.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::Argon2Salt;

constexpr size_t kMagicBytes = 8;
constexpr absl::string_view kMagic1 = "NMKSLOT1";
constexpr absl::string_view kMagic2 = "NMKSLOT2";
constexpr absl::string_view kMagic3 = "NMKSLOT3";
constexpr absl::string_view kMagicWiped = "NMKWIPED";
constexpr size_t kFileBytes = 4096;
constexpr size_t kChecksumBytes = 32;
// Of versions 1 and 2: a key, a commitment and a tag.
constexpr size_t kSealedBytes = 32 + 48;
constexpr uint8_t kFlagPin = 1;
constexpr uint8_t kFlagDeviceSecret = 2;
constexpr uint8_t kFlagNormalisedPin = 4;

std::string CopyPath(const std::string& folder, int copy) {
  return absl::StrCat(folder, "/keyslot.", copy);
}

std::string Checksum(absl::string_view content) {
  return std::string(crypto::Blake2b256("nm1-keyslot", {content}).bytes());
}

std::string WithChecksum(std::string file) {
  file.resize(kFileBytes - kChecksumBytes, '\0');
  return absl::StrCat(file, Checksum(file));
}

absl::string_view MagicOf(int version) {
  return version == 1 ? kMagic1 : version == 2 ? kMagic2 : kMagic3;
}

std::string EncodeSlot(const Slot& slot) {
  crypto::ByteWriter file;
  file.Bytes(MagicOf(slot.version))
      .U64(slot.generation)
      .Bytes(SlotHeader(slot));
  if (slot.version < 3) {
    file.Bytes(slot.sealed);
  } else {
    file.U16(slot.wipe_after);
  }
  file.U32(slot.wrong_pins)
      .U64(static_cast<uint64_t>(absl::ToUnixMillis(slot.last_wrong_pin)))
      .U8(static_cast<uint8_t>(slot.device_secret_kind));
  if (slot.version >= 3) {
    file.Bytes(slot.boxes[0]).Bytes(slot.boxes[1]).Bytes(slot.note);
  }
  return WithChecksum(std::move(file).Take());
}

std::string EncodeWiped(const Slot& slot) {
  return WithChecksum(crypto::ByteWriter()
                          .Bytes(kMagicWiped)
                          .U8(slot.has_device_secret ? kFlagDeviceSecret : 0)
                          .Bytes(slot.device_secret_id.bytes())
                          .U8(static_cast<uint8_t>(slot.device_secret_kind))
                          .Take());
}

absl::StatusOr<DeviceSecretKind> KindOf(uint8_t number) {
  if (number > static_cast<uint8_t>(DeviceSecretKind::kSecretService)) {
    return absl::DataLossError(
        "the keyslot names a place for the device secret that this version of "
        "the program does not know");
  }
  return static_cast<DeviceSecretKind>(number);
}

absl::Status DecodeDeviceSecret(crypto::ByteReader& reader, Slot& slot) {
  ASSIGN_OR_RETURN(
      slot.device_secret_id,
      DeviceSecretId::FromBytes(reader.Bytes(DeviceSecretId::kSize)));
  return absl::OkStatus();
}

absl::Status DecodeHeader(crypto::ByteReader& reader, Slot& slot) {
  const uint8_t flags = reader.U8();
  slot.has_pin = (flags & kFlagPin) != 0;
  slot.has_device_secret =
      slot.version >= 2 && (flags & kFlagDeviceSecret) != 0;
  slot.pin_is_normalised =
      slot.version >= 2 && (flags & kFlagNormalisedPin) != 0;
  slot.cost.passes = reader.U32();
  slot.cost.memory_kib = reader.U32();
  ASSIGN_OR_RETURN(slot.salt,
                   Argon2Salt::FromBytes(reader.Bytes(Argon2Salt::kSize)));
  if (slot.version >= 2) RETURN_IF_ERROR(DecodeDeviceSecret(reader, slot));
  if (slot.version == 2) slot.wipe_after = reader.U16();
  return absl::OkStatus();
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
    RETURN_IF_ERROR(DecodeDeviceSecret(reader, slot));
    ASSIGN_OR_RETURN(slot.device_secret_kind, KindOf(reader.U8()));
    return slot;
  }
  for (slot.version = 3; slot.version > 0; --slot.version) {
    if (magic == MagicOf(slot.version)) break;
  }
  if (slot.version == 0) {
    return absl::DataLossError("the keyslot is of another version");
  }
  slot.generation = reader.U64();
  RETURN_IF_ERROR(DecodeHeader(reader, slot));
  if (slot.version < 3) {
    slot.sealed = std::string(reader.Bytes(kSealedBytes));
  } else {
    slot.wipe_after = reader.U16();
  }
  slot.wrong_pins = reader.U32();
  slot.last_wrong_pin =
      absl::FromUnixMillis(static_cast<int64_t>(reader.U64()));
  ASSIGN_OR_RETURN(slot.device_secret_kind, KindOf(reader.U8()));
  if (slot.version >= 3) {
    for (std::string& box : slot.boxes) {
      box = std::string(reader.Bytes(kBoxBytes));
    }
    slot.note = std::string(reader.Bytes(kNoteBytes));
  }
  if (!reader.ok() || slot.cost.passes < kPinCostFloor.passes ||
      slot.cost.memory_kib < kPinCostFloor.memory_kib ||
      slot.cost.passes > kPinCostCeiling.passes ||
      slot.cost.memory_kib > kPinCostCeiling.memory_kib) {
    return absl::DataLossError("the keyslot's PIN cost is out of bounds");
  }
  return slot;
}

absl::Status OverwriteBoth(const std::string& folder, absl::string_view file) {
  for (int copy = 0; copy < 2; ++copy) {
    const std::string path = CopyPath(folder, copy);
    absl::Status written = OverwriteInPlace(path, file);
    if (absl::IsNotFound(written)) {
      written = routing::WriteFileAtomically(path, file);
    }
    RETURN_IF_ERROR(written);
  }
  return absl::OkStatus();
}

}  // namespace

std::string SlotHeader(const Slot& slot) {
  crypto::ByteWriter header;
  header
      .U8((slot.has_pin ? kFlagPin : 0) |
          (slot.has_device_secret ? kFlagDeviceSecret : 0) |
          (slot.pin_is_normalised ? kFlagNormalisedPin : 0))
      .U32(slot.cost.passes)
      .U32(slot.cost.memory_kib)
      .Bytes(slot.salt.bytes());
  if (slot.version >= 2) header.Bytes(slot.device_secret_id.bytes());
  if (slot.version == 2) header.U16(slot.wipe_after);
  return std::move(header).Take();
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

absl::Status WriteSlot(const std::string& folder, Slot& slot) {
  ++slot.generation;
  const std::string file = EncodeSlot(slot);
  for (int copy = 0; copy < 2; ++copy) {
    RETURN_IF_ERROR(routing::WriteFileAtomically(CopyPath(folder, copy), file));
  }
  return absl::OkStatus();
}

absl::Status OverwriteSlot(const std::string& folder, Slot& slot) {
  ++slot.generation;
  return OverwriteBoth(folder, EncodeSlot(slot));
}

absl::Status OverwriteWithWiped(const std::string& folder, const Slot& slot) {
  return OverwriteBoth(folder, EncodeWiped(slot));
}

}  // namespace messenger::client
