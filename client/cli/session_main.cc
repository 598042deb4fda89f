// `session`, the command-line client.

#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/session_command.h"
#include "crypto/random/system_random.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/process.h"
#include "routing/runtime/system_clock.h"

namespace {

using ::messenger::client::ExitCode;

// Returns where the program cannot be replaced.
ExitCode BeginAnew(const char* name, std::vector<std::string> words) {
  std::vector<char*> arguments = {const_cast<char*>(name)};
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execv("/proc/self/exe", arguments.data());
  std::fprintf(stderr, "The daemon ends: it cannot start anew to be locked.\n");
  return ExitCode::kFailure;
}

}  // namespace

int main(int argc, char** argv) {
  using messenger::routing::EventLoop;
  EventLoop loop(messenger::routing::SystemClock());
  // Where the system refuses, the account still works.
  messenger::routing::ForbidMemoryDumps().IgnoreError();
  std::vector<std::string> begin_anew;
  ExitCode code = ExitCode::kOk;
  {
    messenger::routing::StopOnSignal stop(loop);
    code = messenger::client::RunSessionCommand(
        std::vector<std::string>(argv + 1, argv + argc),
        {messenger::routing::SystemClock(), messenger::crypto::SystemRandom(),
         loop},
        &begin_anew);
  }
  // From here on signals wait, for the program that follows.
  if (!begin_anew.empty() && !loop.Stopped()) {
    code = BeginAnew(argv[0], std::move(begin_anew));
  }
  return static_cast<int>(code);
}
