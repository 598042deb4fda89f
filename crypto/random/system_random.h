// The operating system's randomness. For `*_main.cc` files, which hand it down
// as a `Random&`; anything that names it itself cannot be replayed in a test.

#ifndef CRYPTO_RANDOM_SYSTEM_RANDOM_H_
#define CRYPTO_RANDOM_SYSTEM_RANDOM_H_

#include "crypto/random/random.h"

namespace messenger::crypto {

// Lives as long as the process. Thread-safe.
Random& SystemRandom();

}  // namespace messenger::crypto

#endif  // CRYPTO_RANDOM_SYSTEM_RANDOM_H_
