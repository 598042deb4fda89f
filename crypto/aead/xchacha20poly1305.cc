#include "crypto/aead/xchacha20poly1305.h"

#include <cstdint>

#include "absl/status/status.h"
#include "crypto/internal/sodium_init.h"
#include "sodium.h"

namespace messenger::crypto {
namespace {

static_assert(kXChaChaOverhead == crypto_aead_xchacha20poly1305_ietf_ABYTES);

const uint8_t* In(absl::string_view data) {
  return reinterpret_cast<const uint8_t*>(data.data());
}

uint8_t* Out(std::string& data) {
  return reinterpret_cast<uint8_t*>(data.data());
}

}  // namespace

std::string XChaChaSeal(const SecretBytes<32>& key, const XNonce& nonce,
                        absl::string_view ad, absl::string_view plaintext) {
  internal::EnsureSodium();
  std::string ciphertext(plaintext.size() + kXChaChaOverhead, '\0');
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      Out(ciphertext), /*clen_p=*/nullptr, In(plaintext), plaintext.size(),
      In(ad), ad.size(), /*nsec=*/nullptr, In(nonce.bytes()), In(key.Expose()));
  return ciphertext;
}

absl::StatusOr<std::string> XChaChaOpen(const SecretBytes<32>& key,
                                        const XNonce& nonce,
                                        absl::string_view ad,
                                        absl::string_view ciphertext) {
  internal::EnsureSodium();
  if (ciphertext.size() < kXChaChaOverhead) {
    return absl::UnauthenticatedError("ciphertext does not open");
  }
  std::string plaintext(ciphertext.size() - kXChaChaOverhead, '\0');
  const int result = crypto_aead_xchacha20poly1305_ietf_decrypt(
      Out(plaintext), /*mlen_p=*/nullptr, /*nsec=*/nullptr, In(ciphertext),
      ciphertext.size(), In(ad), ad.size(), In(nonce.bytes()),
      In(key.Expose()));
  if (result != 0) {
    return absl::UnauthenticatedError("ciphertext does not open");
  }
  return plaintext;
}

}  // namespace messenger::crypto
