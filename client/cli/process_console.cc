#include "client/cli/process_console.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "client/cli/pin_source.h"
#include "routing/runtime/files.h"

namespace messenger::client {

bool ProcessConsole::Flushed() {
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

bool ProcessConsole::at_terminal() const { return isatty(STDOUT_FILENO) != 0; }

absl::StatusOr<std::string> ProcessConsole::ReadInput(
    size_t max_bytes, absl::string_view prompt) {
  return ReadStandardInput(max_bytes, prompt);
}

absl::StatusOr<std::string> ProcessConsole::ReadLine(absl::string_view prompt) {
  return ReadInputLine(prompt);
}

absl::StatusOr<std::string> ProcessConsole::ReadFile(const std::string& path) {
  return routing::ReadFile(path);
}

std::string ProcessConsole::AbsolutePath(const std::string& path) const {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path, error);
  return error ? path : whole.string();
}

std::string ProcessConsole::network_file() const {
  const char* variable = getenv("SESSION_NETWORK_FILE");
  return variable == nullptr ? std::string() : std::string(variable);
}

}  // namespace messenger::client
