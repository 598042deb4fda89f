// Who a host is to those who connect to it: an Ed25519 key in a self-signed
// certificate that says nothing else (routing/runtime/SPEC.md, section 4).
//
// Immutable and thread-safe after construction; move-only, because of the key.
#ifndef ROUTING_RUNTIME_TLS_IDENTITY_H_
#define ROUTING_RUNTIME_TLS_IDENTITY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/random/random.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

class TlsIdentity {
 public:
  // INTERNAL if OpenSSL fails.
  static absl::StatusOr<TlsIdentity> Generate(crypto::Random& random);

  // The same seed always gives the same certificate.
  static absl::StatusOr<TlsIdentity> FromSeed(
      const crypto::SecretBytes<32>& seed);

  // A second copy of the secret key, for what must hold one.
  TlsIdentity Clone() const;

  TlsIdentity(TlsIdentity&&) = default;
  TlsIdentity& operator=(TlsIdentity&&) = default;
  ~TlsIdentity();

  const TlsKey& key() const { return key_; }
  const std::string& certificate_pem() const { return certificate_pem_; }

  // Secret. For gRPC's credentials only.
  const std::string& private_key_pem() const { return private_key_pem_; }

 private:
  TlsIdentity(const TlsKey& key, std::string certificate_pem,
              std::string private_key_pem);

  TlsKey key_;
  std::string certificate_pem_;
  std::string private_key_pem_;
};

// The key of a certificate. INVALID_ARGUMENT unless `certificate_pem` begins
// with a certificate of an Ed25519 key. Nothing else of it is looked at.
absl::StatusOr<TlsKey> TlsKeyOfCertificate(absl::string_view certificate_pem);

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_TLS_IDENTITY_H_
