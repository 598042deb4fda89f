// `session daemon`: one process keeps an account open and up to date, and does
// the work of the programs that ask at its socket (client/SPEC.md, section 16).
//
//   calls of local.proto ---- guests ----.
//   command lines ----------- guests -----+--> loop: messenger, store, mail
//   keeper (a resident) ----- guest -----'
//
// Locking it replaces the program in its process by a fresh one that holds the
// folder's lock and the socket, and nothing else: whatever the memory held is
// gone, wherever it lay.

#ifndef CLIENT_CLI_DAEMON_H_
#define CLIENT_CLI_DAEMON_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/cli/arguments.h"
#include "client/cli/session_command.h"
#include "grpcpp/channel.h"

namespace messenger::client {

// Stays until it is ended, or locked: then `begin_anew` has the words with
// which the program is to replace itself. `words` are those of `arguments`.
ExitCode RunDaemon(const std::vector<std::string>& words,
                   const Arguments& arguments,
                   const SessionEnvironment& environment,
                   std::vector<std::string>* begin_anew);

// The same inside of this process, for one front end: opens the account,
// without a socket, and runs `front_end` on a thread of its own with a channel
// to it. `stop` is called when the process is told to end.
ExitCode RunOwnDaemon(
    const std::vector<std::string>& words, const Arguments& arguments,
    const SessionEnvironment& environment,
    std::function<ExitCode(std::shared_ptr<grpc::Channel>)> front_end,
    std::function<void()> stop);

}  // namespace messenger::client

#endif  // CLIENT_CLI_DAEMON_H_
