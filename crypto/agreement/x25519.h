// X25519 key agreement (RFC 7748; crypto/SPEC.md, section 5).
//
// A peer's public key is untrusted: points of small order, which would force a
// shared secret that anybody knows, are refused.

#ifndef CRYPTO_AGREEMENT_X25519_H_
#define CRYPTO_AGREEMENT_X25519_H_

#include "absl/status/statusor.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/shared_secret.h"
#include "crypto/random/random.h"

namespace messenger::crypto {

using X25519PublicKey = FixedBytes<struct X25519PublicKeyTag, 32>;

// Immutable after construction, hence thread-safe. Move-only.
class X25519PrivateKey final {
 public:
  static X25519PrivateKey Generate(Random& random);

  // Any 32 bytes are a key; they are clamped when used, not when kept.
  static X25519PrivateKey FromBytes(SecretBytes<32> secret);

  const X25519PublicKey& public_key() const { return public_key_; }

  // INVALID_ARGUMENT if `peer` is a point of small order.
  absl::StatusOr<SharedSecret> Agree(const X25519PublicKey& peer) const;

  const SecretBytes<32>& secret() const { return secret_; }
  X25519PrivateKey Clone() const;

 private:
  X25519PrivateKey(SecretBytes<32> secret, const X25519PublicKey& public_key);

  SecretBytes<32> secret_;
  X25519PublicKey public_key_;
};

}  // namespace messenger::crypto

#endif  // CRYPTO_AGREEMENT_X25519_H_
