#include "client/messenger/incoming_content.h"

#include <string>
#include <utility>
#include <variant>

#include "client/messenger/message_request.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

// Of two timers set at the same time both sides keep the shorter one.
bool Shorter(absl::Duration a, absl::Duration b) {
  if (a == absl::ZeroDuration() || b == absl::ZeroDuration()) {
    return a > b;
  }
  return a < b;
}

struct Applier {
  ClientStore& store;
  Contact& from;
  bool own;
  const Content& content;
  absl::Time now;
  std::optional<absl::Time> receipt_due;
  std::vector<MessageChange>& changes;

  bool IsContact() const { return from.standing == Standing::kContact; }

  // Whose message the speaker means, seen from here.
  MessageKey KeyOf(const Target& target) const {
    return {target.of_reader != own, target.message_id};
  }

  absl::Status operator()(std::monostate) const { return absl::OkStatus(); }

  absl::Status operator()(const TextPart& text) const {
    if (from.standing == Standing::kRequest && !own) {
      ASSIGN_OR_RETURN(const std::vector<Message> kept,
                       store.Messages(from.account, kMaxRequestTexts));
      if (kept.size() == kMaxRequestTexts) return absl::OkStatus();
    }
    std::optional<std::string> whole = text.text;
    if (text.parts > 1) {
      ASSIGN_OR_RETURN(
          whole, store.AddPart(from.account, content.message_id, text.part,
                               text.parts, text.text, now));
      if (!whole) return absl::OkStatus();
    }
    return text.replaces.empty() ? Add(text, *std::move(whole))
                                 : Edit(text.replaces, *whole);
  }

  absl::Status Add(const TextPart& text, std::string whole) const {
    Message message(from.account);
    message.outgoing = own;
    message.message_id = content.message_id;
    message.text = std::move(whole);
    message.sent = content.sent;
    message.stored = now;
    message.state = own ? MessageState::kElsewhere : MessageState::kReceived;
    message.timer = text.timer;
    if (text.reply_to) message.reply_to = KeyOf(*text.reply_to);
    ASSIGN_OR_RETURN(const int64_t row, store.AddMessage(message));
    if (own) return store.StartTimer(row, now);
    // News bring a conversation back, unless its noise is not wanted.
    if (from.archived && !from.muted) {
      from.archived = false;
      RETURN_IF_ERROR(store.PutContact(from));
    }
    if (!receipt_due || !IsContact()) return absl::OkStatus();
    return store.OweReceipt(from.account, {content.message_id, false},
                            *receipt_due);
  }

  absl::Status Edit(const std::string& id, const std::string& text) const {
    ASSIGN_OR_RETURN(const std::optional<Message> message,
                     store.FindMessage(from.account, {own, id}));
    if (!message) {
      return store.KeepEarlyEdit(from.account, {own, id}, text, content.sent,
                                 now);
    }
    ASSIGN_OR_RETURN(const bool changed,
                     store.EditMessage(message->row, text, content.sent));
    if (changed) Report(MessageChange::Kind::kEdited, message->row);
    return absl::OkStatus();
  }

  absl::Status operator()(const Unsend& unsend) const {
    const MessageKey key = {own, unsend.message_id};
    ASSIGN_OR_RETURN(const std::optional<Message> message,
                     store.FindMessage(from.account, key));
    if (!message) return store.AddRemoved(from.account, key, now);
    if (message->removal != Removal::kNone ||
        message->kind != MessageKind::kText) {
      return absl::OkStatus();
    }
    Report(MessageChange::Kind::kUnsent, message->row);
    return store.RemoveMessage(*message, Removal::kUnsent);
  }

  absl::Status operator()(const Reaction& reaction) const {
    if (!IsContact()) return absl::OkStatus();
    const MessageKey target = KeyOf(reaction.target);
    ASSIGN_OR_RETURN(const bool changed,
                     store.PutReaction(from.account, target,
                                       {own, reaction.emoji, content.sent}));
    if (!changed) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::optional<Message> message,
                     store.FindMessage(from.account, target));
    if (message) Report(MessageChange::Kind::kReaction, message->row);
    return absl::OkStatus();
  }

  absl::Status operator()(const Receipts& receipts) const {
    if (own || !receipt_due || !IsContact()) return absl::OkStatus();
    RETURN_IF_ERROR(Confirm(receipts.delivered, MessageState::kDelivered));
    return Confirm(receipts.read, MessageState::kRead);
  }

  absl::Status Confirm(const std::vector<std::string>& ids,
                       MessageState state) const {
    for (const std::string& id : ids) {
      ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                       store.Confirm(from.account, id, state));
      if (!row) continue;
      RETURN_IF_ERROR(store.StartTimer(*row, now));
      Report(MessageChange::Kind::kConfirmed, *row);
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const Timer& timer) const {
    if (!IsContact()) return absl::OkStatus();
    const bool newer = timer.revision > from.timer_revision ||
                       (timer.revision == from.timer_revision &&
                        Shorter(timer.time, from.timer));
    if (!newer) return absl::OkStatus();
    from.timer = timer.time;
    from.timer_revision = timer.revision;
    RETURN_IF_ERROR(store.PutContact(from));
    Message note(from.account);
    note.outgoing = own;
    note.kind = MessageKind::kTimer;
    note.message_id = content.message_id;
    note.sent = content.sent;
    note.stored = now;
    note.state = own ? MessageState::kElsewhere : MessageState::kReceived;
    note.timer = timer.time;
    return store.AddMessage(note).status();
  }

  absl::Status operator()(const Picture& picture) const {
    if (own || !IsContact() || !picture.of.empty()) return absl::OkStatus();
    return store
        .MergePicture({from.account, picture.jpeg, content.sent,
                       /*chosen_here=*/false})
        .status();
  }

  // What belongs between devices; the messenger has handled it.
  template <typename Other>
  absl::Status operator()(const Other&) const {
    return absl::OkStatus();
  }

  void Report(MessageChange::Kind kind, int64_t row) const {
    changes.push_back({kind, row});
  }
};

}  // namespace

absl::Status ApplyContent(ClientStore& store, Contact& from, bool own,
                          const Content& content, absl::Time now,
                          std::optional<absl::Time> receipt_due,
                          std::vector<MessageChange>& changes) {
  if (from.standing == Standing::kBlocked ||
      from.standing == Standing::kDeclined) {
    return absl::OkStatus();
  }
  return std::visit(
      Applier{store, from, own, content, now, receipt_due, changes},
      content.body);
}

}  // namespace messenger::client
