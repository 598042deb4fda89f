// Argon2id (RFC 9106, version 1.3, one lane): a key from something a person
// can remember, slow and memory-hungry for whoever has to guess. Thread-safe.

#ifndef CRYPTO_PWHASH_ARGON2ID_H_
#define CRYPTO_PWHASH_ARGON2ID_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::crypto {

using Argon2Salt = FixedBytes<struct Argon2SaltTag, 16>;

// `passes` is the parameter t, at least 1; `memory_bytes` is rounded down to
// whole KiB, at least 8 KiB. INVALID_ARGUMENT outside of these bounds or those
// of RFC 9106, RESOURCE_EXHAUSTED if the memory cannot be had.
absl::StatusOr<SecretBytes<32>> Argon2id(absl::string_view password,
                                         const Argon2Salt& salt,
                                         uint32_t passes,
                                         uint64_t memory_bytes);

}  // namespace messenger::crypto

#endif  // CRYPTO_PWHASH_ARGON2ID_H_
