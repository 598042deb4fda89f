// Messenger: what its person says, and says about messages.

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "client/messenger/messenger.h"
#include "client/messenger/messenger_parts.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;

// "1": receipts are given and believed.
constexpr char kReceiptsSetting[] = "messages/receipts";
// A receipt leaves this much later on average, so that nobody learns from its
// time when a text was fetched (Martiny et al., NDSS 2021).
constexpr absl::Duration kMeanReceiptDelay = absl::Seconds(30);
constexpr int kVanishedAtOnce = 100;

absl::Status OnlyOwn(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("only a text of your own can be ", what));
}

Target ToReader(const Message& message) {
  return {message.message_id, /*of_reader=*/!message.outgoing};
}

}  // namespace

OutboxItem Messenger::NewItem(const Contact& contact,
                              absl::string_view message_id, absl::Time sent,
                              ContentBody body) {
  const absl::Time now = env_.clock.Now();
  OutboxItem item(contact.account);
  item.content = EncodeFor(contact, message_id, sent, std::move(body));
  item.expiry = now + kMessageLifetime;
  item.next_try = now;
  return item;
}

absl::Status Messenger::QueueText(const Contact& contact,
                                  const Message& message,
                                  absl::string_view message_id, absl::Time sent,
                                  const TextPart& like) {
  for (TextPart& part : SplitText(message.text)) {
    part.reply_to = like.reply_to;
    part.replaces = like.replaces;
    part.timer = like.timer;
    // The state of a text is not that of its edits.
    RETURN_IF_ERROR(Say(contact, message_id, sent, std::move(part),
                        {.state_of = like.replaces.empty() ? message.row : 0,
                         .words_of = message.row}));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Messenger::QueueMessage(
    const AccountId& to, absl::string_view text,
    std::optional<MessageKey> reply_to) {
  RETURN_IF_ERROR(CheckText(text));
  if (to == id_) {
    return absl::InvalidArgumentError("that is your own account id");
  }
  Message message(to);
  message.outgoing = true;
  message.message_id = env_.random.String(kMessageIdBytes);
  message.text = std::string(text);
  message.sent = message.stored = env_.clock.Now();
  message.state = MessageState::kQueued;
  message.reply_to = std::move(reply_to);
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(Contact contact, UnblockedContact(to));
    // The draft, if there was one, is sent now.
    contact.draft.clear();
    RETURN_IF_ERROR(MakeContact(contact));
    message.timer = contact.timer;
    ASSIGN_OR_RETURN(message.row, env_.store.AddMessage(message));
    TextPart like;
    like.timer = message.timer;
    if (message.reply_to) {
      like.reply_to = Target{message.reply_to->message_id,
                             /*of_reader=*/!message.reply_to->outgoing};
    }
    return QueueText(contact, message, message.message_id, message.sent, like);
  }));
  return message.row;
}

absl::StatusOr<int64_t> Messenger::Queue(const AccountId& to,
                                         absl::string_view text) {
  return QueueMessage(to, text, std::nullopt);
}

absl::StatusOr<Messenger::Shown> Messenger::FindShown(int64_t row) {
  ASSIGN_OR_RETURN(std::optional<Message> message, env_.store.FindMessage(row));
  if (!message || message->kind != MessageKind::kText) {
    return absl::NotFoundError("there is no such message");
  }
  ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                   env_.store.FindContact(message->conversation));
  if (contact && contact->standing == Standing::kBlocked) {
    return absl::FailedPreconditionError(
        "you have blocked this account; unblock it first");
  }
  // That of a request is not among the messages yet.
  if (!contact || contact->standing != Standing::kContact ||
      message->removal > Removal::kUnsent) {
    return absl::NotFoundError("there is no such message");
  }
  if (message->removal == Removal::kUnsent) {
    return absl::NotFoundError("this message was taken back");
  }
  return Shown{*std::move(message), *contact};
}

absl::StatusOr<int64_t> Messenger::Reply(int64_t row, absl::string_view text) {
  ASSIGN_OR_RETURN(const Shown shown, FindShown(row));
  const Message& message = shown.message;
  return QueueMessage(message.conversation, text,
                      MessageKey{message.outgoing, message.message_id});
}

absl::Status Messenger::Edit(int64_t row, absl::string_view text) {
  RETURN_IF_ERROR(CheckText(text));
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(Shown shown, FindShown(row));
    Message& message = shown.message;
    if (!message.outgoing) return OnlyOwn("edited");
    // Each edit is newer than the last, whatever the clock says.
    absl::Time sent = env_.clock.Now();
    if (message.edited) {
      sent = std::max(sent, *message.edited + absl::Milliseconds(1));
    }
    RETURN_IF_ERROR(env_.store.EditMessage(row, text, sent).status());
    TextPart like;
    like.replaces = message.message_id;
    message.text = std::string(text);
    return QueueText(shown.contact, message,
                     env_.random.String(kMessageIdBytes), sent, like);
  });
}

absl::Status Messenger::React(int64_t row, absl::string_view emoji) {
  RETURN_IF_ERROR(CheckReaction(emoji));
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const Shown shown, FindShown(row));
    const Message& message = shown.message;
    const MessageKey key = {message.outgoing, message.message_id};
    ASSIGN_OR_RETURN(
        const std::optional<ReactionRow> before,
        env_.store.FindReaction(message.conversation, key, /*own=*/true));
    if (before ? before->emoji == emoji : emoji.empty()) {
      return absl::OkStatus();
    }
    absl::Time sent = env_.clock.Now();
    if (before) sent = std::max(sent, before->sent + absl::Milliseconds(1));
    RETURN_IF_ERROR(env_.store
                        .PutReaction(message.conversation, key,
                                     {true, std::string(emoji), sent})
                        .status());
    return Say(shown.contact, env_.random.String(kMessageIdBytes), sent,
               Reaction{ToReader(message), std::string(emoji)}, {});
  });
}

absl::Status Messenger::Unsend(int64_t row) {
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const Shown shown, FindShown(row));
    const Message& message = shown.message;
    if (!message.outgoing) return OnlyOwn("taken back");
    ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, env_.store.Outbox());
    bool left = message.state != MessageState::kQueued &&
                message.state != MessageState::kWaitingForKey;
    for (const OutboxItem& item : outbox) {
      if (item.words_of != row) continue;
      left = left || item.blob.has_value();
      RETURN_IF_ERROR(env_.store.WithdrawOutboxItem(
          item, env_.clock.Now() + kMessageLifetime));
    }
    // Of a text in parts some may have left before.
    left = left || message.text.size() > kMaxInboxContentBytes;
    RETURN_IF_ERROR(env_.store.RemoveMessage(message, Removal::kUnsent));
    // The own devices have a copy of it.
    if (!left && !HasOtherDevices()) return absl::OkStatus();
    return Say(shown.contact, env_.random.String(kMessageIdBytes),
               env_.clock.Now(), client::Unsend{message.message_id}, {});
  }));
  return env_.store.TruncateLog();
}

absl::Status Messenger::Delete(int64_t row) {
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<Message> message,
                     env_.store.FindMessage(row));
    if (!message || message->removal > Removal::kUnsent) {
      return absl::NotFoundError("there is no such message");
    }
    ASSIGN_OR_RETURN(const int64_t waiting, env_.store.OutboxItemsOf(row));
    if (waiting > 0) {
      return absl::FailedPreconditionError(
          "this message has not been sent yet; take it back with unsend");
    }
    return env_.store.RemoveMessage(*message, Removal::kDeleted);
  }));
  return env_.store.TruncateLog();
}

absl::Status Messenger::SetTimer(const AccountId& account,
                                 absl::Duration time) {
  RETURN_IF_ERROR(CheckTimer(time));
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(std::optional<Contact> contact,
                     env_.store.FindContact(account));
    if (!contact || contact->standing != Standing::kContact) {
      return absl::NotFoundError("this account is no contact");
    }
    if (contact->timer == time) return absl::OkStatus();
    contact->timer = time;
    ++contact->timer_revision;
    RETURN_IF_ERROR(env_.store.PutContact(*contact));
    Message note(account);
    note.outgoing = true;
    note.kind = MessageKind::kTimer;
    note.message_id = env_.random.String(kMessageIdBytes);
    note.sent = note.stored = env_.clock.Now();
    note.timer = time;
    ASSIGN_OR_RETURN(note.row, env_.store.AddMessage(note));
    return Say(*contact, note.message_id, note.sent,
               Timer{time, contact->timer_revision}, {.state_of = note.row});
  });
}

absl::Status Messenger::Arrange(const AccountId& account,
                                absl::FunctionRef<void(Contact&)> change) {
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(std::optional<Contact> contact,
                     env_.store.FindContact(account));
    if (!contact || contact->standing != Standing::kContact) {
      return absl::NotFoundError("this account is no contact");
    }
    change(*contact);
    RETURN_IF_ERROR(env_.store.PutContact(*contact));
    return ShareContact(*contact);
  });
}

absl::StatusOr<bool> Messenger::ReceiptsWanted() {
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   env_.store.Setting(kReceiptsSetting));
  return value == "1";
}

absl::Status Messenger::WantReceipts(bool wanted) {
  return env_.store.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(SetReceipts(wanted));
    return ShareProfile();
  });
}

absl::StatusOr<bool> Messenger::TypingWanted() {
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   env_.store.Setting(kTypingSetting));
  return value == "1";
}

absl::Status Messenger::WantTyping(bool wanted) {
  return env_.store.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(env_.store.SetSetting(kTypingSetting, wanted ? "1" : "0"));
    return ShareProfile();
  });
}

absl::StatusOr<bool> Messenger::TellTyping(const AccountId& account) {
  ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                   env_.store.FindContact(account));
  if (!contact || contact->standing != Standing::kContact) {
    return absl::NotFoundError("this account is no contact");
  }
  ASSIGN_OR_RETURN(const bool wanted, TypingWanted());
  const absl::Time now = env_.clock.Now();
  const auto since = [now](const std::map<AccountId, absl::Time>& times,
                           const AccountId& who) {
    const auto found = times.find(who);
    return found == times.end() ? absl::InfiniteDuration()
                                : now - found->second;
  };
  if (!wanted || since(heard_, account) > kTypingAudience ||
      since(told_typing_, account) < kTypingPause) {
    return false;
  }
  // Nothing that is no text goes to an inbox, where everybody may write.
  ASSIGN_OR_RETURN(const bool answered, env_.store.HasPeerMailbox(account));
  if (!answered) return false;
  OutboxItem item =
      NewItem(*contact, env_.random.String(kMessageIdBytes), now, Typing());
  item.fleeting = true;
  RETURN_IF_ERROR(env_.store.AddOutboxItem(item).status());
  told_typing_[account] = now;
  return true;
}

absl::Status Messenger::HearTyping(const AccountId& peer, absl::Time sent) {
  ASSIGN_OR_RETURN(const bool wanted, TypingWanted());
  if (wanted && env_.clock.Now() - sent < kTypingLasts) {
    typing_.push_back(peer);
  }
  return absl::OkStatus();
}

absl::Status Messenger::SetReceipts(bool wanted) {
  RETURN_IF_ERROR(env_.store.SetSetting(kReceiptsSetting, wanted ? "1" : "0"));
  return wanted ? absl::OkStatus() : env_.store.ForgetReceipts();
}

absl::StatusOr<std::optional<absl::Time>> Messenger::ReceiptDue() {
  ASSIGN_OR_RETURN(const bool wanted, ReceiptsWanted());
  if (!wanted) return std::nullopt;
  return env_.clock.Now() -
         kMeanReceiptDelay * std::log(1 - env_.random.UnitDouble());
}

absl::Status Messenger::QueueReceipts() {
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<AccountId> peers,
                     env_.store.ReceiptsDue(env_.clock.Now()));
    for (const AccountId& peer : peers) {
      ASSIGN_OR_RETURN(const std::vector<OwedReceipt> owed,
                       env_.store.TakeReceipts(peer, kMaxReceipts));
      ASSIGN_OR_RETURN(const std::optional<Contact> contact,
                       env_.store.FindContact(peer));
      if (!contact || contact->standing != Standing::kContact) continue;
      Receipts receipts;
      for (const OwedReceipt& one : owed) {
        (one.read ? receipts.read : receipts.delivered)
            .push_back(one.message_id);
      }
      RETURN_IF_ERROR(Tell(*contact, "", std::move(receipts)));
    }
    return absl::OkStatus();
  });
}

absl::Status Messenger::RemoveVanished() {
  bool removed = false;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<Message> vanished,
                     env_.store.Vanished(env_.clock.Now(), kVanishedAtOnce));
    if (vanished.empty()) break;
    RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
      for (const Message& message : vanished) {
        RETURN_IF_ERROR(env_.store.RemoveMessage(message, Removal::kVanished));
      }
      return absl::OkStatus();
    }));
    removed = true;
  }
  return removed ? env_.store.TruncateLog() : absl::OkStatus();
}

}  // namespace messenger::client
