// Content that an authenticated but hostile contact sends.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/messenger/content.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace messenger::client;
  const absl::StatusOr<Content> content = DecodeContent(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!content.ok()) return 0;
  // What was accepted is within its bounds, and means the same once more.
  if (content->message_id.size() != kMessageIdBytes) abort();
  if (!CheckProfileName(content->profile_name).ok()) abort();
  if (content->text && (content->text->part >= content->text->parts ||
                        !IsValidUtf8(content->text->text))) {
    abort();
  }
  const absl::StatusOr<Content> again = DecodeContent(EncodeContent(*content));
  if (!again.ok() || again->sent != content->sent ||
      again->text.has_value() != content->text.has_value()) {
    abort();
  }
  return 0;
}
