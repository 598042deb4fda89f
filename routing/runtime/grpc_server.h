// The Server of a real process: one gRPC service over TLS 1.3
// (routing/runtime/SPEC.md, sections 2 to 5).
//
// Calls are ordinary unary gRPC calls: a client with stubs generated from the
// .proto files is served alike. Links are calls of kLinkMethod.
//
// Methods are for the executor's thread. The handlers run there too, however
// many threads gRPC uses below.
#ifndef ROUTING_RUNTIME_GRPC_SERVER_H_
#define ROUTING_RUNTIME_GRPC_SERVER_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/recorder.h"
#include "routing/runtime/server.h"
#include "routing/runtime/server_limits.h"
#include "routing/runtime/tls_identity.h"

namespace messenger::routing {

class GrpcServer final : public Server {
 public:
  struct Options {
    std::string listen_address;   // IP literal and port; port 0: any
    const TlsIdentity& identity;  // copied
    Executor& executor;           // must outlive the server
    Recorder* recorder = nullptr;
    ServerLimits limits = {};
  };

  // INVALID_ARGUMENT if the address is not an IP literal and port.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Create(Options options);

  // Shuts down. After it no handler and no event runs.
  ~GrpcServer() override;

  void HandleMethod(std::string method, MethodLimits limits,
                    RpcHandler handler) override;
  void HandleLinks(LinkAcceptor& acceptor) override;

  // Listens and serves. UNAVAILABLE if the address cannot be had. Once.
  absl::Status Start();

  // Where the server listens, with the real port. Empty before Start().
  std::string address() const;

  // Cancels all calls and links and returns when gRPC is done with them. No
  // handler runs afterwards; links that are still held get OnClosed().
  void Shutdown();

 private:
  class Core;
  explicit GrpcServer(std::unique_ptr<Core> core);

  std::unique_ptr<Core> core_;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_GRPC_SERVER_H_
