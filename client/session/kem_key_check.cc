#include "client/session/kem_key_check.h"

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::client {
namespace {

constexpr unsigned kModulus = 3329;
constexpr size_t kCoefficientBytes = 1152;  // 768 coefficients of 12 bits

bool CoefficientsAreReduced(absl::string_view key) {
  for (size_t i = 0; i < kCoefficientBytes; i += 3) {
    const unsigned b0 = static_cast<uint8_t>(key[i]);
    const unsigned b1 = static_cast<uint8_t>(key[i + 1]);
    const unsigned b2 = static_cast<uint8_t>(key[i + 2]);
    if ((b0 | (b1 & 15) << 8) >= kModulus) return false;
    if ((b1 >> 4 | b2 << 4) >= kModulus) return false;
  }
  return true;
}

}  // namespace

bool IsUsable(const crypto::MlKem768PublicKey& key) {
  return CoefficientsAreReduced(key.bytes());
}

bool IsUsable(const crypto::XWingPublicKey& key) {
  // A point of small order gives zero with every scalar, so any will do.
  static const auto* const kProbe = new crypto::X25519PrivateKey(
      crypto::X25519PrivateKey::FromBytes(crypto::SecretBytes<32>()));
  const absl::StatusOr<crypto::X25519PublicKey> point =
      crypto::X25519PublicKey::FromBytes(
          key.bytes().substr(crypto::MlKem768PublicKey::kSize));
  return CoefficientsAreReduced(key.bytes()) && kProbe->Agree(*point).ok();
}

}  // namespace messenger::client
