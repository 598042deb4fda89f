// What a command has of the process that a person started: its output, its
// input, its files.
//
// For the command's thread.

#ifndef CLIENT_DAEMON_CONSOLE_H_
#define CLIENT_DAEMON_CONSOLE_H_

#include <cstddef>
#include <cstdio>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace messenger::client {

class Console {
 public:
  virtual ~Console() = default;

  virtual std::FILE* out() = 0;
  virtual std::FILE* err() = 0;
  // Whether all that was written has got where it should.
  virtual bool Flushed() = 0;
  // Standard output is a terminal.
  virtual bool at_terminal() const = 0;

  // All of standard input, at most `max_bytes`; says `prompt` at a terminal.
  // INVALID_ARGUMENT when there is more, or it cannot be read.
  virtual absl::StatusOr<std::string> ReadInput(size_t max_bytes,
                                                absl::string_view prompt) = 0;
  // One line of it. INVALID_ARGUMENT: there is none.
  virtual absl::StatusOr<std::string> ReadLine(absl::string_view prompt) = 0;
  // Codes of routing::ReadFile.
  virtual absl::StatusOr<std::string> ReadFile(const std::string& path) = 0;
  // The path from the root of the file system.
  virtual std::string AbsolutePath(const std::string& path) const = 0;
  // $SESSION_NETWORK_FILE
  virtual std::string network_file() const = 0;
};

}  // namespace messenger::client

#endif  // CLIENT_DAEMON_CONSOLE_H_
