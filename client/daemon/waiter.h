// How a command waits: everything else of the process goes on meanwhile.

#ifndef CLIENT_DAEMON_WAITER_H_
#define CLIENT_DAEMON_WAITER_H_

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "routing/runtime/event_loop.h"

namespace messenger::client {

class Waiter {
 public:
  virtual ~Waiter() = default;

  // Waits until `done` is true, `limit` has passed or whoever wanted the
  // command has gone; says whether `done` was true.
  virtual bool RunUntil(absl::FunctionRef<bool()> done,
                        absl::Duration limit) = 0;
};

// For the only command of a process: runs the loop.
class LoopWaiter final : public Waiter {
 public:
  explicit LoopWaiter(routing::EventLoop& loop) : loop_(loop) {}

  bool RunUntil(absl::FunctionRef<bool()> done, absl::Duration limit) override {
    return loop_.RunUntil(done, limit);
  }

 private:
  routing::EventLoop& loop_;
};

}  // namespace messenger::client

#endif  // CLIENT_DAEMON_WAITER_H_
