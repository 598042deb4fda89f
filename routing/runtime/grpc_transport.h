// The Transport of a real process: gRPC over TLS 1.3, to hosts whose key is
// known beforehand (routing/runtime/SPEC.md, sections 2 to 4).
//
// Names no host: addresses are IP literals, nothing is resolved, no proxy and
// no service configuration is looked up. One connection per endpoint is kept
// and dropped when it has been idle.
//
// Methods are for the executor's thread; callbacks and events run there.
#ifndef ROUTING_RUNTIME_GRPC_TRANSPORT_H_
#define ROUTING_RUNTIME_GRPC_TRANSPORT_H_

#include <memory>
#include <string>

#include "routing/runtime/executor.h"
#include "routing/runtime/recorder.h"
#include "routing/runtime/tls_identity.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

class GrpcTransport final : public Transport {
 public:
  struct Options {
    Executor& executor;  // must outlive the transport
    // Presented to every peer; copied. Null: an anonymous client.
    const TlsIdentity* identity = nullptr;
    Recorder* recorder = nullptr;
  };

  explicit GrpcTransport(const Options& options);

  // Cancels what is going on and waits for gRPC to let go. Callbacks of
  // pending calls never run; links that are still held get OnClosed().
  ~GrpcTransport() override;

  void Call(const Endpoint& endpoint, absl::string_view method,
            std::string request, absl::Duration timeout,
            CallDone done) override;
  std::unique_ptr<FrameLink> OpenLink(const Endpoint& endpoint,
                                      FrameLinkEvents& events) override;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_GRPC_TRANSPORT_H_
