#include "crypto/kem/mlkem768.h"

#include <cstdint>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "crypto/internal/sodium_init.h"
#include "sodium.h"

namespace messenger::crypto {
namespace {

static_assert(MlKem768PublicKey::kSize == crypto_kem_mlkem768_PUBLICKEYBYTES);
static_assert(MlKem768Ciphertext::kSize == crypto_kem_mlkem768_CIPHERTEXTBYTES);
static_assert(crypto_kem_mlkem768_SECRETKEYBYTES == 2400);

const uint8_t* In(absl::string_view data) {
  return reinterpret_cast<const uint8_t*>(data.data());
}

uint8_t* Out(char* data) { return reinterpret_cast<uint8_t*>(data); }

}  // namespace

MlKem768PrivateKey::MlKem768PrivateKey(SecretBytes<64> seed)
    : seed_(std::move(seed)) {
  internal::EnsureSodium();
  crypto_kem_mlkem768_seed_keypair(Out(public_key_.data()),
                                   Out(expanded_.MutableExpose().data()),
                                   In(seed_.Expose()));
}

MlKem768PrivateKey MlKem768PrivateKey::Generate(Random& random) {
  return MlKem768PrivateKey(random.Secret<64>());
}

MlKem768PrivateKey MlKem768PrivateKey::FromSeed(const SecretBytes<64>& seed) {
  return MlKem768PrivateKey(seed.Clone());
}

SharedSecret MlKem768PrivateKey::Decapsulate(
    const MlKem768Ciphertext& ciphertext) const {
  SharedSecret secret;
  const int result =
      crypto_kem_mlkem768_dec(Out(secret.MutableExpose().data()),
                              In(ciphertext.bytes()), In(expanded_.Expose()));
  // FIPS 203 leaves nothing to fail once the lengths are right.
  if (result != 0) std::abort();
  return secret;
}

absl::StatusOr<MlKem768Encapsulation> MlKem768Encapsulate(
    const MlKem768PublicKey& key, Random& random) {
  internal::EnsureSodium();
  const SecretBytes<32> coins = random.Secret<32>();
  MlKem768Encapsulation result;
  if (crypto_kem_mlkem768_enc_deterministic(
          Out(result.ciphertext.data()),
          Out(result.secret.MutableExpose().data()), In(key.bytes()),
          In(coins.Expose())) != 0) {
    return absl::InvalidArgumentError("not an ML-KEM-768 encapsulation key");
  }
  return result;
}

}  // namespace messenger::crypto
