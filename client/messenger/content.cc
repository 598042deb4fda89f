#include "client/messenger/content.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/proto/content.pb.h"

namespace messenger::client {
namespace {

constexpr size_t kKeyBytes = 32;
// Year 9999; what lies beyond is nonsense and would overflow when shown.
constexpr uint64_t kMaxSentMs = 253'402'300'799'999;

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

// Length of the well-formed character at the start of `text` (Unicode 15,
// table 3-7), or 0.
size_t CharacterLength(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  size_t length = 0;
  uint8_t low = 0x80;
  uint8_t high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  }
  if (length == 0 || text.size() < length) return 0;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  return length;
}

}  // namespace

bool IsValidUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

absl::Status CheckText(absl::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("the text is empty");
  if (text.size() > kMaxTextBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the text has ", text.size(), " bytes; at most ",
                     kMaxTextBytes, " fit into one message"));
  }
  if (!IsValidUtf8(text)) {
    return absl::InvalidArgumentError("the text is not UTF-8");
  }
  return absl::OkStatus();
}

absl::Status CheckProfileName(absl::string_view name) {
  if (name.size() > kMaxProfileNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the name has ", name.size(), " bytes; at most ",
                     kMaxProfileNameBytes, " are allowed"));
  }
  if (!IsValidUtf8(name)) {
    return absl::InvalidArgumentError("the name is not UTF-8");
  }
  for (const char c : name) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      return absl::InvalidArgumentError(
          "the name contains a control character");
    }
  }
  return absl::OkStatus();
}

std::vector<TextPart> SplitText(absl::string_view text, size_t part_bytes) {
  std::vector<TextPart> parts;
  while (!text.empty()) {
    size_t length = std::min(text.size(), part_bytes);
    if (length < text.size()) {
      while (IsContinuation(text[length])) --length;
    }
    parts.push_back({std::string(text.substr(0, length)), 0, 0});
    text.remove_prefix(length);
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].part = static_cast<int>(i);
    parts[i].parts = static_cast<int>(parts.size());
  }
  return parts;
}

std::string EncodeContent(const Content& content) {
  v1::Content proto;
  proto.set_message_id(content.message_id);
  proto.set_sent_ms(static_cast<uint64_t>(absl::ToUnixMillis(content.sent)));
  if (!content.mailbox_offer.empty()) {
    proto.mutable_mailbox()->set_read_key(
        content.mailbox_offer.substr(0, kKeyBytes));
    proto.mutable_mailbox()->set_write_seed(
        content.mailbox_offer.substr(kKeyBytes));
  }
  proto.set_profile_name(content.profile_name);
  if (content.text) {
    proto.mutable_text()->set_text(content.text->text);
    proto.mutable_text()->set_part(content.text->part);
    proto.mutable_text()->set_parts(content.text->parts);
  } else {
    proto.mutable_ack();
  }
  return proto.SerializeAsString();
}

absl::StatusOr<Content> DecodeContent(absl::string_view bytes) {
  v1::Content proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError("content: not a message");
  }
  Content content;
  content.message_id = proto.message_id();
  if (content.message_id.size() != kMessageIdBytes) {
    return absl::InvalidArgumentError("content: message id");
  }
  if (proto.sent_ms() > kMaxSentMs) {
    return absl::InvalidArgumentError("content: time");
  }
  content.sent = absl::FromUnixMillis(static_cast<int64_t>(proto.sent_ms()));
  if (proto.has_mailbox()) {
    if (proto.mailbox().read_key().size() != kKeyBytes ||
        proto.mailbox().write_seed().size() != kKeyBytes) {
      return absl::InvalidArgumentError("content: mailbox");
    }
    content.mailbox_offer =
        absl::StrCat(proto.mailbox().read_key(), proto.mailbox().write_seed());
  }
  content.profile_name = proto.profile_name();
  if (!CheckProfileName(content.profile_name).ok()) {
    return absl::InvalidArgumentError("content: name");
  }
  if (proto.has_text()) {
    const v1::Text& text = proto.text();
    if (text.text().empty() || text.text().size() > kMaxPartBytes ||
        !IsValidUtf8(text.text()) || text.parts() < 1 ||
        text.parts() > static_cast<uint32_t>(kMaxParts) ||
        text.part() >= text.parts()) {
      return absl::InvalidArgumentError("content: text");
    }
    content.text = TextPart{text.text(), static_cast<int>(text.part()),
                            static_cast<int>(text.parts())};
  }
  return content;
}

}  // namespace messenger::client
