// Whether a KEM public key of the right length can be used: ML-KEM-768
// coefficients are below the modulus (FIPS 203, section 7.2), and the X25519
// half of X-Wing is no point of small order.
//
// Encapsulation checks the same. Keys that are kept for later use are checked
// on arrival as well, so that a bad one is refused where it came from and
// cannot make a session fail later.

#ifndef CLIENT_SESSION_KEM_KEY_CHECK_H_
#define CLIENT_SESSION_KEM_KEY_CHECK_H_

#include "crypto/kem/mlkem768.h"
#include "crypto/kem/xwing.h"

namespace messenger::client {

bool IsUsable(const crypto::MlKem768PublicKey& key);

// Checks the ML-KEM part, which comes first, and that the X25519 part is no
// point of small order.
bool IsUsable(const crypto::XWingPublicKey& key);

}  // namespace messenger::client

#endif  // CLIENT_SESSION_KEM_KEY_CHECK_H_
