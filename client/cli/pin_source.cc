#include "client/cli/pin_source.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/secure_memory.h"

namespace messenger::client {
namespace {

constexpr size_t kMaxLineBytes = 4096;
constexpr char kControlC = 3;

// Bytes up to a line break, the end, or kMaxLineBytes.
absl::StatusOr<std::string> ReadLine(int fd) {
  std::string line;
  char c = 0;
  while (line.size() < kMaxLineBytes) {
    const ssize_t count = read(fd, &c, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      crypto::SecureWipe(line);
      return absl::InvalidArgumentError("it cannot be read");
    }
    if (count == 0 || c == '\n') break;
    line.push_back(c);
    if (c == kControlC) break;
  }
  return line;
}

void Write(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count <= 0) return;
    text.remove_prefix(static_cast<size_t>(count));
  }
}

absl::StatusOr<std::string> AskAtTerminal(absl::string_view prompt) {
  const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0) {
    return absl::FailedPreconditionError("there is no terminal to ask at");
  }
  absl::Cleanup close_terminal = [terminal] { close(terminal); };
  termios before;
  if (tcgetattr(terminal, &before) != 0) {
    return absl::FailedPreconditionError("there is no terminal to ask at");
  }
  // Ctrl-C ends the line here: as a signal it would end the program, if at
  // all, with a terminal that stays silent.
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
  silent.c_cc[VEOL] = kControlC;
  tcsetattr(terminal, TCSAFLUSH, &silent);
  Write(terminal, prompt);
  absl::StatusOr<std::string> line = ReadLine(terminal);
  tcsetattr(terminal, TCSAFLUSH, &before);
  Write(terminal, "\n");
  if (line.ok() && line->find(kControlC) != std::string::npos) {
    crypto::SecureWipe(*line);
    return absl::CancelledError("none was given");
  }
  return line;
}

}  // namespace

absl::StatusOr<std::string> ReadPin(const Arguments& arguments,
                                    absl::string_view fd_option,
                                    const char* variable,
                                    absl::string_view prompt) {
  if (arguments.has(fd_option)) {
    int fd = -1;
    if (!absl::SimpleAtoi(arguments.option(fd_option), &fd) || fd < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the option --", fd_option, " takes the number of a descriptor"));
    }
    absl::StatusOr<std::string> line = ReadLine(fd);
    if (line.ok()) return line;
    return absl::InvalidArgumentError(
        absl::StrCat("descriptor ", fd, " cannot be read"));
  }
  const char* path = variable[0] == '\0' ? nullptr : getenv(variable);
  if (path != nullptr && path[0] != '\0') {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the file that ", variable, " names cannot be read"));
    }
    absl::Cleanup close_file = [fd] { close(fd); };
    return ReadLine(fd);
  }
  return AskAtTerminal(prompt);
}

absl::StatusOr<std::string> ReadNewPin(const Arguments& arguments,
                                       absl::string_view fd_option,
                                       const char* variable,
                                       absl::string_view what) {
  absl::StatusOr<std::string> pin =
      ReadPin(arguments, fd_option, variable, absl::StrCat(what, ": "));
  const char* path = variable[0] == '\0' ? nullptr : getenv(variable);
  if (!pin.ok() || arguments.has(fd_option) ||
      (path != nullptr && path[0] != '\0')) {
    return pin;
  }
  absl::StatusOr<std::string> again =
      AskAtTerminal(absl::StrCat(what, " again: "));
  const bool same = again.ok() && *again == *pin;
  if (again.ok()) crypto::SecureWipe(*again);
  if (same) return pin;
  crypto::SecureWipe(*pin);
  if (!again.ok()) return again.status();
  return absl::InvalidArgumentError("the two PINs differ");
}

absl::StatusOr<std::string> ReadStandardInput(size_t max_bytes,
                                              absl::string_view prompt) {
  if (isatty(STDIN_FILENO) != 0) Write(STDERR_FILENO, prompt);
  std::string all;
  char buffer[4096];
  absl::Cleanup wipe = [&buffer] {
    crypto::SecureWipe(buffer, sizeof(buffer));
  };
  while (true) {
    const ssize_t count = read(STDIN_FILENO, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return absl::InvalidArgumentError("standard input cannot be read");
    }
    if (count == 0) return all;
    all.append(buffer, static_cast<size_t>(count));
    if (all.size() > max_bytes) {
      crypto::SecureWipe(all);
      return absl::InvalidArgumentError(
          absl::StrCat("standard input holds more than ", max_bytes, " bytes"));
    }
  }
}

absl::StatusOr<std::string> ReadInputLine(absl::string_view prompt) {
  if (isatty(STDIN_FILENO) != 0) Write(STDERR_FILENO, prompt);
  absl::StatusOr<std::string> line = ReadLine(STDIN_FILENO);
  if (line.ok() && line->empty()) {
    return absl::InvalidArgumentError("nothing was typed");
  }
  return line;
}

}  // namespace messenger::client
