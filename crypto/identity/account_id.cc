#include "crypto/identity/account_id.h"

#include <cstring>

#include "absl/status/status.h"
#include "crypto/base/hex.h"

namespace messenger::crypto {

absl::StatusOr<AccountId> AccountId::FromBytes(absl::string_view bytes) {
  absl::StatusOr<Storage> storage = Storage::FromBytes(bytes);
  if (!storage.ok()) {
    return absl::InvalidArgumentError("an account id is 33 bytes long");
  }
  if (bytes[0] != kPrefix) {
    return absl::InvalidArgumentError("an account id starts with 05");
  }
  return AccountId(*storage);
}

absl::StatusOr<AccountId> AccountId::FromHex(absl::string_view hex) {
  if (hex.size() != 2 * kSize) {
    return absl::InvalidArgumentError(
        "an account id is 66 hex digits long: compare it with the original");
  }
  const absl::StatusOr<std::string> bytes = HexDecode(hex);
  if (!bytes.ok()) {
    return absl::InvalidArgumentError(
        "an account id has only the digits 0 to 9 and the letters a to f");
  }
  return FromBytes(*bytes);
}

AccountId AccountId::FromPublicKey(const X25519PublicKey& key) {
  Storage bytes;
  bytes.data()[0] = kPrefix;
  std::memcpy(bytes.data() + 1, key.data(), X25519PublicKey::kSize);
  return AccountId(bytes);
}

X25519PublicKey AccountId::x25519_public_key() const {
  X25519PublicKey key;
  std::memcpy(key.data(), bytes_.data() + 1, X25519PublicKey::kSize);
  return key;
}

}  // namespace messenger::crypto
