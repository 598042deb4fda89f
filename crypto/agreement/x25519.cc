#include "crypto/agreement/x25519.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "crypto/internal/sodium_init.h"
#include "sodium.h"

namespace messenger::crypto {
namespace {

const uint8_t* In(absl::string_view data) {
  return reinterpret_cast<const uint8_t*>(data.data());
}

uint8_t* Out(char* data) { return reinterpret_cast<uint8_t*>(data); }

}  // namespace

X25519PrivateKey::X25519PrivateKey(SecretBytes<32> secret,
                                   const X25519PublicKey& public_key)
    : secret_(std::move(secret)), public_key_(public_key) {}

X25519PrivateKey X25519PrivateKey::Generate(Random& random) {
  return FromBytes(random.Secret<32>());
}

X25519PrivateKey X25519PrivateKey::FromBytes(SecretBytes<32> secret) {
  internal::EnsureSodium();
  X25519PublicKey public_key;
  crypto_scalarmult_base(Out(public_key.data()), In(secret.Expose()));
  return X25519PrivateKey(std::move(secret), public_key);
}

absl::StatusOr<SharedSecret> X25519PrivateKey::Agree(
    const X25519PublicKey& peer) const {
  internal::EnsureSodium();
  SharedSecret shared;
  if (crypto_scalarmult(Out(shared.MutableExpose().data()),
                        In(secret_.Expose()), In(peer.bytes())) != 0) {
    return absl::InvalidArgumentError("public key is of small order");
  }
  return shared;
}

X25519PrivateKey X25519PrivateKey::Clone() const {
  return X25519PrivateKey(secret_.Clone(), public_key_);
}

}  // namespace messenger::crypto
