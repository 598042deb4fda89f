// Hands requests to the process on this machine that stores messages
// (routing/relay/SPEC.md, section 6).
//
// A call that cannot be made, or is not answered in time, becomes UNAVAILABLE
// or DEADLINE_EXCEEDED for the client, like any other reply. Lives on the
// transport's executor.

#ifndef ROUTING_ENDPOINT_REMOTE_ENDPOINT_HANDLER_H_
#define ROUTING_ENDPOINT_REMOTE_ENDPOINT_HANDLER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "routing/endpoint/endpoint_handler.h"
#include "routing/runtime/server.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

inline constexpr absl::string_view kEndpointHandleMethod =
    "/messenger.routing.v1.Endpoint/Handle";

// Longest request and reply of an endpoint, with room for the envelope.
inline constexpr size_t kMaxEndpointMessageBytes = 136 * 1024;

// How long the storage process may take: a client may ask it to wait 55 s for
// a message (swarm/SPEC.md, section 4), and it needs time for its disk. One
// that has died shows at once, as a broken connection.
inline constexpr absl::Duration kEndpointTimeout = absl::Seconds(65);

// Requests under way: those that work, and those that wait. The service bounds
// the waiting ones by kMaxWaitingRequests, so that they leave the others their
// room.
inline constexpr int kMaxWorkingRequests = 1'024;
inline constexpr int kMaxWaitingRequests = 4'096;

class RemoteEndpointHandler final : public EndpointHandler {
 public:
  // `transport` must outlive the handler.
  RemoteEndpointHandler(Transport& transport, Endpoint storage,
                        absl::Duration timeout = kEndpointTimeout);

  void Handle(uint8_t service, std::string request, Reply reply) override;

 private:
  Transport& transport_;
  const Endpoint storage_;
  const absl::Duration timeout_;
};

// The other side: makes `handler` answer kEndpointHandleMethod on `server`,
// for a caller whose TLS key is `relay_key` (everybody else gets
// PERMISSION_DENIED). `handler` must outlive the server.
void ServeEndpoint(const TlsKey& relay_key, EndpointHandler& handler,
                   Server& server);

}  // namespace messenger::routing

#endif  // ROUTING_ENDPOINT_REMOTE_ENDPOINT_HANDLER_H_
