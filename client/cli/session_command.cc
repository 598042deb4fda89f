#include "client/cli/session_command.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "client/cli/arguments.h"
#include "client/cli/chat.h"
#include "client/cli/collected_console.h"
#include "client/cli/completion.h"
#include "client/cli/daemon.h"
#include "client/cli/daemon_commands.h"
#include "client/cli/failure.h"
#include "client/cli/help_text.h"
#include "client/cli/process_console.h"
#include "client/cli/run.h"
#include "client/cli/terminal_text.h"
#include "client/daemon/local_client.h"
#include "client/daemon/waiter.h"
#include "client/store/keyslot.h"

namespace messenger::client {
namespace {

constexpr char kVersion[] = "session 0.1";
// A daemon that ends just when it is asked.
constexpr int kMaxForwards = 3;

// What is done in this process even if a daemon runs: it needs no account that
// is open, or must have it alone.
bool NeverForwarded(const Arguments& arguments) {
  return arguments.has("help") || arguments.has("version") ||
         arguments.words().empty() || arguments.word(0) == "backup" ||
         (arguments.word(0) == "account" && arguments.word(1) != "show" &&
          arguments.word(1) != "vault");
}

}  // namespace

ExitCode RunWords(const std::vector<std::string>& words,
                  const Run::Place& place, bool* daemon_answers) {
  absl::StatusOr<Arguments> arguments = Arguments::Parse(words);
  if (!arguments.ok()) {
    std::fprintf(place.console.err(), "%s; session --help explains.\n",
                 Capitalized(arguments.status().message()).c_str());
    return ExitCode::kUsage;
  }
  if (arguments->has("version")) {
    std::fprintf(place.console.out(), "%s\n", kVersion);
    return ExitCode::kOk;
  }
  if (arguments->has("help") || arguments->words().empty()) {
    const bool asked = arguments->has("help");
    std::fputs(kHelpText, asked ? place.console.out() : place.console.err());
    return asked ? ExitCode::kOk : ExitCode::kUsage;
  }
  Run run(*std::move(arguments), place);
  const ExitCode code = run.Execute();
  if (daemon_answers != nullptr) *daemon_answers = run.daemon_answers();
  return code;
}

namespace {

// Without a word of complaint, a wait or a question: somebody pressed Tab.
std::string NamesForCompletion(const std::vector<std::string>& line,
                               const SessionEnvironment& environment) {
  std::vector<std::string> words = {kContactNamesCommand};
  for (size_t i = 1; i + 1 < line.size(); ++i) {
    if (line[i] == "--data-dir") {
      words.insert(words.end(), {line[i], line[i + 1]});
    }
  }
  const absl::StatusOr<Arguments> arguments = Arguments::Parse(words);
  std::string folder;
  if (!arguments.ok() || FolderOf(*arguments, &folder)) return "";
  CollectedConsole console;
  if (const auto channel = ConnectToDaemon(folder)) {
    RemoteCommand command(channel);
    const absl::StatusOr<int> code = command.Run(words, console);
    return code.ok() && *code == 0 ? console.text() : "";
  }
  const absl::StatusOr<KeyslotState> state = ReadKeyslotState(folder);
  if (!state.ok() || state->has_pin) return "";
  LoopWaiter waiter(environment.loop);
  Run::Place place = {environment, console, waiter};
  place.lock_patience = absl::ZeroDuration();
  return RunWords(words, place, nullptr) == ExitCode::kOk ? console.text() : "";
}

ExitCode RunCompletion(const Arguments& arguments,
                       const SessionEnvironment& environment) {
  const std::string script = CompletionScript(arguments.word(1));
  if (!script.empty() && arguments.words().size() == 2) {
    std::fputs(script.c_str(), stdout);
    return ExitCode::kOk;
  }
  size_t index = 0;
  if (arguments.word(1) != "candidates" ||
      !absl::SimpleAtoi(arguments.word(2), &index)) {
    std::fprintf(stderr,
                 "Say for which shell: session completion bash, or zsh.\n");
    return ExitCode::kUsage;
  }
  const std::vector<std::string> line(arguments.words().begin() + 3,
                                      arguments.words().end());
  const Completion completion = Complete(line, index);
  for (const std::string& word : completion.words) {
    std::printf("%s\n", word.c_str());
  }
  if (completion.contacts) {
    std::printf("%s\n", NamesForCompletion(line, environment).c_str());
  }
  return ExitCode::kOk;
}

// With the daemon, or with one of its own.
ExitCode RunChat(const std::vector<std::string>& words,
                 const Arguments& arguments, const std::string& folder,
                 const SessionEnvironment& environment) {
  if (arguments.words().size() != 2) {
    std::fprintf(stderr, "Say with whom: session chat WHO.\n");
    return ExitCode::kUsage;
  }
  Chat chat(arguments.word(1), environment.clock);
  const std::shared_ptr<grpc::Channel> channel = ConnectToDaemon(folder);
  if (channel == nullptr) {
    return RunOwnDaemon(
        words, arguments, environment,
        [&chat](std::shared_ptr<grpc::Channel> own) {
          return chat.Run(std::move(own));
        },
        [&chat] { chat.Stop(); });
  }
  ExitCode code = ExitCode::kOk;
  std::atomic<bool> left{false};
  std::thread front([&] {
    code = chat.Run(channel);
    left = true;
    environment.loop.Run([] {});
  });
  if (!environment.loop.RunUntil([&] { return left.load(); },
                                 absl::InfiniteDuration())) {
    chat.Stop();
  }
  front.join();
  return code;
}

}  // namespace

ExitCode RunSessionCommand(const std::vector<std::string>& words,
                           const SessionEnvironment& environment,
                           std::vector<std::string>* begin_anew) {
  ProcessConsole console;
  LoopWaiter waiter(environment.loop);
  const Run::Place place = {environment, console, waiter};
  const absl::StatusOr<Arguments> arguments = Arguments::Parse(words);
  std::string folder;
  if (!arguments.ok() || NeverForwarded(*arguments) ||
      FolderOf(*arguments, &folder)) {
    return RunWords(words, place, nullptr);
  }
  if (IsDaemonCommand(arguments->word(0))) {
    return RunDaemonCommand(words, *arguments, folder, environment, begin_anew);
  }
  if (arguments->word(0) == "completion") {
    return RunCompletion(*arguments, environment);
  }
  if (arguments->word(0) == "chat") {
    return RunChat(words, *arguments, folder, environment);
  }
  for (int attempt = 1;; ++attempt) {
    if (const auto channel = ConnectToDaemon(folder)) {
      const absl::StatusOr<int> code =
          ForwardCommand(channel, words, console, environment.loop);
      if (code.ok()) return static_cast<ExitCode>(*code);
      if (!absl::IsAborted(code.status()) || attempt >= kMaxForwards) {
        std::fprintf(stderr,
                     "The daemon has ended before this was done. What it had "
                     "written down is kept; `session history` shows it.\n");
        return ExitCode::kFailure;
      }
      continue;
    }
    bool daemon_answers = false;
    Run::Place deferring = place;
    deferring.daemon_may_do_it = attempt < kMaxForwards;
    const ExitCode code = RunWords(words, deferring, &daemon_answers);
    if (!daemon_answers || !deferring.daemon_may_do_it) return code;
  }
}

}  // namespace messenger::client
