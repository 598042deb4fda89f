// What `session --help` prints.

#ifndef CLIENT_CLI_HELP_TEXT_H_
#define CLIENT_CLI_HELP_TEXT_H_

namespace messenger::client {

extern const char kHelpText[];

}  // namespace messenger::client

#endif  // CLIENT_CLI_HELP_TEXT_H_
