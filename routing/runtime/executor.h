// Where the core of a process runs: one task at a time, in order
// (routing/runtime/SPEC.md, section 1).
//
// Code that lives on an executor needs no locks: nothing else of that core is
// running. In return no task may block or wait.
#ifndef ROUTING_RUNTIME_EXECUTOR_H_
#define ROUTING_RUNTIME_EXECUTOR_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace messenger::routing {

using Task = absl::AnyInvocable<void()>;

// Never zero, so that zero can stand for "no timer". Never used twice by one
// executor.
using TimerId = uint64_t;

class Executor {
 public:
  virtual ~Executor() = default;

  // Queues `task` behind all tasks queued before. Never runs it inside the
  // call. May be called from any thread.
  virtual void Run(Task task) = 0;

  // Runs `task` once `delay` has passed; timers that are due at the same time
  // run in the order they were made. Only from the executor's own tasks, or
  // before it starts.
  virtual TimerId RunAfter(absl::Duration delay, Task task) = 0;

  // Drops a timer. Harmless if it has run, was cancelled or is zero. Same
  // callers as RunAfter.
  virtual void Cancel(TimerId timer) = 0;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_EXECUTOR_H_
