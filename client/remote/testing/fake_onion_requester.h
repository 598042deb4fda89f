// An onion network without relays: a request reaches its destination after a
// while, the reply comes back after another, or the timeout does.
//
// Enforces what the real one does: a reply that does not fit its cells is lost.

#ifndef CLIENT_REMOTE_TESTING_FAKE_ONION_REQUESTER_H_
#define CLIENT_REMOTE_TESTING_FAKE_ONION_REQUESTER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/remote/onion_requester.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/server.h"

namespace messenger::client {

class FakeOnionRequester final : public OnionRequester {
 public:
  // What a destination does with a request; not replying is a crash.
  using Deliver =
      std::function<void(const routing::NodeId& destination, uint8_t service,
                         std::string request, routing::Reply reply)>;
  // May answer in the destination's place.
  using Interceptor = std::function<std::optional<absl::StatusOr<std::string>>(
      const Request& request)>;
  // Sees, and may alter, what a destination replies.
  using ReplyFilter = std::function<absl::StatusOr<std::string>(
      const routing::NodeId& destination, absl::StatusOr<std::string> reply)>;

  // How much longer than kOneWay a reply takes.
  using Delay =
      std::function<absl::Duration(const routing::NodeId& destination)>;

  // `executor` must outlive the requester.
  FakeOnionRequester(routing::Executor& executor, Deliver deliver)
      : executor_(executor), deliver_(std::move(deliver)) {}

  void Send(Request request, Done done) override;

  void set_interceptor(Interceptor interceptor) {
    interceptor_ = std::move(interceptor);
  }
  void set_reply_filter(ReplyFilter filter) { filter_ = std::move(filter); }
  void set_delay(Delay delay) { delay_ = std::move(delay); }

  // All requests so far, in order.
  const std::vector<Request>& sent() const { return sent_; }

  static constexpr absl::Duration kOneWay = absl::Milliseconds(60);

 private:
  routing::Executor& executor_;
  Deliver deliver_;
  Interceptor interceptor_;
  ReplyFilter filter_;
  Delay delay_;
  std::vector<Request> sent_;
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_TESTING_FAKE_ONION_REQUESTER_H_
