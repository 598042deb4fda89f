// The console of a command that runs in the process the person started.

#ifndef CLIENT_CLI_PROCESS_CONSOLE_H_
#define CLIENT_CLI_PROCESS_CONSOLE_H_

#include <cstdio>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/daemon/console.h"

namespace messenger::client {

class ProcessConsole final : public Console {
 public:
  std::FILE* out() override { return stdout; }
  std::FILE* err() override { return stderr; }
  bool Flushed() override;
  bool at_terminal() const override;
  absl::StatusOr<std::string> ReadInput(size_t max_bytes,
                                        absl::string_view prompt) override;
  absl::StatusOr<std::string> ReadLine(absl::string_view prompt) override;
  absl::StatusOr<std::string> ReadFile(const std::string& path) override;
  std::string AbsolutePath(const std::string& path) const override;
  std::string network_file() const override;
};

}  // namespace messenger::client

#endif  // CLIENT_CLI_PROCESS_CONSOLE_H_
