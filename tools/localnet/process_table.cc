#include "tools/localnet/process_table.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "crypto/base/status_macros.h"
#include "routing/runtime/files.h"

extern char** environ;

namespace messenger::localnet {
namespace {

constexpr char kFieldSeparator = '\x1f';
constexpr absl::Duration kPollInterval = absl::Milliseconds(20);

struct ProcStat {
  char state;
  uint64_t start_time;
};

// What proc(5) says of a pid, or nothing when there is none.
std::optional<ProcStat> ReadProcStat(pid_t pid) {
  const absl::StatusOr<std::string> file =
      routing::ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  if (!file.ok()) return std::nullopt;
  // The name stands in parentheses and may contain anything.
  const size_t end_of_name = file->rfind(')');
  if (end_of_name == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields =
      absl::StrSplit(file->substr(end_of_name + 1), ' ', absl::SkipEmpty());
  ProcStat stat;
  // State is field 3, the start time field 22; these begin at field 3.
  if (fields.size() < 20 || !absl::SimpleAtoi(fields[19], &stat.start_time)) {
    return std::nullopt;
  }
  stat.state = fields[0][0];
  return stat;
}

absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& arguments,
                            const std::string& log_path) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  absl::Cleanup destroy = [&] {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  };
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log_path.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  // The launcher blocks SIGINT and SIGTERM; its children must not inherit
  // that.
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, arguments[0].c_str(), &actions,
                                &attributes, argv.data(), environ);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot start ", arguments[0], ": ", strerror(error)));
  }
  return pid;
}

}  // namespace

absl::Status ProcessTable::Load() {
  processes_.clear();
  const absl::StatusOr<std::string> file = routing::ReadFile(path_);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  RETURN_IF_ERROR(file.status());
  for (absl::string_view line :
       absl::StrSplit(*file, '\n', absl::SkipEmpty())) {
    std::vector<std::string> fields = absl::StrSplit(line, kFieldSeparator);
    Process process;
    if (fields.size() < 5 || !absl::SimpleAtoi(fields[1], &process.pid) ||
        !absl::SimpleAtoi(fields[2], &process.start_time)) {
      return absl::DataLossError(
          absl::StrCat(path_, " is damaged; remove the folder and start anew"));
    }
    process.name = fields[0];
    process.log_path = fields[3];
    process.arguments.assign(fields.begin() + 4, fields.end());
    processes_.push_back(std::move(process));
  }
  return absl::OkStatus();
}

absl::Status ProcessTable::Save() const {
  std::string file;
  const std::string separator(1, kFieldSeparator);
  for (const Process& process : processes_) {
    absl::StrAppend(&file, process.name, separator, process.pid, separator,
                    process.start_time, separator, process.log_path, separator,
                    absl::StrJoin(process.arguments, separator), "\n");
  }
  return routing::WriteFileAtomically(path_, file);
}

absl::StatusOr<const Process*> ProcessTable::Find(
    absl::string_view name) const {
  std::vector<std::string> names;
  for (const Process& process : processes_) {
    if (process.name == name) return &process;
    names.push_back(process.name);
  }
  return absl::NotFoundError(absl::StrCat(
      "there is no process \"", name, "\"; there ",
      names.empty() ? "is none" : "are ", absl::StrJoin(names, ", ")));
}

absl::Status ProcessTable::Start(const std::string& name,
                                 const std::vector<std::string>& arguments,
                                 const std::string& log_path) {
  auto same_name = [&](const Process& process) { return process.name == name; };
  auto slot = std::find_if(processes_.begin(), processes_.end(), same_name);
  if (slot != processes_.end() && IsAlive(*slot)) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " is running already"));
  }
  Process process;
  process.name = name;
  process.arguments = arguments;
  process.log_path = log_path;
  ASSIGN_OR_RETURN(process.pid, Spawn(arguments, log_path));
  // A child of ours stays at least a zombie until it is waited for.
  const std::optional<ProcStat> stat = ReadProcStat(process.pid);
  process.start_time = stat ? stat->start_time : 0;
  if (slot == processes_.end()) {
    processes_.push_back(std::move(process));
  } else {
    *slot = std::move(process);
  }
  return Save();
}

char ProcessTable::State(const Process& process) {
  const std::optional<ProcStat> stat = ReadProcStat(process.pid);
  if (!stat || stat->start_time != process.start_time) return 0;
  if (stat->state == 'Z' || stat->state == 'X') {
    // Ours to bury, if it is our child; another launcher's is init's.
    waitpid(process.pid, nullptr, WNOHANG);
    return 0;
  }
  return stat->state;
}

bool ProcessTable::IsAlive(const Process& process) {
  return State(process) != 0;
}

absl::Status ProcessTable::Signal(const Process& process, int signal) {
  if (!IsAlive(process) || kill(process.pid, signal) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(process.name, " is not running"));
  }
  return absl::OkStatus();
}

int ProcessTable::StopAll(absl::Duration patience) {
  for (const Process& process : processes_) {
    // A stopped process takes SIGTERM only once it goes on.
    Signal(process, SIGTERM).IgnoreError();
    Signal(process, SIGCONT).IgnoreError();
  }
  const absl::Time deadline = absl::Now() + patience;
  auto any_alive = [this] {
    return std::any_of(processes_.begin(), processes_.end(), IsAlive);
  };
  while (any_alive() && absl::Now() < deadline) {
    absl::SleepFor(kPollInterval);
  }
  int killed = 0;
  for (const Process& process : processes_) {
    if (Signal(process, SIGKILL).ok()) ++killed;
  }
  while (any_alive()) absl::SleepFor(kPollInterval);
  return killed;
}

}  // namespace messenger::localnet
