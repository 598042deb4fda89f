#include "routing/runtime/testing/simulated_clock.h"

#include <algorithm>
#include <utility>

namespace messenger::routing {

SimulatedClock::SimulatedClock()
    : now_(absl::FromCivil(absl::CivilSecond(2030, 1, 1),
                           absl::UTCTimeZone())) {}

void SimulatedExecutor::Run(Task task) { queue_.push_back(std::move(task)); }

TimerId SimulatedExecutor::RunAfter(absl::Duration delay, Task task) {
  const TimerId id = ++last_timer_;
  const absl::Time due = clock_.Now() + std::max(delay, absl::ZeroDuration());
  timers_.emplace(std::make_pair(due, id), std::move(task));
  due_times_.emplace(id, due);
  return id;
}

void SimulatedExecutor::Cancel(TimerId timer) {
  const auto due = due_times_.find(timer);
  if (due == due_times_.end()) return;
  const auto key = std::make_pair(due->second, timer);
  due_times_.erase(due);
  // Taken out before it is destroyed, for its destructor may come back here.
  auto cancelled = timers_.extract(key);
}

bool SimulatedExecutor::RunOne() {
  if (!queue_.empty()) {
    Task task = std::move(queue_.front());
    queue_.pop_front();
    task();
    return true;
  }
  if (timers_.empty() || timers_.begin()->first.first > clock_.Now()) {
    return false;
  }
  auto timer = timers_.extract(timers_.begin());
  due_times_.erase(timer.key().second);
  timer.mapped()();
  return true;
}

void SimulatedExecutor::RunUntilIdle() {
  while (RunOne()) {
  }
}

void SimulatedExecutor::RunFor(absl::Duration span) {
  RunUntil([] { return false; }, span);
}

bool SimulatedExecutor::RunUntil(absl::FunctionRef<bool()> done,
                                 absl::Duration limit) {
  const absl::Time end = clock_.Now() + limit;
  while (!done()) {
    if (RunOne()) continue;
    if (timers_.empty() || timers_.begin()->first.first > end) {
      clock_.Advance(std::max(end - clock_.Now(), absl::ZeroDuration()));
      return done();
    }
    clock_.Advance(timers_.begin()->first.first - clock_.Now());
  }
  return true;
}

}  // namespace messenger::routing
