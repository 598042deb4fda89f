// Where secrets come from that a person types: never from the command line,
// where every process of the machine could read them.

#ifndef CLIENT_CLI_PIN_SOURCE_H_
#define CLIENT_CLI_PIN_SOURCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cli/arguments.h"

namespace messenger::client {

// The first line of, in this order: the file descriptor that the option
// `fd_option` names, the file that the environment variable `variable` names
// (if not empty), an answer at the terminal without echo. The caller wipes it.
//   FAILED_PRECONDITION  none of them is there
//   INVALID_ARGUMENT     the descriptor or the file cannot be read
//   CANCELLED            Ctrl-C at the terminal
absl::StatusOr<std::string> ReadPin(const Arguments& arguments,
                                    absl::string_view fd_option,
                                    const char* variable,
                                    absl::string_view prompt);

// The same for a new PIN, called `what`, which is asked for twice at the
// terminal: nobody sees what they type. INVALID_ARGUMENT also when the answers
// differ.
absl::StatusOr<std::string> ReadNewPin(const Arguments& arguments,
                                       absl::string_view fd_option,
                                       const char* variable,
                                       absl::string_view what = "New PIN");

// All of standard input, at most `max_bytes`; asks at the terminal if it is
// one. INVALID_ARGUMENT when there is more, or it cannot be read.
absl::StatusOr<std::string> ReadStandardInput(size_t max_bytes,
                                              absl::string_view prompt);

// One line of standard input, asked for with `prompt` if that is a terminal.
// INVALID_ARGUMENT: there is none.
absl::StatusOr<std::string> ReadInputLine(absl::string_view prompt);

}  // namespace messenger::client

#endif  // CLIENT_CLI_PIN_SOURCE_H_
