// Ed25519 signatures over protocol messages (crypto/SPEC.md, section 7).
//
// Every signature is made under a `SigningDomain`, so one lifted from a store
// request never verifies as a node record. There is deliberately no way to sign
// bare bytes.

#ifndef CRYPTO_SIGN_ED25519_H_
#define CRYPTO_SIGN_ED25519_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/random/random.h"

namespace messenger::crypto {

using Ed25519PublicKey = FixedBytes<struct Ed25519PublicKeyTag, 32>;
using Ed25519Signature = FixedBytes<struct Ed25519SignatureTag, 64>;
using Ed25519Seed = SecretBytes<32>;

// What a signature is about. The values are signed, hence part of the wire
// protocol: append, never renumber. Listed in crypto/SPEC.md, section 7.2.
enum class SigningDomain : uint8_t {
  kNodeDescriptor = 1,
  kDirectoryVote = 2,
  kConsensus = 3,
  kStoreReceipt = 4,
  kRetrieve = 5,
  kDelete = 6,
  kMailboxWrite = 7,
  kRecord = 8,
  kIdentityRecord = 9,
  kPrekeyRecord = 10,
  kDeviceCertificate = 11,
  kGroupOperation = 12,
  kChannelPost = 13,
  kChannelRequest = 14,
  kUploadToken = 15,
  kPeerHandshake = 16,
  kStorageReport = 17,
  kRegistration = 18,
  kPurge = 19,
};

// Immutable after construction, hence thread-safe. Move-only, like the secret
// it holds.
class Ed25519PrivateKey final {
 public:
  static Ed25519PrivateKey Generate(Random& random);

  // The same seed always gives the same key; recovery phrases rely on it.
  static Ed25519PrivateKey FromSeed(const Ed25519Seed& seed);

  const Ed25519PublicKey& public_key() const { return public_key_; }

  // Deterministic: the same key, domain and message give the same signature.
  Ed25519Signature Sign(SigningDomain domain, absl::string_view message) const;

  const Ed25519Seed& seed() const { return seed_; }

 private:
  Ed25519PrivateKey(Ed25519Seed seed, SecretBytes<64> expanded,
                    const Ed25519PublicKey& public_key);

  Ed25519Seed seed_;
  SecretBytes<64> expanded_;
  Ed25519PublicKey public_key_;
};

// OK, or UNAUTHENTICATED without saying which part was wrong. Says that the
// holder of `key` signed `message`, not who that is nor whether it is recent.
absl::Status Verify(const Ed25519PublicKey& key, SigningDomain domain,
                    absl::string_view message,
                    const Ed25519Signature& signature);

}  // namespace messenger::crypto

#endif  // CRYPTO_SIGN_ED25519_H_
