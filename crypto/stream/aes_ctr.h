// AES-256 in counter mode (NIST SP 800-38A; the whole IV counts, big-endian).
// A bare key stream: whoever uses it authenticates by other means. Thread-safe.

#ifndef CRYPTO_STREAM_AES_CTR_H_
#define CRYPTO_STREAM_AES_CTR_H_

#include "absl/types/span.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::crypto {

using AesCtrIv = FixedBytes<struct AesCtrIvTag, 16>;

// Adds the key stream to `inout`; doing it twice gives the bytes back.
void Aes256CtrXor(const SecretBytes<32>& key, const AesCtrIv& iv,
                  absl::Span<char> inout);

}  // namespace messenger::crypto

#endif  // CRYPTO_STREAM_AES_CTR_H_
