#include "crypto/aead/committing_aead.h"

#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "crypto/aead/xchacha20poly1305.h"
#include "crypto/base/secure_memory.h"
#include "crypto/hash/hash.h"
#include "crypto/kdf/hkdf.h"

namespace messenger::crypto {
namespace {

constexpr size_t kCommitmentBytes = 32;

static_assert(kCommittingOverhead == kCommitmentBytes + kXChaChaOverhead);

struct DerivedKeys {
  SecretBytes<32> key;
  XNonce nonce;
  SecretBytes<kCommitmentBytes> commitment;
};

// key || nonce || commitment, all bound to the associated data.
DerivedKeys Derive(const SecretBytes<32>& message_key, absl::string_view ad) {
  const Digest256 ad_hash = Blake2b256("nm1-caead", {ad});
  const SecretBytes<88> okm = HkdfSha512Expand<88>(
      message_key.Expose(), KdfLabel::kCaead, ad_hash.bytes());
  DerivedKeys keys;
  std::memcpy(keys.key.MutableExpose().data(), okm.Expose().data(), 32);
  std::memcpy(keys.nonce.data(), okm.Expose().data() + 32, XNonce::kSize);
  std::memcpy(keys.commitment.MutableExpose().data(), okm.Expose().data() + 56,
              kCommitmentBytes);
  return keys;
}

}  // namespace

std::string CommittingSeal(const SecretBytes<32>& message_key,
                           absl::string_view ad, absl::string_view plaintext) {
  const DerivedKeys keys = Derive(message_key, ad);
  std::string ciphertext;
  ciphertext.reserve(plaintext.size() + kCommittingOverhead);
  ciphertext.append(keys.commitment.Expose().data(), kCommitmentBytes);
  ciphertext += XChaChaSeal(keys.key, keys.nonce, ad, plaintext);
  return ciphertext;
}

absl::StatusOr<std::string> CommittingOpen(const SecretBytes<32>& message_key,
                                           absl::string_view ad,
                                           absl::string_view ciphertext) {
  if (ciphertext.size() < kCommittingOverhead) {
    return absl::UnauthenticatedError("ciphertext does not open");
  }
  const DerivedKeys keys = Derive(message_key, ad);
  // Before anything is decrypted: a ciphertext made to open under several keys
  // fails here for all of them but one.
  if (!ConstantTimeEquals(ciphertext.substr(0, kCommitmentBytes),
                          keys.commitment.Expose())) {
    return absl::UnauthenticatedError("ciphertext does not open");
  }
  return XChaChaOpen(keys.key, keys.nonce, ad,
                     ciphertext.substr(kCommitmentBytes));
}

}  // namespace messenger::crypto
