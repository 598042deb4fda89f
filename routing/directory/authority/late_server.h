// Lets a server start, and show on which port, before there is an authority to
// handle its methods: until then callers are told UNAVAILABLE.
//
// Belongs to the server's executor.

#ifndef ROUTING_DIRECTORY_AUTHORITY_LATE_SERVER_H_
#define ROUTING_DIRECTORY_AUTHORITY_LATE_SERVER_H_

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "routing/runtime/server.h"

namespace messenger::routing {

class LateServer final : public Server {
 public:
  // Registers at `server` a method that is handled later. The LateServer must
  // outlive it.
  void Announce(std::string method, MethodLimits limits, Server& server) {
    server.HandleMethod(
        method, limits,
        [this, method](const Peer& peer, std::string request, Reply reply) {
          const auto found = handlers_.find(method);
          if (found == handlers_.end()) {
            return reply(absl::UnavailableError("not part of a network yet"));
          }
          found->second(peer, std::move(request), std::move(reply));
        });
  }

  // The announced limits hold, not these. Not announced: never called.
  void HandleMethod(std::string method, MethodLimits /*limits*/,
                    RpcHandler handler) override {
    handlers_[std::move(method)] = std::move(handler);
  }

  // Nobody opens links to an authority.
  void HandleLinks(LinkAcceptor& /*acceptor*/) override {}

 private:
  absl::flat_hash_map<std::string, RpcHandler> handlers_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_LATE_SERVER_H_
