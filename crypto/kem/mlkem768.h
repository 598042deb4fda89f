// ML-KEM-768 (FIPS 203; crypto/SPEC.md, section 6.1).
//
// Decapsulation never fails: a ciphertext that was tampered with yields a
// different, unpredictable secret ("implicit rejection"), and the AEAD after it
// notices. Always combine it with X25519.

#ifndef CRYPTO_KEM_MLKEM768_H_
#define CRYPTO_KEM_MLKEM768_H_

#include "absl/status/statusor.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/shared_secret.h"
#include "crypto/random/random.h"

namespace messenger::crypto {

using MlKem768PublicKey = FixedBytes<struct MlKem768PublicKeyTag, 1184>;
using MlKem768Ciphertext = FixedBytes<struct MlKem768CiphertextTag, 1088>;

struct MlKem768Encapsulation {
  MlKem768Ciphertext ciphertext;
  SharedSecret secret;
};

// Immutable after construction, hence thread-safe. Move-only. Keeps the
// expanded key in memory (2,400 bytes), so that decapsulating is quick.
class MlKem768PrivateKey final {
 public:
  static MlKem768PrivateKey Generate(Random& random);

  // `seed` is d || z of FIPS 203; the same seed always gives the same key.
  static MlKem768PrivateKey FromSeed(const SecretBytes<64>& seed);

  const MlKem768PublicKey& public_key() const { return public_key_; }

  SharedSecret Decapsulate(const MlKem768Ciphertext& ciphertext) const;

  const SecretBytes<64>& seed() const { return seed_; }

 private:
  explicit MlKem768PrivateKey(SecretBytes<64> seed);

  SecretBytes<64> seed_;
  SecretBytes<2400> expanded_;
  MlKem768PublicKey public_key_;
};

// INVALID_ARGUMENT if `key` is not an encapsulation key (a coefficient at or
// above the modulus).
absl::StatusOr<MlKem768Encapsulation> MlKem768Encapsulate(
    const MlKem768PublicKey& key, Random& random);

}  // namespace messenger::crypto

#endif  // CRYPTO_KEM_MLKEM768_H_
