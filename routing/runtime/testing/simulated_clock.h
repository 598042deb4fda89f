// Virtual time: a clock that stands still until it is moved, and an executor
// that moves it from event to event.
//
// Not thread-safe, except SimulatedExecutor::Run() being callable wherever the
// one thread is. A whole network runs on one of these.
#ifndef ROUTING_RUNTIME_TESTING_SIMULATED_CLOCK_H_
#define ROUTING_RUNTIME_TESTING_SIMULATED_CLOCK_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"

namespace messenger::routing {

class SimulatedClock final : public Clock {
 public:
  // Starts at a fixed instant (2030-01-01 00:00:00 UTC) unless told.
  SimulatedClock();
  explicit SimulatedClock(absl::Time start) : now_(start) {}

  absl::Time Now() const override { return now_; }
  void Advance(absl::Duration step) { now_ += step; }

 private:
  absl::Time now_;
};

class SimulatedExecutor final : public Executor {
 public:
  // `clock` must outlive the executor.
  explicit SimulatedExecutor(SimulatedClock& clock) : clock_(clock) {}

  SimulatedExecutor(const SimulatedExecutor&) = delete;
  SimulatedExecutor& operator=(const SimulatedExecutor&) = delete;

  void Run(Task task) override;
  TimerId RunAfter(absl::Duration delay, Task task) override;
  void Cancel(TimerId timer) override;

  // Runs all that is due now, and what that makes due, without moving the
  // clock.
  void RunUntilIdle();

  // Runs all that becomes due within `span`; the clock ends `span` later.
  void RunFor(absl::Duration span);

  // Moves through time until `done` is true (looked at after every task) or
  // `limit` has passed; says whether `done` was true.
  bool RunUntil(absl::FunctionRef<bool()> done, absl::Duration limit);

  // Timers set and not yet run.
  size_t pending_timers() const { return timers_.size(); }

  SimulatedClock& clock() { return clock_; }

 private:
  // Runs one task that is due by now. False if there is none.
  bool RunOne();

  SimulatedClock& clock_;
  std::deque<Task> queue_;
  std::map<std::pair<absl::Time, TimerId>, Task> timers_;
  absl::flat_hash_map<TimerId, absl::Time> due_times_;
  TimerId last_timer_ = 0;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_TESTING_SIMULATED_CLOCK_H_
