#include "crypto/kem/xwing.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "crypto/internal/sodium_init.h"
#include "sodium.h"

namespace messenger::crypto {
namespace {

static_assert(XWingPublicKey::kSize == crypto_kem_xwing_PUBLICKEYBYTES);
static_assert(XWingCiphertext::kSize == crypto_kem_xwing_CIPHERTEXTBYTES);
static_assert(crypto_kem_xwing_SECRETKEYBYTES == 32);

const uint8_t* In(absl::string_view data) {
  return reinterpret_cast<const uint8_t*>(data.data());
}

uint8_t* Out(char* data) { return reinterpret_cast<uint8_t*>(data); }

}  // namespace

XWingPrivateKey::XWingPrivateKey(SecretBytes<32> seed)
    : seed_(std::move(seed)) {
  internal::EnsureSodium();
  // libsodium's secret key is a copy of the seed.
  SecretBytes<32> secret_key;
  crypto_kem_xwing_seed_keypair(Out(public_key_.data()),
                                Out(secret_key.MutableExpose().data()),
                                In(seed_.Expose()));
}

XWingPrivateKey XWingPrivateKey::Generate(Random& random) {
  return XWingPrivateKey(random.Secret<32>());
}

XWingPrivateKey XWingPrivateKey::FromSeed(const SecretBytes<32>& seed) {
  return XWingPrivateKey(seed.Clone());
}

absl::StatusOr<SharedSecret> XWingPrivateKey::Decapsulate(
    const XWingCiphertext& ciphertext) const {
  SharedSecret secret;
  if (crypto_kem_xwing_dec(Out(secret.MutableExpose().data()),
                           In(ciphertext.bytes()), In(seed_.Expose())) != 0) {
    return absl::InvalidArgumentError("not an X-Wing ciphertext");
  }
  return secret;
}

absl::StatusOr<XWingEncapsulation> XWingEncapsulate(const XWingPublicKey& key,
                                                    Random& random) {
  internal::EnsureSodium();
  const SecretBytes<64> coins = random.Secret<64>();
  XWingEncapsulation result;
  if (crypto_kem_xwing_enc_deterministic(
          Out(result.ciphertext.data()),
          Out(result.secret.MutableExpose().data()), In(key.bytes()),
          In(coins.Expose())) != 0) {
    return absl::InvalidArgumentError("not an X-Wing public key");
  }
  return result;
}

}  // namespace messenger::crypto
