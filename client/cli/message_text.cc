#include "client/cli/message_text.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace messenger::client {
namespace {

struct Unit {
  char letter;
  int64_t seconds;
  const char* name;
};

// The largest first.
constexpr std::array<Unit, 5> kUnits = {{{'w', 604'800, "week"},
                                         {'d', 86'400, "day"},
                                         {'h', 3'600, "hour"},
                                         {'m', 60, "minute"},
                                         {'s', 1, "second"}}};
constexpr int64_t kMostUnits = 1'000'000;

}  // namespace

const char* StateName(MessageState state) {
  switch (state) {
    case MessageState::kQueued:
      return "queued";
    case MessageState::kWaitingForKey:
      return "waiting-for-key";
    case MessageState::kSent:
      return "sent";
    case MessageState::kReceived:
      return "received";
    case MessageState::kFailed:
      return "failed";
    case MessageState::kDelivered:
      return "delivered";
    case MessageState::kRead:
      return "read";
    case MessageState::kElsewhere:
      return "other-device";
  }
  return "unknown";
}

const char* ChangeName(MessageChange::Kind kind) {
  switch (kind) {
    case MessageChange::Kind::kEdited:
      return "edited";
    case MessageChange::Kind::kUnsent:
      return "unsent";
    case MessageChange::Kind::kReaction:
      return "reaction";
    case MessageChange::Kind::kConfirmed:
      return "confirmed";
  }
  return "unknown";
}

std::optional<absl::Duration> ParseTimer(absl::string_view word) {
  if (word == "off") return absl::ZeroDuration();
  if (word.empty()) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (word.back() != unit.letter) continue;
    const absl::string_view digits = word.substr(0, word.size() - 1);
    int64_t count = 0;
    if (!std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) ||
        !absl::SimpleAtoi(digits, &count) || count < 1 || count > kMostUnits) {
      return std::nullopt;
    }
    return absl::Seconds(count * unit.seconds);
  }
  return std::nullopt;
}

std::string TimeText(absl::Duration time) {
  const int64_t seconds = std::max<int64_t>(
      absl::ToInt64Seconds(absl::Ceil(time, absl::Seconds(1))), 0);
  for (const Unit& unit : kUnits) {
    if (seconds < unit.seconds || seconds % unit.seconds != 0) continue;
    const int64_t count = seconds / unit.seconds;
    return absl::StrCat(count, " ", unit.name, count == 1 ? "" : "s");
  }
  return "0 seconds";
}

std::string TimerText(absl::Duration timer) {
  if (timer == absl::ZeroDuration()) return "New messages stay.";
  return absl::StrCat("New messages vanish ", TimeText(timer),
                      " after they are read.");
}

std::string FirstLine(absl::string_view text, size_t characters) {
  const absl::string_view line = text.substr(0, text.find('\n'));
  size_t end = 0;
  for (size_t shown = 0; end < line.size() && shown < characters; ++shown) {
    ++end;
    while (end < line.size() && (line[end] & 0xC0) == 0x80) ++end;
  }
  return absl::StrCat(line.substr(0, end), end < text.size() ? "..." : "");
}

}  // namespace messenger::client
