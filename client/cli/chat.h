// `session chat`: one conversation at a terminal. What comes is printed above
// the line that is being typed.
//
// Talks to a daemon, or to the same service inside of this process, through one
// channel. Run() is for one thread; Stop() for any.

#ifndef CLIENT_CLI_CHAT_H_
#define CLIENT_CLI_CHAT_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/cli/line_editor.h"
#include "client/cli/session_command.h"
#include "client/daemon/proto/local.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "routing/runtime/clock.h"

namespace messenger::client {

class Chat final {
 public:
  // `clock` must outlive this.
  Chat(std::string who, const routing::Clock& clock);
  ~Chat();

  Chat(const Chat&) = delete;
  Chat& operator=(const Chat&) = delete;

  // Until the person ends it, the service does, or Stop(). Once.
  ExitCode Run(std::shared_ptr<grpc::Channel> channel);
  void Stop();

 private:
  using Stub = local::v1::LocalClient::Stub;
  // Done on the thread of Run().
  using Task = std::function<void()>;

  ExitCode Begin();
  void End();
  void Talk();
  void Post(Task task);
  bool RunPosted();

  // What was typed.
  void Obey(const std::string& line);
  void Command(const std::string& line);
  // Calls the service on the worker's thread; calls come one after the other,
  // and none waits for the network. The call returns what is to be done with
  // its reply, if anything.
  void Call(std::function<Task(grpc::ClientContext&)> call);
  void Say(const std::string& text, int64_t reply_to);
  void Execute(std::vector<std::string> words);
  // Something was typed, and it is no command.
  void TellTyping();
  int MillisecondsOfWriting() const;
  void ShowHistory(int limit);
  void ShowAgain(int64_t row);

  // What is shown.
  void Print(absl::string_view line);
  void Complain(const grpc::Status& status);
  void Draw();
  void ShowEvent(const local::v1::Event& event);
  void ShowMessage(const local::v1::Message& message);
  std::string LineOf(const local::v1::Message& message) const;
  int Columns() const;
  int OnTheWay() const;
  void ShowState(const local::v1::Message& message);

  void Listen();
  void Work();

  const std::string who_;
  const routing::Clock& clock_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
  int wake_ = -1;

  // The thread of Run().
  LineEditor editor_;
  std::string account_id_;
  std::string name_;
  std::string saved_draft_;
  std::set<int64_t> shown_first_;          // rows
  std::map<int64_t, std::string> states_;  // by row, as they were shown
  int64_t last_row_ = 0;  // of the message in the terminal row above the line
  absl::Time told_typing_ = absl::InfinitePast();
  absl::Time writes_until_ = absl::InfinitePast();  // the other side
  bool ended_ = false;
  ExitCode exit_code_ = ExitCode::kOk;

  grpc::ClientContext listening_;
  std::thread listener_;
  std::thread worker_;

  absl::Mutex mutex_;
  std::deque<Task> posted_ ABSL_GUARDED_BY(mutex_);
  std::deque<Task> work_ ABSL_GUARDED_BY(mutex_);
  bool no_more_work_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace messenger::client

#endif  // CLIENT_CLI_CHAT_H_
