// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): authenticated encryption
// under nonces long enough to be drawn at random.
//
// It does not commit to its key: where an opener tries several keys, use
// `CommittingSeal`. Thread-safe.

#ifndef CRYPTO_AEAD_XCHACHA20POLY1305_H_
#define CRYPTO_AEAD_XCHACHA20POLY1305_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::crypto {

using XNonce = FixedBytes<struct XNonceTag, 24>;

inline constexpr size_t kXChaChaOverhead = 16;

// The ciphertext is `kXChaChaOverhead` bytes longer than the plaintext. A
// nonce must never be used twice with one key.
std::string XChaChaSeal(const SecretBytes<32>& key, const XNonce& nonce,
                        absl::string_view ad, absl::string_view plaintext);

// UNAUTHENTICATED unless `ciphertext` was sealed with this key, nonce and ad.
absl::StatusOr<std::string> XChaChaOpen(const SecretBytes<32>& key,
                                        const XNonce& nonce,
                                        absl::string_view ad,
                                        absl::string_view ciphertext);

}  // namespace messenger::crypto

#endif  // CRYPTO_AEAD_XCHACHA20POLY1305_H_
