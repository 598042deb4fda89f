// The commands that show messages.

#include <cstdio>
#include <deque>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/message_text.h"
#include "client/cli/run.h"
#include "client/cli/terminal_text.h"
#include "client/messenger/mail_watch.h"

namespace messenger::client {
namespace {

// How often `watch` looks whether a text in the outbox is due.
constexpr absl::Duration kWatchInterval = absl::Seconds(2);
// How often `watch` fetches the directory while all is well.
constexpr absl::Duration kDirectoryInterval = absl::Minutes(1);
// Of a message that is only referred to.
constexpr size_t kQuotedCharacters = 40;

const char* ChangeName(MessageChange::Kind kind) {
  switch (kind) {
    case MessageChange::Kind::kEdited:
      return "edited";
    case MessageChange::Kind::kUnsent:
      return "unsent";
    case MessageChange::Kind::kReaction:
      return "reaction";
    case MessageChange::Kind::kConfirmed:
      return "confirmed";
  }
  return "unknown";
}

}  // namespace

void Run::WriteMessage(JsonWriter& json, const Message& message) {
  json.BeginObject().Key("row").Int(message.row);
  json.Key("conversation").String(message.conversation.ToHex());
  json.Key("name").String(NameOf(message.conversation));
  json.Key("outgoing").Bool(message.outgoing);
  json.Key("state").String(StateName(message.state));
  json.Key("sent_ms").Int(absl::ToUnixMillis(message.sent));
  json.Key("text").String(message.text);
  if (!message.detail.empty()) json.Key("detail").String(message.detail);
  if (message.kind == MessageKind::kTimer) {
    json.Key("timer_set_seconds").Int(absl::ToInt64Seconds(message.timer));
  }
  if (message.reply_to) {
    const auto answered =
        store_->FindMessage(message.conversation, *message.reply_to);
    json.Key("reply_to");
    if (answered.ok() && *answered) {
      json.Int((*answered)->row);
    } else {
      json.Null();  // It is not here, or not any more.
    }
  }
  if (message.edited) {
    json.Key("edited_ms").Int(absl::ToUnixMillis(*message.edited));
  }
  if (message.removal == Removal::kUnsent) json.Key("unsent").Bool(true);
  if (message.vanishes) {
    json.Key("vanishes_ms").Int(absl::ToUnixMillis(*message.vanishes));
  }
  const auto reactions = store_->Reactions(message);
  if (reactions.ok() && !reactions->empty()) {
    json.Key("reactions").BeginArray();
    for (const ReactionRow& reaction : *reactions) {
      json.BeginObject().Key("own").Bool(reaction.own);
      json.Key("emoji").String(reaction.emoji).EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
}

void Run::WriteChange(JsonWriter& json, const MessageChange& change) {
  const auto message = store_->FindMessage(change.row);
  if (!message.ok() || !*message) return;
  json.BeginObject().Key("change").String(ChangeName(change.kind));
  json.Key("message");
  WriteMessage(json, **message);
  json.EndObject();
}

// "#12 "when shall we..."", to be found again in the history.
std::string Run::Quoted(const Message& message) {
  return absl::StrCat(
      "#", message.row, " \"",
      SafeForTerminal(FirstLine(message.text, kQuotedCharacters), false), "\"");
}

std::string Run::MessageLine(const Message& message) {
  const std::string author =
      message.outgoing ? absl::StrCat("you to ", NameOf(message.conversation))
                       : NameOf(message.conversation);
  std::string line = absl::StrCat("[", TerminalTime(message.sent), "] #",
                                  message.row, " ", author);
  if (message.outgoing && message.removal == Removal::kNone) {
    absl::StrAppend(&line, " (", StateName(message.state),
                    message.detail.empty() ? "" : ": ",
                    SafeForTerminal(message.detail, false), ")");
  }
  if (message.kind == MessageKind::kTimer) {
    return absl::StrCat(line, " set: ", TimerText(message.timer));
  }
  if (message.removal == Removal::kUnsent) {
    return absl::StrCat(line, ": (taken back)");
  }
  if (message.reply_to) {
    const auto answered =
        store_->FindMessage(message.conversation, *message.reply_to);
    const bool here =
        answered.ok() && *answered && (*answered)->removal == Removal::kNone;
    absl::StrAppend(&line, " (to ",
                    here ? Quoted(**answered) : "a message that is not here",
                    ")");
  }
  if (message.edited) absl::StrAppend(&line, " (edited)");
  if (message.vanishes) {
    absl::StrAppend(&line, " (vanishes in ",
                    TimeText(*message.vanishes - environment_.clock.Now()),
                    ")");
  }
  absl::StrAppend(&line, ": ", SafeForTerminal(message.text, true));
  const auto reactions = store_->Reactions(message);
  if (!reactions.ok()) return line;
  for (const ReactionRow& reaction : *reactions) {
    absl::StrAppend(&line, "  [", SafeForTerminal(reaction.emoji, false), " ",
                    reaction.own ? "you" : NameOf(message.conversation), "]");
  }
  return line;
}

void Run::PrintMessage(const Message& message) { Print(MessageLine(message)); }

void Run::PrintChanges(const ReceiveReport& report) {
  for (const MessageChange& change : report.changes) {
    const auto found = store_->FindMessage(change.row);
    if (!found.ok() || !*found) continue;
    if (json_) {
      JsonWriter json;
      WriteChange(json, change);
      Print(std::move(json));
      continue;
    }
    const Message& message = **found;
    const std::string name = NameOf(message.conversation);
    switch (change.kind) {
      case MessageChange::Kind::kEdited:
        Print(MessageLine(message));
        break;
      case MessageChange::Kind::kUnsent:
        Print(absl::StrCat(name, " took #", message.row, " back."));
        break;
      case MessageChange::Kind::kReaction:
        Print(absl::StrCat(name, " reacted: ", MessageLine(message)));
        break;
      case MessageChange::Kind::kConfirmed:
        Print(absl::StrCat(
            name, " has ",
            message.state == MessageState::kRead ? "read " : "got ",
            Quoted(message), "."));
        break;
    }
  }
}

void Run::Ring(const Message& message) {
  if (isatty(STDOUT_FILENO) == 0) return;
  const auto contact = store_->FindContact(message.conversation);
  if (!contact.ok() || !*contact || (*contact)->muted) return;
  std::fputc('\a', stdout);
  std::fflush(stdout);
}

Run::Result Run::ReceiveOnce(ReceiveReport* report) {
  absl::StatusOr<ReceiveReport> received = Await<ReceiveReport>(
      [&](auto done) { messenger_->Receive(std::move(done)); });
  if (absl::IsDeadlineExceeded(received.status())) {
    return Failure{ExitCode::kNetwork,
                   "Stopped before the mailboxes were read; messages wait "
                   "there."};
  }
  if (!received.ok()) return StorageFailure(received.status(), folder_);
  *report = *std::move(received);
  return std::nullopt;
}

// After they were printed: whoever is killed in between sees them twice, which
// is better than never.
Run::Result Run::ConfirmShown(const ReceiveReport& report) {
  if (std::ferror(stdout) != 0) {
    return Failure{ExitCode::kFailure,
                   "Standard output takes nothing any more; the messages come "
                   "again."};
  }
  const absl::Status confirmed = messenger_->ConfirmShown(report.messages);
  if (!confirmed.ok()) return StorageFailure(confirmed, folder_);
  return std::nullopt;
}

Run::Result Run::Receive() {
  if (Result failure = NeedNetwork()) return failure;
  ReceiveReport report;
  if (Result failure = ReceiveOnce(&report)) return failure;
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("messages").BeginArray();
    for (const Message& message : report.messages) WriteMessage(json, message);
    json.EndArray().Key("changes").BeginArray();
    for (const MessageChange& change : report.changes) {
      WriteChange(json, change);
    }
    json.EndArray().Key("complete").Bool(report.complete);
    json.Key("unreadable").Int(report.unreadable);
    json.Key("requests").Int(report.requests);
    json.Key("joined").BeginArray();
    for (const AccountId& account : report.joined) {
      json.String(account.ToHex());
    }
    json.EndArray();
    json.Key("devices_changed").BeginArray();
    for (const AccountId& account : report.changed_devices) {
      json.String(account.ToHex());
    }
    json.EndArray();
    json.Key("paths").BeginArray();
    for (const NamedRoute& route : report.routes) {
      json.BeginArray();
      for (const std::string& hop : route) json.String(hop);
      json.EndArray();
    }
    Print(std::move(json.EndArray().EndObject()));
  } else {
    NoteJoined(report.joined);
    for (const Message& message : report.messages) PrintMessage(message);
    PrintChanges(report);
    if (report.messages.empty() && report.changes.empty() &&
        report.joined.empty() && report.complete) {
      std::fprintf(stderr, "Nothing new.\n");
    }
    if (report.unreadable > 0) {
      std::fprintf(stderr,
                   "%d message(s) could not be opened: they were damaged, or "
                   "meant for keys that this device does not have.\n",
                   report.unreadable);
    }
    NoteRequests(report.requests);
  }
  if (Result failure =
          json_ ? std::nullopt : NoteDevices(report.changed_devices)) {
    return failure;
  }
  if (Result failure = ConfirmShown(report)) return failure;
  // Answers that sessions need, and texts that were waiting.
  FlushReport flushed;
  if (Result failure = FlushOutbox(&flushed)) return failure;
  if (report.complete) return std::nullopt;
  return Failure{ExitCode::kNetwork,
                 absl::StrCat("Not everything could be read: ",
                              report.incomplete_reason, ".")};
}

void Run::PrintNew(const ReceiveReport& report, int64_t* printed_row) {
  for (const Message& message : report.messages) {
    // Pushed while an earlier report that has it was being shown.
    if (message.row <= *printed_row) continue;
    *printed_row = message.row;
    if (json_) {
      JsonWriter json;
      WriteMessage(json, message);
      Print(std::move(json));
    } else {
      PrintMessage(message);
      Ring(message);
    }
  }
  PrintChanges(report);
}

Run::Result Run::Watch() {
  if (Result failure = NeedNetwork()) return failure;
  Note("waiting for messages; Ctrl-C ends");
  std::deque<absl::StatusOr<MailWatch::Report>> reports;
  MailWatch watch(*messenger_, connection_->mail(), environment_.loop,
                  environment_.clock,
                  [&reports](absl::StatusOr<MailWatch::Report> report) {
                    reports.push_back(std::move(report));
                  });
  watch.Start();
  bool was_complete = false;
  int64_t printed_row = 0;
  std::set<std::string> told;  // whose changed devices
  absl::Time next_directory = environment_.clock.Now() + kDirectoryInterval;
  while (true) {
    bool back = false;
    while (!reports.empty()) {
      const absl::StatusOr<MailWatch::Report> report =
          std::move(reports.front());
      reports.pop_front();
      if (!report.ok()) return StorageFailure(report.status(), folder_);
      const ReceiveReport& received = report->received;
      NoteJoined(received.joined);
      PrintNew(received, &printed_row);
      if (received.new_requests > 0) NoteRequests(received.requests);
      // Once a run: a verified contact's stays until it is verified again.
      std::vector<AccountId> news;
      for (const AccountId& account : received.changed_devices) {
        if (told.insert(account.ToHex()).second) news.push_back(account);
      }
      if (Result failure = NoteDevices(news)) return failure;
      if (Result failure = ConfirmShown(received)) return failure;
      if (!report->full) continue;
      back = back || (received.complete && !was_complete);
      if (received.complete != was_complete && quiet_) {
        Note(received.complete
                 ? "the network answers again"
                 : absl::StrCat("trying again: ", received.incomplete_reason));
      }
      was_complete = received.complete;
      // From here on it would be the same words again and again.
      quiet_ = true;
    }
    FlushReport flushed;
    Result failure = FlushOutbox(&flushed, /*force=*/back);
    if (stopped_) return std::nullopt;
    if (failure) return failure;
    const absl::Status saved = connection_->Save();
    if (!saved.ok()) return StorageFailure(saved, folder_);
    // Ends with a report, with the interval, or stopped by a signal.
    const absl::Time next = environment_.clock.Now() + kWatchInterval;
    environment_.loop.RunUntil([&] { return !reports.empty(); },
                               kWatchInterval);
    if (reports.empty() && environment_.clock.Now() < next) {
      return std::nullopt;
    }
    if (!reports.empty()) continue;
    if ((quiet_ && !was_complete) ||
        environment_.clock.Now() >= next_directory) {
      next_directory = environment_.clock.Now() + kDirectoryInterval;
      if (!connection_->Connect().ok()) was_complete = false;
    }
    failure = Publish();
    if (stopped_) return std::nullopt;
    if (failure && failure->code != ExitCode::kNetwork) return failure;
  }
}

Run::Result Run::History() {
  if (Result failure = NeedAccount()) return failure;
  std::optional<AccountId> with;
  if (arguments_.words().size() > 1) {
    if (Result failure = FindPerson(arguments_.word(1), &with)) return failure;
  }
  int limit = 0;
  if (Result failure = ReadLimit(&limit)) return failure;
  return PrintMessages(store_->Messages(with, limit));
}

Run::Result Run::Search() {
  if (arguments_.words().size() < 2) {
    return Failure{ExitCode::kUsage,
                   "Say what to look for: session search "
                   "WORDS."};
  }
  if (Result failure = NeedAccount()) return failure;
  int limit = 0;
  if (Result failure = ReadLimit(&limit)) return failure;
  std::string words;
  for (size_t i = 1; i < arguments_.words().size(); ++i) {
    absl::StrAppend(&words, arguments_.word(i), " ");
  }
  return PrintMessages(store_->Search(words, limit));
}

Run::Result Run::ReadLimit(int* limit) {
  *limit = 100;
  if (arguments_.has("limit") &&
      (!absl::SimpleAtoi(arguments_.option("limit"), limit) || *limit < 1)) {
    return Failure{ExitCode::kUsage,
                   "The option --limit takes a number from 1 on."};
  }
  return std::nullopt;
}

Run::Result Run::PrintMessages(
    const absl::StatusOr<std::vector<Message>>& messages) {
  if (!messages.ok()) return StorageFailure(messages.status(), folder_);
  JsonWriter json;
  json.BeginObject().Key("messages").BeginArray();
  for (const Message& message : *messages) {
    if (json_) {
      WriteMessage(json, message);
    } else {
      PrintMessage(message);
    }
  }
  if (json_) Print(std::move(json.EndArray().EndObject()));
  return std::nullopt;
}

Run::Result Run::Path() {
  if (Result failure = NeedNetwork()) return failure;
  // A real request to the own mailbox; nothing of it is kept.
  const ReadTarget inbox = messenger_->inbox();
  const absl::StatusOr<Retrieved> retrieved = Await<Retrieved>([&](auto done) {
    connection_->mail().Retrieve(inbox, {}, std::move(done));
  });
  if (!retrieved.ok()) {
    return Failure{
        ExitCode::kNetwork,
        absl::StrCat("No path works now: ", retrieved.status().message(), ".")};
  }
  const bool proxy = arguments_.option("routing") == "proxy";
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("routing").String(proxy ? "proxy" : "onion");
    json.Key("paths").BeginArray();
    for (const NamedRoute& route : retrieved->routes) {
      json.BeginArray();
      for (const std::string& hop : route) json.String(hop);
      json.EndArray();
    }
    Print(std::move(json.EndArray().EndObject()));
    return std::nullopt;
  }
  for (const NamedRoute& route : retrieved->routes) Print(RouteText(route));
  std::fprintf(stderr,
               "Each line is one request: %s, and last the storage node. The "
               "next request takes other relays.\n",
               proxy ? "the proxy" : "the guard, two relays");
  return std::nullopt;
}

}  // namespace messenger::client
