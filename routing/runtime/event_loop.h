// The executor of a real process: tasks run on the one thread that calls
// RunUntilStopped() or RunUntil() (routing/runtime/SPEC.md, section 1).
//
// Run(), Stop() and Stopped() are thread-safe. Everything else is for the
// loop's own thread. Tasks still queued when the loop is destroyed are dropped
// unrun.
#ifndef ROUTING_RUNTIME_EVENT_LOOP_H_
#define ROUTING_RUNTIME_EVENT_LOOP_H_

#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"

namespace messenger::routing {

class EventLoop final : public Executor {
 public:
  // Timers are measured on `clock`, which must outlive the loop.
  explicit EventLoop(const Clock& clock);
  ~EventLoop() override;

  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Run(Task task) override;
  TimerId RunAfter(absl::Duration delay, Task task) override;
  void Cancel(TimerId timer) override;

  // Runs tasks until Stop(). Returns at once if Stop() was called before.
  void RunUntilStopped();

  // Makes the loop return after the task it is running. Stays stopped.
  void Stop();

  // Whether Stop() was called. From any thread.
  bool Stopped();

  // Runs tasks until `done` is true (looked at after every batch of tasks),
  // `limit` has passed or the loop is stopped; says whether `done` was true.
  bool RunUntil(absl::FunctionRef<bool()> done, absl::Duration limit);

 private:
  // Waits for work until `wake_at`, then runs what is due. False when stopped.
  bool RunBatch(absl::Time wake_at);

  const Clock& clock_;

  // Only the loop's thread.
  std::map<std::pair<absl::Time, TimerId>, Task> timers_;
  absl::flat_hash_map<TimerId, absl::Time> due_times_;
  TimerId last_timer_ = 0;
  std::vector<Task> batch_;

  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::vector<Task> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_EVENT_LOOP_H_
