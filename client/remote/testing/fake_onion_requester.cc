#include "client/remote/testing/fake_onion_requester.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"

namespace messenger::client {

void FakeOnionRequester::Send(Request request, Done done) {
  sent_.push_back(request);
  struct Exchange {
    Done done;
    RequestRoute route;
  };
  auto exchange = std::make_shared<Exchange>();
  exchange->done = std::move(done);
  // A relay that no other request had.
  std::string relay(32, '\0');
  for (size_t rest = sent_.size(), i = 0; rest > 0; rest >>= 8, ++i) {
    relay[i] = static_cast<char>(rest & 0xff);
  }
  exchange->route.hops = {*routing::NodeId::FromBytes(relay),
                          request.destination};
  // Whichever comes first takes `done`.
  const auto finish = [exchange](absl::StatusOr<std::string> result) {
    if (exchange->done == nullptr) return;
    Done taken = std::move(exchange->done);
    exchange->done = nullptr;
    taken(std::move(result), exchange->route);
  };
  executor_.RunAfter(request.timeout, [finish] {
    finish(absl::DeadlineExceededError("no reply in time"));
  });
  const size_t limit = ReplyBytes(request.reply_cells);
  const auto reply_later =
      [this, finish, limit,
       destination = request.destination](absl::StatusOr<std::string> reply) {
        if (filter_ != nullptr) reply = filter_(destination, std::move(reply));
        if (reply.ok() && reply->size() > limit) return;
        const absl::Duration more =
            delay_ == nullptr ? absl::ZeroDuration() : delay_(destination);
        executor_.RunAfter(kOneWay + more,
                           [finish, reply = std::move(reply)]() mutable {
                             finish(std::move(reply));
                           });
      };
  executor_.RunAfter(kOneWay, [this, reply_later,
                               request = std::move(request)]() mutable {
    if (interceptor_ != nullptr) {
      std::optional<absl::StatusOr<std::string>> answer = interceptor_(request);
      if (answer.has_value()) return reply_later(*std::move(answer));
    }
    deliver_(request.destination, request.service, std::move(request.bytes),
             reply_later);
  });
}

}  // namespace messenger::client
