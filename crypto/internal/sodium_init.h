// libsodium chooses the fastest implementations of this machine when it is
// initialised, and uses portable ones until then.

#ifndef CRYPTO_INTERNAL_SODIUM_INIT_H_
#define CRYPTO_INTERNAL_SODIUM_INIT_H_

namespace messenger::crypto::internal {

// Call before the first use of libsodium in a function. Cheap after the first
// time; thread-safe.
void EnsureSodium();

}  // namespace messenger::crypto::internal

#endif  // CRYPTO_INTERNAL_SODIUM_INIT_H_
