// `session`, the command-line client.

#include <string>
#include <vector>

#include "client/cli/session_command.h"
#include "crypto/random/system_random.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/process.h"
#include "routing/runtime/system_clock.h"

int main(int argc, char** argv) {
  using messenger::routing::EventLoop;
  EventLoop loop(messenger::routing::SystemClock());
  messenger::routing::StopOnSignal stop(loop);
  // Where the system refuses, the account still works.
  messenger::routing::ForbidMemoryDumps().IgnoreError();
  return static_cast<int>(messenger::client::RunSessionCommand(
      std::vector<std::string>(argv + 1, argv + argc),
      {messenger::routing::SystemClock(), messenger::crypto::SystemRandom(),
       loop}));
}
