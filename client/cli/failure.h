// How a run of the program ends when it does not end well.

#ifndef CLIENT_CLI_FAILURE_H_
#define CLIENT_CLI_FAILURE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/cli/session_command.h"

namespace messenger::client {

// An error with the exit code it ends the program with. The message is one
// sentence for the user.
struct Failure {
  ExitCode code;
  std::string sentence;
};

// What a status from the database means to a person.
Failure StorageFailure(const absl::Status& status, const std::string& folder);

// What a status of the keyslot means to a person.
Failure PinFailure(const absl::Status& status, const std::string& folder);

// The words of a status as a sentence.
std::string Sentence(const absl::Status& status);
std::string Capitalized(absl::string_view words);

}  // namespace messenger::client

#endif  // CLIENT_CLI_FAILURE_H_
