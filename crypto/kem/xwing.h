// X-Wing (draft-connolly-cfrg-xwing-kem; crypto/SPEC.md, section 6.2): X25519
// and ML-KEM-768 in one KEM, safe while either of them is.
//
// A tampered ciphertext mostly decapsulates to a different secret; the AEAD
// after it notices.

#ifndef CRYPTO_KEM_XWING_H_
#define CRYPTO_KEM_XWING_H_

#include "absl/status/statusor.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/shared_secret.h"
#include "crypto/random/random.h"

namespace messenger::crypto {

using XWingPublicKey = FixedBytes<struct XWingPublicKeyTag, 1216>;
using XWingCiphertext = FixedBytes<struct XWingCiphertextTag, 1120>;

struct XWingEncapsulation {
  XWingCiphertext ciphertext;
  SharedSecret secret;
};

// Immutable after construction, hence thread-safe. Move-only.
class XWingPrivateKey final {
 public:
  static XWingPrivateKey Generate(Random& random);

  // The seed is the private key of the draft; the same seed always gives the
  // same key.
  static XWingPrivateKey FromSeed(const SecretBytes<32>& seed);

  const XWingPublicKey& public_key() const { return public_key_; }

  // INVALID_ARGUMENT if the X25519 part is a point of small order.
  absl::StatusOr<SharedSecret> Decapsulate(
      const XWingCiphertext& ciphertext) const;

  const SecretBytes<32>& seed() const { return seed_; }

 private:
  explicit XWingPrivateKey(SecretBytes<32> seed);

  SecretBytes<32> seed_;
  XWingPublicKey public_key_;
};

// INVALID_ARGUMENT if `key` is not a public key: its ML-KEM part fails the
// modulus check, or its X25519 part is a point of small order.
absl::StatusOr<XWingEncapsulation> XWingEncapsulate(const XWingPublicKey& key,
                                                    Random& random);

}  // namespace messenger::crypto

#endif  // CRYPTO_KEM_XWING_H_
