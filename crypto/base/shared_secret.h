// What a key agreement or a key encapsulation yields on both sides. It is
// input for a KDF, never a key itself.

#ifndef CRYPTO_BASE_SHARED_SECRET_H_
#define CRYPTO_BASE_SHARED_SECRET_H_

#include "crypto/base/secret_bytes.h"

namespace messenger::crypto {

using SharedSecret = SecretBytes<32>;

}  // namespace messenger::crypto

#endif  // CRYPTO_BASE_SHARED_SECRET_H_
