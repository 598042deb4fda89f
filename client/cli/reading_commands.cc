// The commands that show messages.

#include <algorithm>
#include <cstdio>
#include <deque>
#include <set>

#include "absl/cleanup/cleanup.h"
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
// One wait of a command that waits for ever.
constexpr absl::Duration kLongWait = absl::Hours(1);
// Of a message that is only referred to.
constexpr size_t kQuotedCharacters = 40;

}  // namespace

void Run::WriteMessage(JsonWriter& json, const Message& message) {
  json.BeginObject().Key("row").Int(message.row);
  json.Key("conversation").String(message.conversation.ToHex());
  json.Key("name").String(NameOf(message.conversation));
  json.Key("outgoing").Bool(message.outgoing);
  json.Key("state").String(StateName(message.state));
  json.Key("sent_ms").Int(absl::ToUnixMillis(message.sent));
  json.Key("text").String(ShownText(message));
  if (MentionsThisAccount(message)) json.Key("mentions_you").Bool(true);
  if (!message.detail.empty()) json.Key("detail").String(message.detail);
  if (message.kind == MessageKind::kTimer) {
    json.Key("timer_set_seconds").Int(absl::ToInt64Seconds(message.timer));
  }
  if (message.kind == MessageKind::kMissing) json.Key("missing").Bool(true);
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
      SafeForTerminal(FirstLine(ShownText(message), kQuotedCharacters), false),
      "\"");
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
  if (message.kind == MessageKind::kMissing) {
    return absl::StrCat(line,
                        ": (something they said is missing here and "
                        "cannot be had any more)");
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
  absl::StrAppend(&line, ": ", SafeForTerminal(ShownText(message), true));
  const auto reactions = store_->Reactions(message);
  if (!reactions.ok()) return line;
  for (const ReactionRow& reaction : *reactions) {
    absl::StrAppend(&line, "  [", SafeForTerminal(reaction.emoji, false), " ",
                    reaction.own ? "you" : NameOf(message.conversation), "]");
  }
  return line;
}

void Run::PrintMessage(const Message& message) { Print(MessageLine(message)); }

void Run::PrintChanges(const ReceiveReport& report,
                       const std::set<int64_t>& printed) {
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
        // It was new, and is shown as it is now.
        if (!printed.contains(message.row)) Print(MessageLine(message));
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

void Run::NoteMissing(const ReceiveReport& report) {
  std::map<std::string, int> now;
  for (const MissingContents& missing : report.missing) {
    const std::string id = missing.account.ToHex();
    now[id] = missing.count;
    if (told_missing_[id] == missing.count || json_) continue;
    std::fprintf(err_,
                 "%d message(s) of %s have not arrived, though later ones "
                 "have; they were asked for again.\n",
                 missing.count, NameOf(missing.account).c_str());
  }
  told_missing_ = std::move(now);
}

void Run::Ring(const Message& message) {
  if (!console_.at_terminal()) return;
  const auto contact = store_->FindContact(message.conversation);
  if (!contact.ok() || !*contact) return;
  if ((*contact)->muted && !MentionsThisAccount(message)) return;
  std::fputc('\a', out_);
  std::fflush(out_);
}

Run::Result Run::ReceiveOnce(ReceiveReport* report) {
  if (shared_ != nullptr) return ReceiveShared(report);
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

// The daemon reads all the time; what nobody was shown comes with a reading
// that begins now.
Run::Result Run::ReceiveShared(ReceiveReport* report) {
  News::Follower follower(shared_->news);
  std::optional<uint64_t> wanted;
  std::vector<MessageChange> changes;
  const bool read = waiter_.RunUntil(
      [&] {
        if (!wanted && shared_->watch != nullptr) {
          wanted = shared_->watch->ReadNow();
        }
        while (!follower.items.empty()) {
          const News::Item item = std::move(follower.items.front());
          follower.items.pop_front();
          const ReceiveReport& received = item.report.received;
          changes.insert(changes.end(), received.changes.begin(),
                         received.changes.end());
          told_change_ = item.last_change;
          if (!wanted || item.report.reading < *wanted) continue;
          *report = received;
          return true;
        }
        return false;
      },
      kCommandLimit);
  if (!read) {
    return Failure{ExitCode::kNetwork,
                   "Stopped before the mailboxes were read; messages wait "
                   "there."};
  }
  report->changes = std::move(changes);
  return std::nullopt;
}

// After they were printed: whoever is killed in between sees them twice, which
// is better than never.
Run::Result Run::ConfirmShown(const ReceiveReport& report) {
  if (!console_.Flushed()) {
    return Failure{ExitCode::kFailure,
                   "Standard output takes nothing any more; the messages come "
                   "again."};
  }
  std::vector<Message> messages = report.messages;
  if (shared_ != nullptr) {
    shared_->news.ConfirmChanges(told_change_);
    // Another command may have shown them, and more, meanwhile.
    messages.erase(std::remove_if(messages.begin(), messages.end(),
                                  [this](const Message& message) {
                                    return message.row <= shared_->shown_row;
                                  }),
                   messages.end());
    if (!messages.empty()) shared_->shown_row = messages.back().row;
  }
  const absl::Status confirmed = messenger_->ConfirmShown(messages);
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
    json.Key("missing").BeginArray();
    for (const MissingContents& missing : report.missing) {
      json.BeginObject().Key("account_id").String(missing.account.ToHex());
      json.Key("count").Int(missing.count).EndObject();
    }
    json.EndArray();
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
    std::set<int64_t> printed;
    for (const Message& message : report.messages) {
      PrintMessage(message);
      printed.insert(message.row);
    }
    PrintChanges(report, printed);
    if (report.messages.empty() && report.changes.empty() &&
        report.joined.empty() && report.complete) {
      std::fprintf(err_, "Nothing new.\n");
    }
    if (report.unreadable > 0) {
      std::fprintf(err_,
                   "%d message(s) could not be opened: they were damaged, or "
                   "meant for keys that this device does not have.\n",
                   report.unreadable);
    }
    NoteRequests(report.requests);
    NoteMissing(report);
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
  std::set<int64_t> printed;
  for (const Message& message : report.messages) {
    // Pushed while an earlier report that has it was being shown.
    if (message.row <= *printed_row) continue;
    *printed_row = message.row;
    printed.insert(message.row);
    if (json_) {
      JsonWriter json;
      WriteMessage(json, message);
      Print(std::move(json));
    } else {
      PrintMessage(message);
      Ring(message);
    }
  }
  PrintChanges(report, printed);
}

Run::Result Run::Watch() {
  if (Result failure = NeedNetwork()) return failure;
  Note("waiting for messages; Ctrl-C ends");
  int64_t printed_row = 0;
  std::set<std::string> told;
  const auto tell = [&](const ReceiveReport& received) -> Result {
    NoteJoined(received.joined);
    PrintNew(received, &printed_row);
    if (received.new_requests > 0) NoteRequests(received.requests);
    if (Result failure = NoteDevices(NewsOf(received, &told))) return failure;
    NoteMissing(received);
    return ConfirmShown(received);
  };
  if (shared_ == nullptr) {
    return KeepUp(
        [&](const MailWatch::Report& report) { return tell(report.received); });
  }
  return Follow([&](const News::Item& item) -> Result {
    return item.tried_row == 0 ? tell(item.report.received) : std::nullopt;
  });
}

Run::Result Run::Events() {
  if (Result failure = NeedNetwork()) return failure;
  int64_t printed_row = 0;
  std::set<std::string> told;
  const auto tell = [&](const ReceiveReport& received) -> Result {
    PrintEvents(received, &printed_row);
    const std::vector<AccountId> news = NewsOf(received, &told);
    for (const AccountId& account : news) {
      JsonWriter json;
      json.BeginObject().Key("event").String("devices_changed");
      json.Key("account_id").String(account.ToHex());
      Print(std::move(json.EndObject()));
    }
    const absl::Status confirmed = messenger_->ConfirmDevices(news);
    if (!confirmed.ok()) return StorageFailure(confirmed, folder_);
    return ConfirmShown(received);
  };
  if (shared_ == nullptr) {
    on_tried_ = [this](int64_t row) { PrintTried(row); };
    return KeepUp(
        [&](const MailWatch::Report& report) { return tell(report.received); });
  }
  return Follow([&](const News::Item& item) -> Result {
    if (item.tried_row == 0) return tell(item.report.received);
    PrintTried(item.tried_row);
    return std::nullopt;
  });
}

void Run::PrintEvents(const ReceiveReport& report, int64_t* printed_row) {
  for (const Message& message : report.messages) {
    if (message.row <= *printed_row) continue;
    *printed_row = message.row;
    JsonWriter json;
    json.BeginObject().Key("event").String("message").Key("message");
    WriteMessage(json, message);
    Print(std::move(json.EndObject()));
  }
  for (const MessageChange& change : report.changes) {
    const auto message = store_->FindMessage(change.row);
    if (!message.ok() || !*message) continue;
    JsonWriter json;
    json.BeginObject().Key("event").String("change");
    json.Key("change").String(ChangeName(change.kind)).Key("message");
    WriteMessage(json, **message);
    Print(std::move(json.EndObject()));
  }
  for (const AccountId& account : report.typing) {
    JsonWriter json;
    json.BeginObject().Key("event").String("typing");
    json.Key("account_id").String(account.ToHex());
    Print(std::move(json.EndObject()));
  }
  if (report.new_requests > 0) {
    JsonWriter json;
    json.BeginObject().Key("event").String("requests");
    Print(std::move(json.Key("requests").Int(report.requests).EndObject()));
  }
}

void Run::PrintTried(int64_t row) {
  const auto message = store_->FindMessage(row);
  if (!message.ok() || !*message) return;
  JsonWriter json;
  json.BeginObject().Key("event").String("state").Key("message");
  WriteMessage(json, **message);
  Print(std::move(json.EndObject()));
}

// Once a run: a verified contact's stays until it is verified again.
std::vector<crypto::AccountId> Run::NewsOf(const ReceiveReport& report,
                                           std::set<std::string>* told) {
  std::vector<AccountId> news;
  for (const AccountId& account : report.changed_devices) {
    if (told->insert(account.ToHex()).second) news.push_back(account);
  }
  return news;
}

Run::Result Run::Follow(const std::function<Result(const News::Item&)>& tell) {
  News::Follower follower(shared_->news);
  if (shared_->watch != nullptr) shared_->watch->ReadNow();
  while (true) {
    const absl::Time next = environment_.clock.Now() + kLongWait;
    waiter_.RunUntil([&] { return !follower.items.empty(); }, kLongWait);
    if (follower.lost) {
      return Failure{ExitCode::kFailure,
                     "More has happened than was read from here in time; the "
                     "history has all of it."};
    }
    if (follower.items.empty() && environment_.clock.Now() < next) {
      return std::nullopt;
    }
    while (!follower.items.empty()) {
      const News::Item item = std::move(follower.items.front());
      follower.items.pop_front();
      told_change_ = item.last_change;
      if (Result failure = tell(item)) return failure;
    }
  }
}

Run::Result Run::KeepSharedUp() {
  Result failure = NeedNetwork();
  if (failure && failure->code != ExitCode::kNetwork) return failure;
  if (failure) Note(failure->sentence);
  return KeepUp([this](const MailWatch::Report& report) -> Result {
    if (report.full) shared_->up_to_date = report.received.complete;
    shared_->news.Tell(report);
    return std::nullopt;
  });
}

Run::Result Run::KeepUp(
    const std::function<Result(const MailWatch::Report&)>& tell) {
  std::deque<absl::StatusOr<MailWatch::Report>> reports;
  MailWatch watch(*messenger_, connection_->mail(), environment_.loop,
                  environment_.clock,
                  [&reports](absl::StatusOr<MailWatch::Report> report) {
                    reports.push_back(std::move(report));
                  });
  absl::Cleanup forget_watch = [this] {
    if (shared_ != nullptr) shared_->watch = nullptr;
  };
  if (shared_ != nullptr) shared_->watch = &watch;
  watch.Start();
  bool was_complete = false;
  absl::Time next_directory = environment_.clock.Now() + kDirectoryInterval;
  while (true) {
    bool back = false;
    while (!reports.empty()) {
      const absl::StatusOr<MailWatch::Report> report =
          std::move(reports.front());
      reports.pop_front();
      if (!report.ok()) return StorageFailure(report.status(), folder_);
      const ReceiveReport& received = report->received;
      if (Result failure = tell(*report)) return failure;
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
    if (failure && failure->code != ExitCode::kNetwork) return failure;
    const absl::Status saved = connection_->Save();
    if (!saved.ok()) return StorageFailure(saved, folder_);
    // Ends with a report, with the interval, or stopped by a signal.
    const absl::Time next = environment_.clock.Now() + kWatchInterval;
    const auto flush_wanted = [this] {
      return shared_ != nullptr && shared_->flush_wanted;
    };
    waiter_.RunUntil([&] { return !reports.empty() || flush_wanted(); },
                     kWatchInterval);
    if (flush_wanted()) {
      shared_->flush_wanted = false;
      continue;
    }
    if (reports.empty() && environment_.clock.Now() < next) {
      return std::nullopt;
    }
    if (!reports.empty()) continue;
    if ((quiet_ && !was_complete) ||
        environment_.clock.Now() >= next_directory) {
      next_directory = environment_.clock.Now() + kDirectoryInterval;
      if (connection_->Connect(waiter_).ok()) {
        if (shared_ != nullptr) shared_->connected = environment_.clock.Now();
      } else {
        was_complete = false;
      }
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
  std::fprintf(err_,
               "Each line is one request: %s, and last the storage node. The "
               "next request takes other relays.\n",
               proxy ? "the proxy" : "the guard, two relays");
  return std::nullopt;
}

}  // namespace messenger::client
