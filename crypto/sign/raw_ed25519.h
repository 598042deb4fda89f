// Ed25519 over bytes as given. For ed25519.cc, and for the tests that check it
// against RFC 8032; product code signs under a `SigningDomain`.

#ifndef CRYPTO_SIGN_RAW_ED25519_H_
#define CRYPTO_SIGN_RAW_ED25519_H_

#include "absl/strings/string_view.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/sign/ed25519.h"

namespace messenger::crypto::internal {

// `expanded` is seed || public key.
Ed25519Signature RawSign(const SecretBytes<64>& expanded,
                         absl::string_view message);
bool RawVerify(const Ed25519PublicKey& key, absl::string_view message,
               const Ed25519Signature& signature);

}  // namespace messenger::crypto::internal

#endif  // CRYPTO_SIGN_RAW_ED25519_H_
