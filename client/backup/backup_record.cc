#include "client/backup/backup_record.h"

#include <limits>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "client/session/identity_record.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::crypto::ByteReader;
using ::messenger::crypto::ByteWriter;

enum RecordType : uint8_t {
  kHead = 1,
  kValue = 2,
  kContact = 3,
  kMessage = 4,
  kEnd = 5,
};

// As shared values travel (client/proto/content.proto).
constexpr size_t kMaxReactions = 2;

absl::Status Malformed() {
  return absl::InvalidArgumentError("a record is malformed");
}

uint64_t TimeBits(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMillis(time));
}

// ----------------------------------------------------------------- writing --

void Write(ByteWriter& out, const BackupHead& head) {
  out.U8(kHead).Bytes(head.account.bytes()).U64(TimeBits(head.created));
}

void Write(ByteWriter& out, const StateEntry& value) {
  out.U8(kValue).Var16(value.name).Var32(value.value);
  out.U64(TimeBits(value.changed)).Bytes(value.device);
}

void Write(ByteWriter& out, const KeptContact& kept) {
  const Contact& contact = kept.contact;
  out.U8(kContact).Bytes(contact.account.bytes());
  out.Var16(contact.profile_name).U64(TimeBits(contact.added));
  out.U64(static_cast<uint64_t>(absl::ToInt64Milliseconds(contact.timer)));
  out.U32(contact.timer_revision).Var32(contact.draft);
  out.Var16(contact.identity_record);
}

void WriteOptional(ByteWriter& out, const std::optional<absl::Time>& time) {
  out.U8(time ? 1 : 0);
  if (time) out.U64(TimeBits(*time));
}

void Write(ByteWriter& out, const KeptMessage& kept) {
  const Message& message = kept.message;
  out.U8(kMessage).Bytes(message.conversation.bytes());
  out.U8(message.outgoing ? 1 : 0).Bytes(message.message_id);
  out.Var32(message.text);
  out.U64(TimeBits(message.sent)).U64(TimeBits(message.stored));
  out.U8(static_cast<uint8_t>(message.state)).Var16(message.detail);
  out.U8(static_cast<uint8_t>(message.kind));
  out.U8(message.reply_to ? 1 : 0);
  if (message.reply_to) {
    out.U8(message.reply_to->outgoing ? 1 : 0);
    out.Bytes(message.reply_to->message_id);
  }
  WriteOptional(out, message.edited);
  out.U8(static_cast<uint8_t>(message.removal));
  out.U64(static_cast<uint64_t>(absl::ToInt64Milliseconds(message.timer)));
  WriteOptional(out, message.vanishes);
  out.U8(static_cast<uint8_t>(kept.reactions.size()));
  for (const ReactionRow& reaction : kept.reactions) {
    out.U8(reaction.own ? 1 : 0).Var16(reaction.emoji);
    out.U64(TimeBits(reaction.sent));
  }
}

void Write(ByteWriter& out, const BackupEnd& end) {
  out.U8(kEnd).U64(end.contacts).U64(end.messages);
}

// ----------------------------------------------------------------- reading --

// Remembers whether everything was as it has to be.
class FieldReader {
 public:
  explicit FieldReader(absl::string_view bytes) : in_(bytes) {}

  void Require(bool condition) { good_ = good_ && condition; }
  bool Flag() {
    const uint8_t value = in_.U8();
    Require(value <= 1);
    return value == 1;
  }
  uint8_t Enum(uint8_t lowest, uint8_t highest) {
    const uint8_t value = in_.U8();
    Require(value >= lowest && value <= highest);
    return value;
  }
  uint32_t U32() { return in_.U32(); }
  uint64_t U64() { return in_.U64(); }
  absl::Time Time() {
    return absl::FromUnixMillis(static_cast<int64_t>(in_.U64()));
  }
  std::optional<absl::Time> OptionalTime() {
    if (!Flag()) return std::nullopt;
    return Time();
  }
  absl::Duration Timer() {
    const uint64_t milliseconds = in_.U64();
    Require(milliseconds <=
            static_cast<uint64_t>(absl::ToInt64Milliseconds(kLongestTimer)));
    const absl::Duration timer =
        absl::Milliseconds(static_cast<int64_t>(milliseconds));
    Require(CheckTimer(timer).ok());
    return timer;
  }
  std::string Bytes(size_t n) { return std::string(in_.Bytes(n)); }
  std::string Text16() { return Utf8(in_.Var16()); }
  std::string Text32() { return Utf8(in_.Var32()); }
  std::string Var16() { return std::string(in_.Var16()); }
  std::string Var32() { return std::string(in_.Var32()); }

  std::optional<AccountId> Account() {
    const absl::StatusOr<AccountId> account =
        AccountId::FromBytes(in_.Bytes(AccountId::kSize));
    Require(account.ok());
    if (!account.ok()) return std::nullopt;
    return *account;
  }

  absl::Status Finish() const {
    return good_ && in_.Finish().ok() ? absl::OkStatus() : Malformed();
  }

 private:
  std::string Utf8(absl::string_view text) {
    Require(IsValidUtf8(text));
    return std::string(text);
  }

  ByteReader in_;
  bool good_ = true;
};

absl::StatusOr<BackupRecord> ReadHead(FieldReader& in) {
  const std::optional<AccountId> account = in.Account();
  if (!account) return Malformed();
  BackupHead head = {*account, in.Time()};
  RETURN_IF_ERROR(in.Finish());
  return head;
}

absl::StatusOr<BackupRecord> ReadValue(FieldReader& in) {
  StateEntry value;
  value.name = in.Text16();
  value.value = in.Var32();
  value.changed = in.Time();
  value.device = in.Bytes(kMessageIdBytes);
  RETURN_IF_ERROR(in.Finish());
  return value;
}

absl::StatusOr<BackupRecord> ReadContact(FieldReader& in) {
  const std::optional<AccountId> account = in.Account();
  if (!account) return Malformed();
  Contact contact(*account);
  contact.profile_name = in.Text16();
  in.Require(CheckProfileName(contact.profile_name).ok());
  contact.added = in.Time();
  contact.timer = in.Timer();
  contact.timer_revision = in.U32();
  contact.draft = in.Text32();
  in.Require(contact.draft.size() <= kMaxTextBytes);
  contact.identity_record = in.Var16();
  if (!contact.identity_record.empty()) {
    const absl::StatusOr<IdentityRecord> record =
        IdentityRecord::Verify(contact.identity_record);
    in.Require(record.ok() && record->account_id() == *account);
  }
  RETURN_IF_ERROR(in.Finish());
  return KeptContact{std::move(contact)};
}

absl::StatusOr<BackupRecord> ReadMessage(FieldReader& in) {
  const std::optional<AccountId> account = in.Account();
  if (!account) return Malformed();
  KeptMessage kept = {Message(*account), {}};
  Message& message = kept.message;
  message.outgoing = in.Flag();
  message.message_id = in.Bytes(kMessageIdBytes);
  message.text = in.Text32();
  in.Require(message.text.size() <= kMaxTextBytes);
  message.sent = in.Time();
  message.stored = in.Time();
  message.state = static_cast<MessageState>(
      in.Enum(static_cast<uint8_t>(MessageState::kQueued),
              static_cast<uint8_t>(MessageState::kElsewhere)));
  message.detail = in.Text16();
  message.kind = static_cast<MessageKind>(
      in.Enum(0, static_cast<uint8_t>(MessageKind::kTimer)));
  if (in.Flag()) {
    const bool outgoing = in.Flag();
    message.reply_to = MessageKey{outgoing, in.Bytes(kMessageIdBytes)};
  }
  message.edited = in.OptionalTime();
  message.removal = static_cast<Removal>(
      in.Enum(0, static_cast<uint8_t>(Removal::kVanished)));
  // What was removed has no words.
  in.Require(message.removal == Removal::kNone || message.text.empty());
  message.timer = in.Timer();
  message.vanishes = in.OptionalTime();
  const uint8_t reactions = in.Enum(0, kMaxReactions);
  for (uint8_t i = 0; i < reactions && i < kMaxReactions; ++i) {
    ReactionRow reaction;
    reaction.own = in.Flag();
    reaction.emoji = in.Text16();
    in.Require(CheckReaction(reaction.emoji).ok());
    reaction.sent = in.Time();
    kept.reactions.push_back(std::move(reaction));
  }
  RETURN_IF_ERROR(in.Finish());
  return kept;
}

absl::StatusOr<BackupRecord> ReadEnd(FieldReader& in) {
  BackupEnd end;
  end.contacts = in.U64();
  end.messages = in.U64();
  RETURN_IF_ERROR(in.Finish());
  return end;
}

}  // namespace

std::string EncodeRecord(const BackupRecord& record) {
  ByteWriter out;
  std::visit([&out](const auto& one) { Write(out, one); }, record);
  return out.Take();
}

absl::StatusOr<BackupRecord> DecodeRecord(absl::string_view bytes) {
  if (bytes.empty() || bytes.size() > kMaxRecordBytes) return Malformed();
  FieldReader in(bytes.substr(1));
  switch (static_cast<uint8_t>(bytes[0])) {
    case kHead:
      return ReadHead(in);
    case kValue:
      return ReadValue(in);
    case kContact:
      return ReadContact(in);
    case kMessage:
      return ReadMessage(in);
    case kEnd:
      return ReadEnd(in);
    default:
      return Malformed();
  }
}

}  // namespace messenger::client
