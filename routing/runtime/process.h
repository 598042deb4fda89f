// What every main does around its event loop: end on a signal, keep secrets
// out of core dumps, write log lines.
#ifndef ROUTING_RUNTIME_PROCESS_H_
#define ROUTING_RUNTIME_PROCESS_H_

#include <cstddef>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "routing/runtime/event_loop.h"

namespace messenger::routing {

enum class LogLevel { kInfo, kWarning, kError };

// Writes one line to standard error: time, level, words. Thread-safe. Never
// give it ids, keys, content or addresses of peers. Control characters are
// written as '?'.
void Log(LogLevel level, absl::string_view words);

// Stops `loop` on SIGTERM or SIGINT, which are blocked for the whole process
// and taken by a thread of this object; a second signal ends the process at
// once. Make it in main before any other thread starts. Ignores SIGPIPE.
class StopOnSignal {
 public:
  explicit StopOnSignal(EventLoop& loop);  // must outlive this
  ~StopOnSignal();

  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;

 private:
  std::thread thread_;
};

// A main's wait for files that appear after its start: tries `join` now and
// every 100 ms until it returns true or an error. Belongs to `loop`, which must
// outlive it.
class JoinWhenReady {
 public:
  // `join` returns false while something is still missing; `joined` is logged
  // once it has returned true.
  JoinWhenReady(EventLoop& loop, std::function<absl::StatusOr<bool>()> join,
                absl::string_view joined)
      : loop_(loop), join_(std::move(join)), joined_(joined) {}

  void Try();

  // Keeps why the process must end, and stops the loop. Try() calls it with
  // the error of `join`.
  void End(absl::Status why);

  // OK unless End() was called.
  const absl::Status& result() const { return result_; }

 private:
  EventLoop& loop_;
  const std::function<absl::StatusOr<bool>()> join_;
  const std::string joined_;
  absl::Status result_;
};

// No core dumps, and no other process of the user may read our memory.
// UNAVAILABLE if the system refuses.
absl::Status ForbidMemoryDumps();

// Our flags are written --with-dashes, and Abseil's names cannot have them:
// turns the dashes of every flag's name into underscores, in place. Call it
// before the flags are parsed. Values and words after "--" stay as they are.
void AcceptDashesInFlags(int argc, char** argv);

// Raises the limit of open files to the hard limit; returns the limit.
size_t RaiseFileLimit();

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_PROCESS_H_
