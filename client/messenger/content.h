// What two people say to each other, in and out of its bytes
// (client/proto/content.proto, client/SPEC.md, section 9).
//
// The peer is authenticated but not trusted: `DecodeContent` checks every
// length before anything is used.

#ifndef CLIENT_MESSENGER_CONTENT_H_
#define CLIENT_MESSENGER_CONTENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace messenger::client {

inline constexpr size_t kMessageIdBytes = 16;
inline constexpr size_t kMaxProfileNameBytes = 64;
inline constexpr size_t kInviteTokenBytes = 16;
// A text is cut into parts of this size; each part with its envelope fits the
// largest bucket.
inline constexpr size_t kMaxPartBytes = 58'000;
inline constexpr int kMaxParts = 18;
inline constexpr size_t kMaxTextBytes = 1'000'000;

inline constexpr size_t kMaxReactionBytes = 32;
inline constexpr size_t kMaxReceipts = 50;
inline constexpr absl::Duration kShortestTimer = absl::Seconds(5);
inline constexpr absl::Duration kLongestTimer = absl::Hours(24 * 28);

// A text of the conversation.
struct Target {
  std::string message_id;  // kMessageIdBytes
  bool of_reader = false;  // otherwise of the one who says this
};

struct TextPart {
  std::string text;
  int part = 0;
  int parts = 1;
  // The same in every part.
  std::optional<Target> reply_to;
  std::string replaces;  // an id: the text is an edit; empty: a new one
  absl::Duration timer;  // after it was read the text vanishes; zero: never
};

struct Reaction {
  Target target;
  std::string emoji;  // empty: none any more
};

struct Unsend {
  std::string message_id;
};

struct Receipts {
  std::vector<std::string> delivered;
  std::vector<std::string> read;
};

struct Timer {
  absl::Duration time;  // zero: never
  uint32_t revision = 0;
};

struct OwnCopy {
  std::string peer;     // an account id, 33 bytes
  std::string content;  // an encoded Content
};

struct StateEntry {
  std::string name;
  std::string value;
  absl::Time changed;
  std::string device;  // kMessageIdBytes long
};
inline constexpr size_t kMaxStateNameBytes = 128;
inline constexpr size_t kMaxStateValueBytes = 1024;
inline constexpr size_t kMaxStateEntries = 100;
// Of all names and values of one content.
inline constexpr size_t kMaxStateBytes = 32'000;

struct OwnState {
  std::vector<StateEntry> entries;
};

inline constexpr size_t kLinkNonceBytes = 32;

struct LinkOffer {
  std::string commitment;
};

struct LinkAnswer {
  std::string nonce;
  std::string device_id;
  std::string signing_key;
  std::string agreement_key;
};

struct LinkReveal {
  std::string nonce;
};

struct LinkGrant {
  std::string identity_record;
  std::string identity_kem_seed;  // secret
  std::string profile_name;
  // Of the device's vault; both are empty in the grant of an older program.
  std::string vault_key_seed;  // secret
  std::string vault_kem;
};

inline constexpr size_t kMaxResent = 100;

struct Resend {
  std::vector<uint64_t> sequences;
};

struct Gone {
  std::vector<uint64_t> removed;
  std::vector<uint64_t> unknown;
};

// A profile picture; the newest by `Content::sent` counts.
struct Picture {
  std::string jpeg;  // for which CheckPicture() is OK; empty: none any more
  // Between own devices: the contact whose it is, 33 bytes; empty: the
  // speaker's own.
  std::string of;
};

// Nothing: an acknowledgement, or something a newer client says.
using ContentBody =
    std::variant<std::monostate, TextPart, Reaction, Unsend, Receipts, Timer,
                 OwnCopy, OwnState, LinkOffer, LinkAnswer, LinkReveal,
                 LinkGrant, Resend, Gone, Picture>;

struct Content {
  std::string message_id;  // kMessageIdBytes
  absl::Time sent;
  // Encoded `OutgoingMailbox` of the sender's mailbox; empty if none is
  // offered.
  std::string mailbox_offer;
  std::string profile_name;
  uint64_t identity_seq = 0;  // 0: not said
  uint64_t sequence = 0;      // 0: not numbered
  std::string invite_token;   // kInviteTokenBytes; empty without one
  ContentBody body;
};

std::string EncodeContent(const Content& content);

// The encoded content with this number, whatever it had before.
std::string WithSequence(absl::string_view content, uint64_t sequence);

// INVALID_ARGUMENT when a field is malformed.
absl::StatusOr<Content> DecodeContent(absl::string_view bytes);

// INVALID_ARGUMENT when `text` is empty, not UTF-8, or longer than
// kMaxTextBytes; the words are for the person who typed it.
absl::Status CheckText(absl::string_view text);
absl::Status CheckProfileName(absl::string_view name);
absl::Status CheckReaction(absl::string_view emoji);
// Whole seconds, zero or within the bounds above.
absl::Status CheckTimer(absl::Duration time);

bool IsValidUtf8(absl::string_view text);

// Cuts a checked text between characters into parts of at most `part_bytes`,
// perhaps more than kMaxParts of them.
std::vector<TextPart> SplitText(absl::string_view text,
                                size_t part_bytes = kMaxPartBytes);

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_CONTENT_H_
