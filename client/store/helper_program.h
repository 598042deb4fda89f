// Runs another program for one question: a few bytes in, a few bytes out.
//
// No shell and no search in $PATH, nothing of this process is inherited (file
// descriptors, signal mask, memory locks, environment), and neither an answer
// without end nor one that never comes holds the client up.
//
// Thread-safe.

#ifndef CLIENT_STORE_HELPER_PROGRAM_H_
#define CLIENT_STORE_HELPER_PROGRAM_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace messenger::client {

struct HelperCall {
  std::string program;                 // an absolute path
  std::vector<std::string> arguments;  // without the program's name; no secret
  std::vector<std::string> environment;  // all of it, NAME=value
  // What it reads as its standard input, at most kMaxHelperInputBytes.
  absl::string_view input;
  // Of each of its outputs.
  size_t max_output_bytes = 4096;
  absl::Duration limit;  // then it is killed
};
// Fits a pipe: it is there before the program reads.
inline constexpr size_t kMaxHelperInputBytes = 4096;

struct HelperAnswer {
  int exit_code = 0;
  std::string output;  // The caller wipes what is secret.
  std::string errors;  // What it says to a person.
};

// Waits until the program has ended.
//   UNAVAILABLE         it cannot be started, or has ended by a signal
//   DEADLINE_EXCEEDED   it took too long
//   RESOURCE_EXHAUSTED  it said too much
absl::StatusOr<HelperAnswer> RunHelper(const HelperCall& call);

}  // namespace messenger::client

#endif  // CLIENT_STORE_HELPER_PROGRAM_H_
