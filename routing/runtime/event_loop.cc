#include "routing/runtime/event_loop.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace messenger::routing {
namespace {

// The clock need not run at the pace of the machine's own (it may be set), so
// no wait is longer than this before it is looked at again.
constexpr absl::Duration kLongestWait = absl::Seconds(1);

}  // namespace

EventLoop::EventLoop(const Clock& clock) : clock_(clock) {}

EventLoop::~EventLoop() {
  // A dropped task may own what cancels timers or queues tasks when it dies.
  // Those land in the members, which are emptied until nothing is left.
  while (true) {
    std::vector<Task> dropped;
    {
      absl::MutexLock lock(&mutex_);
      dropped.swap(queue_);
    }
    std::map<std::pair<absl::Time, TimerId>, Task> timers;
    timers.swap(timers_);
    if (dropped.empty() && timers.empty()) return;
  }
}

void EventLoop::Run(Task task) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(task));
  // Waking a thread is the dear part: only if it waits, and only once.
  if (waiting_) {
    waiting_ = false;
    changed_.Signal();
  }
}

TimerId EventLoop::RunAfter(absl::Duration delay, Task task) {
  const TimerId id = ++last_timer_;
  const absl::Time due = clock_.Now() + std::max(delay, absl::ZeroDuration());
  timers_.emplace(std::make_pair(due, id), std::move(task));
  due_times_.emplace(id, due);
  return id;
}

void EventLoop::Cancel(TimerId timer) {
  const auto due = due_times_.find(timer);
  if (due == due_times_.end()) return;
  const auto key = std::make_pair(due->second, timer);
  due_times_.erase(due);
  // Taken out before it is destroyed, for its destructor may come back here.
  auto cancelled = timers_.extract(key);
}

void EventLoop::RunUntilStopped() {
  while (RunBatch(absl::InfiniteFuture())) {
  }
}

void EventLoop::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  waiting_ = false;
  changed_.SignalAll();
}

bool EventLoop::RunUntil(absl::FunctionRef<bool()> done, absl::Duration limit) {
  const absl::Time end = clock_.Now() + limit;
  while (!done()) {
    if (clock_.Now() >= end) return false;
    if (!RunBatch(end)) return done();
  }
  return true;
}

bool EventLoop::Stopped() {
  absl::MutexLock lock(&mutex_);
  return stopped_;
}

bool EventLoop::RunBatch(absl::Time wake_at) {
  if (!timers_.empty()) {
    wake_at = std::min(wake_at, timers_.begin()->first.first);
  }
  const absl::Duration wait = std::min(
      std::max(wake_at - clock_.Now(), absl::ZeroDuration()), kLongestWait);
  std::vector<Task> batch = std::move(batch_);
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return false;
    if (queue_.empty() && wait > absl::ZeroDuration()) {
      waiting_ = true;
      changed_.WaitWithTimeout(&mutex_, wait);
      waiting_ = false;
      if (stopped_) return false;
    }
    batch.swap(queue_);
  }
  // What is due now comes first: it was made before most of the batch.
  const absl::Time now = clock_.Now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    auto timer = timers_.extract(timers_.begin());
    due_times_.erase(timer.key().second);
    timer.mapped()();
    if (Stopped()) break;
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    if (Stopped()) {
      // Kept, in order, for whoever runs the loop's destructor.
      absl::MutexLock lock(&mutex_);
      queue_.insert(queue_.begin(), std::make_move_iterator(batch.begin() + i),
                    std::make_move_iterator(batch.end()));
      return false;
    }
    batch[i]();
    batch[i] = nullptr;
  }
  batch.clear();
  batch_ = std::move(batch);
  return true;
}

}  // namespace messenger::routing
