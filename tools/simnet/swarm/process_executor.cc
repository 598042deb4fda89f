#include "tools/simnet/swarm/process_executor.h"

#include <deque>
#include <map>
#include <set>
#include <utility>

namespace messenger::simnet {

struct ProcessExecutor::State {
  bool alive = true;
  bool paused = false;
  // Queued tasks, in order. Each stands for one task of the base executor, and
  // whichever comes first runs the first of them: so latency keeps the order.
  std::deque<routing::Task> queue;
  std::map<routing::TimerId, routing::Task> timers;  // by the base's ids
  // What became due during a pause.
  size_t held_tasks = 0;
  std::deque<routing::TimerId> held_timers;

  void RunFirst() {
    if (!alive || queue.empty()) return;
    if (paused) {
      ++held_tasks;
      return;
    }
    routing::Task task = std::move(queue.front());
    queue.pop_front();
    task();
  }
  void Fire(routing::TimerId id) {
    if (!alive) return;
    if (paused) {
      held_timers.push_back(id);
      return;
    }
    auto timer = timers.extract(id);
    if (!timer.empty()) timer.mapped()();
  }
};

ProcessExecutor::ProcessExecutor(routing::Executor& base)
    : base_(base), state_(std::make_shared<State>()) {}

ProcessExecutor::~ProcessExecutor() { Kill(); }

void ProcessExecutor::Run(routing::Task task) {
  if (!state_->alive) return;
  state_->queue.push_back(std::move(task));
  const auto run = [state = state_] { state->RunFirst(); };
  if (latency_ != nullptr) {
    base_.RunAfter(latency_(), run);
  } else {
    base_.Run(run);
  }
}

routing::TimerId ProcessExecutor::RunAfter(absl::Duration delay,
                                           routing::Task task) {
  // The id is known only afterwards, and never runs before.
  auto id = std::make_shared<routing::TimerId>(0);
  *id = base_.RunAfter(delay, [state = state_, id] { state->Fire(*id); });
  if (state_->alive) state_->timers.emplace(*id, std::move(task));
  return *id;
}

void ProcessExecutor::Cancel(routing::TimerId timer) {
  // Taken out before it is destroyed, for its destructor may come back here.
  auto cancelled = state_->timers.extract(timer);
  base_.Cancel(timer);
}

void ProcessExecutor::Pause() { state_->paused = true; }

void ProcessExecutor::Resume() {
  if (!state_->paused) return;
  state_->paused = false;
  for (; state_->held_tasks > 0; --state_->held_tasks) {
    base_.Run([state = state_] { state->RunFirst(); });
  }
  for (const routing::TimerId id : std::exchange(state_->held_timers, {})) {
    base_.Run([state = state_, id] { state->Fire(id); });
  }
}

void ProcessExecutor::Kill() {
  state_->alive = false;
  // Destroying a task may come back here.
  auto queue = std::exchange(state_->queue, {});
  auto timers = std::exchange(state_->timers, {});
}

}  // namespace messenger::simnet
