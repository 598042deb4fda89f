#include "routing/runtime/grpc_credentials.h"

#include <grpc/support/log.h>
#include <stdlib.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace messenger::routing {
namespace {

namespace tls = grpc::experimental;

// What gRPC takes from its surroundings once for the whole process.
//
// gRPC 1.51 has no setting for the lowest TLS version, but lets us choose the
// cipher suites of TLS 1.2 (those of TLS 1.3 are fixed). We allow one that
// needs an RSA certificate: our servers have none, so no TLS 1.2 handshake
// with one can succeed, and what a client could agree on with a stranger's
// server fails on the pinned Ed25519 key. The variable is read when the first
// credentials are made.
//
// Its log lines hold addresses of peers, so there are none. What they tell
// reaches us as a status.
//
// Debian's Abseil keeps one graph of all locks of the process, under one lock
// of its own, to find deadlocks. It is a tool for debugging.
void PrepareGrpc() {
  static const bool once [[maybe_unused]] = [] {
    ::setenv("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384",
             /*overwrite=*/1);
    gpr_set_log_function([](gpr_log_func_args*) {});
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    return true;
  }();
}

class PinnedKeyVerifier final : public tls::ExternalCertificateVerifier {
 public:
  explicit PinnedKeyVerifier(const TlsKey& pinned) : pinned_(pinned) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> /*callback*/,
              grpc::Status* sync_status) override {
    const grpc::string_ref pem = request->peer_cert();
    const absl::StatusOr<TlsKey> key =
        TlsKeyOfCertificate({pem.data(), pem.size()});
    *sync_status = key.ok() && *key == pinned_
                       ? grpc::Status::OK
                       : grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                                      std::string(kWrongPeer));
    return true;  // decided here and now
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest* /*request*/) override {}

 private:
  const TlsKey pinned_;
};

std::shared_ptr<tls::CertificateProviderInterface> Provider(
    const TlsIdentity& identity) {
  return std::make_shared<tls::StaticDataCertificateProvider>(
      std::vector<tls::IdentityKeyCertPair>{
          {identity.private_key_pem(), identity.certificate_pem()}});
}

}  // namespace

std::shared_ptr<grpc::ChannelCredentials> PinnedChannelCredentials(
    const TlsKey& pinned, const TlsIdentity* identity) {
  PrepareGrpc();
  tls::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);  // the verifier below does
  options.set_check_call_host(false);      // there are no names
  options.set_certificate_verifier(
      tls::ExternalCertificateVerifier::Create<PinnedKeyVerifier>(pinned));
  if (identity != nullptr) {
    options.set_certificate_provider(Provider(*identity));
    options.watch_identity_key_cert_pairs();
  }
  return tls::TlsCredentials(options);
}

std::shared_ptr<grpc::ServerCredentials> IdentityServerCredentials(
    const TlsIdentity& identity) {
  PrepareGrpc();
  tls::TlsServerCredentialsOptions options(Provider(identity));
  options.watch_identity_key_cert_pairs();
  // Possession of the key is proven by TLS itself; there is no more to verify.
  options.set_cert_request_type(
      GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
  options.set_check_call_host(false);
  return tls::TlsServerCredentials(options);
}

}  // namespace messenger::routing
