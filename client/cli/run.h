// One run of the program: what its commands share, and the commands.
//
// Private to this package. Belongs to one thread.

#ifndef CLIENT_CLI_RUN_H_
#define CLIENT_CLI_RUN_H_

#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
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
#include "client/cli/shared_account.h"
#include "client/daemon/console.h"
#include "client/daemon/proto/local.pb.h"
#include "client/daemon/waiter.h"
#include "client/messenger/contact_link.h"
#include "client/messenger/mail_service.h"
#include "client/messenger/mail_watch.h"
#include "client/messenger/messenger.h"
#include "client/messenger/vault_state.h"
#include "client/store/client_store.h"
#include "client/store/device_secret.h"
#include "client/store/keyslot.h"
#include "client/store/secret_service.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/secure_memory.h"
#include "crypto/identity/account_id.h"
#include "routing/runtime/file_recorder.h"

namespace messenger::client {

// How long a command waits for the network at most.
inline constexpr absl::Duration kCommandLimit = absl::Minutes(3);

// How often the directory is fetched while somebody is there.
inline constexpr absl::Duration kDirectoryInterval = absl::Minutes(1);

// For the completion of shells.
inline constexpr char kContactNamesCommand[] = "contact-names";

// "you > guard > ..."
std::string RouteText(const NamedRoute& route);

// Where the data is. For the person, if that cannot be said.
std::optional<Failure> FolderOf(const Arguments& arguments,
                                std::string* folder);

// "file" or "secret-service".
std::optional<Failure> DeviceSecretKindOf(const std::string& word,
                                          DeviceSecretKind* kind);

// One command, in a process of its own or in a daemon.
class Run {
 public:
  using Result = std::optional<Failure>;

  // What a run needs; all of it outlives the run.
  struct Place {
    const SessionEnvironment& environment;
    Console& console;
    Waiter& waiter;
    // Of the daemon; null: the run opens the account by itself.
    SharedAccount* shared = nullptr;
    // Nothing is said where a daemon turns out to have the account: it is asked
    // then.
    bool daemon_may_do_it = false;
    // How long to wait for another program that has the folder.
    absl::Duration lock_patience = absl::Seconds(5);
  };

  Run(Arguments arguments, const Place& place);
  ~Run();

  ExitCode Execute();
  // The folder could not be locked because a daemon has begun to answer;
  // nothing was done or said.
  bool daemon_answers() const { return daemon_answers_; }

  // ----------------------------------------------- for the daemon itself --
  // Opens the account, without traffic, and hands it over. A PIN that is given
  // is not asked for.
  Result OpenShared(std::optional<absl::string_view> pin,
                    SharedAccount* shared);
  // Holds the folder's lock from the beginning: inherited with the process.
  void InheritLock(int lock) { lock_ = lock; }
  int lock() const { return lock_; }
  bool opened_with_pin() const { return opened_with_pin_; }
  // Keeps the shared account up to date until the waits end.
  Result KeepSharedUp();

  // ------------------------------------------- the calls of local.proto --
  Result ApiStatus(local::v1::StatusReply& reply);
  Result ApiConversations(local::v1::ListConversationsReply& reply);
  Result ApiMessages(const local::v1::ListMessagesRequest& request,
                     local::v1::ListMessagesReply& reply);
  Result ApiSend(const local::v1::SendRequest& request,
                 local::v1::SendReply& reply);
  Result ApiReact(const local::v1::ReactRequest& request,
                  local::v1::DoneReply& reply);
  Result ApiEdit(const local::v1::EditRequest& request,
                 local::v1::DoneReply& reply);
  Result ApiUnsend(const local::v1::UnsendRequest& request,
                   local::v1::DoneReply& reply);
  Result ApiConfirmShown(const local::v1::ConfirmShownRequest& request);
  // `write` is false once nobody listens.
  Result ApiEvents(const std::function<bool(const local::v1::Event&)>& write);

 private:
  using AccountId = crypto::AccountId;

  // ------------------------------------------------------------- opening --
  Result LockFolder();
  Result ChooseDeviceSecret();
  DeviceSecretPlaces Places() {
    return {device_secret_file_ ? &*device_secret_file_ : nullptr,
            secret_service_ ? &*secret_service_ : nullptr};
  }
  Result ReadPinPolicy(PinPolicy* policy);
  Result OpenStore();
  Result OpenMessenger();
  Result MakeConnection();
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
  Result AccountVault();
  Result AccountPin();
  Result AccountPinStatus();
  Result AccountPinDuress();
  Result AskNewPin(absl::string_view what, std::optional<std::string>* pin);
  Result AccountPinMove();
  Result Name();
  Result PictureCommand();
  Result PictureSet(const std::string& path);
  Result ContactCommand();
  Result ContactPicture();
  Result ContactNames();
  Result RequestsCommand();
  Result InviteCommand();
  Result InviteMake();
  Result InviteList();
  Result InviteRevoke();
  Result Decide(const std::string& command);
  Result Send();
  Result Receive();
  Result Watch();
  Result Events();
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
  Result BackupRestoreWith(const std::string& path,
                           const crypto::SecretBytes<32>& key);
  Result ReadLimit(int* limit);
  Result PrintMessages(const absl::StatusOr<std::vector<Message>>& messages);
  Result SafetyNumber();
  Result Verify();
  // Nothing: the scanned code is the same.
  Result VerifyScanned(const AccountId& who);
  Result SayVerified(const AccountId& who);
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
  // From an account id or a link.
  Result ReadLink(const std::string& word, std::optional<ContactLink>* link);
  // If `who` is a link with an invitation, what is written next uses it.
  Result KeepInviteOf(const std::string& who);
  // For people only, unless they do not want it.
  void PrintQr(absl::string_view text);
  // The same for the number of a message, as the history shows it.
  Result NeedMessage(size_t most, absl::string_view usage, int64_t* row);
  Result WriteNewFile(const std::string& path, absl::string_view contents);
  // That of an account, to a file. `nobody`: what to say if there is none.
  Result SavePicture(const AccountId& whose, const std::string& path,
                     absl::string_view nobody);
  // From the word, the file, or standard input.
  Result ReadText(std::string* text);
  // What a refusal of the messenger means.
  Failure Refusal(const absl::Status& status, absl::string_view consequence);
  // Sends a text that was queued, and says what became of it.
  Result Deliver(int64_t row, absl::Time started);
  // The same for what has no state of its own.
  Result SendOut(absl::string_view done);
  Result Publish();
  // Says what a restored account got back, where that is news.
  void NoteRestored();
  void PrintRestored(const AccountId& account);
  Result FlushOutbox(FlushReport* report, bool force = true);
  Result ConfirmShown(const ReceiveReport& report);
  // Says whose devices have changed, once it is news.
  Result NoteDevices(const std::vector<AccountId>& accounts);
  // Says whom invitations have made contacts; as JSON on lines of their own.
  void NoteJoined(const std::vector<AccountId>& accounts);
  // Says that requests wait; as JSON on a line of its own.
  void NoteRequests(int requests);
  Result ReceiveOnce(ReceiveReport* report);
  Result ReceiveShared(ReceiveReport* report);
  std::vector<AccountId> NewsOf(const ReceiveReport& report,
                                std::set<std::string>* told);
  // Keeps the account up to date until it is stopped, and tells of each report.
  Result KeepUp(const std::function<Result(const MailWatch::Report&)>& tell);
  // The same for a shared account, which is kept up already: follows its news.
  Result Follow(const std::function<Result(const News::Item&)>& tell);
  void PrintEvents(const ReceiveReport& report, int64_t* printed_row);
  void PrintTried(int64_t row);
  void FillMessage(const Message& message, local::v1::Message* filled);
  // What a call of a typed method has put into the outbox goes out.
  void ApiDeliver(bool only_queue);
  Result ApiDone(const absl::Status& status, bool only_queue,
                 local::v1::DoneReply& reply);
  struct ConversationLine {
    Contact contact;
    std::optional<Message> last;
  };
  // In the order in which they are shown.
  absl::StatusOr<std::vector<ConversationLine>> OrderedConversations();
  void WriteMessage(JsonWriter& json, const Message& message);
  void PrintMessage(const Message& message);
  std::string MessageLine(const Message& message);
  std::string Quoted(const Message& message);
  void WriteChange(JsonWriter& json, const MessageChange& change);
  void PrintChanges(const ReceiveReport& report);
  // Whose messages are missing, when that has changed.
  void NoteMissing(const ReceiveReport& report);
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
    waiter_.RunUntil([&] { return result->has_value(); }, kCommandLimit);
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
    std::fprintf(err_, "... %s\n", last_note_.c_str());
  }
  void Print(absl::string_view text) {
    std::fwrite(text.data(), 1, text.size(), out_);
    std::fputc('\n', out_);
    std::fflush(out_);
  }
  void Print(JsonWriter json) { Print(std::move(json).Take()); }

  Arguments arguments_;
  const SessionEnvironment& environment_;
  Console& console_;
  Waiter& waiter_;
  SharedAccount* const shared_;
  const bool daemon_may_do_it_;
  const absl::Duration lock_patience_;
  std::FILE* const out_;
  std::FILE* const err_;
  bool json_;
  std::string folder_;
  int lock_ = -1;
  std::optional<std::string> pin_;  // that opened the keyslot; wiped at the end
  std::optional<std::string> given_pin_;  // to open it with; wiped, too
  bool opened_with_pin_ = false;
  bool daemon_answers_ = false;
  // Where one would be; nothing without a home folder.
  std::optional<FileDeviceSecret> device_secret_file_;
  std::optional<SecretServiceDeviceSecret> secret_service_;
  std::string last_note_;
  std::map<std::string, int> told_missing_;  // by account id
  bool quiet_ = false;    // the messenger's and the connection's progress
  bool stopped_ = false;  // by a signal
  std::unique_ptr<routing::FileRecorder> recorder_;
  std::shared_ptr<ClientStore> store_;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Messenger> messenger_;
  // An own text was tried; may be null.
  std::function<void(int64_t row)> on_tried_;
  // What this run's Publish() has taken in from vaults.
  std::optional<RestoredVaults> restored_;
  uint64_t told_change_ = 0;  // number of the last one printed; shared only
  // Before a connection exists, a messenger has no mail.
  class NoMail;
  std::unique_ptr<MailService> no_mail_;
};

// A command line of a person: its arguments are looked at, then it is run.
// `daemon_answers` is that of the run.
ExitCode RunWords(const std::vector<std::string>& words,
                  const Run::Place& place, bool* daemon_answers);

}  // namespace messenger::client

#endif  // CLIENT_CLI_RUN_H_
