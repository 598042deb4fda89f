// What a shell offers when the person presses Tab after `session ...`.
//
// Pure functions.

#ifndef CLIENT_CLI_COMPLETION_H_
#define CLIENT_CLI_COMPLETION_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace messenger::client {

struct Completion {
  std::vector<std::string> words;
  // The names of contacts, too.
  bool contacts = false;
};

// For the word `index` of a command line, whose word 0 is the program. Neither
// is filtered by what has been typed of it.
Completion Complete(const std::vector<std::string>& line, size_t index);

// The script that a person sources; empty for a shell that is not known.
std::string CompletionScript(absl::string_view shell);

}  // namespace messenger::client

#endif  // CLIENT_CLI_COMPLETION_H_
