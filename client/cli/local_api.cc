// The calls of local.proto, for programs.

#include "client/cli/message_text.h"
#include "client/cli/run.h"
#include "client/messenger/content.h"

namespace messenger::client {
namespace {

constexpr int kDefaultLimit = 100;

}  // namespace

void Run::FillMessage(const Message& message, local::v1::Message* filled) {
  filled->set_row(message.row);
  filled->set_conversation(message.conversation.ToHex());
  filled->set_name(NameOf(message.conversation));
  filled->set_outgoing(message.outgoing);
  filled->set_state(StateName(message.state));
  filled->set_sent_ms(absl::ToUnixMillis(message.sent));
  filled->set_text(ShownText(message));
  filled->set_mentions_you(MentionsThisAccount(message));
  filled->set_detail(message.detail);
  filled->set_sets_timer(message.kind == MessageKind::kTimer);
  if (message.kind == MessageKind::kTimer) {
    filled->set_timer_set_seconds(absl::ToInt64Seconds(message.timer));
  }
  if (message.reply_to) {
    filled->set_is_reply(true);
    const auto answered =
        store_->FindMessage(message.conversation, *message.reply_to);
    if (answered.ok() && *answered) filled->set_reply_to((*answered)->row);
  }
  if (message.edited) {
    filled->set_edited_ms(absl::ToUnixMillis(*message.edited));
  }
  filled->set_unsent(message.removal == Removal::kUnsent);
  if (message.vanishes) {
    filled->set_vanishes_ms(absl::ToUnixMillis(*message.vanishes));
  }
  const auto reactions = store_->Reactions(message);
  if (!reactions.ok()) return;
  for (const ReactionRow& reaction : *reactions) {
    local::v1::Reaction& one = *filled->add_reactions();
    one.set_own(reaction.own);
    one.set_emoji(reaction.emoji);
  }
}

Run::Result Run::ApiStatus(local::v1::StatusReply& reply) {
  reply.set_account_id(messenger_->account_id().ToHex());
  reply.set_name(messenger_->name());
  reply.set_published(messenger_->published());
  reply.set_up_to_date(shared_->up_to_date);
  const auto picture = store_->FindPicture(messenger_->account_id());
  if (!picture.ok()) return StorageFailure(picture.status(), folder_);
  reply.set_has_picture(*picture && !(*picture)->jpeg.empty());
  return std::nullopt;
}

Run::Result Run::ApiConversations(local::v1::ListConversationsReply& reply) {
  const absl::StatusOr<std::vector<ConversationLine>> lines =
      OrderedConversations();
  if (!lines.ok()) return StorageFailure(lines.status(), folder_);
  const auto owners = store_->PictureOwners();
  if (!owners.ok()) return StorageFailure(owners.status(), folder_);
  const std::set<AccountId> with_picture(owners->begin(), owners->end());
  for (const ConversationLine& line : *lines) {
    const Contact& contact = line.contact;
    local::v1::Conversation& one = *reply.add_conversations();
    one.set_account_id(contact.account.ToHex());
    one.set_name(NameOf(contact.account));
    one.set_pinned(contact.pinned);
    one.set_archived(contact.archived);
    one.set_muted(contact.muted);
    one.set_verified(contact.verified.has_value());
    one.set_timer_seconds(absl::ToInt64Seconds(contact.timer));
    one.set_draft(contact.draft);
    one.set_has_picture(with_picture.contains(contact.account));
    if (line.last) FillMessage(*line.last, one.mutable_last());
  }
  return std::nullopt;
}

Run::Result Run::ApiMessages(const local::v1::ListMessagesRequest& request,
                             local::v1::ListMessagesReply& reply) {
  std::optional<AccountId> with;
  if (!request.who().empty()) {
    if (Result failure = FindPerson(request.who(), &with)) return failure;
    const auto contact = store_->FindContact(*with);
    if (!contact.ok()) return StorageFailure(contact.status(), folder_);
    reply.set_account_id(with->ToHex());
    reply.set_name(NameOf(*with));
    if (*contact) reply.set_draft((*contact)->draft);
  }
  const auto messages = store_->Messages(
      with, request.limit() > 0 ? request.limit() : kDefaultLimit);
  if (!messages.ok()) return StorageFailure(messages.status(), folder_);
  for (const Message& message : *messages) {
    FillMessage(message, reply.add_messages());
  }
  return std::nullopt;
}

void Run::ApiDeliver(bool only_queue) {
  if (only_queue) {
    shared_->flush_wanted = true;
    return;
  }
  // What fails here waits in the outbox, and the daemon tries it again.
  if (Connect() || Publish()) return;
  FlushReport report;
  FlushOutbox(&report);
}

Run::Result Run::ApiSend(const local::v1::SendRequest& request,
                         local::v1::SendReply& reply) {
  absl::StatusOr<int64_t> row = 0;
  if (request.reply_to() != 0) {
    row = messenger_->Reply(request.reply_to(),
                            TypedTextAbout(request.reply_to(), request.text()));
  } else {
    std::optional<AccountId> to;
    if (Result failure = FindPerson(request.who(), &to)) return failure;
    row = messenger_->Queue(*to, TypedText(*to, request.text()));
  }
  if (!row.ok()) return Refusal(row.status(), "; nothing was sent");
  ApiDeliver(request.only_queue());
  const auto message = store_->FindMessage(*row);
  if (!message.ok()) return StorageFailure(message.status(), folder_);
  if (*message) FillMessage(**message, reply.mutable_message());
  return std::nullopt;
}

Run::Result Run::ApiDone(const absl::Status& status, bool only_queue,
                         local::v1::DoneReply& reply) {
  if (!status.ok()) return Refusal(status, "; nothing was changed");
  ApiDeliver(only_queue);
  const auto outbox = store_->Outbox();
  reply.set_sent(outbox.ok() && outbox->empty());
  return std::nullopt;
}

Run::Result Run::ApiReact(const local::v1::ReactRequest& request,
                          local::v1::DoneReply& reply) {
  return ApiDone(messenger_->React(request.row(), request.emoji()),
                 request.only_queue(), reply);
}

Run::Result Run::ApiEdit(const local::v1::EditRequest& request,
                         local::v1::DoneReply& reply) {
  return ApiDone(
      messenger_->Edit(request.row(),
                       TypedTextAbout(request.row(), request.text())),
      request.only_queue(), reply);
}

Run::Result Run::ApiUnsend(const local::v1::UnsendRequest& request,
                           local::v1::DoneReply& reply) {
  return ApiDone(messenger_->Unsend(request.row()), request.only_queue(),
                 reply);
}

Run::Result Run::ApiConfirmShown(
    const local::v1::ConfirmShownRequest& request) {
  ReceiveReport shown;
  auto messages = messenger_->NotShown();
  if (!messages.ok()) return StorageFailure(messages.status(), folder_);
  for (Message& message : *messages) {
    if (message.row <= request.row()) {
      shown.messages.push_back(std::move(message));
    }
  }
  return ConfirmShown(shown);
}

Run::Result Run::ApiTyping(const local::v1::TypingRequest& request,
                           local::v1::DoneReply& reply) {
  std::optional<AccountId> with;
  if (Result failure = FindPerson(request.who(), &with)) return failure;
  const absl::StatusOr<bool> told = messenger_->TellTyping(*with);
  if (!told.ok()) return Refusal(told.status(), "");
  if (*told) ApiDeliver(/*only_queue=*/true);
  reply.set_sent(*told);
  return std::nullopt;
}

Run::Result Run::ApiEvents(
    const std::function<bool(const local::v1::Event&)>& write) {
  int64_t told_row = 0;
  std::set<std::string> told;
  bool listening = true;
  const auto tell = [&](const local::v1::Event& event) {
    listening = listening && write(event);
  };
  return Follow([&](const News::Item& item) -> Result {
    local::v1::Event event;
    if (item.tried_row != 0) {
      const auto message = store_->FindMessage(item.tried_row);
      if (message.ok() && *message) {
        FillMessage(**message, event.mutable_state());
        tell(event);
      }
    }
    const ReceiveReport& received = item.report.received;
    for (const Message& message : received.messages) {
      if (message.row <= told_row) continue;
      told_row = message.row;
      event.Clear();
      FillMessage(message, event.mutable_message());
      tell(event);
    }
    for (const MessageChange& change : received.changes) {
      const auto message = store_->FindMessage(change.row);
      if (!message.ok() || !*message) continue;
      event.Clear();
      event.mutable_change()->set_kind(ChangeName(change.kind));
      FillMessage(**message, event.mutable_change()->mutable_message());
      tell(event);
    }
    if (received.new_requests > 0) {
      event.Clear();
      event.set_requests(received.requests);
      tell(event);
    }
    for (const AccountId& account : received.typing) {
      event.Clear();
      event.set_typing(account.ToHex());
      tell(event);
    }
    for (const AccountId& account : NewsOf(received, &told)) {
      event.Clear();
      event.set_devices_changed(account.ToHex());
      tell(event);
    }
    if (listening) {
      shared_->news.ConfirmChanges(item.last_change);
      return std::nullopt;
    }
    return Failure{ExitCode::kFailure, "Nobody listens."};
  });
}

}  // namespace messenger::client
