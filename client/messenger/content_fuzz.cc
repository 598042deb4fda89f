// Content that an authenticated but hostile contact sends.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/messenger/content.h"
#include "client/picture/picture_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace messenger::client;
  const absl::StatusOr<Content> content = DecodeContent(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!content.ok()) return 0;
  // What was accepted is within its bounds, and means the same once more.
  if (content->message_id.size() != kMessageIdBytes) abort();
  if (!CheckProfileName(content->profile_name).ok()) abort();
  const auto* text = std::get_if<TextPart>(&content->body);
  if (text != nullptr &&
      (text->part >= text->parts || !IsValidUtf8(text->text) ||
       !CheckTimer(text->timer).ok())) {
    abort();
  }
  const auto* reaction = std::get_if<Reaction>(&content->body);
  if (reaction != nullptr && !CheckReaction(reaction->emoji).ok()) abort();
  const auto* picture = std::get_if<Picture>(&content->body);
  if (picture != nullptr && !picture->jpeg.empty() &&
      !CheckPicture(picture->jpeg).ok()) {
    abort();
  }
  const absl::StatusOr<Content> again = DecodeContent(EncodeContent(*content));
  if (!again.ok() || again->sent != content->sent ||
      again->body.index() != content->body.index()) {
    abort();
  }
  return 0;
}
