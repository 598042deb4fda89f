#include "client/cli/chat.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "client/cli/collected_console.h"
#include "client/cli/failure.h"
#include "client/cli/message_text.h"
#include "client/cli/terminal_text.h"
#include "client/daemon/local_client.h"
#include "client/messenger/messenger.h"

namespace messenger::client {
namespace {

constexpr int kFirstMessages = 20;
constexpr int kMostMessages = 1000;
constexpr int kDefaultColumns = 80;
constexpr size_t kQuotedCharacters = 30;

constexpr char kChatHelp[] =
    "Type a text and Enter to send it. N is the number before a message.\n"
    "  /reply N TEXT    answer a message      /edit N TEXT   change yours\n"
    "  /react N EMOJI   or without: take it back   /unsend N   take yours "
    "back\n"
    "  /timer [TIME | off]   how long new messages stay: 30s, 8h, 1w, ...\n"
    "  /history [N]     the last messages     /quit or Ctrl-D  end; what you\n"
    "  //...            a text that begins with a slash      type is kept";

std::string Time(int64_t unix_ms) {
  return TerminalTime(absl::FromUnixMillis(unix_ms)).substr(11);
}

// Takes the first word from `text`.
std::string TakeWord(std::string* text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(
      absl::StripLeadingAsciiWhitespace(*text), absl::MaxSplits(' ', 1));
  *text = std::string(absl::StripLeadingAsciiWhitespace(parts.second));
  return parts.first;
}

}  // namespace

Chat::Chat(std::string who, const routing::Clock& clock)
    : who_(std::move(who)),
      clock_(clock),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Chat::~Chat() { close(wake_); }

void Chat::Post(Task task) {
  {
    absl::MutexLock lock(&mutex_);
    posted_.push_back(std::move(task));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
}

void Chat::Stop() {
  Post([this] { ended_ = true; });
}

// Whether there was anything.
bool Chat::RunPosted() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t taken = read(wake_, &count, sizeof(count));
  bool any = false;
  while (true) {
    Task task;
    {
      absl::MutexLock lock(&mutex_);
      if (posted_.empty()) return any;
      task = std::move(posted_.front());
      posted_.pop_front();
    }
    task();
    any = true;
  }
}

ExitCode Chat::Run(std::shared_ptr<grpc::Channel> channel) {
  channel_ = std::move(channel);
  stub_ = local::v1::LocalClient::NewStub(channel_);
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) {
    std::fprintf(stderr,
                 "`session chat` is for a terminal; programs use `session "
                 "events` and `session send`.\n");
    return ExitCode::kUsage;
  }
  const ExitCode begun = Begin();
  if (begun != ExitCode::kOk) return begun;
  termios before;
  tcgetattr(STDIN_FILENO, &before);
  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG | IEXTEN);
  raw.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  std::fputs(LineEditor::kBegin, stdout);
  listener_ = std::thread([this] { Listen(); });
  worker_ = std::thread([this] { Work(); });
  Talk();
  std::printf("%s%s", LineEditor::kClear, LineEditor::kEnd);
  std::fflush(stdout);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
  End();
  return exit_code_;
}

ExitCode Chat::Begin() {
  grpc::ClientContext context;
  local::v1::ListMessagesRequest request;
  request.set_who(who_);
  request.set_limit(kFirstMessages);
  local::v1::ListMessagesReply reply;
  const grpc::Status status = stub_->ListMessages(&context, request, &reply);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n",
                 SafeForTerminal(status.error_message(), false).c_str());
    switch (status.error_code()) {
      case grpc::StatusCode::FAILED_PRECONDITION:
        return ExitCode::kPin;
      case grpc::StatusCode::NOT_FOUND:
        return ExitCode::kNotFound;
      case grpc::StatusCode::INVALID_ARGUMENT:
        return ExitCode::kUsage;
      default:
        return ExitCode::kFailure;
    }
  }
  account_id_ = reply.account_id();
  name_ = SafeForTerminal(reply.name(), false);
  saved_draft_ = reply.draft();
  editor_.SetText(saved_draft_);
  for (const local::v1::Message& message : reply.messages()) {
    ShowMessage(message);
    shown_first_.insert(message.row());
  }
  std::printf("-- %s. /help lists what you can do; Ctrl-D ends.\n",
              name_.c_str());
  return ExitCode::kOk;
}

void Chat::Talk() {
  Draw();
  pollfd waits[] = {{STDIN_FILENO, POLLIN, 0}, {wake_, POLLIN, 0}};
  while (!ended_) {
    const int ready = poll(waits, 2, MillisecondsOfWriting());
    if (ready < 0) continue;
    if (ready == 0) {
      Draw();
      continue;
    }
    if (waits[1].revents != 0 && RunPosted()) Draw();
    if (waits[0].revents == 0) continue;
    const std::string before = editor_.text();
    char bytes[1024];
    const ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (count <= 0) return;  // The terminal is gone.
    for (ssize_t i = 0; i < count && !ended_; ++i) {
      const LineEditor::Event event = editor_.Feed(bytes[i]);
      if (event == LineEditor::Event::kEnd) return;
      if (event == LineEditor::Event::kLine) Obey(editor_.TakeLine());
    }
    if (editor_.text() != before) TellTyping();
    Draw();
  }
}

// Until the prompt says something else; -1: for ever.
int Chat::MillisecondsOfWriting() const {
  const absl::Duration left = writes_until_ - clock_.Now();
  if (left <= absl::ZeroDuration()) return -1;
  return static_cast<int>(absl::ToInt64Milliseconds(left)) + 1;
}

void Chat::TellTyping() {
  const std::string text = editor_.text();
  // A command is nobody's business; "//" begins a text.
  const bool command =
      absl::StartsWith(text, "/") && !absl::StartsWith(text, "//");
  const absl::Time now = clock_.Now();
  if (text.empty() || command || now - told_typing_ < kTypingPause) return;
  told_typing_ = now;
  Call([this](grpc::ClientContext& context) -> Task {
    local::v1::TypingRequest request;
    request.set_who(account_id_);
    local::v1::DoneReply reply;
    // Somebody who is no contact yet is not told.
    stub_->Typing(&context, request, &reply);
    return nullptr;
  });
}

void Chat::End() {
  listening_.TryCancel();
  {
    absl::MutexLock lock(&mutex_);
    no_more_work_ = true;
  }
  const std::string text = editor_.text();
  const std::string draft(absl::StripAsciiWhitespace(text));
  worker_.join();
  listener_.join();
  RunPosted();
  if (draft != saved_draft_ && exit_code_ == ExitCode::kOk) {
    CollectedConsole console;
    RemoteCommand command(channel_);
    const absl::StatusOr<int> saved =
        command.Run({"draft", "--", account_id_, draft}, console);
    if (saved.ok() && *saved == 0) {
      if (!draft.empty()) std::printf("The unsent line is kept.\n");
    } else {
      std::fprintf(stderr, "%s\n", console.text().c_str());
    }
  }
}

// ----------------------------------------------------------------- threads --

void Chat::Listen() {
  const auto stream = stub_->Events(&listening_, {});
  local::v1::Event event;
  while (stream->Read(&event)) {
    Post([this, event] { ShowEvent(event); });
  }
  const grpc::Status status = stream->Finish();
  Post([this, status] {
    if (ended_ || status.error_code() == grpc::StatusCode::CANCELLED) return;
    ended_ = true;
    Complain(status);
    exit_code_ = status.error_code() == grpc::StatusCode::FAILED_PRECONDITION
                     ? ExitCode::kPin
                     : ExitCode::kFailure;
  });
}

void Chat::Work() {
  while (true) {
    Task work;
    {
      absl::MutexLock lock(&mutex_);
      const auto any = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return no_more_work_ || !work_.empty();
      };
      mutex_.Await(absl::Condition(&any));
      if (work_.empty()) return;
      work = std::move(work_.front());
      work_.pop_front();
    }
    work();
  }
}

void Chat::Call(std::function<Task(grpc::ClientContext&)> call) {
  absl::MutexLock lock(&mutex_);
  work_.push_back([this, call = std::move(call)] {
    grpc::ClientContext context;
    if (Task done = call(context)) Post(std::move(done));
  });
}

// -------------------------------------------------------------- what is typed

void Chat::Obey(const std::string& line) {
  const absl::string_view text = absl::StripAsciiWhitespace(line);
  if (text.empty()) return;
  if (absl::StartsWith(text, "//")) {
    Say(std::string(text.substr(1)), 0);
  } else if (text[0] == '/') {
    Command(std::string(text.substr(1)));
  } else {
    Say(std::string(text), 0);
  }
}

void Chat::Command(const std::string& line) {
  std::string rest = line;
  const std::string command = TakeWord(&rest);
  if (command == "quit" || command == "q") {
    ended_ = true;
    return;
  }
  if (command == "help") return Print(kChatHelp);
  if (command == "timer") {
    std::vector<std::string> words = {"timer", "--", account_id_};
    if (!rest.empty()) words.push_back(rest);
    return Execute(std::move(words));
  }
  int64_t number = 0;
  const std::string text = rest;
  const std::string word(absl::StripPrefix(TakeWord(&rest), "#"));
  const bool has_number = absl::SimpleAtoi(word, &number);
  if (command == "history") {
    if (!has_number && !text.empty())
      return Print("Say /history or /history N.");
    return ShowHistory(has_number ? static_cast<int>(number) : kFirstMessages);
  }
  const bool wants_text = command == "reply" || command == "edit";
  if (!wants_text && command != "react" && command != "unsend") {
    return Print(absl::StrCat("There is no /", SafeForTerminal(command, false),
                              "; /help lists what there is."));
  }
  if (!has_number || (wants_text && rest.empty())) {
    return Print(absl::StrCat("Say /", command, " N",
                              wants_text           ? " TEXT"
                              : command == "react" ? " EMOJI"
                                                   : "",
                              "; N is the number before the message."));
  }
  if (command == "reply") return Say(rest, number);
  Call([this, command, number, rest](grpc::ClientContext& context) -> Task {
    local::v1::DoneReply reply;
    grpc::Status status;
    if (command == "edit") {
      local::v1::EditRequest request;
      request.set_only_queue(true);
      request.set_row(number);
      request.set_text(rest);
      status = stub_->Edit(&context, request, &reply);
    } else if (command == "react") {
      local::v1::ReactRequest request;
      request.set_only_queue(true);
      request.set_row(number);
      request.set_emoji(rest);
      status = stub_->React(&context, request, &reply);
    } else {
      local::v1::UnsendRequest request;
      request.set_only_queue(true);
      request.set_row(number);
      status = stub_->Unsend(&context, request, &reply);
    }
    return [this, status, number] {
      if (!status.ok()) return Complain(status);
      ShowAgain(number);
    };
  });
}

void Chat::Say(const std::string& text, int64_t reply_to) {
  Call([this, text, reply_to](grpc::ClientContext& context) -> Task {
    local::v1::SendRequest request;
    request.set_only_queue(true);
    if (reply_to != 0) {
      request.set_reply_to(reply_to);
    } else {
      request.set_who(account_id_);
    }
    request.set_text(text);
    local::v1::SendReply reply;
    const grpc::Status status = stub_->Send(&context, request, &reply);
    return [this, text, status, message = reply.message()] {
      if (status.ok()) return ShowMessage(message);
      Complain(status);
      // Nothing typed is lost.
      if (editor_.text().empty()) editor_.SetText(text);
    };
  });
}

void Chat::Execute(std::vector<std::string> words) {
  Call([this, words = std::move(words)](grpc::ClientContext&) -> Task {
    CollectedConsole console;
    RemoteCommand command(channel_);
    const absl::StatusOr<int> code = command.Run(words, console);
    return [this, code, text = console.text()] {
      Print(code.ok() ? text : Capitalized(code.status().message()));
    };
  });
}

void Chat::ShowAgain(int64_t row) {
  Call([this, row](grpc::ClientContext& context) -> Task {
    local::v1::ListMessagesRequest request;
    request.set_who(account_id_);
    request.set_limit(kMostMessages);
    local::v1::ListMessagesReply reply;
    const grpc::Status status = stub_->ListMessages(&context, request, &reply);
    return [this, status, reply, row] {
      if (!status.ok()) return Complain(status);
      for (const local::v1::Message& message : reply.messages()) {
        if (message.row() == row) return ShowMessage(message);
      }
      Print("Done.");
    };
  });
}

void Chat::ShowHistory(int limit) {
  Call([this, limit](grpc::ClientContext& context) -> Task {
    local::v1::ListMessagesRequest request;
    request.set_who(account_id_);
    request.set_limit(limit);
    local::v1::ListMessagesReply reply;
    const grpc::Status status = stub_->ListMessages(&context, request, &reply);
    return [this, status, reply] {
      if (!status.ok()) return Complain(status);
      for (const local::v1::Message& message : reply.messages()) {
        ShowMessage(message);
      }
    };
  });
}

// -------------------------------------------------------------- what is shown

void Chat::Print(absl::string_view line) {
  last_row_ = 0;
  std::printf("%s%s\n", listener_.joinable() ? LineEditor::kClear : "",
              std::string(line).c_str());
}

void Chat::Complain(const grpc::Status& status) {
  // gRPC's words for that are about its transport.
  Print(status.error_code() == grpc::StatusCode::UNAVAILABLE
            ? "The daemon has ended."
            : SafeForTerminal(status.error_message(), false));
}

int Chat::Columns() const {
  winsize size = {};
  const bool known =
      ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kDefaultColumns;
}

int Chat::OnTheWay() const {
  return static_cast<int>(
      std::count_if(states_.begin(), states_.end(), [](const auto& state) {
        return state.second == "queued" || state.second == "waiting-for-key";
      }));
}

void Chat::Draw() {
  const int on_the_way = OnTheWay();
  const std::string prompt = absl::StrCat(
      name_,
      on_the_way > 0 ? absl::StrCat(" (", on_the_way, " on the way)") : "",
      clock_.Now() < writes_until_ ? " (is writing)" : "", "> ");
  std::fputs(editor_.Render(prompt, Columns()).c_str(), stdout);
  std::fflush(stdout);
}

std::string Chat::LineOf(const local::v1::Message& message) const {
  const bool elsewhere = message.conversation() != account_id_;
  const std::string name = SafeForTerminal(message.name(), false);
  std::string line =
      absl::StrCat("[", Time(message.sent_ms()), "] #", message.row(), " ");
  if (elsewhere) absl::StrAppend(&line, "(elsewhere) ");
  absl::StrAppend(&line, message.outgoing() ? "you" : name);
  if (message.outgoing() && !message.unsent()) {
    absl::StrAppend(&line, " (", message.state(),
                    message.detail().empty() ? "" : ": ",
                    SafeForTerminal(message.detail(), false), ")");
  }
  if (message.sets_timer()) {
    return absl::StrCat(
        line, " set: ", TimerText(absl::Seconds(message.timer_set_seconds())));
  }
  if (message.unsent()) return absl::StrCat(line, ": (taken back)");
  if (message.is_reply()) {
    absl::StrAppend(&line, " (to ",
                    message.reply_to() == 0
                        ? std::string("a message that is not here")
                        : absl::StrCat("#", message.reply_to()),
                    ")");
  }
  if (message.edited_ms() != 0) absl::StrAppend(&line, " (edited)");
  absl::StrAppend(&line, ": ", SafeForTerminal(message.text(), true));
  for (const local::v1::Reaction& reaction : message.reactions()) {
    absl::StrAppend(&line, "  [", SafeForTerminal(reaction.emoji(), false), " ",
                    reaction.own() ? "you" : name, "]");
  }
  return line;
}

void Chat::ShowMessage(const local::v1::Message& message) {
  if (message.outgoing()) states_[message.row()] = message.state();
  const std::string line = LineOf(message);
  Print(line);
  // Bytes are at least columns.
  if (line.find('\n') == std::string::npos &&
      static_cast<int>(line.size()) < Columns()) {
    last_row_ = message.row();
  }
}

// Of a text that was shown with another state.
void Chat::ShowState(const local::v1::Message& message) {
  const auto shown = states_.find(message.row());
  if (message.conversation() != account_id_ || shown == states_.end() ||
      shown->second == message.state()) {
    return;
  }
  if (last_row_ == message.row()) {
    std::printf("%s\x1b[A", LineEditor::kClear);
    return ShowMessage(message);
  }
  shown->second = message.state();
  Print(absl::StrCat(
      "        #", message.row(), " is ", message.state(),
      message.detail().empty() ? "" : ": ",
      SafeForTerminal(message.detail(), false), " (\"",
      SafeForTerminal(FirstLine(message.text(), kQuotedCharacters), false),
      "\")"));
}

void Chat::ShowEvent(const local::v1::Event& event) {
  switch (event.event_case()) {
    case local::v1::Event::kTyping:
      if (event.typing() == account_id_) {
        writes_until_ = clock_.Now() + kTypingLasts;
      }
      break;
    case local::v1::Event::kMessage: {
      if (event.message().conversation() == account_id_) {
        writes_until_ = absl::InfinitePast();
      }
      // The history at the beginning may have had it.
      if (shown_first_.count(event.message().row()) == 0) {
        ShowMessage(event.message());
      }
      Call([this,
            row = event.message().row()](grpc::ClientContext& context) -> Task {
        local::v1::ConfirmShownRequest request;
        request.set_row(row);
        local::v1::DoneReply reply;
        stub_->ConfirmShown(&context, request, &reply);
        return [] {};
      });
      break;
    }
    case local::v1::Event::kChange: {
      const local::v1::Message& message = event.change().message();
      if (message.conversation() != account_id_) break;
      if (event.change().kind() == "confirmed") {
        ShowState(message);
      } else {
        ShowMessage(message);
      }
      break;
    }
    case local::v1::Event::kState:
      ShowState(event.state());
      break;
    case local::v1::Event::kRequests:
      Print(absl::StrCat(event.requests(),
                         " of people who are no contacts want to write to you: "
                         "session requests"));
      break;
    case local::v1::Event::kDevicesChanged:
      if (event.devices_changed() == account_id_) {
        Print(absl::StrCat(name_,
                           " has changed devices. Compare safety numbers if "
                           "that matters: session safety-number"));
      }
      break;
    case local::v1::Event::EVENT_NOT_SET:
      break;
  }
}

}  // namespace messenger::client
