#include "routing/runtime/process.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace messenger::routing {
namespace {

// Ends the signal thread. Nobody else sends it: SIGTERM and SIGINT do the rest.
constexpr int kEndThread = SIGUSR1;

absl::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "INFO";
    case LogLevel::kWarning:
      return "WARNING";
    case LogLevel::kError:
      return "ERROR";
  }
  return "ERROR";
}

sigset_t HandledSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, kEndThread);
  return signals;
}

}  // namespace

void Log(LogLevel level, absl::string_view words) {
  std::string line = absl::StrCat(
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone()),
      " ", Name(level), " ", words);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  line += '\n';
  // One write, so that lines of several threads do not mix.
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, line.data(), line.size());
}

StopOnSignal::StopOnSignal(EventLoop& loop) {
  // A peer that closes its socket is an error code, not a signal.
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = HandledSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = std::thread([&loop, signals] {
    bool stopping = false;
    while (true) {
      int signal = 0;
      if (sigwait(&signals, &signal) != 0) continue;
      if (signal == kEndThread) return;
      if (stopping) ::_exit(128 + signal);
      stopping = true;
      loop.Stop();
    }
  });
}

StopOnSignal::~StopOnSignal() {
  pthread_kill(thread_.native_handle(), kEndThread);
  thread_.join();
}

void JoinWhenReady::Try() {
  constexpr absl::Duration kInterval = absl::Milliseconds(100);
  const absl::StatusOr<bool> joined = join_();
  if (!joined.ok()) return End(joined.status());
  if (*joined) return Log(LogLevel::kInfo, joined_);
  loop_.RunAfter(kInterval, [this] { Try(); });
}

void JoinWhenReady::End(absl::Status why) {
  result_ = std::move(why);
  loop_.Stop();
}

absl::Status ForbidMemoryDumps() {
  const rlimit none = {0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0 ||
      ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return absl::UnavailableError("cannot forbid memory dumps");
  }
  return absl::OkStatus();
}

void AcceptDashesInFlags(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--", 2) != 0) continue;
    if (argv[i][2] == '\0') return;
    for (char* c = argv[i] + 2; *c != '\0' && *c != '='; ++c) {
      if (*c == '-') *c = '_';
    }
  }
}

size_t RaiseFileLimit() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  return static_cast<size_t>(limit.rlim_cur);
}

}  // namespace messenger::routing
