#include "crypto/sign/ed25519.h"

#include <cstdint>
#include <string>
#include <utility>

#include "crypto/internal/sodium_init.h"
#include "crypto/sign/raw_ed25519.h"
#include "sodium.h"

namespace messenger::crypto {
namespace {

const uint8_t* In(absl::string_view data) {
  return reinterpret_cast<const uint8_t*>(data.data());
}

uint8_t* Out(char* data) { return reinterpret_cast<uint8_t*>(data); }

// What is signed for a message: the domain comes first and has a fixed length,
// so no message of one domain reads as one of another.
std::string SignedBytes(SigningDomain domain, absl::string_view message) {
  static constexpr absl::string_view kContext = "nm/v1/sig";
  std::string bytes;
  bytes.reserve(kContext.size() + 1 + message.size());
  bytes.append(kContext.data(), kContext.size());
  bytes.push_back(static_cast<char>(domain));
  bytes.append(message.data(), message.size());
  return bytes;
}

}  // namespace

namespace internal {

Ed25519Signature RawSign(const SecretBytes<64>& expanded,
                         absl::string_view message) {
  EnsureSodium();
  Ed25519Signature signature;
  crypto_sign_detached(Out(signature.data()), /*siglen_p=*/nullptr, In(message),
                       message.size(), In(expanded.Expose()));
  return signature;
}

bool RawVerify(const Ed25519PublicKey& key, absl::string_view message,
               const Ed25519Signature& signature) {
  EnsureSodium();
  return crypto_sign_verify_detached(In(signature.bytes()), In(message),
                                     message.size(), In(key.bytes())) == 0;
}

}  // namespace internal

Ed25519PrivateKey::Ed25519PrivateKey(Ed25519Seed seed, SecretBytes<64> expanded,
                                     const Ed25519PublicKey& public_key)
    : seed_(std::move(seed)),
      expanded_(std::move(expanded)),
      public_key_(public_key) {}

Ed25519PrivateKey Ed25519PrivateKey::Generate(Random& random) {
  return FromSeed(random.Secret<32>());
}

Ed25519PrivateKey Ed25519PrivateKey::FromSeed(const Ed25519Seed& seed) {
  internal::EnsureSodium();
  SecretBytes<64> expanded;
  Ed25519PublicKey public_key;
  crypto_sign_seed_keypair(Out(public_key.data()),
                           Out(expanded.MutableExpose().data()),
                           In(seed.Expose()));
  return Ed25519PrivateKey(seed.Clone(), std::move(expanded), public_key);
}

Ed25519Signature Ed25519PrivateKey::Sign(SigningDomain domain,
                                         absl::string_view message) const {
  return internal::RawSign(expanded_, SignedBytes(domain, message));
}

absl::Status Verify(const Ed25519PublicKey& key, SigningDomain domain,
                    absl::string_view message,
                    const Ed25519Signature& signature) {
  if (!internal::RawVerify(key, SignedBytes(domain, message), signature)) {
    return absl::UnauthenticatedError("signature does not verify");
  }
  return absl::OkStatus();
}

}  // namespace messenger::crypto
