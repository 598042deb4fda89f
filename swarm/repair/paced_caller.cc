#include "swarm/repair/paced_caller.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"

namespace messenger::swarm {

PacedCaller::PacedCaller(PeerCaller& caller, const routing::Clock& clock,
                         routing::Executor& executor)
    : caller_(caller),
      clock_(clock),
      executor_(executor),
      refilled_(clock.Now()) {}

PacedCaller::~PacedCaller() { executor_.Cancel(timer_); }

void PacedCaller::Refill() {
  const absl::Time now = clock_.Now();
  // A clock that was set back or forward gives at most a burst.
  const double seconds = std::max(0.0, absl::ToDoubleSeconds(now - refilled_));
  credit_ = std::min(kBurstBytes, credit_ + seconds * kBytesPerSecond);
  refilled_ = now;
}

void PacedCaller::Charge(size_t bytes) {
  Refill();
  credit_ -= static_cast<double>(bytes);
}

void PacedCaller::Call(const routing::NodeId& peer, absl::string_view method,
                       std::string request, absl::Duration timeout,
                       routing::Transport::CallDone done) {
  auto make = [this, peer, method = std::string(method),
               request = std::move(request), timeout,
               done = std::move(done)]() mutable {
    Charge(request.size());
    caller_.Call(
        peer, method, std::move(request), timeout,
        [this, weak = std::weak_ptr<const bool>(alive_),
         done = std::move(done)](absl::StatusOr<std::string> reply) mutable {
          if (!weak.expired() && reply.ok()) Charge(reply->size());
          done(std::move(reply));
        });
  };
  Refill();
  if (waiting_.empty() && credit_ >= 0) return make();
  waiting_.push_back(std::move(make));
  if (timer_ == 0) MakeNext();
}

void PacedCaller::MakeNext() {
  timer_ = 0;
  while (!waiting_.empty()) {
    Refill();
    if (credit_ < 0) {
      // Never a busy loop over less than the clock can tell.
      const absl::Duration pause = std::max(
          absl::Milliseconds(1), absl::Seconds(-credit_ / kBytesPerSecond));
      timer_ = executor_.RunAfter(pause, [this] { MakeNext(); });
      return;
    }
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    next();
  }
}

}  // namespace messenger::swarm
