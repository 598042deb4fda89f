// The id of an account: the byte 0x05 and the account's X25519 public key,
// written as 66 hex digits (crypto/SPEC.md, section 9.2).
//
// A regular type. Thread-compatible.

#ifndef CRYPTO_IDENTITY_ACCOUNT_ID_H_
#define CRYPTO_IDENTITY_ACCOUNT_ID_H_

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/fixed_bytes.h"

namespace messenger::crypto {

class AccountId final {
 public:
  static constexpr size_t kSize = 33;
  static constexpr char kPrefix = 0x05;

  // INVALID_ARGUMENT, in words fit to show to a person, unless the length and
  // the first byte are right. Whether the key is a good point shows on use.
  static absl::StatusOr<AccountId> FromBytes(absl::string_view bytes);
  // Upper and lower case are read alike.
  static absl::StatusOr<AccountId> FromHex(absl::string_view hex);

  static AccountId FromPublicKey(const X25519PublicKey& key);

  absl::string_view bytes() const { return bytes_.bytes(); }
  std::string ToHex() const { return bytes_.ToHex(); }
  X25519PublicKey x25519_public_key() const;

  friend bool operator==(const AccountId& a, const AccountId& b) {
    return a.bytes_ == b.bytes_;
  }
  friend bool operator!=(const AccountId& a, const AccountId& b) {
    return !(a == b);
  }
  friend bool operator<(const AccountId& a, const AccountId& b) {
    return a.bytes_ < b.bytes_;
  }
  template <typename H>
  friend H AbslHashValue(H state, const AccountId& id) {
    return H::combine(std::move(state), id.bytes_);
  }

 private:
  using Storage = FixedBytes<struct AccountIdTag, 33>;

  explicit AccountId(const Storage& bytes) : bytes_(bytes) {}

  Storage bytes_;
};

}  // namespace messenger::crypto

#endif  // CRYPTO_IDENTITY_ACCOUNT_ID_H_
