// Words for what messages are and how long they stay.
//
// Pure functions, thread-safe.

#ifndef CLIENT_CLI_MESSAGE_TEXT_H_
#define CLIENT_CLI_MESSAGE_TEXT_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/messenger/incoming_content.h"
#include "client/store/client_store.h"

namespace messenger::client {

// "sent", "waiting-for-key", ...; also for programs.
const char* StateName(MessageState state);

// "edited", "unsent", ...; also for programs.
const char* ChangeName(MessageChange::Kind kind);

// "30s", "8h", "1w", "off"; nothing for anything else. Whether a timer may be
// that long is not looked at.
std::optional<absl::Duration> ParseTimer(absl::string_view word);

// "8 hours", in the largest unit that says it in whole numbers; what is below a
// second is rounded up.
std::string TimeText(absl::Duration time);

// What a timer of a conversation means.
std::string TimerText(absl::Duration timer);

// The beginning of the first line, with "..." for what was left out.
std::string FirstLine(absl::string_view text, size_t characters);

}  // namespace messenger::client

#endif  // CLIENT_CLI_MESSAGE_TEXT_H_
