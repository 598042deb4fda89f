#include "client/cli/line_editor.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/terminal_text.h"

namespace messenger::client {
namespace {

constexpr char kEscape = 27;
constexpr char kPasteBegins[] = "\x1b[200~";
constexpr char kPasteEnds[] = "\x1b[201~";
// Longer ones are of no key.
constexpr size_t kMaxEscapeBytes = 16;
constexpr size_t kMaxCharacters = 100'000;
constexpr size_t kMaxEarlier = 50;
// What stands for a break of a pasted line.
constexpr char kShownBreak[] = "\u21b5";

constexpr char Control(char letter) { return static_cast<char>(letter & 0x1f); }

// Bytes of the character that begins with `byte`; 0: none does.
size_t LengthOf(char byte) {
  const auto first = static_cast<unsigned char>(byte);
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}

uint32_t CodeOf(absl::string_view character) {
  if (character.empty()) return 0;
  const size_t length = character.size();
  uint32_t code = static_cast<unsigned char>(character[0]);
  if (length > 1) code &= 0x7fu >> length;
  for (size_t i = 1; i < length; ++i) {
    code = code << 6 | (static_cast<unsigned char>(character[i]) & 0x3f);
  }
  return code;
}

int ColumnsOfText(absl::string_view text) {
  int columns = 0;
  while (!text.empty()) {
    const size_t length =
        std::min(std::max<size_t>(LengthOf(text[0]), 1), text.size());
    columns += ColumnsOf(text.substr(0, length));
    text.remove_prefix(length);
  }
  return columns;
}

}  // namespace

int ColumnsOf(absl::string_view character) {
  const uint32_t code = CodeOf(character);
  const auto within = [code](uint32_t first, uint32_t last) {
    return code >= first && code <= last;
  };
  if (within(0x300, 0x36f) || within(0x200b, 0x200f) ||
      within(0x20d0, 0x20ff) || within(0xfe00, 0xfe0f) ||
      within(0x1f3fb, 0x1f3ff)) {
    return 0;
  }
  const bool wide = within(0x1100, 0x115f) || within(0x2e80, 0x303e) ||
                    within(0x3041, 0xa4cf) || within(0xac00, 0xd7a3) ||
                    within(0xf900, 0xfaff) || within(0xfe30, 0xfe6f) ||
                    within(0xff00, 0xff60) || within(0xffe0, 0xffe6) ||
                    within(0x1f300, 0x1faff) || within(0x20000, 0x3fffd);
  return wide ? 2 : 1;
}

LineEditor::Event LineEditor::Feed(char byte) {
  if (!partial_.empty() && partial_[0] == kEscape) {
    FeedEscape(byte);
    return Event::kNone;
  }
  if (byte == kEscape) {
    partial_ = byte;
    return Event::kNone;
  }
  const auto code = static_cast<unsigned char>(byte);
  if (pasting_ && (byte == '\r' || byte == '\n' || byte == '\t')) {
    Insert(byte == '\t' ? "\t" : "\n");
  } else if (code >= 0x20 && code != 0x7f) {
    FeedText(byte);
  } else if (!pasting_) {
    return FeedControl(byte);
  }
  return Event::kNone;
}

LineEditor::Event LineEditor::FeedControl(char byte) {
  partial_.clear();
  switch (byte) {
    case '\r':
    case '\n':
      return Event::kLine;
    case Control('C'):
    case Control('D'):
      return Event::kEnd;
    case Control('A'):
      cursor_ = 0;
      break;
    case Control('E'):
      cursor_ = characters_.size();
      break;
    case Control('U'):
      EraseBefore(0);
      break;
    case Control('K'):
      characters_.resize(cursor_);
      break;
    case Control('W'): {
      size_t begin = cursor_;
      while (begin > 0 && characters_[begin - 1] == " ") --begin;
      while (begin > 0 && characters_[begin - 1] != " ") --begin;
      EraseBefore(begin);
      break;
    }
    case Control('H'):
    case 0x7f:
      if (cursor_ > 0) EraseBefore(cursor_ - 1);
      break;
    default:
      break;
  }
  return Event::kNone;
}

void LineEditor::FeedText(char byte) {
  const bool continues = (byte & 0xC0) == 0x80;
  if (!continues) partial_.clear();
  if (continues && partial_.empty()) return;
  partial_ += byte;
  const size_t length = LengthOf(partial_[0]);
  if (length == 0) {
    partial_.clear();
  } else if (partial_.size() == length) {
    Insert(std::exchange(partial_, ""));
  }
}

void LineEditor::FeedEscape(char byte) {
  partial_ += byte;
  if (partial_.size() == 2 && (byte == '[' || byte == 'O')) return;
  const bool ends = byte >= 0x40 || partial_.size() == 2;
  if (!ends && partial_.size() < kMaxEscapeBytes) return;
  const std::string sequence = std::exchange(partial_, "");
  if (sequence == kPasteBegins || sequence == kPasteEnds) {
    pasting_ = sequence == kPasteBegins;
    return;
  }
  const std::string key = sequence.substr(2);
  if (key == "D" && cursor_ > 0) --cursor_;
  if (key == "C" && cursor_ < characters_.size()) ++cursor_;
  if (key == "H" || key == "1~") cursor_ = 0;
  if (key == "F" || key == "4~") cursor_ = characters_.size();
  if (key == "3~" && cursor_ < characters_.size()) {
    characters_.erase(characters_.begin() + static_cast<ptrdiff_t>(cursor_));
  }
  if (key == "A" || key == "B") Recall(/*older=*/key == "A");
}

void LineEditor::Insert(std::string character) {
  if (characters_.size() >= kMaxCharacters) return;
  characters_.insert(characters_.begin() + static_cast<ptrdiff_t>(cursor_),
                     std::move(character));
  ++cursor_;
}

void LineEditor::EraseBefore(size_t begin) {
  characters_.erase(characters_.begin() + static_cast<ptrdiff_t>(begin),
                    characters_.begin() + static_cast<ptrdiff_t>(cursor_));
  cursor_ = begin;
}

void LineEditor::Recall(bool older) {
  if (older ? recalled_ == 0 : recalled_ >= earlier_.size()) return;
  recalled_ += older ? -1 : 1;
  SetText(recalled_ < earlier_.size() ? earlier_[recalled_] : "");
}

std::string LineEditor::text() const {
  std::string text;
  for (const std::string& character : characters_) text += character;
  return text;
}

void LineEditor::SetText(absl::string_view text) {
  characters_.clear();
  cursor_ = 0;
  for (const char byte : text) {
    if (byte == '\n' || byte == '\t') {
      Insert(std::string(1, byte));
    } else if (static_cast<unsigned char>(byte) >= 0x20) {
      FeedText(byte);
    }
  }
}

std::string LineEditor::TakeLine() {
  std::string line = text();
  if (!line.empty()) earlier_.push_back(line);
  if (earlier_.size() > kMaxEarlier) earlier_.erase(earlier_.begin());
  recalled_ = earlier_.size();
  characters_.clear();
  cursor_ = 0;
  return line;
}

std::string LineEditor::Render(absl::string_view prompt, int columns) const {
  std::vector<std::string> shown;
  for (const std::string& character : characters_) {
    shown.push_back(character == "\n"   ? kShownBreak
                    : character == "\t" ? " "
                                        : SafeForTerminal(character, false));
  }
  const int prompt_columns = ColumnsOfText(prompt);
  // One column stays free for the cursor behind the last character.
  const int room = std::max(columns - prompt_columns - 1, 8);
  size_t begin = cursor_;
  int before = 0;  // columns from `begin` to the cursor
  while (begin > 0 && before + ColumnsOf(shown[begin - 1]) <= room) {
    before += ColumnsOf(shown[--begin]);
  }
  std::string row = absl::StrCat(kClear, prompt);
  int used = 0;
  for (size_t i = begin; i < shown.size(); ++i) {
    used += ColumnsOf(shown[i]);
    if (used > room) break;
    row += shown[i];
  }
  absl::StrAppend(&row, "\r");
  const int column = prompt_columns + before;
  if (column > 0) absl::StrAppend(&row, "\x1b[", column, "C");
  return row;
}

}  // namespace messenger::client
