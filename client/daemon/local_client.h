// The other end: a program that has a daemon do its work.

#ifndef CLIENT_DAEMON_LOCAL_CLIENT_H_
#define CLIENT_DAEMON_LOCAL_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/daemon/console.h"
#include "client/daemon/proto/local.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"
#include "routing/runtime/event_loop.h"

namespace messenger::client {

// Null: no daemon answers for this folder.
std::shared_ptr<grpc::Channel> ConnectToDaemon(const std::string& folder);

// Has a daemon run one command line, on the calling thread; its exit code.
//   ABORTED      the daemon ended before the command began
//   UNAVAILABLE  it ended before the command was done
class RemoteCommand final {
 public:
  explicit RemoteCommand(std::shared_ptr<grpc::Channel> channel);

  // Once.
  absl::StatusOr<int> Run(const std::vector<std::string>& words,
                          Console& console);
  // From any thread, after Run() has begun: as Ctrl-C does.
  void Interrupt();

 private:
  using Stub = local::v1::LocalClient::Stub;
  using Stream = grpc::ClientReaderWriter<local::v1::ExecuteRequest,
                                          local::v1::ExecuteReply>;

  const std::unique_ptr<Stub> stub_;
  grpc::ClientContext context_;
  const std::unique_ptr<Stream> stream_;
};

// The same while `loop` runs; once that is stopped the command is interrupted.
absl::StatusOr<int> ForwardCommand(std::shared_ptr<grpc::Channel> channel,
                                   const std::vector<std::string>& words,
                                   Console& console, routing::EventLoop& loop);

}  // namespace messenger::client

#endif  // CLIENT_DAEMON_LOCAL_CLIENT_H_
