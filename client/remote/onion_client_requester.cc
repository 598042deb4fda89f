#include "client/remote/onion_client_requester.h"

#include <utility>

namespace messenger::client {

void OnionClientRequester::Send(Request request, Done done) {
  onion_.Send(
      {.destination = request.destination,
       .swarm = std::move(request.swarm),
       .service = request.service,
       .bytes = std::move(request.bytes),
       .reply_cells = request.reply_cells,
       .timeout = request.timeout},
      [done = std::move(done)](absl::StatusOr<std::string> reply,
                               const routing::RequestRoute& route) mutable {
        done(std::move(reply), RequestRoute{.hops = route.hops});
      });
}

}  // namespace messenger::client
