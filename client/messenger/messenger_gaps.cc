// Messenger: what has not come, and sessions that have to be replaced.

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/messenger/messenger.h"
#include "client/messenger/messenger_parts.h"
#include "client/session/session_choice.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;

// Asking again waits an hour, then two, ...
constexpr absl::Duration kAskAgain = absl::Hours(1);
constexpr int kMaxAsks = 5;
// How often one content is sent again.
constexpr int kMaxResends = 3;
constexpr int kKeptRefreshes = 5;

bool MayBeAsked(const Gap& gap, absl::Time now) {
  return gap.asks == 0 ||
         (gap.asks < kMaxAsks && gap.asked + kAskAgain * gap.asks <= now);
}

std::string RefreshSetting(const AccountId& peer) {
  return absl::StrCat("contact/refreshed/", peer.ToHex());
}

}  // namespace

absl::StatusOr<std::vector<MissingContents>> Messenger::Missing() {
  std::vector<MissingContents> missing;
  ASSIGN_OR_RETURN(const std::vector<GapsOfDevice> devices,
                   env_.store.GapsBefore(env_.clock.Now() - kGapPatience));
  for (const GapsOfDevice& device : devices) {
    ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                     env_.store.FindContact(device.peer));
    if (!contact || contact->standing != Standing::kContact) continue;
    if (missing.empty() || missing.back().account != device.peer) {
      missing.push_back({device.peer, 0});
    }
    missing.back().count += static_cast<int>(device.gaps.size());
  }
  return missing;
}

absl::Status Messenger::AskForMissing() {
  const absl::Time now = env_.clock.Now();
  ASSIGN_OR_RETURN(const std::vector<GapsOfDevice> devices,
                   env_.store.GapsBefore(now - kGapPatience));
  for (const GapsOfDevice& device : devices) {
    ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                     env_.store.FindContact(device.peer));
    // Strangers learn nothing, not even that something did not come.
    if (!contact || (contact->standing != Standing::kContact &&
                     contact->standing != Standing::kSelf)) {
      continue;
    }
    Resend resend;
    for (const Gap& gap : device.gaps) {
      if (resend.sequences.size() == kMaxResent) break;
      if (!MayBeAsked(gap, now)) continue;
      resend.sequences.push_back(gap.sequence);
      RETURN_IF_ERROR(
          env_.store.MarkAsked(device.peer, device.device, gap.sequence, now));
    }
    if (resend.sequences.empty()) continue;
    RETURN_IF_ERROR(Tell(*contact, device.device, std::move(resend)));
  }
  return absl::OkStatus();
}

absl::Status Messenger::SendAgain(const Contact& contact,
                                  const std::string& device,
                                  const Resend& resend) {
  const absl::Time now = env_.clock.Now();
  ASSIGN_OR_RETURN(const uint64_t next,
                   env_.store.NextSequence(contact.account, device));
  ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, env_.store.Outbox());
  Gone gone;
  for (const uint64_t sequence : resend.sequences) {
    const bool waits =
        std::any_of(outbox.begin(), outbox.end(), [&](const OutboxItem& item) {
          return item.peer == contact.account && item.device == device &&
                 item.sequence == sequence;
        });
    if (waits || sequence == 0 || sequence >= next) continue;
    ASSIGN_OR_RETURN(const std::optional<SentContent> sent,
                     env_.store.FindSent(contact.account, device, sequence));
    if (!sent) {
      gone.unknown.push_back(sequence);
    } else if (sent->content.empty()) {
      gone.removed.push_back(sequence);
    } else if (sent->resends < kMaxResends) {
      OutboxItem item(contact.account);
      item.content = sent->content;
      item.words_of = sent->words_of;
      item.device = device;
      item.sequence = sequence;
      item.expiry = now + kMessageLifetime;
      item.next_try = now;
      RETURN_IF_ERROR(env_.store.AddOutboxItem(item).status());
      RETURN_IF_ERROR(
          env_.store.CountResend(contact.account, device, sequence));
    }
  }
  if (!gone.unknown.empty()) {
    // One of them may have been a picture.
    RETURN_IF_ERROR(env_.store.ForgetPicturesTold(contact.account, device));
  }
  if (gone.removed.empty() && gone.unknown.empty()) return absl::OkStatus();
  return Tell(contact, device, std::move(gone));
}

absl::Status Messenger::CloseGaps(const AccountId& peer,
                                  const std::string& device, const Gone& gone) {
  ASSIGN_OR_RETURN(const std::vector<GapsOfDevice> all,
                   env_.store.GapsBefore(env_.clock.Now()));
  const auto known = [&](uint64_t sequence) {
    for (const GapsOfDevice& one : all) {
      if (one.peer != peer || one.device != device) continue;
      return std::any_of(
          one.gaps.begin(), one.gaps.end(),
          [sequence](const Gap& gap) { return gap.sequence == sequence; });
    }
    return false;
  };
  for (const uint64_t sequence : gone.removed) {
    RETURN_IF_ERROR(env_.store.CloseGap(peer, device, sequence));
  }
  bool lost = false;
  for (const uint64_t sequence : gone.unknown) {
    lost = lost || known(sequence);
    RETURN_IF_ERROR(env_.store.CloseGap(peer, device, sequence));
  }
  if (!lost || peer == id_) return absl::OkStatus();
  // The history says where.
  Message note(peer);
  note.kind = MessageKind::kMissing;
  note.message_id = env_.random.String(kMessageIdBytes);
  note.sent = note.stored = env_.clock.Now();
  note.state = MessageState::kReceived;
  return env_.store.AddMessage(note).status();
}

absl::StatusOr<absl::Time> Messenger::RefreshedAt(const AccountId& peer) {
  ASSIGN_OR_RETURN(const std::optional<std::string> times,
                   env_.store.Setting(RefreshSetting(peer)));
  int64_t newest = 0;
  if (!times || times->empty()) return absl::InfinitePast();
  const std::vector<std::string> all = absl::StrSplit(*times, ',');
  if (!absl::SimpleAtoi(all.back(), &newest)) return absl::InfinitePast();
  return absl::FromUnixMillis(newest);
}

absl::Status Messenger::RefreshSessions(const AccountId& peer) {
  ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                   env_.store.FindContact(peer));
  if (!contact || (contact->standing != Standing::kContact &&
                   contact->standing != Standing::kSelf)) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::optional<std::string> before,
                   env_.store.Setting(RefreshSetting(peer)));
  std::vector<absl::Time> times;
  for (const absl::string_view word :
       absl::StrSplit(before.value_or(""), ',', absl::SkipEmpty())) {
    int64_t milliseconds = 0;
    if (absl::SimpleAtoi(word, &milliseconds)) {
      times.push_back(absl::FromUnixMillis(milliseconds));
    }
  }
  const absl::Time now = env_.clock.Now();
  if (!RefreshAllowed(times, now)) return absl::OkStatus();
  times.push_back(now);
  if (times.size() > kKeptRefreshes) times.erase(times.begin());
  RETURN_IF_ERROR(env_.store.SetSetting(
      RefreshSetting(peer),
      absl::StrJoin(times, ",", [](std::string* out, absl::Time time) {
        absl::StrAppend(out, absl::ToUnixMillis(time));
      })));
  return QueueGreeting(*contact, "");
}

}  // namespace messenger::client
