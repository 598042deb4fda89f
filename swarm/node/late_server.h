// Lets a server start before those who handle its methods exist: until they
// register, callers are told UNAVAILABLE.
//
// Belongs to the server's executor.

#ifndef SWARM_NODE_LATE_SERVER_H_
#define SWARM_NODE_LATE_SERVER_H_

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "routing/runtime/server.h"

namespace messenger::swarm {

class LateServer final : public routing::Server {
 public:
  // Registers at `server` a method that is handled later. The LateServer must
  // outlive it.
  void Announce(std::string method, routing::MethodLimits limits,
                routing::Server& server) {
    server.HandleMethod(
        method, limits,
        [this, method](const routing::Peer& peer, std::string request,
                       routing::Reply reply) {
          const auto found = handlers_.find(method);
          if (found == handlers_.end()) {
            return reply(absl::UnavailableError("not part of a network yet"));
          }
          found->second(peer, std::move(request), std::move(reply));
        });
  }

  // The announced limits hold, not `limits`. Not announced: never called.
  void HandleMethod(std::string method, routing::MethodLimits /*limits*/,
                    routing::RpcHandler handler) override {
    handlers_[std::move(method)] = std::move(handler);
  }

  // Storage processes take no links.
  void HandleLinks(routing::LinkAcceptor& /*acceptor*/) override {}

 private:
  absl::flat_hash_map<std::string, routing::RpcHandler> handlers_;
};

}  // namespace messenger::swarm

#endif  // SWARM_NODE_LATE_SERVER_H_
