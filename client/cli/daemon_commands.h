// The commands about the daemon itself: daemon, daemon stop, daemon status,
// lock, unlock.

#ifndef CLIENT_CLI_DAEMON_COMMANDS_H_
#define CLIENT_CLI_DAEMON_COMMANDS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cli/arguments.h"
#include "client/cli/session_command.h"

namespace messenger::client {

bool IsDaemonCommand(absl::string_view command);

// `begin_anew` as of RunSessionCommand().
ExitCode RunDaemonCommand(const std::vector<std::string>& words,
                          const Arguments& arguments, const std::string& folder,
                          const SessionEnvironment& environment,
                          std::vector<std::string>* begin_anew);

}  // namespace messenger::client

#endif  // CLIENT_CLI_DAEMON_COMMANDS_H_
