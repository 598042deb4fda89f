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
#include "routing/runtime/event_loop.h"

namespace messenger::client {

// Null: no daemon answers for this folder.
std::shared_ptr<grpc::Channel> ConnectToDaemon(const std::string& folder);

// Has the daemon run one command line; its exit code. Runs `loop`; once that is
// stopped the command is interrupted there.
//   ABORTED      the daemon ended before the command began
//   UNAVAILABLE  it ended before the command was done
absl::StatusOr<int> ForwardCommand(grpc::Channel& channel,
                                   const std::vector<std::string>& words,
                                   Console& console, routing::EventLoop& loop);

}  // namespace messenger::client

#endif  // CLIENT_DAEMON_LOCAL_CLIENT_H_
