// What the client needs of onion routing: a request goes out, a reply comes
// back, nobody on the way knows both ends (routing/SPEC.md).
//
// An interface of its own so that everything above it is tested without a
// network. `OnionClientRequester` is the real one.

#ifndef CLIENT_REMOTE_ONION_REQUESTER_H_
#define CLIENT_REMOTE_ONION_REQUESTER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "routing/onion/node_id.h"

namespace messenger::client {

// The way one request took: relays in order, then the destination. Empty when
// it was not sent.
struct RequestRoute {
  std::vector<routing::NodeId> hops;
};

class OnionRequester {
 public:
  virtual ~OnionRequester() = default;

  struct Request {
    routing::NodeId destination;
    // Members of the destination's swarm; none of them becomes a relay.
    std::vector<routing::NodeId> swarm;
    uint8_t service = 0;
    std::string bytes;
    int reply_cells = 1;  // 1, 2, 4, 8 or 16
    absl::Duration timeout = absl::Seconds(10);
  };
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::string>,
                                       const RequestRoute&)>;

  // `done` runs once, on the executor, never inside the call: with the reply,
  // the service's status, UNAVAILABLE (another attempt takes another path) or
  // DEADLINE_EXCEEDED (outcome unknown). It may also be dropped unrun when the
  // requester goes. Nothing is retried.
  virtual void Send(Request request, Done done) = 0;
};

// The longest reply that fits into this many cells (routing/SPEC.md, section
// 4: status and length take five bytes).
inline constexpr size_t ReplyBytes(int reply_cells) {
  return static_cast<size_t>(reply_cells) * 8148 - 5;
}

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_ONION_REQUESTER_H_
