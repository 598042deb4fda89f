#include "client/store/helper_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void Reset(int fd) {
    Close();
    fd_ = fd;
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor reader;
  Descriptor writer;
};

absl::Status SystemError(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", strerror(errno)));
}

absl::Status Open(Pipe& made) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return SystemError("pipe");
  made.reader.Reset(ends[0]);
  made.writer.Reset(ends[1]);
  return absl::OkStatus();
}

// Its end, and never a zombie.
int WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

absl::StatusOr<pid_t> Spawn(const HelperCall& call, const Pipe& input,
                            const Pipe& output, const Pipe& errors) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  absl::Cleanup destroy = [&] {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  };
  posix_spawn_file_actions_adddup2(&actions, input.reader.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, output.writer.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, errors.writer.get(), 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  // The main blocks SIGINT and SIGTERM and may ignore others.
  sigset_t none;
  sigemptyset(&none);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> arguments = {const_cast<char*>(call.program.c_str())};
  for (const std::string& argument : call.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (const std::string& variable : call.environment) {
    environment.push_back(const_cast<char*>(variable.c_str()));
  }
  environment.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, call.program.c_str(), &actions, &attributes,
                  arguments.data(), environment.data());
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("it cannot be started: ", strerror(error)));
  }
  return pid;
}

}  // namespace

absl::StatusOr<HelperAnswer> RunHelper(const HelperCall& call) {
  if (call.program.empty() || call.program[0] != '/' ||
      call.input.size() > kMaxHelperInputBytes) {
    return absl::InternalError("no path, or too much to say");
  }
  Pipe input, output, errors;
  RETURN_IF_ERROR(Open(input));
  RETURN_IF_ERROR(Open(output));
  RETURN_IF_ERROR(Open(errors));
  // Before there is a reader: a program that ends at once is no SIGPIPE.
  if (!call.input.empty() &&
      write(input.writer.get(), call.input.data(), call.input.size()) !=
          static_cast<ssize_t>(call.input.size())) {
    return SystemError("write");
  }
  input.writer.Close();
  Descriptor timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  itimerspec alarm = {};
  alarm.it_value = absl::ToTimespec(call.limit);
  if (timer.get() < 0 ||
      timerfd_settime(timer.get(), 0, &alarm, nullptr) != 0) {
    return SystemError("timer");
  }
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(call, input, output, errors));
  absl::Cleanup kill_it = [pid] {
    kill(pid, SIGKILL);
    WaitFor(pid);
  };
  output.writer.Close();
  errors.writer.Close();

  HelperAnswer answer;
  absl::Cleanup wipe = [&answer] { crypto::SecureWipe(answer.output); };
  // Growing would leave copies behind.
  answer.output.reserve(call.max_output_bytes);
  char buffer[1024];
  absl::Cleanup wipe_buffer = [&buffer] {
    crypto::SecureWipe(buffer, sizeof(buffer));
  };
  // Until both are closed; -1 is not polled.
  pollfd waits[] = {{output.reader.get(), POLLIN, 0},
                    {errors.reader.get(), POLLIN, 0},
                    {timer.get(), POLLIN, 0}};
  while (waits[0].fd >= 0 || waits[1].fd >= 0) {
    if (poll(waits, 3, -1) < 0) {
      if (errno == EINTR) continue;
      return SystemError("poll");
    }
    if (waits[2].revents != 0) {
      return absl::DeadlineExceededError(absl::StrCat(
          "it has not answered within ", absl::FormatDuration(call.limit)));
    }
    for (int i = 0; i < 2; ++i) {
      if (waits[i].fd < 0 || waits[i].revents == 0) continue;
      const ssize_t count = read(waits[i].fd, buffer, sizeof(buffer));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return SystemError("read");
      if (count == 0) {
        waits[i].fd = -1;
        continue;
      }
      std::string& text = i == 0 ? answer.output : answer.errors;
      if (text.size() + static_cast<size_t>(count) > call.max_output_bytes) {
        return absl::ResourceExhaustedError("it says too much");
      }
      text.append(buffer, static_cast<size_t>(count));
    }
  }
  // Its outputs are closed, so it is about to end, or only seems to be.
  waits[2].fd = timer.get();
  int status = 0;
  while (true) {
    const pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) break;
    if (ended < 0 && errno != EINTR) return SystemError("wait");
    constexpr int kShortWhileMs = 1;
    if (poll(&waits[2], 1, kShortWhileMs) > 0) {
      return absl::DeadlineExceededError(absl::StrCat(
          "it has not ended within ", absl::FormatDuration(call.limit)));
    }
  }
  std::move(kill_it).Cancel();
  if (!WIFEXITED(status)) {
    return absl::UnavailableError("it was ended by a signal");
  }
  answer.exit_code = WEXITSTATUS(status);
  std::move(wipe).Cancel();
  return answer;
}

}  // namespace messenger::client
