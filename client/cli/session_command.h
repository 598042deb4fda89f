// The command-line client: parses, runs one command, prints its result.
//
// Results go to standard output (one JSON object with --json), everything else
// - what is being waited for, what went wrong and what to do - to standard
// error, one sentence each.

#ifndef CLIENT_CLI_SESSION_COMMAND_H_
#define CLIENT_CLI_SESSION_COMMAND_H_

#include <string>
#include <vector>

#include "crypto/random/random.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"

namespace messenger::client {

enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,   // A bug or something unforeseen.
  kUsage = 2,     // The command line or its input is wrong.
  kPin = 3,       // The PIN is wrong or missing.
  kNotFound = 4,  // No such account, contact or file.
  kNetwork = 5,   // The network is out of reach; a queued text stays queued.
  kStorage = 6,   // The disk is full, or the database damaged.
};

struct SessionEnvironment {
  const routing::Clock& clock;
  crypto::Random& random;
  // Stopped by the main's signal handler.
  routing::EventLoop& loop;
};

// `words` is the command line without the program's name. Where `begin_anew` is
// not empty afterwards, the process goes on as the same program with these
// words and an empty memory (execve), unless it was told to end.
ExitCode RunSessionCommand(const std::vector<std::string>& words,
                           const SessionEnvironment& environment,
                           std::vector<std::string>* begin_anew);

}  // namespace messenger::client

#endif  // CLIENT_CLI_SESSION_COMMAND_H_
