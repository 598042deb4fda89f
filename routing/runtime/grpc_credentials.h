// TLS 1.3 and nothing older, with certificates that stand for their key
// alone: no authority, no name and no date is looked at
// (routing/runtime/SPEC.md, section 4).
//
// Stateless functions.
#ifndef ROUTING_RUNTIME_GRPC_CREDENTIALS_H_
#define ROUTING_RUNTIME_GRPC_CREDENTIALS_H_

#include <memory>

#include "absl/strings/string_view.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "routing/runtime/tls_identity.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

// In the words of a failed connection whose peer has another key.
inline constexpr absl::string_view kWrongPeer =
    "peer is not who the directory says";

// To connect to the host with `pinned` and to no other. Presents `identity`
// unless it is null.
std::shared_ptr<grpc::ChannelCredentials> PinnedChannelCredentials(
    const TlsKey& pinned, const TlsIdentity* identity);

// Asks every client for a certificate; it may have none.
std::shared_ptr<grpc::ServerCredentials> IdentityServerCredentials(
    const TlsIdentity& identity);

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_GRPC_CREDENTIALS_H_
