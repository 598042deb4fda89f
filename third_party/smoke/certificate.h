// A certificate for a TLS server on loopback, made by the system's OpenSSL.
//
// In a library of its own: a target that sees BoringSSL's <openssl/...> cannot
// see OpenSSL's. Functions abort when OpenSSL fails; this is for a test.

#ifndef THIRD_PARTY_SMOKE_CERTIFICATE_H_
#define THIRD_PARTY_SMOKE_CERTIFICATE_H_

#include <string>

namespace messenger::third_party::smoke {

struct Certificate {
  std::string certificate_pem;
  std::string private_key_pem;
};

// Self-signed, Ed25519, for the name "localhost", valid around now.
Certificate MakeCertificate();

// What the linked libcrypto calls itself.
std::string SystemOpenSslVersion();

}  // namespace messenger::third_party::smoke

#endif  // THIRD_PARTY_SMOKE_CERTIFICATE_H_
