// HMAC as a step of a key chain and as a message authenticator.
//
// The results are secrets: compare with `ConstantTimeEquals`. Thread-safe.

#ifndef CRYPTO_KDF_HMAC_H_
#define CRYPTO_KDF_HMAC_H_

#include <initializer_list>

#include "absl/strings/string_view.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::crypto {

// The first 32 bytes of HMAC-SHA512: the symmetric ratchet step.
SecretBytes<32> HmacSha512Truncated32(absl::string_view key,
                                      absl::string_view message);

// The parts are concatenated: callers make them of fixed length or prefix
// their lengths.
SecretBytes<32> HmacSha256(absl::string_view key,
                           std::initializer_list<absl::string_view> parts);

}  // namespace messenger::crypto

#endif  // CRYPTO_KDF_HMAC_H_
