// The executor of one process among many in one thread: dies with the process,
// stands still with it, and can be slow, as a disk is.
//
// Not thread-safe. What a dead process had queued is dropped when its turn
// comes, unrun.

#ifndef TOOLS_SIMNET_SWARM_PROCESS_EXECUTOR_H_
#define TOOLS_SIMNET_SWARM_PROCESS_EXECUTOR_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "routing/runtime/executor.h"

namespace messenger::simnet {

class ProcessExecutor final : public routing::Executor {
 public:
  // `base` must outlive the executor.
  explicit ProcessExecutor(routing::Executor& base);
  ~ProcessExecutor() override;

  ProcessExecutor(const ProcessExecutor&) = delete;
  ProcessExecutor& operator=(const ProcessExecutor&) = delete;

  void Run(routing::Task task) override;
  routing::TimerId RunAfter(absl::Duration delay, routing::Task task) override;
  void Cancel(routing::TimerId timer) override;

  // Every Run() then waits for a time of its own, still in order.
  void set_latency(std::function<absl::Duration()> latency) {
    latency_ = std::move(latency);
  }

  // Nothing runs until Resume(); then what became due meanwhile, in order.
  void Pause();
  void Resume();
  // Nothing ever runs again.
  void Kill();

 private:
  struct State;

  routing::Executor& base_;
  std::shared_ptr<State> state_;
  std::function<absl::Duration()> latency_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_PROCESS_EXECUTOR_H_
