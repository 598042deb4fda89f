// The console of a command that runs in a daemon: everything goes to the
// process that sent it, through its call (client/SPEC.md, section 16).
//
// For the thread of the call, which is a guest of the daemon's loop: while it
// writes or asks, the loop goes on.

#ifndef CLIENT_DAEMON_REMOTE_CONSOLE_H_
#define CLIENT_DAEMON_REMOTE_CONSOLE_H_

#include <atomic>
#include <cstdio>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/daemon/console.h"
#include "client/daemon/guest_list.h"
#include "client/daemon/proto/local.grpc.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/sync_stream.h"

namespace messenger::client {

class RemoteConsole final : public Console, public Waiter {
 public:
  using Stream = grpc::ServerReaderWriter<local::v1::ExecuteReply,
                                          local::v1::ExecuteRequest>;

  // The first message of `stream`, `start`, has been read. Both outlive this.
  // `wake` is called on any thread when the other side has ended.
  RemoteConsole(const local::v1::Start& start, Stream& stream,
                grpc::ServerContext& context, std::function<void()> wake);
  // After Finish().
  ~RemoteConsole() override;

  // Before the command: says that it begins.
  void Enter(Guest& guest);
  // The other side has ended its side of the call, or the call.
  bool gone() const { return gone_; }
  // Outside of the loop: sends what is left, and the exit code.
  void Finish(int exit_code);

  bool RunUntil(absl::FunctionRef<bool()> done, absl::Duration limit) override;

  std::FILE* out() override { return out_; }
  std::FILE* err() override { return err_; }
  bool Flushed() override;
  bool at_terminal() const override { return start_.terminal(); }
  absl::StatusOr<std::string> ReadInput(size_t max_bytes,
                                        absl::string_view prompt) override;
  absl::StatusOr<std::string> ReadLine(absl::string_view prompt) override;
  absl::StatusOr<std::string> ReadFile(const std::string& path) override;
  std::string AbsolutePath(const std::string& path) const override;
  std::string network_file() const override { return start_.network_file(); }

 private:
  // One of the two streams, as the C library sees it.
  struct Channel {
    RemoteConsole* console;
    bool is_err;
  };
  static ssize_t Write(void* channel, const char* bytes, size_t size);

  void Add(bool is_err, absl::string_view bytes);
  void Flush();
  void Send();  // what is pending
  absl::StatusOr<std::string> AskFor(const local::v1::Ask& ask);
  void ReadAnswers();

  const local::v1::Start& start_;
  Stream& stream_;
  grpc::ServerContext& context_;
  const std::function<void()> wake_;
  Guest* guest_ = nullptr;
  Channel out_channel_{this, false};
  Channel err_channel_{this, true};
  std::FILE* out_;
  std::FILE* err_;
  std::deque<local::v1::ExecuteReply> pending_;
  size_t pending_bytes_ = 0;
  bool broken_ = false;  // nobody takes what is written
  std::atomic<bool> gone_{false};

  absl::Mutex mutex_;
  std::deque<local::v1::Answer> answers_ ABSL_GUARDED_BY(mutex_);
  bool no_more_answers_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread reader_;
};

}  // namespace messenger::client

#endif  // CLIENT_DAEMON_REMOTE_CONSOLE_H_
