// The processes of a local network: started, watched, signalled, and
// remembered in a file, so that a later command finds them again.
//
// A process is known by its pid and its start time, so that a recycled pid is
// never signalled. Every process leads a session of its own: a Ctrl-C at the
// terminal reaches the launcher only. Not thread-safe.

#ifndef TOOLS_LOCALNET_PROCESS_TABLE_H_
#define TOOLS_LOCALNET_PROCESS_TABLE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace messenger::localnet {

struct Process {
  std::string name;
  pid_t pid = 0;
  // Clock ticks since boot (proc(5), field 22).
  uint64_t start_time = 0;
  std::string log_path;
  std::vector<std::string> arguments;
};

class ProcessTable {
 public:
  // `path` is the file the table is kept in; its folder exists.
  explicit ProcessTable(std::string path) : path_(std::move(path)) {}

  // DATA_LOSS when the file cannot be understood. A missing file is an empty
  // table.
  absl::Status Load();
  absl::Status Save() const;

  const std::vector<Process>& processes() const { return processes_; }
  // NOT_FOUND, naming the processes there are.
  absl::StatusOr<const Process*> Find(absl::string_view name) const;

  // Starts a program (argument 0 is its path), or starts it again under the
  // same name, with its output appended to `log_path`. Saves the table.
  // FAILED_PRECONDITION when it is running, UNAVAILABLE when it cannot be
  // started.
  absl::Status Start(const std::string& name,
                     const std::vector<std::string>& arguments,
                     const std::string& log_path);

  // Whether the process is there and is no zombie.
  static bool IsAlive(const Process& process);
  // 'R', 'S', 'T' (stopped) and so on of proc(5); 0 when it is gone.
  static char State(const Process& process);

  // FAILED_PRECONDITION when it is not running.
  static absl::Status Signal(const Process& process, int signal);

  // Ends them all: SIGTERM, `patience` for each to go, then SIGKILL. Returns
  // how many had to be killed.
  int StopAll(absl::Duration patience);

 private:
  std::string path_;
  std::vector<Process> processes_;
};

}  // namespace messenger::localnet

#endif  // TOOLS_LOCALNET_PROCESS_TABLE_H_
