#include "client/cli/terminal_text.h"

#include <cstdint>

namespace messenger::client {
namespace {

constexpr char kReplacement[] = "\xef\xbf\xbd";

struct Decoded {
  uint32_t code_point;
  size_t length;
};

// Length 0: malformed. Overlong forms and surrogates count as malformed.
Decoded Decode(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  size_t length = 0;
  uint32_t code_point = 0;
  if (first < 0x80) return {first, 1};
  if ((first & 0xe0) == 0xc0) {
    length = 2;
    code_point = first & 0x1f;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3;
    code_point = first & 0x0f;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4;
    code_point = first & 0x07;
  }
  if (length == 0 || text.size() < length) return {0, 0};
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {0, 0};
    code_point = (code_point << 6) | (byte(i) & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code_point < kSmallest[length] || code_point > 0x10ffff ||
      (code_point >= 0xd800 && code_point <= 0xdfff)) {
    return {0, 0};
  }
  return {code_point, length};
}

bool IsHarmful(uint32_t c, bool keep_lines) {
  if (c == '\n' || c == '\t') return !keep_lines;
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) ||  // control characters
         c == 0x061c ||                           // Arabic letter mark
         (c >= 0x200b && c <= 0x200f) ||          // zero width, direction marks
         (c >= 0x2028 && c <= 0x202e) ||          // separators, bidi embeddings
         (c >= 0x2060 && c <= 0x206f) ||  // invisible operators, isolates
         c == 0xfeff ||                   // zero width no-break space
         (c >= 0xe0000 && c <= 0xe007f);  // tags
}

}  // namespace

std::string SafeForTerminal(absl::string_view text, bool keep_lines) {
  std::string safe;
  while (!text.empty()) {
    const Decoded decoded = Decode(text);
    if (decoded.length == 0) {
      safe.append(kReplacement);
      text.remove_prefix(1);
      continue;
    }
    if (!IsHarmful(decoded.code_point, keep_lines)) {
      safe.append(text.data(), decoded.length);
    }
    text.remove_prefix(decoded.length);
  }
  return safe;
}

std::string TerminalTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M", time, absl::LocalTimeZone());
}

}  // namespace messenger::client
