// How a process is reached by others (routing/runtime/SPEC.md, sections 2
// and 3): the other side of Transport.
//
// Handlers run on the server's executor. All registrations come before the
// server starts.
#ifndef ROUTING_RUNTIME_SERVER_H_
#define ROUTING_RUNTIME_SERVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

// Who is calling, as far as the connection proves it.
struct Peer {
  // The key of the client's certificate, when it presented one and proved to
  // have the private key. Clients of people present none.
  std::optional<TlsKey> tls_key;
};

// Gives the answer to one call: once, on the executor, in the handler or
// later. Destroyed unused, it answers INTERNAL. The status's code and words
// go to the caller.
using Reply = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;

using RpcHandler =
    std::function<void(const Peer& peer, std::string request, Reply reply)>;

class LinkAcceptor {
 public:
  virtual ~LinkAcceptor() = default;

  // A peer opened a link. Returns who gets its events, who must live until
  // OnClosed() or until the link is destroyed; nullptr refuses
  // (PERMISSION_DENIED at the peer).
  virtual FrameLinkEvents* OnLink(const Peer& peer,
                                  std::unique_ptr<FrameLink> link) = 0;
};

struct MethodLimits {
  // A larger request is refused, RESOURCE_EXHAUSTED, before the handler.
  size_t max_request_bytes;
  // Calls without a reply at one time; more are refused, RESOURCE_EXHAUSTED.
  int max_concurrent = 256;
};

class Server {
 public:
  virtual ~Server() = default;

  // `method` is "/package.Service/Method"; each may be registered once.
  virtual void HandleMethod(std::string method, MethodLimits limits,
                            RpcHandler handler) = 0;

  // `acceptor` must outlive the server. Without one, links are refused,
  // UNIMPLEMENTED.
  virtual void HandleLinks(LinkAcceptor& acceptor) = 0;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_SERVER_H_
