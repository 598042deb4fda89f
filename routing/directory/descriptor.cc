#include "routing/directory/descriptor.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"

namespace messenger::routing {
namespace {

using crypto::ByteReader;
using crypto::ByteWriter;

constexpr uint8_t kVersion = 1;
constexpr uint8_t kRelayRole = 1;
constexpr uint8_t kStorageRole = 2;
constexpr size_t kSignatureBytes = crypto::Ed25519Signature::kSize;

bool IsNickname(absl::string_view text) {
  if (text.empty() || text.size() > kMaxNicknameBytes) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-') {
      return false;
    }
  }
  return true;
}

bool IsPrintable(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != ' ') {
      return false;
    }
  }
  return true;
}

bool IsAddress(absl::string_view text) {
  if (text.empty() || text.size() > kMaxAddressBytes) return false;
  for (const char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

// The rules that the encoding itself does not express.
absl::Status Check(const Descriptor& descriptor) {
  if (!descriptor.relay && !descriptor.storage_role) {
    return absl::InvalidArgumentError("descriptor without a role");
  }
  if (descriptor.node_id.IsZero()) {
    return absl::InvalidArgumentError("descriptor without a node id");
  }
  if (descriptor.published < absl::UnixEpoch()) {
    return absl::InvalidArgumentError("descriptor with a bad time");
  }
  if (!IsNickname(descriptor.nickname)) {
    return absl::InvalidArgumentError("descriptor with a bad nickname");
  }
  if (!IsAddress(descriptor.link.address)) {
    return absl::InvalidArgumentError("descriptor with a bad link address");
  }
  const bool has_storage = !descriptor.storage.address.empty();
  if (has_storage != descriptor.storage_role ||
      (has_storage && !IsAddress(descriptor.storage.address))) {
    return absl::InvalidArgumentError("descriptor with a bad storage address");
  }
  if (descriptor.software.size() > kMaxSoftwareBytes ||
      !IsPrintable(descriptor.software)) {
    return absl::InvalidArgumentError("descriptor with a bad software version");
  }
  if (descriptor.onion_keys.empty() ||
      descriptor.onion_keys.size() > kMaxKeysPerDescriptor ||
      descriptor.kem_keys.empty() ||
      descriptor.kem_keys.size() > kMaxKeysPerDescriptor) {
    return absl::InvalidArgumentError("descriptor with a bad number of keys");
  }
  return absl::OkStatus();
}

std::string EncodeBody(const Descriptor& descriptor) {
  ByteWriter writer;
  writer.U8(kVersion)
      .Bytes(descriptor.network_id.bytes())
      .Bytes(descriptor.node_id.bytes())
      .U64(static_cast<uint64_t>(absl::ToUnixMillis(descriptor.published)))
      .U8((descriptor.relay ? kRelayRole : 0) |
          (descriptor.storage_role ? kStorageRole : 0))
      .Var16(descriptor.nickname)
      .Var16(descriptor.link.address)
      .Bytes(descriptor.link.tls_key.bytes())
      .Var16(descriptor.storage.address)
      .Bytes(descriptor.storage.tls_key.bytes())
      .Bytes(descriptor.storage_key.bytes())
      .Bytes(descriptor.operator_key.bytes())
      .U32(descriptor.capacity_mib)
      .Var16(descriptor.software);
  writer.U8(static_cast<uint8_t>(descriptor.onion_keys.size()));
  for (const auto& [epoch, key] : descriptor.onion_keys) {
    writer.U32(epoch).Bytes(key.bytes());
  }
  writer.U8(static_cast<uint8_t>(descriptor.kem_keys.size()));
  for (const auto& [epoch, key] : descriptor.kem_keys) {
    writer.U32(epoch).Bytes(key.bytes());
  }
  return writer.Take();
}

// A short read leaves the value zero; `reader` remembers the failure.
template <typename F>
F ReadFixed(ByteReader& reader) {
  const absl::StatusOr<F> value = F::FromBytes(reader.Bytes(F::kSize));
  return value.ok() ? *value : F();
}

// Epochs must rise, so that equal lists have one encoding.
template <typename Keys>
bool ReadKeys(ByteReader& reader, Keys& keys) {
  const uint8_t count = reader.U8();
  if (count == 0 || count > kMaxKeysPerDescriptor) return false;
  for (uint8_t i = 0; i < count && reader.ok(); ++i) {
    const uint32_t epoch = reader.U32();
    if (!keys.empty() && epoch <= keys.rbegin()->first) return false;
    keys.emplace_hint(keys.end(), epoch,
                      ReadFixed<typename Keys::mapped_type>(reader));
  }
  return reader.ok();
}

absl::StatusOr<Descriptor> ParseBody(absl::string_view body) {
  const absl::Status malformed =
      absl::InvalidArgumentError("malformed descriptor");
  ByteReader reader(body);
  if (reader.U8() != kVersion) return malformed;
  Descriptor descriptor;
  descriptor.network_id = ReadFixed<NetworkId>(reader);
  descriptor.node_id = ReadFixed<NodeId>(reader);
  const uint64_t published_ms = reader.U64();
  const uint8_t roles = reader.U8();
  descriptor.nickname = std::string(reader.Var16());
  descriptor.link.address = std::string(reader.Var16());
  descriptor.link.tls_key = ReadFixed<TlsKey>(reader);
  descriptor.storage.address = std::string(reader.Var16());
  descriptor.storage.tls_key = ReadFixed<TlsKey>(reader);
  descriptor.storage_key = ReadFixed<crypto::Ed25519PublicKey>(reader);
  descriptor.operator_key = ReadFixed<OperatorKey>(reader);
  descriptor.capacity_mib = reader.U32();
  descriptor.software = std::string(reader.Var16());
  if (!reader.ok() || (roles & ~(kRelayRole | kStorageRole)) != 0 ||
      published_ms > kMaxUnixMillis ||
      !ReadKeys(reader, descriptor.onion_keys) ||
      !ReadKeys(reader, descriptor.kem_keys) || !reader.Finish().ok()) {
    return malformed;
  }
  descriptor.published =
      absl::FromUnixMillis(static_cast<int64_t>(published_ms));
  descriptor.relay = (roles & kRelayRole) != 0;
  descriptor.storage_role = (roles & kStorageRole) != 0;
  RETURN_IF_ERROR(Check(descriptor));
  return descriptor;
}

}  // namespace

absl::StatusOr<std::string> SignDescriptor(
    Descriptor descriptor, const crypto::Ed25519PrivateKey& identity) {
  ASSIGN_OR_RETURN(descriptor.node_id,
                   NodeId::FromBytes(identity.public_key().bytes()));
  RETURN_IF_ERROR(Check(descriptor));
  std::string bytes = EncodeBody(descriptor);
  const crypto::Ed25519Signature signature =
      identity.Sign(crypto::SigningDomain::kNodeDescriptor, bytes);
  absl::StrAppend(&bytes, signature.bytes());
  return bytes;
}

absl::StatusOr<Descriptor> ParseDescriptor(absl::string_view bytes) {
  if (bytes.size() <= kSignatureBytes || bytes.size() > kMaxDescriptorBytes) {
    return absl::InvalidArgumentError("descriptor of a bad length");
  }
  const absl::string_view body =
      bytes.substr(0, bytes.size() - kSignatureBytes);
  ASSIGN_OR_RETURN(Descriptor descriptor, ParseBody(body));
  ASSIGN_OR_RETURN(
      const crypto::Ed25519PublicKey key,
      crypto::Ed25519PublicKey::FromBytes(descriptor.node_id.bytes()));
  ASSIGN_OR_RETURN(
      const crypto::Ed25519Signature signature,
      crypto::Ed25519Signature::FromBytes(bytes.substr(body.size())));
  RETURN_IF_ERROR(crypto::Verify(key, crypto::SigningDomain::kNodeDescriptor,
                                 body, signature));
  return descriptor;
}

}  // namespace messenger::routing
