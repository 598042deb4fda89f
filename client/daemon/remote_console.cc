#include "client/daemon/remote_console.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace messenger::client {
namespace {

// What a command may print before the loop goes on while it is sent.
constexpr size_t kMaxPendingBytes = 64 * 1024;

}  // namespace

RemoteConsole::RemoteConsole(const local::v1::Start& start, Stream& stream,
                             grpc::ServerContext& context,
                             std::function<void()> wake)
    : start_(start),
      stream_(stream),
      context_(context),
      wake_(std::move(wake)) {
  const cookie_io_functions_t functions = {nullptr, &Write, nullptr, nullptr};
  out_ = fopencookie(&out_channel_, "w", functions);
  err_ = fopencookie(&err_channel_, "w", functions);
  reader_ = std::thread([this] { ReadAnswers(); });
}

RemoteConsole::~RemoteConsole() {
  // The reader ends with its other side.
  if (!gone_) context_.TryCancel();
  reader_.join();
  std::fclose(out_);
  std::fclose(err_);
}

void RemoteConsole::ReadAnswers() {
  local::v1::ExecuteRequest request;
  while (stream_.Read(&request)) {
    if (!request.has_answer()) continue;
    absl::MutexLock lock(&mutex_);
    // One at a time is asked for.
    if (answers_.empty()) {
      answers_.push_back(std::move(*request.mutable_answer()));
    }
  }
  gone_ = true;
  {
    absl::MutexLock lock(&mutex_);
    no_more_answers_ = true;
  }
  wake_();
}

ssize_t RemoteConsole::Write(void* channel, const char* bytes, size_t size) {
  const Channel& to = *static_cast<Channel*>(channel);
  if (to.console->broken_) return 0;
  to.console->Add(to.is_err, absl::string_view(bytes, size));
  return static_cast<ssize_t>(size);
}

void RemoteConsole::Add(bool is_err, absl::string_view bytes) {
  pending_bytes_ += bytes.size();
  if (pending_.empty() || pending_.back().has_err() != is_err) {
    pending_.emplace_back();
  }
  local::v1::ExecuteReply& last = pending_.back();
  absl::StrAppend(is_err ? last.mutable_err() : last.mutable_out(), bytes);
  if (pending_bytes_ > kMaxPendingBytes) Send();
}

void RemoteConsole::Flush() {
  std::fflush(err_);
  std::fflush(out_);
  Send();
}

void RemoteConsole::Send() {
  if (pending_.empty()) return;
  std::deque<local::v1::ExecuteReply> pending;
  pending.swap(pending_);
  pending_bytes_ = 0;
  const auto write = [&] {
    for (const local::v1::ExecuteReply& reply : pending) {
      if (!broken_ && !stream_.Write(reply)) broken_ = true;
    }
  };
  if (guest_ != nullptr) {
    guest_->Outside(write);
  } else {
    write();
  }
}

void RemoteConsole::Enter(Guest& guest) {
  guest_ = &guest;
  pending_.emplace_back();
  pending_.back().mutable_begun();
  Send();
}

void RemoteConsole::Finish(int exit_code) {
  guest_ = nullptr;
  Flush();
  local::v1::ExecuteReply reply;
  reply.set_exit_code(exit_code);
  stream_.Write(reply);
  absl::MutexLock lock(&mutex_);
  // Its other side ends once it has the exit code.
  mutex_.AwaitWithTimeout(absl::Condition(&no_more_answers_), absl::Seconds(5));
}

bool RemoteConsole::RunUntil(absl::FunctionRef<bool()> done,
                             absl::Duration limit) {
  Flush();
  return guest_->RunUntil(done, limit);
}

bool RemoteConsole::Flushed() {
  Flush();
  local::v1::Ask ask;
  ask.mutable_flush();
  return AskFor(ask).ok();
}

absl::StatusOr<std::string> RemoteConsole::ReadInput(size_t max_bytes,
                                                     absl::string_view prompt) {
  local::v1::Ask ask;
  ask.mutable_input()->set_max_bytes(max_bytes);
  ask.mutable_input()->set_prompt(std::string(prompt));
  return AskFor(ask);
}

absl::StatusOr<std::string> RemoteConsole::ReadLine(absl::string_view prompt) {
  local::v1::Ask ask;
  ask.mutable_line()->set_prompt(std::string(prompt));
  return AskFor(ask);
}

absl::StatusOr<std::string> RemoteConsole::ReadFile(const std::string& path) {
  local::v1::Ask ask;
  ask.set_file(path);
  return AskFor(ask);
}

std::string RemoteConsole::AbsolutePath(const std::string& path) const {
  if (absl::StartsWith(path, "/")) return path;
  return absl::StrCat(start_.working_directory(), "/", path);
}

absl::StatusOr<std::string> RemoteConsole::AskFor(const local::v1::Ask& ask) {
  local::v1::ExecuteReply reply;
  *reply.mutable_ask() = ask;
  pending_.push_back(std::move(reply));
  Send();
  absl::StatusOr<std::string> result =
      absl::InvalidArgumentError("the answer did not come");
  guest_->Outside([&] {
    absl::MutexLock lock(&mutex_);
    const auto answered = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return no_more_answers_ || !answers_.empty();
    };
    mutex_.Await(absl::Condition(&answered));
    if (answers_.empty()) return;
    local::v1::Answer answer = std::move(answers_.front());
    answers_.pop_front();
    if (answer.code() == 0) {
      result = std::move(*answer.mutable_bytes());
    } else {
      result = absl::Status(static_cast<absl::StatusCode>(answer.code()),
                            answer.message());
    }
  });
  return result;
}

}  // namespace messenger::client
