#include "client/messenger/testing/poisoned_mail.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/messenger/content.h"
#include "client/session/padding.h"
#include "client/session/session.h"
#include "client/store/client_store.h"
#include "swarm/auth/mailbox.h"

namespace messenger::client {
namespace {

using ::messenger::swarm::MailboxNamespace;

constexpr int kEnvelopesOfBatch = 100;
constexpr uint64_t kBatchesPerAnswer = 3;
constexpr uint64_t kBatchesPerStranger = 20;
constexpr uint64_t kBatchesPerDay = 40;
constexpr size_t kStuff = 64;

template <typename T>
T Must(absl::StatusOr<T> result) {
  if (!result.ok()) std::abort();
  return *std::move(result);
}

}  // namespace

PoisonedMail::PoisonedMail(uint64_t seed)
    : random_(seed),
      disk_random_(1),
      story_(random_),
      ada_("Ada", story_, disk_random_),
      ben_("Ben", story_, disk_random_) {
  BecomeAcquainted();
}

void PoisonedMail::BecomeAcquainted() {
  for (FaultyDevice* device : {&ada_, &ben_}) {
    device->Start();
    device->Publish();
  }
  ada_.Add(ben_, "");
  ben_.Add(ada_, "");
  ada_.Write(ben_, "hello");
  ben_.Read();
  ben_.Write(ada_, "hello yourself");
  ada_.Read();
  ada_.Write(ben_, "how are you?");
  ben_.Read();
  for (const auto& [box, message] : NewMail()) Remember(message.payload);
  ForgetRead();
  ben_.ExpectUnreadable();
  ada_.ExpectUnreadable();
}

void PoisonedMail::Run(uint64_t envelopes) {
  while (envelopes_ < envelopes && failures().empty()) {
    ++batches_;
    if (batches_ % kBatchesPerStranger == 0) {
      RunStrangersBatch();
    } else {
      RunBatch();
    }
    if (batches_ % kBatchesPerAnswer == 0) Answer();
    if (batches_ % kBatchesPerDay == 0) {
      story_.clock.Advance(absl::Hours(25));
      ada_.Publish();
      ben_.Publish();
    }
  }
  ada_.CheckWhatIsLeft();
  ben_.CheckWhatIsLeft();
}

void PoisonedMail::RunBatch() {
  const std::string text = absl::StrCat("text ", batches_);
  ada_.Write(ben_, text);
  const auto written = NewMail();
  if (written.size() != 1) {
    story_.Fail("lost: nothing was sent");
    return;
  }
  const auto& [box, message] = written.front();
  Remember(message.payload);
  const Box inbox = {std::string(ben_.id().bytes()), MailboxNamespace::kInbox};
  for (int i = 0; i < kEnvelopesOfBatch; ++i) {
    const uint64_t kind = random_.Uniform(10);
    if (kind < 2) {
      AddSealedPoison(box, message.expiry + absl::Milliseconds(1 + i));
    } else {
      AddPoison(kind < 5 ? inbox : box, message.payload, message.expiry);
    }
  }
  ReadAndCheck(&text);
}

void PoisonedMail::RunStrangersBatch() {
  FaultyDevice stranger("Eve", story_, disk_random_);
  stranger.Start();
  stranger.Publish();
  stranger.Write(ben_, absl::StrCat("request ", batches_));
  const auto written = NewMail();
  if (written.size() != 1) {
    story_.Fail("lost: no request was sent");
    return;
  }
  const auto& [inbox, message] = written.front();
  Remember(message.payload);
  for (int i = 0; i < kEnvelopesOfBatch; ++i) {
    AddPoison(inbox, message.payload, message.expiry);
  }
  ReadAndCheck(nullptr);
  // Only a genuine one can be declined.
  ben_.Decline(stranger);
}

// The keys change with every turn of the conversation.
void PoisonedMail::Answer() {
  ben_.Write(ada_, absl::StrCat("answer ", batches_));
  for (const auto& [box, message] : NewMail()) {
    Remember(message.payload);
    for (int i = 0; i < 5; ++i) {
      AddPoison(box, message.payload, message.expiry);
    }
  }
  ada_.Read();
  if (!ada_.shown().contains(absl::StrCat("answer ", batches_))) {
    story_.Fail("lost: an answer");
  }
  ForgetRead();
}

std::vector<std::pair<PoisonedMail::Box, MailMessage>> PoisonedMail::NewMail() {
  std::vector<std::pair<Box, MailMessage>> fresh;
  for (const auto& [box, messages] : story_.network.messages) {
    for (size_t i = known_[box]; i < messages.size(); ++i) {
      fresh.emplace_back(box, messages[i]);
    }
  }
  return fresh;
}

void PoisonedMail::Remember(const std::string& payload) {
  if (stuff_.size() < kStuff) {
    stuff_.push_back(payload);
  } else {
    stuff_[random_.Uniform(kStuff)] = payload;
  }
}

void PoisonedMail::ForgetRead() {
  for (auto& [box, messages] : story_.network.messages) {
    for (size_t i = known_[box]; i < messages.size(); ++i) {
      std::string().swap(messages[i].payload);
    }
    known_[box] = messages.size();
  }
}

const std::string& PoisonedMail::Any() {
  return stuff_[random_.Uniform(stuff_.size())];
}

std::string PoisonedMail::Altered(std::string bytes) {
  const auto position = [&] { return random_.Uniform(bytes.size() + 1); };
  switch (bytes.empty() ? 0 : random_.Uniform(8)) {
    case 0:  // some bytes are others
      for (uint64_t n = 1 + random_.Uniform(4); n > 0 && !bytes.empty(); --n) {
        bytes[random_.Uniform(bytes.size())] ^=
            static_cast<char>(1 + random_.Uniform(255));
      }
      break;
    case 1:  // one bit is another, most often near the beginning
      bytes[random_.Uniform(1 + random_.Uniform(bytes.size()))] ^=
          static_cast<char>(1 << random_.Uniform(8));
      break;
    case 2:  // the end is missing
      bytes.resize(position());
      break;
    case 3:  // another size of bucket
      bytes.resize(kBucketBytes[random_.Uniform(2)],
                   static_cast<char>(random_.Uniform(2)));
      break;
    case 4: {  // a part is of another one
      const std::string& other = Any();
      const size_t from = position();
      const size_t length =
          std::min({random_.Uniform(bytes.size()) + 1, bytes.size() - from,
                    other.size() - std::min(from, other.size())});
      if (length > 0) bytes.replace(from, length, other, from, length);
      break;
    }
    case 5: {  // a part is all the same
      const size_t from = position();
      const size_t length = random_.Uniform(bytes.size() - from + 1);
      std::fill_n(bytes.begin() + static_cast<long>(from), length,
                  static_cast<char>(random_.Uniform(2) * 255));
      break;
    }
    case 6:  // something is put in, and the size is right again
      bytes.insert(position(), random_.String(1 + random_.Uniform(16)));
      bytes.resize(kBucketBytes[bytes.size() > kBucketBytes[0] ? 1 : 0]);
      break;
    case 7:  // nothing is what it was
      bytes = random_.String(bytes.size());
      break;
  }
  return bytes;
}

absl::Time PoisonedMail::SomeExpiry(absl::Time genuine) {
  switch (random_.Uniform(20)) {
    case 0:
      return absl::InfiniteFuture();
    case 1:
      return absl::InfinitePast();
    case 2:
      return absl::UnixEpoch() - absl::Hours(1);
    default:
      // Before the genuine one or after it.
      return genuine + absl::Milliseconds(random_.Uniform(2'000)) -
             absl::Milliseconds(1'000);
  }
}

void PoisonedMail::Put(const Box& box, std::string payload, absl::Time expiry) {
  ++envelopes_;
  story_.network.messages[box].push_back(
      {random_.String(32), std::move(payload), expiry});
}

void PoisonedMail::AddPoison(const Box& box, const std::string& genuine,
                             absl::Time genuine_expiry) {
  const absl::Time expiry = SomeExpiry(genuine_expiry);
  switch (random_.Uniform(8)) {
    case 0:  // as it was, under another id, perhaps in another mailbox
      Put(box, Any(), expiry);
      break;
    case 1:
      Put(box, Altered(Any()), expiry);
      break;
    case 2:
      Put(box, Altered(Altered(genuine)), expiry);
      break;
    default:
      Put(box, Altered(genuine), expiry);
      break;
  }
}

// Mostly texts; whatever else a contact may say, and may not.
ContentBody PoisonedMail::AnyBody() {
  const std::string id = random_.String(kMessageIdBytes);
  const std::string key = random_.String(kLinkNonceBytes);
  switch (random_.Uniform(16)) {
    case 0:
      return Reaction{{id, random_.Uniform(2) == 0}, "x"};
    case 1:
      return Unsend{id};
    case 2:
      return Receipts{{id}, {id}};
    case 3:
      return Timer{absl::Hours(1), static_cast<uint32_t>(random_.U64())};
    case 4:
      return OwnCopy{std::string(ben_.id().bytes()), random_.String(40)};
    case 5:
      return OwnState{{{"profile/name", "Eve", story_.clock.Now(), id}}};
    case 6:
      return LinkOffer{key};
    case 7:
      return LinkAnswer{key, id, key, key};
    case 8:
      return LinkReveal{key};
    case 9:
      return LinkGrant{random_.String(100), key, "Eve", random_.String(32),
                       random_.String(1'216)};
    default: {
      TextPart text;
      text.text = absl::BytesToHexString(random_.String(16));
      if (random_.Uniform(4) == 0) text.reply_to = Target{id, true};
      if (random_.Uniform(4) == 0) text.replaces = id;
      if (random_.Uniform(4) == 0) text.timer = absl::Minutes(1);
      return text;
    }
  }
}

// As a program would that is not ours, with Ada's keys.
void PoisonedMail::AddSealedPoison(const Box& box, absl::Time expiry) {
  Content content;
  content.message_id = random_.String(kMessageIdBytes);
  content.sent = story_.clock.Now();
  content.profile_name = "Ada";
  // However a few bytes of it are altered, it is like no other.
  content.body = AnyBody();
  std::string bytes = EncodeContent(content);
  if (random_.Uniform(8) == 0) {
    bytes = random_.String(random_.Uniform(200));
  } else {
    for (uint64_t n = 1 + random_.Uniform(3); n > 0 && !bytes.empty(); --n) {
      const size_t at = random_.Uniform(bytes.size());
      switch (random_.Uniform(3)) {
        case 0:
          bytes[at] = static_cast<char>(random_.Uniform(256));
          break;
        case 1:
          bytes.erase(at, 1 + random_.Uniform(4));
          break;
        case 2:
          bytes.insert(at, random_.String(1 + random_.Uniform(4)));
          break;
      }
    }
  }
  const absl::StatusOr<Content> decoded = DecodeContent(bytes);
  if (decoded.ok()) {
    const auto* text = std::get_if<TextPart>(&decoded->body);
    // Of a text in parts the others do not come.
    if (text != nullptr && text->parts == 1) allowed_.insert(text->text);
    // The note in the history.
    if (std::holds_alternative<Timer>(decoded->body)) allowed_.insert("");
  }
  std::vector<SessionRow> rows = Must(ada_.store().Sessions(ben_.id()));
  if (rows.empty()) std::abort();
  const Session session = Must(Session::Parse(rows.front().state));
  Session::Encrypted sealed = Must(session.Encrypt(bytes, random_));
  rows.front().state = sealed.next.Serialize();
  if (!ada_.store().PutSession(rows.front()).ok()) std::abort();
  ++sealed_;
  Put(box, std::move(sealed.blob), expiry);
}

void PoisonedMail::ReadAndCheck(const std::string* genuine) {
  const std::set<std::string> before = ben_.shown();
  ben_.Read();
  std::vector<std::string> fresh;
  std::set_difference(ben_.shown().begin(), ben_.shown().end(), before.begin(),
                      before.end(), std::back_inserter(fresh));
  bool seen = genuine == nullptr;
  for (const std::string& text : fresh) {
    if (genuine != nullptr && text == *genuine) {
      seen = true;
    } else if (!allowed_.contains(text)) {
      story_.Fail(
          absl::StrCat("phantom: batch ", batches_, ": ", text.substr(0, 40)));
    }
  }
  if (!seen) {
    story_.Fail(absl::StrCat("lost: the text of batch ", batches_));
  }
  allowed_.clear();
  ForgetRead();
}

}  // namespace messenger::client
