#include "client/cli/daemon.h"

#include <fcntl.h>
#include <grpc/support/time.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/process_console.h"
#include "client/cli/run.h"
#include "client/cli/shared_account.h"
#include "client/cli/terminal_text.h"
#include "client/daemon/guest_list.h"
#include "client/daemon/local_socket.h"
#include "client/daemon/proto/local.grpc.pb.h"
#include "client/daemon/remote_console.h"
#include "crypto/base/secret_arena.h"
#include "crypto/base/secure_memory.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/server_posix.h"
#include "grpcpp/support/channel_arguments.h"
#include "grpcpp/support/time.h"

namespace messenger::client {
namespace {

// With a PIN, unless the person says otherwise.
constexpr absl::Duration kDefaultLockAfter = absl::Minutes(5);
constexpr double kMaxLockAfterMinutes = 60 * 24 * 365;
// What a program may still read after the daemon was told to end.
constexpr absl::Duration kFarewell = absl::Seconds(2);
// Commands and calls at one time; each has a thread.
constexpr int kMaxThreads = 256;
// A file for `send --file` comes in one piece.
constexpr int kMaxRequestBytes = 17 * 1024 * 1024;
// A pause where the process has no descriptor left for a connection.
constexpr int kNoDescriptorPauseMs = 100;
constexpr char kLockedWith[] = "locked-with";

// Output of a call that has none.
class NoConsole final : public Console {
 public:
  NoConsole() : nowhere_(std::fopen("/dev/null", "w")) {}
  ~NoConsole() override { std::fclose(nowhere_); }
  std::FILE* out() override { return nowhere_; }
  std::FILE* err() override { return nowhere_; }
  bool Flushed() override { return true; }
  bool at_terminal() const override { return false; }
  absl::StatusOr<std::string> ReadInput(size_t, absl::string_view) override {
    return absl::InvalidArgumentError("there is no standard input");
  }
  absl::StatusOr<std::string> ReadLine(absl::string_view) override {
    return absl::InvalidArgumentError("there is no standard input");
  }
  absl::StatusOr<std::string> ReadFile(const std::string&) override {
    return absl::NotFoundError("there are no files");
  }
  std::string AbsolutePath(const std::string& path) const override {
    return path;
  }
  std::string network_file() const override { return ""; }

 private:
  std::FILE* const nowhere_;
};

// Where the system allows it, nothing is written to the swap space.
bool LockMemory() {
  rlimit limit = {};
  // With a limit, a later allocation would fail.
  if (geteuid() != 0 && (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
                         limit.rlim_cur != RLIM_INFINITY)) {
    return false;
  }
  return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

grpc::Status StatusOf(const Failure& failure) {
  grpc::StatusCode code = grpc::StatusCode::INTERNAL;
  switch (failure.code) {
    case ExitCode::kUsage:
      code = grpc::StatusCode::INVALID_ARGUMENT;
      break;
    case ExitCode::kPin:
      code = grpc::StatusCode::FAILED_PRECONDITION;
      break;
    case ExitCode::kNotFound:
      code = grpc::StatusCode::NOT_FOUND;
      break;
    case ExitCode::kNetwork:
      code = grpc::StatusCode::UNAVAILABLE;
      break;
    case ExitCode::kStorage:
      code = grpc::StatusCode::DATA_LOSS;
      break;
    default:
      break;
  }
  return grpc::Status(code, SafeForTerminal(failure.sentence, false));
}

Failure Locked() {
  return {ExitCode::kPin,
          "The daemon is locked: `session unlock` opens it with the PIN."};
}

grpc::Status Ends() {
  return grpc::Status(grpc::StatusCode::UNAVAILABLE, "The daemon ends.");
}

class Daemon final : public local::v1::LocalClient::Service {
 public:
  Daemon(const std::vector<std::string>& words, const Arguments& arguments,
         const SessionEnvironment& environment)
      : words_(words),
        arguments_(arguments),
        environment_(environment),
        loop_waiter_(environment.loop),
        guests_(environment.loop, environment.clock) {}

  ~Daemon() override {
    if (listener_ >= 0) close(listener_);
    if (stop_accepting_ >= 0) close(stop_accepting_);
  }

  ExitCode Live(std::vector<std::string>* begin_anew);
  ExitCode LiveFor(
      const std::function<ExitCode(std::shared_ptr<grpc::Channel>)>& front_end,
      const std::function<void()>& stop);

  grpc::Status Status(grpc::ServerContext* context,
                      const local::v1::StatusRequest*,
                      local::v1::StatusReply* reply) override;
  grpc::Status ListConversations(
      grpc::ServerContext* context, const local::v1::ListConversationsRequest*,
      local::v1::ListConversationsReply* reply) override {
    return Serve(*context,
                 [&](Run& run) { return run.ApiConversations(*reply); });
  }
  grpc::Status ListMessages(grpc::ServerContext* context,
                            const local::v1::ListMessagesRequest* request,
                            local::v1::ListMessagesReply* reply) override {
    return Serve(*context,
                 [&](Run& run) { return run.ApiMessages(*request, *reply); });
  }
  grpc::Status Send(grpc::ServerContext* context,
                    const local::v1::SendRequest* request,
                    local::v1::SendReply* reply) override {
    return Serve(*context,
                 [&](Run& run) { return run.ApiSend(*request, *reply); });
  }
  grpc::Status React(grpc::ServerContext* context,
                     const local::v1::ReactRequest* request,
                     local::v1::DoneReply* reply) override {
    return Serve(*context,
                 [&](Run& run) { return run.ApiReact(*request, *reply); });
  }
  grpc::Status Edit(grpc::ServerContext* context,
                    const local::v1::EditRequest* request,
                    local::v1::DoneReply* reply) override {
    return Serve(*context,
                 [&](Run& run) { return run.ApiEdit(*request, *reply); });
  }
  grpc::Status Unsend(grpc::ServerContext* context,
                      const local::v1::UnsendRequest* request,
                      local::v1::DoneReply* reply) override {
    return Serve(*context,
                 [&](Run& run) { return run.ApiUnsend(*request, *reply); });
  }
  grpc::Status ConfirmShown(grpc::ServerContext* context,
                            const local::v1::ConfirmShownRequest* request,
                            local::v1::DoneReply* reply) override {
    reply->set_sent(true);
    return Serve(*context,
                 [&](Run& run) { return run.ApiConfirmShown(*request); });
  }
  grpc::Status Typing(grpc::ServerContext* context,
                      const local::v1::TypingRequest* request,
                      local::v1::DoneReply* reply) override {
    return Serve(*context,
                 [&](Run& run) { return run.ApiTyping(*request, *reply); });
  }
  grpc::Status Events(grpc::ServerContext* context,
                      const local::v1::EventsRequest* request,
                      grpc::ServerWriter<local::v1::Event>* writer) override;
  grpc::Status Execute(grpc::ServerContext* context,
                       RemoteConsole::Stream* stream) override;
  grpc::Status Lock(grpc::ServerContext* context, const local::v1::LockRequest*,
                    local::v1::Outcome* outcome) override;
  grpc::Status Unlock(grpc::ServerContext* context,
                      const local::v1::UnlockRequest* request,
                      local::v1::Outcome* outcome) override;
  grpc::Status Stop(grpc::ServerContext* context, const local::v1::StopRequest*,
                    local::v1::Outcome* outcome) override;

 private:
  using Result = std::optional<Failure>;
  enum class End { kNot, kStop, kLock };

  // Counts as use while it lives; inside only.
  class Use {
   public:
    explicit Use(Daemon& daemon) : daemon_(daemon) {
      ++daemon_.in_use_;
      daemon_.Touch();
    }
    ~Use() {
      --daemon_.in_use_;
      daemon_.Touch();
    }

   private:
    Daemon& daemon_;
  };

  Run::Place PlaceFor(Console& console, Waiter& waiter) {
    return {environment_, console, waiter, account_.get()};
  }
  grpc::Status Serve(grpc::ServerContext& context,
                     absl::FunctionRef<Result(Run&)> call);
  Result ReadOptions();
  Result OpenAccount();
  Result Listen();
  void CloseAccount();
  Result Adopt(const std::string& locked_with);
  void StartKeeper();
  void StartServer();
  void Accept();
  void Shutdown();
  void Touch() { last_use_ = environment_.clock.Now(); }
  bool LockDue() const;
  std::vector<std::string> WordsOfLocked();
  ExitCode Complain(const Failure& failure);

  const std::vector<std::string> words_;
  const Arguments arguments_;
  const SessionEnvironment& environment_;
  ProcessConsole console_;
  NoConsole no_console_;
  Console* keeper_console_ = &console_;
  LoopWaiter loop_waiter_;
  GuestList guests_;

  // The loop and its guests only.
  std::unique_ptr<Run> host_;               // holds the lock of the folder
  std::unique_ptr<SharedAccount> account_;  // null while locked
  bool has_pin_ = false;
  absl::Duration lock_after_ = kDefaultLockAfter;
  absl::Time last_use_;
  int in_use_ = 0;
  End end_ = End::kNot;
  Result failure_;

  // Whether keys stay out of the swap space, with all memory or by themselves.
  bool KeysLocked() const {
    const crypto::SecretMemoryState state = crypto::SecretMemory();
    return memory_locked_ || state.locked_bytes == state.bytes;
  }

  bool memory_locked_ = false;
  int listener_ = -1;
  int stop_accepting_ = -1;
  std::thread keeper_;
  std::thread acceptor_;
  std::unique_ptr<grpc::Server> server_;
};

Daemon::Result Daemon::ReadOptions() {
  double minutes = 0;
  if (!arguments_.has("lock-after")) return std::nullopt;
  if (!absl::SimpleAtod(arguments_.option("lock-after"), &minutes) ||
      !(minutes >= 0 && minutes <= kMaxLockAfterMinutes)) {
    return Failure{ExitCode::kUsage,
                   "The option --lock-after takes a number of minutes, or 0 "
                   "for never."};
  }
  lock_after_ = absl::Minutes(minutes);
  return std::nullopt;
}

Daemon::Result Daemon::OpenAccount() {
  auto account = std::make_unique<SharedAccount>();
  if (Result failure = host_->OpenShared(std::nullopt, account.get())) {
    return failure;
  }
  account_ = std::move(account);
  has_pin_ = host_->opened_with_pin();
  return std::nullopt;
}

Daemon::Result Daemon::Listen() {
  const absl::StatusOr<int> listener = ListenAtLocalSocket(account_->folder);
  if (!listener.ok()) {
    return Failure{ExitCode::kStorage, Sentence(listener.status())};
  }
  listener_ = *listener;
  return std::nullopt;
}

// "LOCK,SOCKET": the descriptors that the program before this one had.
Daemon::Result Daemon::Adopt(const std::string& locked_with) {
  const std::vector<std::string> parts = absl::StrSplit(locked_with, ',');
  int lock = -1;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &lock) ||
      !absl::SimpleAtoi(parts[1], &listener_) ||
      fcntl(lock, F_SETFD, FD_CLOEXEC) != 0 ||
      fcntl(listener_, F_SETFD, FD_CLOEXEC) != 0) {
    return Failure{ExitCode::kUsage,
                   "--locked-with is for the daemon's own use."};
  }
  host_->InheritLock(lock);
  has_pin_ = true;
  return std::nullopt;
}

ExitCode Daemon::Complain(const Failure& failure) {
  std::fprintf(console_.err(), "%s\n",
               SafeForTerminal(failure.sentence, false).c_str());
  return failure.code;
}

void Daemon::CloseAccount() {
  if (account_ == nullptr) return;
  account_->connection->Save().IgnoreError();
  account_->messenger.reset();
  account_->connection.reset();
  account_->store.reset();
  account_.reset();
}

ExitCode Daemon::LiveFor(
    const std::function<ExitCode(std::shared_ptr<grpc::Channel>)>& front_end,
    const std::function<void()>& stop) {
  host_ = std::make_unique<Run>(arguments_, PlaceFor(console_, loop_waiter_));
  if (Result failure = OpenAccount()) return Complain(*failure);
  lock_after_ = absl::ZeroDuration();  // As long as the front end is there.
  keeper_console_ = &no_console_;      // The terminal is the front end's.
  StartServer();
  StartKeeper();
  ExitCode code = ExitCode::kOk;
  std::atomic<bool> left{false};
  std::thread front([&] {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    code = front_end(server_->InProcessChannel(arguments));
    left = true;
    environment_.loop.Run([] {});
  });
  environment_.loop.RunUntil(
      [&] {
        guests_.Serve();
        return left || end_ != End::kNot;
      },
      absl::InfiniteDuration());
  if (!left) {
    stop();
    guests_.ServeWithoutLoop([&] { return left.load(); }, kFarewell);
  }
  end_ = End::kStop;
  Shutdown();
  front.join();
  server_.reset();
  CloseAccount();
  if (failure_) return Complain(*failure_);
  return code;
}

ExitCode Daemon::Live(std::vector<std::string>* begin_anew) {
  memory_locked_ = LockMemory();
  host_ = std::make_unique<Run>(arguments_, PlaceFor(console_, loop_waiter_));
  Result failure = ReadOptions();
  if (!failure) {
    failure = arguments_.has(kLockedWith)
                  ? Adopt(arguments_.option(kLockedWith))
                  : OpenAccount();
    if (!failure && listener_ < 0) failure = Listen();
  }
  if (failure) return Complain(*failure);
  Touch();
  StartServer();
  stop_accepting_ = eventfd(0, EFD_CLOEXEC);
  acceptor_ = std::thread([this] { Accept(); });
  if (account_ != nullptr) StartKeeper();
  if (!KeysLocked()) {
    std::fprintf(console_.err(),
                 "... keys may be written to the swap space: the system lets "
                 "this program lock too little memory (RLIMIT_MEMLOCK)\n");
  }
  std::fprintf(console_.err(), account_ != nullptr
                                   ? "... the daemon is ready; Ctrl-C ends it\n"
                                   : "... the daemon is locked\n");
  environment_.loop.RunUntil(
      [this] {
        guests_.Serve();
        if (end_ == End::kNot && LockDue()) end_ = End::kLock;
        return end_ != End::kNot;
      },
      absl::InfiniteDuration());
  // Stopped by a signal, even if it was to be locked.
  if (end_ == End::kNot) end_ = End::kStop;
  Shutdown();
  if (end_ == End::kStop) {
    std::string folder;
    if (!FolderOf(arguments_, &folder)) {
      unlink(LocalSocketPath(folder).c_str());
    }
  }
  server_.reset();
  CloseAccount();
  if (failure_) return Complain(*failure_);
  if (end_ == End::kLock) *begin_anew = WordsOfLocked();
  return ExitCode::kOk;
}

void Daemon::StartServer() {
  grpc::ServerBuilder builder;
  grpc::ResourceQuota quota("daemon");
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

void Daemon::Accept() {
  while (true) {
    pollfd waits[] = {{listener_, POLLIN, 0}, {stop_accepting_, POLLIN, 0}};
    if (poll(waits, 2, -1) < 0 && errno != EINTR) return;
    if (waits[1].revents != 0) return;
    const int connection =
        accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0) {
      if (errno == EMFILE || errno == ENFILE) {
        poll(waits + 1, 1, kNoDescriptorPauseMs);
      }
      continue;
    }
    if (PeerIsSameUser(connection)) {
      grpc::AddInsecureChannelFromFd(server_.get(), connection);
    } else {
      close(connection);
    }
  }
}

void Daemon::StartKeeper() {
  if (keeper_.joinable()) keeper_.join();
  keeper_ = std::thread([this] {
    guests_.Visit(nullptr, [this](Guest& guest) {
      Run run(arguments_, PlaceFor(*keeper_console_, guest));
      if (Result failure = run.KeepSharedUp()) {
        failure_ = std::move(failure);
        end_ = End::kStop;
      }
    });
  });
}

// The loop runs no more; its guests still do.
void Daemon::Shutdown() {
  // First, so that whoever comes now finds the one that follows.
  const uint64_t one = 1;
  if (acceptor_.joinable() &&
      write(stop_accepting_, &one, sizeof(one)) == sizeof(one)) {
    acceptor_.join();
  }
  std::thread farewell([this] {
    server_->Shutdown(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_millis(absl::ToInt64Milliseconds(kFarewell),
                                          GPR_TIMESPAN)));
  });
  guests_.CloseAndServe();
  farewell.join();
  if (keeper_.joinable()) keeper_.join();
}

bool Daemon::LockDue() const {
  return account_ != nullptr && has_pin_ && in_use_ == 0 &&
         lock_after_ > absl::ZeroDuration() &&
         environment_.clock.Now() >= last_use_ + lock_after_;
}

std::vector<std::string> Daemon::WordsOfLocked() {
  // Copies of the descriptors, which the next program inherits.
  std::vector<std::string> words = {absl::StrCat(
      "--", kLockedWith, "=", dup(host_->lock()), ",", dup(listener_))};
  for (const std::string& word : words_) {
    if (!absl::StartsWith(word, absl::StrCat("--", kLockedWith, "="))) {
      words.push_back(word);
    }
  }
  return words;
}

grpc::Status Daemon::Serve(grpc::ServerContext& context,
                           absl::FunctionRef<Result(Run&)> call) {
  grpc::Status status = Ends();
  guests_.Visit([&context] { return context.IsCancelled(); },
                [&](Guest& guest) {
                  if (account_ == nullptr) {
                    status = StatusOf(Locked());
                    return;
                  }
                  const Use use(*this);
                  NoConsole console;
                  Run run(*Arguments::Parse({}), PlaceFor(console, guest));
                  const Result failure = call(run);
                  status = failure ? StatusOf(*failure) : grpc::Status::OK;
                });
  return status;
}

grpc::Status Daemon::Status(grpc::ServerContext* context,
                            const local::v1::StatusRequest*,
                            local::v1::StatusReply* reply) {
  grpc::Status status = Ends();
  guests_.Visit([context] { return context->IsCancelled(); },
                [&](Guest& guest) {
                  status = grpc::Status::OK;
                  reply->set_process_id(getpid());
                  reply->set_memory_locked(memory_locked_);
                  reply->set_keys_locked(KeysLocked());
                  reply->set_locked(account_ == nullptr);
                  if (account_ == nullptr) return;
                  NoConsole console;
                  Run run(*Arguments::Parse({}), PlaceFor(console, guest));
                  if (const Result failure = run.ApiStatus(*reply)) {
                    status = StatusOf(*failure);
                  }
                });
  return status;
}

grpc::Status Daemon::Events(grpc::ServerContext* context,
                            const local::v1::EventsRequest*,
                            grpc::ServerWriter<local::v1::Event>* writer) {
  grpc::Status status = Ends();
  guests_.Visit([context] { return context->IsCancelled(); },
                [&](Guest& guest) {
                  if (account_ == nullptr) {
                    status = StatusOf(Locked());
                    return;
                  }
                  Touch();
                  NoConsole console;
                  Run run(*Arguments::Parse({}), PlaceFor(console, guest));
                  const Result failure =
                      run.ApiEvents([&](const local::v1::Event& event) {
                        bool written = false;
                        guest.Outside([&] { written = writer->Write(event); });
                        return written;
                      });
                  if (end_ == End::kLock) {
                    status = StatusOf(Locked());
                  } else if (failure && end_ == End::kNot) {
                    status = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                          failure->sentence);
                  }
                });
  return status;
}

grpc::Status Daemon::Execute(grpc::ServerContext* context,
                             RemoteConsole::Stream* stream) {
  local::v1::ExecuteRequest first;
  if (!stream->Read(&first) || !first.has_start()) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no start");
  }
  const std::vector<std::string> words(first.start().words().begin(),
                                       first.start().words().end());
  RemoteConsole console(first.start(), *stream, *context,
                        [this] { environment_.loop.Run([] {}); });
  int exit_code = 0;
  const bool served = guests_.Visit(
      [&console] { return console.gone(); },
      [&](Guest& guest) {
        console.Enter(guest);
        ExitCode code = ExitCode::kPin;
        if (account_ != nullptr) {
          std::optional<Use> use(*this);
          const absl::StatusOr<Arguments> arguments = Arguments::Parse(words);
          const bool looks_on =
              arguments.ok() &&
              (arguments->word(0) == "watch" || arguments->word(0) == "events");
          // That does not keep the daemon open.
          if (looks_on) use.reset();
          code = RunWords(words, PlaceFor(console, console), nullptr);
          if (looks_on && end_ == End::kStop) {
            code = ExitCode::kFailure;
            std::fprintf(console.err(), "The daemon ends.\n");
          }
        }
        if (account_ == nullptr || end_ == End::kLock) {
          code = ExitCode::kPin;
          std::fprintf(console.err(), "%s\n", Locked().sentence.c_str());
        }
        exit_code = static_cast<int>(code);
      });
  if (!served) return Ends();
  console.Finish(exit_code);
  return grpc::Status::OK;
}

grpc::Status Daemon::Lock(grpc::ServerContext*, const local::v1::LockRequest*,
                          local::v1::Outcome* outcome) {
  const bool served = guests_.Visit(nullptr, [&](Guest&) {
    if (account_ == nullptr) return;
    if (!has_pin_) {
      outcome->set_exit_code(static_cast<int>(ExitCode::kUsage));
      outcome->set_sentence(
          "There is no PIN, so locking would protect nothing; `session account "
          "pin` sets one.");
      return;
    }
    if (end_ == End::kNot) end_ = End::kLock;
  });
  return served ? grpc::Status::OK : Ends();
}

grpc::Status Daemon::Unlock(grpc::ServerContext*,
                            const local::v1::UnlockRequest* request,
                            local::v1::Outcome* outcome) {
  const bool served = guests_.Visit(nullptr, [&](Guest&) {
    if (account_ != nullptr) return;
    auto account = std::make_unique<SharedAccount>();
    if (Result failure = host_->OpenShared(request->pin(), account.get())) {
      outcome->set_exit_code(static_cast<int>(failure->code));
      outcome->set_sentence(SafeForTerminal(failure->sentence, false));
      return;
    }
    account_ = std::move(account);
    has_pin_ = host_->opened_with_pin();
    Touch();
    StartKeeper();
  });
  crypto::SecureWipe(
      *const_cast<local::v1::UnlockRequest*>(request)->mutable_pin());
  return served ? grpc::Status::OK : Ends();
}

grpc::Status Daemon::Stop(grpc::ServerContext*, const local::v1::StopRequest*,
                          local::v1::Outcome*) {
  const bool served =
      guests_.Visit(nullptr, [this](Guest&) { end_ = End::kStop; });
  return served ? grpc::Status::OK : Ends();
}

}  // namespace

ExitCode RunDaemon(const std::vector<std::string>& words,
                   const Arguments& arguments,
                   const SessionEnvironment& environment,
                   std::vector<std::string>* begin_anew) {
  return Daemon(words, arguments, environment).Live(begin_anew);
}

ExitCode RunOwnDaemon(
    const std::vector<std::string>& words, const Arguments& arguments,
    const SessionEnvironment& environment,
    std::function<ExitCode(std::shared_ptr<grpc::Channel>)> front_end,
    std::function<void()> stop) {
  return Daemon(words, arguments, environment).LiveFor(front_end, stop);
}

}  // namespace messenger::client
