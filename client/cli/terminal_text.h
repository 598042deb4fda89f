// What other people wrote, made harmless for a terminal.
//
// Pure functions, thread-safe.

#ifndef CLIENT_CLI_TERMINAL_TEXT_H_
#define CLIENT_CLI_TERMINAL_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace messenger::client {

// UTF-8 without control characters, except line breaks and tabs if
// `keep_lines`, and without the invisible characters that turn the direction
// of text or hide it (Unicode bidi controls, zero-width characters, tags).
// Malformed bytes become U+FFFD.
std::string SafeForTerminal(absl::string_view text, bool keep_lines);

// "2030-01-31 12:59", local time.
std::string TerminalTime(absl::Time time);

}  // namespace messenger::client

#endif  // CLIENT_CLI_TERMINAL_TEXT_H_
