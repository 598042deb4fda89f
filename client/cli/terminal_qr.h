// A QR code drawn in a terminal, two rows of modules in each line of text.
//
// Thread-safe.

#ifndef CLIENT_CLI_TERMINAL_QR_H_
#define CLIENT_CLI_TERMINAL_QR_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace messenger::client {

enum class QrColors {
  // Light modules are drawn: black on white on a dark terminal, and inverted,
  // which not every scanner reads, on a light one.
  kOfTerminal,
  // Black on white everywhere, by escape sequences: for a terminal only.
  kOwn,
};

// Lines of block elements, a quiet zone of 4 modules included.
// INVALID_ARGUMENT: the text is empty, or too long for a QR code.
absl::StatusOr<std::string> TerminalQr(absl::string_view text, QrColors colors);

}  // namespace messenger::client

#endif  // CLIENT_CLI_TERMINAL_QR_H_
