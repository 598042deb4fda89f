#include "client/remote/member_caller.h"

#include <utility>

#include "absl/status/statusor.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {
namespace {

constexpr uint8_t kSwarmStorageService = 1;

absl::Status StatusOf(const swarm::v1::ClientResponse& response) {
  if (response.code() == 0) return absl::OkStatus();
  if (response.code() >
      static_cast<uint32_t>(absl::StatusCode::kUnauthenticated)) {
    return absl::UnknownError("the member gave an unknown code");
  }
  return absl::Status(static_cast<absl::StatusCode>(response.code()),
                      "a member of the swarm refused");
}

}  // namespace

void MemberCaller::Call(const routing::NodeId& member,
                        const std::vector<routing::NodeId>& swarm,
                        std::string request, int reply_cells,
                        absl::Duration timeout, Done done) {
  requester_.Send(
      {.destination = member,
       .swarm = swarm,
       .service = kSwarmStorageService,
       .bytes = std::move(request),
       .reply_cells = reply_cells,
       .timeout = timeout},
      [done = std::move(done)](absl::StatusOr<std::string> reply,
                               const RequestRoute& route) mutable {
        MemberAnswer answer;
        answer.route = route;
        if (!reply.ok()) {
          // Its words may be the member's own, and are shown to people.
          answer.status = absl::Status(reply.status().code(),
                                       "a member of the swarm did not answer");
          return done(std::move(answer));
        }
        auto response = std::make_shared<swarm::v1::ClientResponse>();
        if (!response->ParseFromString(*reply)) {
          answer.status = absl::UnavailableError("a member answered nonsense");
          return done(std::move(answer));
        }
        answer.status = StatusOf(*response);
        answer.refusal = RefusalIn(*response);
        answer.epoch = response->epoch();
        answer.response = std::move(response);
        done(std::move(answer));
      });
}

}  // namespace messenger::client
