// The commands that say something.

#include <cstdlib>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/message_text.h"
#include "client/cli/pin_source.h"
#include "client/cli/run.h"
#include "client/cli/terminal_text.h"
#include "client/messenger/content.h"
#include "routing/runtime/files.h"

namespace messenger::client {

Run::Result Run::FlushOutbox(FlushReport* report, bool force) {
  waiter_.RunUntil([this] { return !messenger_->flushing(); }, kCommandLimit);
  absl::StatusOr<FlushReport> flushed = Await<FlushReport>(
      [&](auto done) { messenger_->Flush(force, std::move(done)); });
  if (absl::IsDeadlineExceeded(flushed.status())) {
    return Failure{ExitCode::kNetwork,
                   "Stopped before the swarm had answered; what was not "
                   "confirmed stays queued."};
  }
  if (!flushed.ok()) return StorageFailure(flushed.status(), folder_);
  *report = *std::move(flushed);
  if (on_tried_) {
    for (const FlushedMessage& one : report->messages) {
      on_tried_(one.message_row);
    }
  }
  return std::nullopt;
}

Run::Result Run::ReadText(std::string* text) {
  *text = arguments_.word(2);
  if (arguments_.has("file")) {
    const std::string path = arguments_.option("file");
    absl::StatusOr<std::string> file = console_.ReadFile(path);
    if (!file.ok()) {
      return Failure{ExitCode::kNotFound,
                     absl::StrCat("The file ", path, " cannot be read.")};
    }
    *text = *std::move(file);
  } else if (arguments_.words().size() < 3 || *text == "-") {
    absl::StatusOr<std::string> input =
        console_.ReadInput(kMaxTextBytes, "Type your message, then Ctrl-D:\n");
    if (!input.ok()) {
      return Failure{ExitCode::kUsage, Sentence(input.status())};
    }
    *text = *std::move(input);
  } else if (arguments_.words().size() > 3) {
    return Failure{ExitCode::kUsage,
                   "The text is one word to the shell: put it in quotes."};
  }
  return std::nullopt;
}

Run::Result Run::Send() {
  std::optional<AccountId> to;
  if (Result failure =
          NeedPerson(arguments_.words().size(),
                     "Say whom to write to: session send WHO TEXT.", &to)) {
    return failure;
  }
  std::string text;
  if (Result failure = ReadText(&text)) return failure;
  if (Result failure = KeepInviteOf(arguments_.word(1))) return failure;
  const absl::Time started = environment_.clock.Now();
  const absl::StatusOr<int64_t> row =
      messenger_->Queue(*to, TypedText(*to, text));
  if (!row.ok()) return Refusal(row.status(), "; nothing was sent");
  return Deliver(*row, started);
}

Run::Result Run::Reply() {
  int64_t answered = 0;
  if (Result failure =
          NeedMessage(arguments_.words().size(),
                      "Say to what: session reply N TEXT.", &answered)) {
    return failure;
  }
  std::string text;
  if (Result failure = ReadText(&text)) return failure;
  const absl::Time started = environment_.clock.Now();
  const absl::StatusOr<int64_t> row =
      messenger_->Reply(answered, TypedTextAbout(answered, text));
  if (!row.ok()) return Refusal(row.status(), "; nothing was sent");
  return Deliver(*row, started);
}

Run::Result Run::Deliver(int64_t row, absl::Time started) {
  Result failure = Connect();
  if (!failure) failure = Publish();
  FlushReport report;
  if (!failure) failure = FlushOutbox(&report);
  const absl::StatusOr<std::optional<Message>> message =
      store_->FindMessage(row);
  if (!message.ok()) return StorageFailure(message.status(), folder_);
  const MessageState state = (*message)->state;
  const FlushedMessage* flushed = nullptr;
  for (const FlushedMessage& one : report.messages) {
    if (one.message_row == row) flushed = &one;
  }
  const int64_t milliseconds =
      absl::ToInt64Milliseconds(environment_.clock.Now() - started);
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("row").Int(row);
    json.Key("state").String(StateName(state));
    json.Key("detail").String((*message)->detail);
    json.Key("holders").BeginArray();
    if (flushed != nullptr) {
      for (const std::string& holder : flushed->delivery.holders) {
        json.String(holder);
      }
    }
    json.EndArray().Key("paths").BeginArray();
    if (flushed != nullptr) {
      for (const NamedRoute& route : flushed->delivery.routes) {
        json.BeginArray();
        for (const std::string& hop : route) json.String(hop);
        json.EndArray();
      }
    }
    json.EndArray().Key("milliseconds").Int(milliseconds);
    Print(std::move(json.EndObject()));
  }
  if (state == MessageState::kSent) {
    if (!json_ && flushed != nullptr) {
      Print(absl::StrCat("Sent to ", NameOf((*message)->conversation), " in ",
                         milliseconds, " ms. Signed for by ",
                         absl::StrJoin(flushed->delivery.holders, ", "), "."));
      for (const NamedRoute& route : flushed->delivery.routes) {
        Print(absl::StrCat("Path: ", RouteText(route)));
      }
    }
    return std::nullopt;
  }
  std::string reason = (*message)->detail;
  if (failure) reason = failure->sentence;
  if (absl::EndsWith(reason, ".")) reason.pop_back();
  if (reason.empty()) reason = "it could not be sent yet";
  return Failure{
      failure ? failure->code : ExitCode::kNetwork,
      absl::StrCat(Capitalized(reason),
                   ". Your message is kept and goes out with the next `send`, "
                   "`receive` or `watch`.")};
}

Run::Result Run::SendOut(absl::string_view done) {
  Result failure = Connect();
  if (!failure) failure = Publish();
  FlushReport report;
  if (!failure) failure = FlushOutbox(&report);
  const bool out = !failure && report.waiting == 0;
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("sent").Bool(out);
    Print(std::move(json.EndObject()));
  } else if (out) {
    Print(done);
  }
  if (out) return std::nullopt;
  std::string reason =
      failure ? failure->sentence
              : "The network has not taken everything that waits here.";
  return Failure{
      failure ? failure->code : ExitCode::kNetwork,
      absl::StrCat(reason,
                   " It is done here, and goes out with the next `send`, "
                   "`receive` or `watch`.")};
}

Run::Result Run::Edit() {
  int64_t row = 0;
  if (Result failure = NeedMessage(arguments_.words().size(),
                                   "Say which text of yours: session edit N "
                                   "TEXT.",
                                   &row)) {
    return failure;
  }
  std::string text;
  if (Result failure = ReadText(&text)) return failure;
  const absl::Status edited = messenger_->Edit(row, TypedTextAbout(row, text));
  if (!edited.ok()) return Refusal(edited, "; nothing was changed");
  return SendOut("Edited.");
}

Run::Result Run::React(bool take_back) {
  int64_t row = 0;
  if (Result failure =
          NeedMessage(take_back ? 2 : 3,
                      take_back ? "Say to what: session unreact N."
                                : "Say to what: session react N EMOJI.",
                      &row)) {
    return failure;
  }
  const std::string emoji = arguments_.word(2);
  if (!take_back && emoji.empty()) {
    return Failure{ExitCode::kUsage, "Say with what: session react N EMOJI."};
  }
  const absl::Status done = messenger_->React(row, emoji);
  if (!done.ok()) return Refusal(done, "; nothing was sent");
  return SendOut(take_back ? "Taken back." : "Sent.");
}

Run::Result Run::Unsend() {
  int64_t row = 0;
  if (Result failure =
          NeedMessage(2, "Say which text of yours: session unsend N.", &row)) {
    return failure;
  }
  const absl::Status done = messenger_->Unsend(row);
  if (!done.ok()) return Refusal(done, "; nothing was changed");
  return SendOut(
      "Taken back. Whoever has read it may remember it; their program takes it "
      "away when it hears of this.");
}

Run::Result Run::Delete() {
  int64_t row = 0;
  if (Result failure =
          NeedMessage(2, "Say which message: session delete N.", &row)) {
    return failure;
  }
  const absl::Status done = messenger_->Delete(row);
  if (!done.ok()) return Refusal(done, "; nothing was changed");
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("deleted").Bool(true);
    Print(std::move(json.EndObject()));
  } else {
    Print("Deleted here; the other side still has it.");
  }
  return std::nullopt;
}

Run::Result Run::Timer() {
  std::optional<AccountId> with;
  if (Result failure = NeedPerson(
          3, "Say with whom: session timer WHO [TIME | off].", &with)) {
    return failure;
  }
  if (arguments_.words().size() == 2) {
    const auto contact = store_->FindContact(*with);
    if (!contact.ok()) return StorageFailure(contact.status(), folder_);
    const absl::Duration time =
        *contact ? (*contact)->timer : absl::ZeroDuration();
    if (json_) {
      JsonWriter json;
      json.BeginObject().Key("timer_seconds").Int(absl::ToInt64Seconds(time));
      Print(std::move(json.EndObject()));
    } else {
      Print(TimerText(time));
    }
    return std::nullopt;
  }
  const std::optional<absl::Duration> time = ParseTimer(arguments_.word(2));
  if (!time) {
    return Failure{ExitCode::kUsage,
                   "A time is a number with s, m, h, d or w, for example 30s, "
                   "8h or 1w; `off` ends it."};
  }
  const absl::Status set = messenger_->SetTimer(*with, *time);
  if (!set.ok()) return Refusal(set, "; nothing was changed");
  return SendOut(TimerText(*time));
}

Run::Result Run::SwitchedTo(std::optional<bool>* wanted) const {
  const std::string word = arguments_.word(1);
  if (word == "on" || word == "off") {
    *wanted = word == "on";
  } else if (!word.empty()) {
    const std::string command = arguments_.word(0);
    return Failure{ExitCode::kUsage, absl::StrCat("Say `", command, " on` or `",
                                                  command, " off`.")};
  }
  return std::nullopt;
}

Run::Result Run::ReceiptsCommand() {
  if (Result failure = NeedAccount()) return failure;
  std::optional<bool> change;
  if (Result failure = SwitchedTo(&change)) return failure;
  if (change) {
    const absl::Status set = messenger_->WantReceipts(*change);
    if (!set.ok()) return StorageFailure(set, folder_);
  }
  const absl::StatusOr<bool> wanted = messenger_->ReceiptsWanted();
  if (!wanted.ok()) return StorageFailure(wanted.status(), folder_);
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("receipts").Bool(*wanted);
    Print(std::move(json.EndObject()));
  } else {
    Print(*wanted
              ? "On: contacts learn that their texts have come and were read, "
                "half a minute or so later; and you of yours, if they have "
                "them on."
              : "Off: nobody learns what you have got or read, nor you of "
                "others.");
  }
  return std::nullopt;
}

Run::Result Run::TypingCommand() {
  if (Result failure = NeedAccount()) return failure;
  std::optional<bool> change;
  if (Result failure = SwitchedTo(&change)) return failure;
  if (change) {
    const absl::Status set = messenger_->WantTyping(*change);
    if (!set.ok()) return StorageFailure(set, folder_);
  }
  const absl::StatusOr<bool> wanted = messenger_->TypingWanted();
  if (!wanted.ok()) return StorageFailure(wanted.status(), folder_);
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("typing").Bool(*wanted);
    Print(std::move(json.EndObject()));
  } else {
    Print(*wanted
              ? "On: while you write in `session chat`, contacts from whom "
                "something came in the last 10 minutes see that, and you see "
                "it of them, if they have it on. The network carries a message "
                "each time: somebody who watches much of it can see when you "
                "two are at it."
              : "Off: nobody sees when you write, nor you when others do.");
  }
  return std::nullopt;
}

}  // namespace messenger::client
