// What a node does with a request that came through a circuit
// (routing/relay/SPEC.md, section 5).
//
// The handler sees the request and nothing about who sent it. Runs on the
// executor of the relay.

#ifndef ROUTING_ENDPOINT_ENDPOINT_HANDLER_H_
#define ROUTING_ENDPOINT_ENDPOINT_HANDLER_H_

#include <cstdint>
#include <string>

#include "routing/runtime/server.h"

namespace messenger::routing {

// Values of `HopCommand::service`; on the wire, append only.
inline constexpr uint8_t kSwarmStorageService = 1;

class EndpointHandler {
 public:
  virtual ~EndpointHandler() = default;

  // Calls `reply` once, now or later. A status that is not OK reaches the
  // client as its code and words: words for a developer, nothing about people.
  // UNIMPLEMENTED: no such service here.
  virtual void Handle(uint8_t service, std::string request, Reply reply) = 0;
};

}  // namespace messenger::routing

#endif  // ROUTING_ENDPOINT_ENDPOINT_HANDLER_H_
