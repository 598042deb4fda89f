// One run of the program: what its commands share, and the commands.
//
// Private to this package. Belongs to one thread.

#ifndef CLIENT_CLI_RUN_H_
#define CLIENT_CLI_RUN_H_

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/cli/arguments.h"
#include "client/cli/connection.h"
#include "client/cli/failure.h"
#include "client/cli/json.h"
#include "client/cli/session_command.h"
#include "client/messenger/mail_service.h"
#include "client/messenger/messenger.h"
#include "client/store/client_store.h"
#include "client/store/device_secret.h"
#include "client/store/keyslot.h"
#include "crypto/base/secure_memory.h"
#include "crypto/identity/account_id.h"
#include "routing/runtime/file_recorder.h"

namespace messenger::client {

// How long a command waits for the network at most.
inline constexpr absl::Duration kCommandLimit = absl::Minutes(3);

// "you > guard > ..."
std::string RouteText(const NamedRoute& route);

// One run of the program.
class Run {
 public:
  Run(Arguments arguments, const SessionEnvironment& environment)
      : arguments_(std::move(arguments)),
        environment_(environment),
        json_(arguments_.has("json")) {}

  ~Run() {
    messenger_.reset();
    connection_.reset();
    store_.reset();
    if (lock_ >= 0) close(lock_);
    if (pin_) crypto::SecureWipe(*pin_);
  }

  ExitCode Execute();

 private:
  using AccountId = crypto::AccountId;
  using Result = std::optional<Failure>;

  // ------------------------------------------------------------- opening --
  Result ChooseFolder();
  Result LockFolder();
  Result ChooseDeviceSecret();
  Result ReadPinPolicy(PinPolicy* policy);
  Result OpenStore();
  Result OpenMessenger();
  Result Connect();
  Result AdoptNetworkFile();
  Result NeedAccount() {
    if (Result failure = OpenStore()) return failure;
    return OpenMessenger();
  }
  Result NeedNetwork() {
    if (Result failure = NeedAccount()) return failure;
    if (Result failure = Connect()) return failure;
    return Publish();
  }
  Result FindPerson(const std::string& who, std::optional<AccountId>* found);

  // ------------------------------------------------------------ commands --
  Result Account();
  Result AccountCreate(bool restore);
  Result AccountLink();
  Result DeviceCommand();
  Result DeviceList();
  Result DeviceLink();
  Result DeviceUnlink();
  Result AccountShow();
  Result AccountPin();
  Result AccountPinStatus();
  Result Name();
  Result ContactCommand();
  Result RequestsCommand();
  Result Decide(const std::string& command);
  Result Send();
  Result Receive();
  Result Watch();
  Result History();
  Result Search();
  Result Reply();
  Result Edit();
  Result React(bool take_back);
  Result Unsend();
  Result Delete();
  Result Timer();
  Result ReceiptsCommand();
  Result Conversations();
  Result Arrange(const std::string& command);
  Result Draft();
  Result Export();
  Result BackupCommand();
  Result BackupCreate(const std::string& path);
  Result BackupRestore(const std::string& path);
  Result ReadLimit(int* limit);
  Result PrintMessages(const absl::StatusOr<std::vector<Message>>& messages);
  Result SafetyNumber();
  Result Verify();
  Result Unverify();
  Result Path();

  // --------------------------------------------------------------- parts --
  Result MakeStore();
  // Reads and sends, again and again, until `done` or the window for linking
  // has passed.
  Result ExchangeUntil(absl::FunctionRef<bool()> done);
  // An account, and the second word: a person. `usage` is said when it is
  // missing, or when there are more words than `most`.
  Result NeedPerson(size_t most, absl::string_view usage,
                    std::optional<AccountId>* found);
  // The same for the number of a message, as the history shows it.
  Result NeedMessage(size_t most, absl::string_view usage, int64_t* row);
  // From the word, the file, or standard input.
  Result ReadText(std::string* text);
  // What a refusal of the messenger means.
  Failure Refusal(const absl::Status& status, absl::string_view consequence);
  // Sends a text that was queued, and says what became of it.
  Result Deliver(int64_t row, absl::Time started);
  // The same for what has no state of its own.
  Result SendOut(absl::string_view done);
  Result Publish();
  Result FlushOutbox(FlushReport* report, bool force = true);
  Result ConfirmShown(const ReceiveReport& report);
  // Says whose devices have changed, once it is news.
  Result NoteDevices(const std::vector<AccountId>& accounts);
  // Says that requests wait; as JSON on a line of its own.
  void NoteRequests(int requests);
  Result ReceiveOnce(ReceiveReport* report);
  void WriteMessage(JsonWriter& json, const Message& message);
  void PrintMessage(const Message& message);
  std::string MessageLine(const Message& message);
  std::string Quoted(const Message& message);
  void WriteChange(JsonWriter& json, const MessageChange& change);
  void PrintChanges(const ReceiveReport& report);
  // A bell, for a person at a terminal.
  void Ring(const Message& message);
  // Those beyond `printed_row`, which it moves.
  void PrintNew(const ReceiveReport& report, int64_t* printed_row);
  std::string NameOf(const AccountId& account);

  template <typename T, typename Start>
  absl::StatusOr<T> Await(Start start) {
    // Shared with the callback, which may come after a time-out.
    auto result = std::make_shared<std::optional<absl::StatusOr<T>>>();
    start(
        [result](absl::StatusOr<T> outcome) { *result = std::move(outcome); });
    const absl::Time limit = environment_.clock.Now() + kCommandLimit;
    environment_.loop.RunUntil([&] { return result->has_value(); },
                               kCommandLimit);
    if (*result) return **std::move(result);
    if (environment_.clock.Now() < limit) stopped_ = true;
    return absl::DeadlineExceededError(
        stopped_ ? "stopped before an answer came" : "no answer came in time");
  }

  void Progress(absl::string_view words) {
    if (!quiet_) Note(words);
  }
  void Note(absl::string_view words) {
    if (words == last_note_) return;
    last_note_ = std::string(words);
    std::fprintf(stderr, "... %s\n", last_note_.c_str());
  }
  void Print(absl::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
  }
  void Print(JsonWriter json) { Print(std::move(json).Take()); }

  Arguments arguments_;
  const SessionEnvironment& environment_;
  bool json_;
  std::string folder_;
  int lock_ = -1;
  std::optional<std::string> pin_;  // that opened the keyslot; wiped at the end
  // Where one would be; nothing without a home folder.
  std::optional<FileDeviceSecret> device_secret_;
  std::string last_note_;
  bool quiet_ = false;    // the messenger's and the connection's progress
  bool stopped_ = false;  // by a signal
  std::unique_ptr<routing::FileRecorder> recorder_;
  std::unique_ptr<ClientStore> store_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Messenger> messenger_;
  // Before a connection exists, a messenger has no mail.
  class NoMail;
  std::unique_ptr<MailService> no_mail_;
};

}  // namespace messenger::client

#endif  // CLIENT_CLI_RUN_H_
