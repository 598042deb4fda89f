#include "routing/endpoint/remote_endpoint_handler.h"

#include <utility>

#include "routing/proto/endpoint.pb.h"

namespace messenger::routing {

RemoteEndpointHandler::RemoteEndpointHandler(Transport& transport,
                                             Endpoint storage,
                                             absl::Duration timeout)
    : transport_(transport), storage_(std::move(storage)), timeout_(timeout) {}

void RemoteEndpointHandler::Handle(uint8_t service, std::string request,
                                   Reply reply) {
  v1::EndpointRequest message;
  message.set_service(service);
  message.set_request(std::move(request));
  transport_.Call(
      storage_, kEndpointHandleMethod, message.SerializeAsString(), timeout_,
      [reply = std::move(reply)](absl::StatusOr<std::string> answer) mutable {
        if (!answer.ok()) return reply(std::move(answer).status());
        v1::EndpointReply message;
        if (!message.ParseFromString(*answer)) {
          return reply(absl::InternalError("endpoint answered nonsense"));
        }
        reply(std::move(*message.mutable_reply()));
      });
}

void ServeEndpoint(const TlsKey& relay_key, EndpointHandler& handler,
                   Server& server) {
  server.HandleMethod(
      std::string(kEndpointHandleMethod),
      {.max_request_bytes = kMaxEndpointMessageBytes,
       .max_concurrent = kMaxWorkingRequests + kMaxWaitingRequests},
      [relay_key, &handler](const Peer& peer, std::string bytes, Reply reply) {
        if (peer.tls_key != relay_key) {
          return reply(
              absl::PermissionDeniedError("only this node's relay may ask"));
        }
        v1::EndpointRequest message;
        if (!message.ParseFromString(bytes) || message.service() < 1 ||
            message.service() > 255) {
          return reply(absl::InvalidArgumentError("malformed request"));
        }
        handler.Handle(static_cast<uint8_t>(message.service()),
                       std::move(*message.mutable_request()),
                       [reply = std::move(reply)](
                           absl::StatusOr<std::string> answer) mutable {
                         if (!answer.ok())
                           return reply(std::move(answer).status());
                         v1::EndpointReply message;
                         message.set_reply(*std::move(answer));
                         reply(message.SerializeAsString());
                       });
      });
}

}  // namespace messenger::routing
