#include "client/daemon/local_client.h"

#include <fcntl.h>

#include <atomic>
#include <cstdio>
#include <optional>
#include <thread>
#include <utility>

#include "client/daemon/local_socket.h"
#include "grpcpp/create_channel_posix.h"
#include "grpcpp/support/channel_arguments.h"

namespace messenger::client {
namespace {

using local::v1::Answer;
using local::v1::Ask;
using local::v1::ExecuteReply;
using local::v1::ExecuteRequest;

Answer AnswerOf(const absl::StatusOr<std::string>& result) {
  Answer answer;
  if (result.ok()) {
    answer.set_bytes(*result);
  } else {
    answer.set_code(static_cast<int>(result.status().code()));
    answer.set_message(std::string(result.status().message()));
  }
  return answer;
}

Answer AnswerTo(const Ask& ask, Console& console) {
  switch (ask.what_case()) {
    case Ask::kInput:
      return AnswerOf(
          console.ReadInput(ask.input().max_bytes(), ask.input().prompt()));
    case Ask::kLine:
      return AnswerOf(console.ReadLine(ask.line().prompt()));
    case Ask::kFile:
      return AnswerOf(console.ReadFile(ask.file()));
    case Ask::kFlush:
      return AnswerOf(console.Flushed() ? absl::StatusOr<std::string>("")
                                        : absl::UnavailableError("not taken"));
    case Ask::WHAT_NOT_SET:
      break;
  }
  return AnswerOf(absl::UnimplementedError("not known here"));
}

void Write(const std::string& bytes, std::FILE* to) {
  std::fwrite(bytes.data(), 1, bytes.size(), to);
  std::fflush(to);
}

}  // namespace

std::shared_ptr<grpc::Channel> ConnectToDaemon(const std::string& folder) {
  const absl::StatusOr<int> connection = ConnectToLocalSocket(folder);
  if (!connection.ok()) return nullptr;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomInsecureChannelFromFd("localhost", *connection,
                                                 arguments);
}

RemoteCommand::RemoteCommand(std::shared_ptr<grpc::Channel> channel)
    : stub_(local::v1::LocalClient::NewStub(std::move(channel))),
      stream_(stub_->Execute(&context_)) {}

absl::StatusOr<int> RemoteCommand::Run(const std::vector<std::string>& words,
                                       Console& console) {
  ExecuteRequest request;
  for (const std::string& word : words) {
    request.mutable_start()->add_words(word);
  }
  request.mutable_start()->set_terminal(console.at_terminal());
  request.mutable_start()->set_working_directory(console.AbsolutePath("."));
  request.mutable_start()->set_network_file(console.network_file());
  stream_->Write(request);

  bool begun = false;
  std::optional<int> exit_code;
  ExecuteReply reply;
  while (!exit_code && stream_->Read(&reply)) {
    begun = true;
    switch (reply.piece_case()) {
      case ExecuteReply::kOut:
        Write(reply.out(), console.out());
        break;
      case ExecuteReply::kErr:
        Write(reply.err(), console.err());
        break;
      case ExecuteReply::kAsk:
        *request.mutable_answer() = AnswerTo(reply.ask(), console);
        stream_->Write(request);
        break;
      case ExecuteReply::kExitCode:
        exit_code = reply.exit_code();
        break;
      default:
        break;
    }
  }
  context_.TryCancel();
  stream_->Finish();
  if (exit_code) return *exit_code;
  return begun ? absl::UnavailableError("the daemon has ended")
               : absl::AbortedError("the daemon has ended");
}

void RemoteCommand::Interrupt() { stream_->WritesDone(); }

absl::StatusOr<int> ForwardCommand(std::shared_ptr<grpc::Channel> channel,
                                   const std::vector<std::string>& words,
                                   Console& console, routing::EventLoop& loop) {
  RemoteCommand command(std::move(channel));
  absl::StatusOr<int> result = absl::InternalError("not run");
  std::atomic<bool> ended{false};
  std::thread conversation([&] {
    result = command.Run(words, console);
    ended = true;
    loop.Run([] {});
  });
  if (!loop.RunUntil([&] { return ended.load(); }, absl::InfiniteDuration())) {
    command.Interrupt();
  }
  conversation.join();
  return result;
}

}  // namespace messenger::client
