#include "client/messenger/content.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/picture/picture_check.h"
#include "client/proto/content.pb.h"

namespace messenger::client {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kVaultKemBytes = 1'216;
constexpr size_t kAccountIdBytes = 33;
// Year 9999; what lies beyond is nonsense and would overflow when shown.
constexpr uint64_t kMaxSentMs = 253'402'300'799'999;

// The store counts with signed numbers.
constexpr uint64_t kMaxSequence = uint64_t{1} << 62;

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

bool IsId(absl::string_view bytes) { return bytes.size() == kMessageIdBytes; }

bool HasControlCharacter(absl::string_view text) {
  for (const char c : text) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

void Write(const Target& target, v1::Target* proto) {
  proto->set_message_id(target.message_id);
  proto->set_of_reader(target.of_reader);
}

std::optional<Target> Read(const v1::Target& proto) {
  if (!IsId(proto.message_id())) return std::nullopt;
  return Target{proto.message_id(), proto.of_reader()};
}

// One overload for each body; INVALID_ARGUMENT names what is malformed.
void Write(std::monostate, v1::Content& proto) { proto.mutable_ack(); }

void Write(const TextPart& text, v1::Content& proto) {
  v1::Text& out = *proto.mutable_text();
  out.set_text(text.text);
  out.set_part(static_cast<uint32_t>(text.part));
  out.set_parts(static_cast<uint32_t>(text.parts));
  if (text.reply_to) Write(*text.reply_to, out.mutable_reply_to());
  out.set_replaces(text.replaces);
  out.set_timer_seconds(
      static_cast<uint32_t>(absl::ToInt64Seconds(text.timer)));
}

absl::StatusOr<TextPart> Read(const v1::Text& proto) {
  const absl::Status malformed = absl::InvalidArgumentError("content: text");
  if (proto.text().empty() || proto.text().size() > kMaxPartBytes ||
      !IsValidUtf8(proto.text()) || proto.parts() < 1 ||
      proto.parts() > static_cast<uint32_t>(kMaxParts) ||
      proto.part() >= proto.parts()) {
    return malformed;
  }
  TextPart text;
  text.text = proto.text();
  text.part = static_cast<int>(proto.part());
  text.parts = static_cast<int>(proto.parts());
  if (proto.has_reply_to()) {
    text.reply_to = Read(proto.reply_to());
    if (!text.reply_to) return malformed;
  }
  if (!proto.replaces().empty() && !IsId(proto.replaces())) return malformed;
  text.replaces = proto.replaces();
  text.timer = absl::Seconds(proto.timer_seconds());
  if (!CheckTimer(text.timer).ok()) return malformed;
  return text;
}

void Write(const Reaction& reaction, v1::Content& proto) {
  Write(reaction.target, proto.mutable_reaction()->mutable_target());
  proto.mutable_reaction()->set_emoji(reaction.emoji);
}

absl::StatusOr<Reaction> Read(const v1::Reaction& proto) {
  const std::optional<Target> target = Read(proto.target());
  if (!target || !CheckReaction(proto.emoji()).ok()) {
    return absl::InvalidArgumentError("content: reaction");
  }
  return Reaction{*target, proto.emoji()};
}

void Write(const Unsend& unsend, v1::Content& proto) {
  proto.mutable_unsend()->set_message_id(unsend.message_id);
}

absl::StatusOr<Unsend> Read(const v1::Unsend& proto) {
  if (!IsId(proto.message_id())) {
    return absl::InvalidArgumentError("content: unsend");
  }
  return Unsend{proto.message_id()};
}

void Write(const Receipts& receipts, v1::Content& proto) {
  proto.mutable_receipts();
  for (const std::string& id : receipts.delivered) {
    proto.mutable_receipts()->add_delivered(id);
  }
  for (const std::string& id : receipts.read) {
    proto.mutable_receipts()->add_read(id);
  }
}

absl::StatusOr<Receipts> Read(const v1::Receipts& proto) {
  Receipts receipts{{proto.delivered().begin(), proto.delivered().end()},
                    {proto.read().begin(), proto.read().end()}};
  const size_t count = receipts.delivered.size() + receipts.read.size();
  if (count == 0 || count > kMaxReceipts ||
      !std::all_of(receipts.delivered.begin(), receipts.delivered.end(),
                   IsId) ||
      !std::all_of(receipts.read.begin(), receipts.read.end(), IsId)) {
    return absl::InvalidArgumentError("content: receipts");
  }
  return receipts;
}

void Write(const Timer& timer, v1::Content& proto) {
  proto.mutable_timer()->set_seconds(
      static_cast<uint32_t>(absl::ToInt64Seconds(timer.time)));
  proto.mutable_timer()->set_revision(timer.revision);
}

absl::StatusOr<Timer> Read(const v1::Timer& proto) {
  const Timer timer{absl::Seconds(proto.seconds()), proto.revision()};
  if (!CheckTimer(timer.time).ok() || timer.revision == 0) {
    return absl::InvalidArgumentError("content: timer");
  }
  return timer;
}

void Write(const OwnCopy& copy, v1::Content& proto) {
  proto.mutable_own_copy()->set_peer(copy.peer);
  proto.mutable_own_copy()->set_content(copy.content);
}

absl::StatusOr<OwnCopy> Read(const v1::OwnCopy& proto) {
  if (proto.peer().size() != kAccountIdBytes) {
    return absl::InvalidArgumentError("content: copy");
  }
  return OwnCopy{proto.peer(), proto.content()};
}

void Write(const OwnState& state, v1::Content& proto) {
  proto.mutable_own_state();
  for (const StateEntry& entry : state.entries) {
    v1::StateEntry& out = *proto.mutable_own_state()->add_entries();
    out.set_name(entry.name);
    out.set_value(entry.value);
    out.set_changed_ms(
        static_cast<uint64_t>(absl::ToUnixMillis(entry.changed)));
    out.set_device(entry.device);
  }
}

absl::StatusOr<OwnState> Read(const v1::OwnState& proto) {
  const absl::Status malformed = absl::InvalidArgumentError("content: state");
  OwnState state;
  for (const v1::StateEntry& entry : proto.entries()) {
    if (entry.name().empty() || entry.name().size() > kMaxStateNameBytes ||
        entry.value().size() > kMaxStateValueBytes ||
        entry.changed_ms() > kMaxSentMs || !IsId(entry.device())) {
      return malformed;
    }
    state.entries.push_back(
        {entry.name(), entry.value(),
         absl::FromUnixMillis(static_cast<int64_t>(entry.changed_ms())),
         entry.device()});
  }
  if (state.entries.empty() || state.entries.size() > kMaxStateEntries) {
    return malformed;
  }
  return state;
}

void Write(const LinkOffer& offer, v1::Content& proto) {
  proto.mutable_link_offer()->set_commitment(offer.commitment);
}

absl::StatusOr<LinkOffer> Read(const v1::LinkOffer& proto) {
  if (proto.commitment().size() != kLinkNonceBytes) {
    return absl::InvalidArgumentError("content: link offer");
  }
  return LinkOffer{proto.commitment()};
}

void Write(const LinkAnswer& answer, v1::Content& proto) {
  v1::LinkAnswer& out = *proto.mutable_link_answer();
  out.set_nonce(answer.nonce);
  out.set_device_id(answer.device_id);
  out.set_signing_key(answer.signing_key);
  out.set_agreement_key(answer.agreement_key);
}

absl::StatusOr<LinkAnswer> Read(const v1::LinkAnswer& proto) {
  if (proto.nonce().size() != kLinkNonceBytes || !IsId(proto.device_id()) ||
      proto.signing_key().size() != kKeyBytes ||
      proto.agreement_key().size() != kKeyBytes) {
    return absl::InvalidArgumentError("content: link answer");
  }
  return LinkAnswer{proto.nonce(), proto.device_id(), proto.signing_key(),
                    proto.agreement_key()};
}

void Write(const LinkReveal& reveal, v1::Content& proto) {
  proto.mutable_link_reveal()->set_nonce(reveal.nonce);
}

absl::StatusOr<LinkReveal> Read(const v1::LinkReveal& proto) {
  if (proto.nonce().size() != kLinkNonceBytes) {
    return absl::InvalidArgumentError("content: link reveal");
  }
  return LinkReveal{proto.nonce()};
}

void Write(const LinkGrant& grant, v1::Content& proto) {
  v1::LinkGrant& out = *proto.mutable_link_grant();
  out.set_identity_record(grant.identity_record);
  out.set_identity_kem_seed(grant.identity_kem_seed);
  out.set_profile_name(grant.profile_name);
  out.set_vault_key_seed(grant.vault_key_seed);
  out.set_vault_kem(grant.vault_kem);
}

absl::StatusOr<LinkGrant> Read(const v1::LinkGrant& proto) {
  const bool has_vault = !proto.vault_key_seed().empty();
  if (proto.identity_kem_seed().size() != kKeyBytes ||
      proto.vault_key_seed().size() != (has_vault ? kKeyBytes : 0) ||
      proto.vault_kem().size() != (has_vault ? kVaultKemBytes : 0) ||
      !CheckProfileName(proto.profile_name()).ok()) {
    return absl::InvalidArgumentError("content: link grant");
  }
  return LinkGrant{proto.identity_record(), proto.identity_kem_seed(),
                   proto.profile_name(), proto.vault_key_seed(),
                   proto.vault_kem()};
}

void Write(const Resend& resend, v1::Content& proto) {
  proto.mutable_resend()->mutable_sequences()->Add(resend.sequences.begin(),
                                                   resend.sequences.end());
}

absl::StatusOr<Resend> Read(const v1::Resend& proto) {
  Resend resend{{proto.sequences().begin(), proto.sequences().end()}};
  if (resend.sequences.empty() || resend.sequences.size() > kMaxResent) {
    return absl::InvalidArgumentError("content: resend");
  }
  return resend;
}

void Write(const Gone& gone, v1::Content& proto) {
  proto.mutable_gone()->mutable_removed()->Add(gone.removed.begin(),
                                               gone.removed.end());
  proto.mutable_gone()->mutable_unknown()->Add(gone.unknown.begin(),
                                               gone.unknown.end());
}

absl::StatusOr<Gone> Read(const v1::Gone& proto) {
  Gone gone{{proto.removed().begin(), proto.removed().end()},
            {proto.unknown().begin(), proto.unknown().end()}};
  const size_t count = gone.removed.size() + gone.unknown.size();
  if (count == 0 || count > kMaxResent) {
    return absl::InvalidArgumentError("content: gone");
  }
  return gone;
}

void Write(const Picture& picture, v1::Content& proto) {
  proto.mutable_picture()->set_jpeg(picture.jpeg);
  proto.mutable_picture()->set_of(picture.of);
}

// What is no picture as we know them is nothing to us: a newer client may allow
// others, and its session and numbers go on.
ContentBody ReadPicture(const v1::Picture& proto) {
  if ((!proto.of().empty() && proto.of().size() != kAccountIdBytes) ||
      (!proto.jpeg().empty() && !CheckPicture(proto.jpeg()).ok())) {
    return std::monostate();
  }
  return Picture{proto.jpeg(), proto.of()};
}

template <typename Proto>
absl::Status ReadInto(const Proto& proto, ContentBody& body) {
  auto read = Read(proto);
  if (!read.ok()) return read.status();
  body = *std::move(read);
  return absl::OkStatus();
}

absl::Status ReadBody(const v1::Content& proto, Content& content) {
  switch (proto.body_case()) {
    case v1::Content::kText:
      return ReadInto(proto.text(), content.body);
    case v1::Content::kReaction:
      return ReadInto(proto.reaction(), content.body);
    case v1::Content::kUnsend:
      return ReadInto(proto.unsend(), content.body);
    case v1::Content::kReceipts:
      return ReadInto(proto.receipts(), content.body);
    case v1::Content::kTimer:
      return ReadInto(proto.timer(), content.body);
    case v1::Content::kOwnCopy:
      return ReadInto(proto.own_copy(), content.body);
    case v1::Content::kOwnState:
      return ReadInto(proto.own_state(), content.body);
    case v1::Content::kLinkOffer:
      return ReadInto(proto.link_offer(), content.body);
    case v1::Content::kLinkAnswer:
      return ReadInto(proto.link_answer(), content.body);
    case v1::Content::kLinkReveal:
      return ReadInto(proto.link_reveal(), content.body);
    case v1::Content::kLinkGrant:
      return ReadInto(proto.link_grant(), content.body);
    case v1::Content::kResend:
      return ReadInto(proto.resend(), content.body);
    case v1::Content::kGone:
      return ReadInto(proto.gone(), content.body);
    case v1::Content::kPicture:
      content.body = ReadPicture(proto.picture());
      return absl::OkStatus();
    case v1::Content::kAck:
    case v1::Content::BODY_NOT_SET:
      return absl::OkStatus();
  }
  return absl::OkStatus();
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
  if (HasControlCharacter(name)) {
    return absl::InvalidArgumentError("the name contains a control character");
  }
  return absl::OkStatus();
}

absl::Status CheckReaction(absl::string_view emoji) {
  if (emoji.size() > kMaxReactionBytes || !IsValidUtf8(emoji) ||
      HasControlCharacter(emoji) || absl::StrContains(emoji, ' ')) {
    return absl::InvalidArgumentError(
        absl::StrCat("a reaction is one emoji or a few letters: at most ",
                     kMaxReactionBytes, " bytes without spaces"));
  }
  return absl::OkStatus();
}

absl::Status CheckTimer(absl::Duration time) {
  if (time == absl::ZeroDuration() ||
      (time >= kShortestTimer && time <= kLongestTimer &&
       time == absl::Trunc(time, absl::Seconds(1)))) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "messages can vanish after 5 seconds to 28 days");
}

std::vector<TextPart> SplitText(absl::string_view text, size_t part_bytes) {
  std::vector<TextPart> parts;
  while (!text.empty()) {
    size_t length = std::min(text.size(), part_bytes);
    if (length < text.size()) {
      while (IsContinuation(text[length])) --length;
    }
    parts.emplace_back().text = std::string(text.substr(0, length));
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
  proto.set_identity_seq(content.identity_seq);
  proto.set_sequence(content.sequence);
  proto.set_invite_token(content.invite_token);
  std::visit([&proto](const auto& body) { Write(body, proto); }, content.body);
  return proto.SerializeAsString();
}

std::string WithSequence(absl::string_view content, uint64_t sequence) {
  v1::Content number;
  number.set_sequence(sequence);
  // The last value of a field counts (protobuf encoding, "Last One Wins").
  return absl::StrCat(content, number.SerializeAsString());
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
  content.identity_seq = proto.identity_seq();
  content.sequence = proto.sequence();
  if (content.sequence > kMaxSequence) {
    return absl::InvalidArgumentError("content: sequence");
  }
  if (!proto.invite_token().empty() &&
      proto.invite_token().size() != kInviteTokenBytes) {
    return absl::InvalidArgumentError("content: invite token");
  }
  content.invite_token = proto.invite_token();
  const absl::Status body = ReadBody(proto, content);
  if (!body.ok()) return body;
  return content;
}

}  // namespace messenger::client
