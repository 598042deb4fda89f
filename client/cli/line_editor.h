// One line that a person types at a terminal, while other lines appear above
// it: bytes of keys in, what the terminal has to show out.
//
// Left, Right, Home, End, Backspace, Delete, Up and Down for earlier lines,
// Ctrl-A -E -U -K -W as in a shell. What is pasted is one line, whatever breaks
// it has. Not thread-safe.

#ifndef CLIENT_CLI_LINE_EDITOR_H_
#define CLIENT_CLI_LINE_EDITOR_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace messenger::client {

class LineEditor final {
 public:
  enum class Event {
    kNone,
    kLine,  // Enter: TakeLine() has it
    kEnd,   // Ctrl-C or Ctrl-D
  };

  // Makes the terminal say where a paste begins and ends; and no more.
  static constexpr char kBegin[] = "\x1b[?2004h";
  static constexpr char kEnd[] = "\x1b[?2004l";
  // Empties the row of the line, for something else to be printed there.
  static constexpr char kClear[] = "\r\x1b[K";

  Event Feed(char byte);

  // As UTF-8; what is no text was left out.
  std::string text() const;
  void SetText(absl::string_view text);
  std::string TakeLine();

  // The line in one row of the terminal, and the cursor in it. A line longer
  // than the row shows the part around the cursor.
  std::string Render(absl::string_view prompt, int columns) const;

 private:
  Event FeedControl(char byte);
  void FeedText(char byte);
  void FeedEscape(char byte);
  void Insert(std::string character);
  void Recall(bool older);
  void EraseBefore(size_t begin);

  std::vector<std::string> characters_;
  size_t cursor_ = 0;
  std::string partial_;  // of a character, or of an escape sequence
  bool pasting_ = false;
  std::vector<std::string> earlier_;
  size_t recalled_ = 0;  // index into `earlier_`; its size: none
};

// Columns of the first character of `text` at a terminal: 0, 1 or 2.
int ColumnsOf(absl::string_view character);

}  // namespace messenger::client

#endif  // CLIENT_CLI_LINE_EDITOR_H_
