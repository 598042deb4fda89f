#include "client/cli/session_command.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/cli/arguments.h"
#include "client/cli/connection.h"
#include "client/cli/json.h"
#include "client/cli/pin_source.h"
#include "client/cli/terminal_text.h"
#include "client/messenger/mail_watch.h"
#include "client/messenger/messenger.h"
#include "client/remote/write_refusal.h"
#include "client/store/client_store.h"
#include "client/store/device_secret.h"
#include "client/store/keyslot.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/account_id.h"
#include "crypto/identity/account_keys.h"
#include "crypto/identity/recovery_phrase.h"
#include "crypto/identity/safety_number.h"
#include "routing/path/path_selector.h"
#include "routing/runtime/file_recorder.h"
#include "routing/runtime/files.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::crypto::AccountKeys;
using ::messenger::routing::RoutingMode;

constexpr char kVersion[] = "session 0.1";

constexpr char kHelp[] =
    R"(Private messages without a phone number, an e-mail address or a central server.

usage: session [options] COMMAND

  account create [--name NAME] [--pin]   make an account; prints its id and the
                                         13 words that restore it
  account restore [--name NAME] [--pin]  restore one; reads the 13 words from
                                         standard input
  account show [--phrase]                id, name and state; also the 13 words
  account pin                            set or change the PIN
  account pin remove                     go on without a PIN
  account pin status                     what protects the data
  name [NAME]                            show or set your display name
  contact add ID [NAME]                  give an account id a name
  contact list
  requests                               who has written without being a contact
  accept WHO [NAME]                      WHO is an id, or its first 8 digits or
                                         more; their texts come next
  decline WHO                            forget the request; for 30 days what
                                         they send is dropped. They never learn
                                         of it, nor of a request unanswered
  block WHO, unblock WHO                 drop what somebody sends, for good
  send WHO [TEXT | - | --file FILE]      WHO is a contact's name or an id; "-"
                                         or no TEXT reads standard input
  receive                                fetch and print new messages
  watch                                  stay, and print messages as they
                                         arrive: a storage node of each mailbox
                                         holds a request until one comes, and
                                         all are read in full every minute
  history [WHO] [--limit N]              what was said, and the state of each
                                         message of yours
  search WORDS [--limit N]               messages with all of these words, or words
                                         that begin like them
  safety-number WHO                      60 digits; compare them with the other
                                         person by another way
  verify WHO DIGITS                      those the other person sees: marks them
                                         as verified. When a verified contact
                                         changes devices, texts to them wait
                                         until you verify again
  unverify WHO
  path                                   show relays that are in use now

options
  --data-dir DIR      where everything is kept, encrypted
                      (default: $SESSION_DATA_DIR, or ~/.local/share/session)
  --network-file F    the network's description; remembered at first use
                      (default: $SESSION_NETWORK_FILE)
  --routing MODE      onion (default): three relays, no node knows both ends;
                      proxy: one relay, faster, for constrained devices: weaker,
                      that relay sees your address and the storage node you ask
  --pin-fd N          read the PIN from file descriptor N; or put it into the
                      file that $SESSION_PIN_FILE names; otherwise it is asked
  --new-pin-fd N      the same for the new PIN of `account pin`
  --device-secret-file F
                      where the device secret is, for this account alone and
                      outside of --data-dir (default:
                      $SESSION_DEVICE_SECRET_FILE, or a file of its own in
                      $XDG_STATE_HOME or ~/.local/state)
  --no-device-secret  with a new PIN: use none; the folder can then be moved to
                      another device, and the PIN has 8 characters at least
  --wipe-after N      with a new PIN: after N (4 to 1000) wrong PINs in a row
                      the data is destroyed; 0: never, as without the option
  --json              print one JSON object (watch: one per line; a line with
                      only "requests" says how many wait)
  --version, --help

A new account, and each new conversation, registers a mailbox with the storage
nodes and pays with about a second of computing; it is renewed by itself while
the program is used. After 30 days without, nobody can leave you messages.

Without a PIN, whoever gets the folder can read it. A PIN is locked together
with a device secret that is kept outside of the folder: a copy of the folder
alone opens for nobody, and for you only with a copy of the secret, too. Whoever
gets both, or a folder without a device secret, needs half a second and 256 MiB
for each guess: 8 digits last 10 days on 64 cores, 6 digits hours. After 3 wrong
PINs the program makes you wait: 5 seconds, twice as long each time, at most an
hour.

exit status: 0 done, 1 failure, 2 wrong usage or input, 3 PIN wrong, missing
or to be waited for, or the device secret is not there, 4 not found, 5 network
out of reach (a text stays queued), 6 disk or database
)";

constexpr size_t kMaxPhraseBytes = 1024;
// Of the id of somebody who is known by a name of their own choice only.
constexpr size_t kShownIdDigits = 12;
// With which somebody who is known can be named.
constexpr size_t kFewestIdDigits = 8;
constexpr absl::Duration kCommandLimit = absl::Minutes(3);
// How often `watch` looks whether a text in the outbox is due.
constexpr absl::Duration kWatchInterval = absl::Seconds(2);
// How often `watch` fetches the directory while all is well.
constexpr absl::Duration kDirectoryInterval = absl::Minutes(1);
constexpr absl::Duration kLockPatience = absl::Seconds(5);
constexpr absl::Duration kLockPollInterval = absl::Milliseconds(50);

// An error with the exit code it ends the program with. The message is one
// sentence for the user.
struct Failure {
  ExitCode code;
  std::string sentence;
};

// What a status from the database or the keyslot means to a person.
Failure StorageFailure(const absl::Status& status, const std::string& folder) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return {ExitCode::kStorage,
              "The disk is full: nothing was changed. Free some space and try "
              "again."};
    case absl::StatusCode::kDataLoss:
      return {ExitCode::kStorage,
              absl::StrCat("The data in ", folder, " is damaged (",
                           status.message(),
                           "). Restore the account into another folder with "
                           "its 13 words.")};
    case absl::StatusCode::kUnavailable:
      return {ExitCode::kStorage,
              absl::StrCat("The data in ", folder,
                           " cannot be used: ", status.message(), ".")};
    case absl::StatusCode::kUnauthenticated:
      return {ExitCode::kStorage,
              absl::StrCat("The database in ", folder,
                           " is damaged, or the keyslot beside it belongs to "
                           "another one.")};
    default:
      return {ExitCode::kFailure,
              absl::StrCat("Something unforeseen happened: ", status.message(),
                           ".")};
  }
}

std::string Capitalized(absl::string_view words) {
  std::string sentence(words);
  if (!sentence.empty()) sentence[0] = absl::ascii_toupper(sentence[0]);
  return sentence;
}

Failure DeviceSecretExists() {
  return {ExitCode::kUsage,
          "The file for the device secret is there already, perhaps of another "
          "account; nothing was changed. Say another one with "
          "--device-secret-file."};
}

// What a status of the keyslot means to a person.
Failure PinFailure(const absl::Status& status, const std::string& folder) {
  const std::string sentence = Capitalized(absl::StrCat(status.message(), "."));
  switch (PinRefusalOf(status)) {
    case PinRefusal::kWait:
    case PinRefusal::kDeviceSecret:
      return {ExitCode::kPin, sentence};
    case PinRefusal::kWiped:
      return {ExitCode::kStorage, sentence};
    case PinRefusal::kNone:
      break;
  }
  if (absl::IsInvalidArgument(status) || absl::IsUnauthenticated(status)) {
    return {ExitCode::kPin, sentence};
  }
  return StorageFailure(status, folder);
}

std::string RouteText(const NamedRoute& route) {
  return absl::StrCat("you > ", absl::StrJoin(route, " > "));
}

const char* StateName(MessageState state) {
  switch (state) {
    case MessageState::kQueued:
      return "queued";
    case MessageState::kWaitingForKey:
      return "waiting-for-key";
    case MessageState::kSent:
      return "sent";
    case MessageState::kReceived:
      return "received";
    case MessageState::kFailed:
      return "failed";
  }
  return "unknown";
}

// "127.0.0.1:4711" from what getsockname() or getpeername() gives; nothing for
// what is no IPv4 address.
template <typename Lookup>
std::optional<std::string> SocketAddress(int fd, Lookup lookup) {
  sockaddr_storage address;
  socklen_t size = sizeof(address);
  if (lookup(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return std::nullopt;
  }
  in_addr host;
  uint16_t port = 0;
  if (address.ss_family == AF_INET) {
    const auto& inet = reinterpret_cast<const sockaddr_in&>(address);
    host = inet.sin_addr;
    port = ntohs(inet.sin_port);
  } else if (address.ss_family == AF_INET6) {
    // gRPC's sockets take both kinds; an IPv4 address is the last 4 bytes.
    const auto& inet = reinterpret_cast<const sockaddr_in6&>(address);
    if (!IN6_IS_ADDR_V4MAPPED(&inet.sin6_addr)) return std::nullopt;
    std::memcpy(&host, inet.sin6_addr.s6_addr + 12, sizeof(host));
    port = ntohs(inet.sin6_port);
  } else {
    return std::nullopt;
  }
  char text[INET_ADDRSTRLEN];
  if (inet_ntop(AF_INET, &host, text, sizeof(text)) == nullptr) {
    return std::nullopt;
  }
  return absl::StrCat(text, ":", port);
}

// Tests only: the connections this process has, "127.0.0.1:4711>127.0.0.1:80",
// so that a test can look for its addresses where they must not be.
void RecordConnections(routing::Recorder& recorder) {
  constexpr int kHighestDescriptor = 1024;
  for (int fd = 0; fd < kHighestDescriptor; ++fd) {
    const auto local = SocketAddress(fd, getsockname);
    const auto remote = SocketAddress(fd, getpeername);
    if (local && remote) {
      recorder.Record("connection", absl::StrCat(*local, ">", *remote));
    }
  }
}

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
  Result FindPerson(const std::string& who, AccountId* found);

  // ------------------------------------------------------------ commands --
  Result Account();
  Result AccountCreate(bool restore);
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
  Result ReadLimit(int* limit);
  Result PrintMessages(const absl::StatusOr<std::vector<Message>>& messages);
  Result SafetyNumber();
  Result Verify();
  Result Unverify();
  Result Path();

  // --------------------------------------------------------------- parts --
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

class Run::NoMail final : public MailService {
 public:
  void Store(const WriteTarget&, std::string, absl::Time,
             MailDone<Delivery> done) override {
    done(absl::UnavailableError("not connected"));
  }
  void Register(const ReadTarget&, MailDone<Delivery> done) override {
    done(absl::UnavailableError("not connected"));
  }
  void Wait(const ReadTarget&, std::vector<CursorRow>, absl::Duration,
            MailDone<Retrieved> done) override {
    done(absl::UnavailableError("not connected"));
  }
  void Retrieve(const ReadTarget&, std::vector<CursorRow>,
                MailDone<Retrieved> done) override {
    done(absl::UnavailableError("not connected"));
  }
  void PutRecord(const std::string&, swarm::MailboxNamespace,
                 std::shared_ptr<const crypto::Ed25519PrivateKey>, MailRecord,
                 MailDone<Delivery> done) override {
    done(absl::UnavailableError("not connected"));
  }
  void GetRecords(const std::string&, swarm::MailboxNamespace,
                  MailDone<std::vector<MailRecord>> done) override {
    done(absl::UnavailableError("not connected"));
  }
};

// --------------------------------------------------------------- opening --

Run::Result Run::ChooseFolder() {
  folder_ = arguments_.option("data-dir");
  if (folder_.empty()) {
    const char* variable = getenv("SESSION_DATA_DIR");
    if (variable != nullptr) folder_ = variable;
  }
  if (folder_.empty()) {
    const char* home = getenv("HOME");
    if (home == nullptr || home[0] == '\0') {
      return Failure{ExitCode::kUsage,
                     "There is no home folder: say where to keep the data with "
                     "--data-dir."};
    }
    folder_ = absl::StrCat(home, "/.local/share/session");
  }
  return std::nullopt;
}

Run::Result Run::LockFolder() {
  const std::string path = absl::StrCat(folder_, "/lock");
  lock_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) {
    return Failure{
        errno == ENOSPC ? ExitCode::kStorage : ExitCode::kNotFound,
        absl::StrCat("The folder ", folder_,
                     " cannot be written to: ", strerror(errno), ".")};
  }
  bool locked = false;
  environment_.loop.RunUntil(
      [&] {
        locked = flock(lock_, LOCK_EX | LOCK_NB) == 0;
        if (!locked) {
          Note("waiting for another session program to finish");
          environment_.loop.RunAfter(kLockPollInterval, [] {});
        }
        return locked;
      },
      kLockPatience);
  if (locked) return std::nullopt;
  return Failure{ExitCode::kStorage,
                 absl::StrCat("Another session program is using ", folder_,
                              "; end it (perhaps a `watch`) and try again.")};
}

Run::Result Run::ChooseDeviceSecret() {
  std::string place = arguments_.option("device-secret-file");
  if (place.empty()) {
    const char* variable = getenv("SESSION_DEVICE_SECRET_FILE");
    if (variable != nullptr) place = variable;
  }
  if (!place.empty()) {
    device_secret_ = FileDeviceSecret::AtPath(place);
  } else {
    const char* state = getenv("XDG_STATE_HOME");
    const char* home = getenv("HOME");
    if (state != nullptr && state[0] == '/') {
      place = state;
    } else if (home != nullptr && home[0] != '\0') {
      place = absl::StrCat(home, "/.local/state");
    } else {
      return std::nullopt;
    }
    absl::StrAppend(&place, "/session/device-secrets");
    device_secret_ = FileDeviceSecret::InFolder(place);
  }
  std::error_code error;  // What cannot be resolved is compared as it stands.
  const std::string real_place =
      std::filesystem::weakly_canonical(place, error).string();
  const std::string real_folder =
      std::filesystem::weakly_canonical(folder_, error).string();
  if (absl::StartsWith(real_place, absl::StrCat(real_folder, "/"))) {
    return Failure{ExitCode::kUsage,
                   absl::StrCat("The device secret would be in ", folder_,
                                ", and be copied with it: say another place "
                                "with --device-secret-file.")};
  }
  return std::nullopt;
}

Run::Result Run::ReadPinPolicy(PinPolicy* policy) {
  policy->use_device_secret =
      device_secret_.has_value() && !arguments_.has("no-device-secret");
  if (!arguments_.has("wipe-after")) return std::nullopt;
  uint32_t number = 0;
  if (!absl::SimpleAtoi(arguments_.option("wipe-after"), &number) ||
      number > kMaxWipeAfter || (number != 0 && number < kMinWipeAfter)) {
    return Failure{ExitCode::kUsage,
                   absl::StrCat("The option --wipe-after takes a number from ",
                                kMinWipeAfter, " to ", kMaxWipeAfter,
                                ", or 0 for never.")};
  }
  policy->wipe_after = static_cast<uint16_t>(number);
  return std::nullopt;
}

Run::Result Run::OpenStore() {
  if (store_ != nullptr) return std::nullopt;
  const absl::StatusOr<KeyslotState> state = ReadKeyslotState(folder_);
  if (absl::IsNotFound(state.status())) {
    return Failure{ExitCode::kNotFound,
                   absl::StrCat("There is no account in ", folder_,
                                ". Make one with `session account create`, or "
                                "restore one with `session account restore`.")};
  }
  const bool wiped = PinRefusalOf(state.status()) == PinRefusal::kWiped;
  if (!state.ok() && !wiped) return StorageFailure(state.status(), folder_);
  if (Result failure = LockFolder()) return failure;
  if (Result failure = ChooseDeviceSecret()) return failure;
  DeviceSecret* const device_secret =
      device_secret_ ? &*device_secret_ : nullptr;
  if (!wiped && state->has_pin) {
    // Before anybody types in vain.
    const absl::Status wait = CheckPinWait(folder_, environment_.clock);
    if (!wait.ok()) return PinFailure(wait, folder_);
    absl::StatusOr<std::string> read =
        ReadPin(arguments_, "pin-fd", "SESSION_PIN_FILE", "PIN: ");
    if (!read.ok()) {
      return Failure{
          ExitCode::kPin,
          absl::StrCat("A PIN protects this account, and ",
                       absl::IsFailedPrecondition(read.status())
                           ? "there is no terminal to ask for it; use --pin-fd "
                             "or SESSION_PIN_FILE"
                           : read.status().message(),
                       ".")};
    }
    pin_ = *std::move(read);
  }
  // Also what was destroyed: this goes on where a crash stopped the wiping.
  const absl::StatusOr<DatabaseKey> key = OpenKeyslot(
      folder_, pin_ ? std::optional<absl::string_view>(*pin_) : std::nullopt,
      device_secret, environment_.clock);
  if (!key.ok()) return PinFailure(key.status(), folder_);
  absl::StatusOr<std::unique_ptr<ClientStore>> store =
      ClientStore::Open(folder_, *key);
  if (absl::IsFailedPrecondition(store.status())) {
    return Failure{ExitCode::kStorage,
                   "The data was written by a newer version of this program; "
                   "update it."};
  }
  if (!store.ok()) return StorageFailure(store.status(), folder_);
  store_ = *std::move(store);
  return std::nullopt;
}

Run::Result Run::OpenMessenger() {
  if (messenger_ != nullptr) return std::nullopt;
  if (no_mail_ == nullptr) no_mail_ = std::make_unique<NoMail>();
  absl::StatusOr<std::unique_ptr<Messenger>> messenger = Messenger::Open(
      {*store_, connection_ != nullptr ? connection_->mail() : *no_mail_,
       environment_.clock, environment_.random,
       [this](absl::string_view words) { Progress(words); },
       /*confirms_shown=*/true});
  if (absl::IsNotFound(messenger.status())) {
    return Failure{ExitCode::kNotFound,
                   absl::StrCat("The account in ", folder_,
                                " was not finished. Remove the folder and run "
                                "`session account create` again.")};
  }
  if (!messenger.ok()) return StorageFailure(messenger.status(), folder_);
  messenger_ = *std::move(messenger);
  return std::nullopt;
}

Run::Result Run::AdoptNetworkFile() {
  std::string path = arguments_.option("network-file");
  if (path.empty()) {
    const char* variable = getenv("SESSION_NETWORK_FILE");
    if (variable != nullptr) path = variable;
  }
  if (path.empty()) return std::nullopt;
  const absl::StatusOr<std::string> text = routing::ReadFile(path);
  if (!text.ok()) {
    return Failure{ExitCode::kNotFound,
                   absl::StrCat("The network file ", path, " cannot be read.")};
  }
  const absl::Status adopted = AdoptNetwork(*store_, *text);
  if (absl::IsInvalidArgument(adopted)) {
    return Failure{ExitCode::kUsage,
                   absl::StrCat("The network file ", path,
                                " is wrong: ", adopted.message(), ".")};
  }
  if (absl::IsFailedPrecondition(adopted)) {
    return Failure{ExitCode::kUsage,
                   "This account belongs to another network than the network "
                   "file describes; use another --data-dir."};
  }
  if (!adopted.ok()) return StorageFailure(adopted, folder_);
  return std::nullopt;
}

Run::Result Run::Connect() {
  if (Result failure = AdoptNetworkFile()) return failure;
  const std::string routing = arguments_.option("routing");
  const RoutingMode mode =
      routing == "proxy" ? RoutingMode::kProxy : RoutingMode::kOnion;
  if (mode == RoutingMode::kProxy) {
    Note(
        "proxy routing: one relay sees your address and the storage node you "
        "ask");
  }
  if (arguments_.has("test-recorder-file")) {
    absl::StatusOr<std::unique_ptr<routing::FileRecorder>> recorder =
        routing::FileRecorder::Open(arguments_.option("test-recorder-file"));
    if (!recorder.ok()) {
      return Failure{ExitCode::kUsage, "The recorder file cannot be opened."};
    }
    recorder_ = *std::move(recorder);
  }
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Create(
      {*store_, environment_.loop, environment_.clock, environment_.random,
       mode, recorder_.get(),
       [this](absl::string_view words) { Progress(words); }});
  if (absl::IsFailedPrecondition(connection.status())) {
    return Failure{ExitCode::kUsage,
                   "This account knows no network yet: name its description "
                   "with --network-file."};
  }
  if (!connection.ok()) return StorageFailure(connection.status(), folder_);
  connection_ = *std::move(connection);
  messenger_.reset();  // Made again, with mail.
  if (Result failure = OpenMessenger()) return failure;
  const absl::Status connected = connection_->Connect();
  if (recorder_ != nullptr) RecordConnections(*recorder_);
  if (!connected.ok()) {
    return Failure{ExitCode::kNetwork,
                   absl::StrCat("The network cannot be reached: ",
                                connected.message(), ".")};
  }
  return std::nullopt;
}

Run::Result Run::Publish() {
  const bool before = messenger_->published();
  if (before && !messenger_->renewal_due()) return std::nullopt;
  const absl::Status published = Await<Delivery>([&](auto done) {
                                   messenger_->Publish(std::move(done));
                                 }).status();
  // A renewal that has to wait takes nothing away yet.
  if (published.ok() || (before && messenger_->published())) {
    return std::nullopt;
  }
  if (absl::IsFailedPrecondition(published) &&
      RefusalOf(published).reason == RefusalReason::kNone) {
    return Failure{ExitCode::kFailure,
                   Capitalized(absl::StrCat(published.message(), "."))};
  }
  return Failure{
      ExitCode::kNetwork,
      absl::StrCat(
          "This account's keys could not be published: ", published.message(),
          ". Nobody can write to it before that; any command that "
          "uses the network tries again.")};
}

Run::Result Run::FindPerson(const std::string& who, AccountId* found) {
  const absl::StatusOr<AccountId> id = AccountId::FromHex(who);
  if (id.ok()) {
    *found = *id;
    return std::nullopt;
  }
  const absl::StatusOr<std::vector<Contact>> contacts = store_->Contacts();
  if (!contacts.ok()) return StorageFailure(contacts.status(), folder_);
  std::vector<AccountId> begun;
  for (const Contact& contact : *contacts) {
    if (who.size() >= kFewestIdDigits &&
        absl::StartsWithIgnoreCase(contact.account.ToHex(), who)) {
      begun.push_back(contact.account);
    }
  }
  if (begun.size() == 1) {
    *found = begun[0];
    return std::nullopt;
  }
  // By names this user gave. Anybody can call themselves anything.
  std::vector<AccountId> matches;
  std::vector<AccountId> claimants;
  for (const Contact& contact : *contacts) {
    if (who.empty()) break;
    if (contact.name == who) {
      matches.push_back(contact.account);
    } else if (contact.name.empty() && contact.profile_name == who) {
      claimants.push_back(contact.account);
    }
  }
  if (matches.size() == 1) {
    *found = matches[0];
    return std::nullopt;
  }
  if (matches.size() > 1) {
    return Failure{
        ExitCode::kUsage,
        absl::StrCat("Several contacts are named \"",
                     SafeForTerminal(who, false), "\": use the account id.")};
  }
  if (!claimants.empty()) {
    return Failure{
        ExitCode::kUsage,
        absl::StrCat("\"", SafeForTerminal(who, false), "\" is what ",
                     claimants[0].ToHex(),
                     claimants.size() > 1 ? " and others call themselves"
                                          : " calls itself",
                     "; use the id, or name the person with `session contact "
                     "add`.")};
  }
  return Failure{
      ExitCode::kNotFound,
      absl::StrCat("\"", SafeForTerminal(who, false),
                   "\" is neither a contact's name nor an account id (66 "
                   "hexadecimal digits that begin with 05).")};
}

std::string Run::NameOf(const AccountId& account) {
  const absl::StatusOr<std::optional<Contact>> contact =
      store_->FindContact(account);
  const std::string id = account.ToHex();
  if (!contact.ok() || !*contact) return id;
  if (!(*contact)->name.empty()) {
    return SafeForTerminal((*contact)->name, false);
  }
  const std::string claimed = SafeForTerminal((*contact)->profile_name, false);
  if (claimed.empty()) return id;
  return absl::StrCat(claimed, " [", id.substr(0, kShownIdDigits), "]");
}

// -------------------------------------------------------------- commands --

Run::Result Run::Account() {
  const std::string what = arguments_.word(1);
  if (what == "create") return AccountCreate(/*restore=*/false);
  if (what == "restore") return AccountCreate(/*restore=*/true);
  if (what == "show") return AccountShow();
  if (what == "pin") return AccountPin();
  return Failure{ExitCode::kUsage,
                 "Say what to do with the account: create, restore, show or "
                 "pin."};
}

Run::Result Run::AccountCreate(bool restore) {
  const std::string name = arguments_.option("name");
  const absl::Status name_check = CheckProfileName(name);
  if (!name_check.ok()) {
    return Failure{ExitCode::kUsage,
                   Capitalized(absl::StrCat(name_check.message(), "."))};
  }
  std::optional<AccountKeys> account;
  if (restore) {
    absl::StatusOr<std::string> phrase =
        ReadStandardInput(kMaxPhraseBytes, "Type the 13 words, then Ctrl-D:\n");
    if (!phrase.ok()) {
      return Failure{ExitCode::kUsage,
                     Capitalized(absl::StrCat(phrase.status().message(), "."))};
    }
    const absl::StatusOr<crypto::AccountSeed> seed =
        crypto::DecodeRecoveryPhrase(*phrase);
    crypto::SecureWipe(*phrase);
    if (!seed.ok()) {
      return Failure{
          ExitCode::kUsage,
          absl::StrCat("The recovery phrase is wrong: ",
                       SafeForTerminal(seed.status().message(), false), ".")};
    }
    account = AccountKeys::FromSeed(*seed);
  } else {
    account = AccountKeys::Generate(environment_.random);
  }

  // 0700: other users of the machine have no business here. Parents as usual.
  for (size_t slash = folder_.find('/', 1); slash != std::string::npos;
       slash = folder_.find('/', slash + 1)) {
    mkdir(folder_.substr(0, slash).c_str(), 0777);
  }
  if (mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    return Failure{ExitCode::kStorage,
                   absl::StrCat("The folder ", folder_,
                                " cannot be made: ", strerror(errno), ".")};
  }
  if (Result failure = LockFolder()) return failure;
  if (Result failure = ChooseDeviceSecret()) return failure;
  PinPolicy policy;
  if (Result failure = ReadPinPolicy(&policy)) return failure;
  std::optional<std::string> pin;
  absl::Cleanup wipe = [&pin] {
    if (pin) crypto::SecureWipe(*pin);
  };
  if (arguments_.has("pin") || arguments_.has("pin-fd") ||
      getenv("SESSION_PIN_FILE") != nullptr) {
    absl::StatusOr<std::string> read =
        ReadNewPin(arguments_, "pin-fd", "SESSION_PIN_FILE");
    if (!read.ok()) {
      return Failure{ExitCode::kPin,
                     Capitalized(absl::StrCat(read.status().message(), "."))};
    }
    pin = *std::move(read);
  }
  const absl::StatusOr<DatabaseKey> key = CreateKeyslot(
      folder_, pin ? std::optional<absl::string_view>(*pin) : std::nullopt,
      policy, device_secret_ ? &*device_secret_ : nullptr, environment_.random);
  if (absl::IsAlreadyExists(key.status()) &&
      absl::IsNotFound(ReadKeyslotState(folder_).status())) {
    return DeviceSecretExists();
  }
  if (absl::IsAlreadyExists(key.status())) {
    return Failure{ExitCode::kUsage,
                   absl::StrCat("There is an account in ", folder_,
                                " already; nothing was changed.")};
  }
  if (!key.ok()) return PinFailure(key.status(), folder_);
  absl::StatusOr<std::unique_ptr<ClientStore>> store =
      ClientStore::Open(folder_, *key);
  if (!store.ok()) return StorageFailure(store.status(), folder_);
  store_ = *std::move(store);
  const absl::Status created =
      Messenger::CreateAccount(*store_, *account, restore, name,
                               environment_.clock.Now(), environment_.random);
  if (!created.ok()) return StorageFailure(created, folder_);

  // The account is there, whatever the network does.
  std::string phrase = crypto::EncodeRecoveryPhrase(account->seed());
  absl::Cleanup wipe_phrase = [&phrase] { crypto::SecureWipe(phrase); };
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("account_id").String(account->id().ToHex());
    if (!restore) json.Key("recovery_phrase").String(phrase);
    Print(std::move(json.EndObject()));
  } else {
    Print(absl::StrCat("Account id: ", account->id().ToHex()));
    if (!restore) {
      Print(absl::StrCat("Recovery phrase: ", phrase));
      std::fprintf(stderr,
                   "Write the 13 words down and keep them secret: they are the "
                   "only way to restore the account.\n");
    }
  }
  if (!arguments_.has("network-file") &&
      getenv("SESSION_NETWORK_FILE") == nullptr) {
    return std::nullopt;
  }
  // Others can write to it once its keys are in its swarm.
  if (Result failure = Connect()) {
    if (failure->code != ExitCode::kNetwork) return failure;
    std::fprintf(stderr,
                 "%s Nobody can write to the account before its keys are "
                 "published; the next command that uses the network does it.\n",
                 failure->sentence.c_str());
    return std::nullopt;
  }
  return Publish();
}

Run::Result Run::AccountShow() {
  if (Result failure = NeedAccount()) return failure;
  const std::string id = messenger_->account().id().ToHex();
  std::string phrase =
      arguments_.has("phrase")
          ? crypto::EncodeRecoveryPhrase(messenger_->account().seed())
          : std::string();
  absl::Cleanup wipe = [&phrase] { crypto::SecureWipe(phrase); };
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("account_id").String(id);
    json.Key("name").String(messenger_->name());
    json.Key("published").Bool(messenger_->published());
    if (!phrase.empty()) json.Key("recovery_phrase").String(phrase);
    Print(std::move(json.EndObject()));
    return std::nullopt;
  }
  Print(absl::StrCat("Account id: ", id));
  Print(
      absl::StrCat("Name: ", messenger_->name().empty()
                                 ? "(none)"
                                 : SafeForTerminal(messenger_->name(), false)));
  Print(messenger_->published()
            ? "Keys: published, others can write to you"
            : "Keys: to be published with the next command that uses the "
              "network");
  if (!phrase.empty()) Print(absl::StrCat("Recovery phrase: ", phrase));
  return std::nullopt;
}

Run::Result Run::AccountPin() {
  const std::string what = arguments_.word(2);
  if (what == "status") return AccountPinStatus();
  if (!what.empty() && what != "remove") {
    return Failure{ExitCode::kUsage,
                   "Say what to do with the PIN: nothing more to set or change "
                   "it, remove or status."};
  }
  const bool remove = what == "remove";
  if (Result failure = OpenStore()) return failure;
  PinPolicy policy;
  if (Result failure = ReadPinPolicy(&policy)) return failure;
  std::optional<std::string> new_pin;
  absl::Cleanup wipe = [&new_pin] {
    if (new_pin) crypto::SecureWipe(*new_pin);
  };
  if (!remove) {
    absl::StatusOr<std::string> read = ReadNewPin(arguments_, "new-pin-fd", "");
    if (!read.ok()) {
      return Failure{ExitCode::kPin,
                     Capitalized(absl::StrCat(read.status().message(), "."))};
    }
    new_pin = *std::move(read);
  }
  const absl::Status changed = ChangeKeyslotPin(
      folder_, pin_ ? std::optional<absl::string_view>(*pin_) : std::nullopt,
      new_pin ? std::optional<absl::string_view>(*new_pin) : std::nullopt,
      policy, device_secret_ ? &*device_secret_ : nullptr, environment_.clock,
      environment_.random);
  if (absl::IsAlreadyExists(changed)) return DeviceSecretExists();
  if (!changed.ok()) return PinFailure(changed, folder_);
  if (json_) {
    JsonWriter json;
    Print(std::move(json.BeginObject().Key("pin").Bool(!remove).EndObject()));
  } else {
    Print(remove ? "The PIN is gone: whoever gets the folder can read it."
                 : "The new PIN is in force.");
  }
  return std::nullopt;
}

// Without the PIN: nothing of this is secret.
Run::Result Run::AccountPinStatus() {
  const absl::StatusOr<KeyslotState> state = ReadKeyslotState(folder_);
  if (absl::IsNotFound(state.status())) {
    return Failure{ExitCode::kNotFound,
                   absl::StrCat("There is no account in ", folder_, ".")};
  }
  if (!state.ok()) return PinFailure(state.status(), folder_);
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("pin").Bool(state->has_pin);
    json.Key("device_secret").Bool(state->has_device_secret);
    json.Key("wrong_pins").Int(state->wrong_pins);
    json.Key("wipe_after").Int(state->wipe_after);
    Print(std::move(json.EndObject()));
    return std::nullopt;
  }
  if (!state->has_pin) {
    Print("PIN: none, whoever gets the folder can read it");
    return std::nullopt;
  }
  Print("PIN: set");
  Print(state->has_device_secret
            ? "Device secret: used, a copy of the folder alone does not open"
            : "Device secret: none; `account pin` sets a PIN with one");
  Print(absl::StrCat("Wrong PINs in a row: ", state->wrong_pins));
  Print(state->wipe_after == 0
            ? std::string("Destroyed after wrong PINs: never")
            : absl::StrCat("Destroyed after wrong PINs: ", state->wipe_after));
  return std::nullopt;
}

Run::Result Run::Name() {
  if (Result failure = NeedAccount()) return failure;
  if (arguments_.words().size() > 1) {
    const absl::Status set = messenger_->SetName(arguments_.word(1));
    if (absl::IsInvalidArgument(set)) {
      return Failure{ExitCode::kUsage,
                     Capitalized(absl::StrCat(set.message(), "."))};
    }
    if (!set.ok()) return StorageFailure(set, folder_);
  }
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("name").String(messenger_->name());
    Print(std::move(json.EndObject()));
  } else {
    Print(SafeForTerminal(messenger_->name(), false));
  }
  return std::nullopt;
}

Run::Result Run::ContactCommand() {
  if (Result failure = NeedAccount()) return failure;
  if (arguments_.word(1) == "add" && arguments_.words().size() >= 3) {
    const absl::StatusOr<AccountId> id = AccountId::FromHex(arguments_.word(2));
    if (!id.ok()) {
      return Failure{
          ExitCode::kUsage,
          absl::StrCat("That is no account id: ", id.status().message(), ".")};
    }
    const absl::Status added = messenger_->AddContact(*id, arguments_.word(3));
    if (absl::IsInvalidArgument(added) || absl::IsFailedPrecondition(added)) {
      return Failure{ExitCode::kUsage,
                     Capitalized(absl::StrCat(added.message(), "."))};
    }
    if (!added.ok()) return StorageFailure(added, folder_);
    if (json_) {
      JsonWriter json;
      json.BeginObject().Key("account_id").String(id->ToHex());
      json.Key("name").String(arguments_.word(3));
      Print(std::move(json.EndObject()));
    } else {
      Print(
          absl::StrCat("Added. Compare safety numbers to be sure it is "
                       "them: session safety-number ",
                       id->ToHex()));
    }
    return std::nullopt;
  }
  if (arguments_.word(1) != "list") {
    return Failure{ExitCode::kUsage,
                   "Say `contact add ID [NAME]` or `contact list`."};
  }
  const absl::StatusOr<std::vector<Contact>> contacts = store_->Contacts();
  if (!contacts.ok()) return StorageFailure(contacts.status(), folder_);
  JsonWriter json;
  json.BeginObject().Key("contacts").BeginArray();
  bool any = false;
  for (const Contact& contact : *contacts) {
    const bool blocked = contact.standing == Standing::kBlocked;
    if (contact.standing != Standing::kContact && !blocked) continue;
    any = true;
    if (json_) {
      json.BeginObject().Key("account_id").String(contact.account.ToHex());
      json.Key("name").String(contact.name);
      json.Key("profile_name").String(contact.profile_name);
      json.Key("verified").Bool(contact.verified.has_value());
      json.Key("blocked").Bool(blocked).EndObject();
    } else {
      const std::string claimed = SafeForTerminal(contact.profile_name, false);
      Print(absl::StrCat(
          contact.account.ToHex(), "  ", SafeForTerminal(contact.name, false),
          contact.name.empty() && !claimed.empty()
              ? absl::StrCat("(calls itself ", claimed, ")")
              : "",
          contact.verified ? " (verified)" : "", blocked ? " (blocked)" : ""));
    }
  }
  if (json_) {
    Print(std::move(json.EndArray().EndObject()));
  } else if (!any) {
    std::fprintf(stderr, "There are no contacts yet.\n");
  }
  return std::nullopt;
}

Run::Result Run::RequestsCommand() {
  if (Result failure = NeedAccount()) return failure;
  const absl::StatusOr<std::vector<MessageRequest>> requests =
      messenger_->Requests();
  if (!requests.ok()) return StorageFailure(requests.status(), folder_);
  JsonWriter json;
  json.BeginObject().Key("requests").BeginArray();
  for (const MessageRequest& request : *requests) {
    const std::string id = request.account.ToHex();
    if (json_) {
      json.BeginObject().Key("account_id").String(id);
      json.Key("profile_name").String(request.claimed_name);
      json.Key("arrived_ms").Int(absl::ToUnixMillis(request.arrived));
      json.Key("texts").BeginArray();
      for (const std::string& text : request.texts) json.String(text);
      json.EndArray().Key("cut").Bool(request.cut);
      json.Key("more").Int(request.more).EndObject();
      continue;
    }
    const std::string claimed = SafeForTerminal(request.claimed_name, false);
    Print(absl::StrCat(
        id,
        claimed.empty() ? "" : absl::StrCat(" (calls itself ", claimed, ")"),
        ", since ", TerminalTime(request.arrived), ":"));
    for (const std::string& text : request.texts) {
      Print(absl::StrCat("  ", SafeForTerminal(text, true)));
    }
    if (request.texts.empty()) {
      Print("  (a text too long for a first one; it comes when you accept)");
    }
    if (request.cut || request.more > 0) {
      Print("  (there is more; it comes when you accept)");
    }
  }
  if (json_) {
    Print(std::move(json.EndArray().EndObject()));
  } else if (requests->empty()) {
    std::fprintf(stderr, "No requests wait.\n");
  } else {
    std::fprintf(stderr,
                 "Whoever wrote this learns nothing until you `session accept` "
                 "it. A name proves nothing: compare safety numbers.\n");
  }
  return std::nullopt;
}

// accept, decline, block, unblock
Run::Result Run::Decide(const std::string& command) {
  const bool accept = command == "accept";
  const size_t words = arguments_.words().size();
  if (words != 2 && !(accept && words == 3)) {
    return Failure{ExitCode::kUsage,
                   absl::StrCat("Say whom: session ", command, " WHO",
                                accept ? " [NAME]." : ".")};
  }
  if (Result failure = NeedAccount()) return failure;
  AccountId who = messenger_->account().id();
  if (Result failure = FindPerson(arguments_.word(1), &who)) return failure;
  const absl::Status name_check = CheckProfileName(arguments_.word(2));
  if (!name_check.ok()) {
    return Failure{ExitCode::kUsage,
                   Capitalized(absl::StrCat(name_check.message(), "."))};
  }
  absl::Status done;
  std::string words_for_it;
  if (accept) {
    done = messenger_->AcceptRequest(who);
    if (done.ok() && words == 3) {
      done = messenger_->AddContact(who, arguments_.word(2));
    }
    words_for_it =
        "Accepted. `session receive` shows what they wrote, and lets them "
        "know.";
  } else if (command == "decline") {
    done = messenger_->DeclineRequest(who);
    words_for_it =
        "Declined. For 30 days what they send is dropped; they do not learn of "
        "it.";
  } else if (command == "block") {
    done = messenger_->Block(who);
    words_for_it =
        "Blocked. What they send is dropped from now on; they do not learn of "
        "it.";
  } else {
    done = messenger_->Unblock(who);
    words_for_it = "Unblocked. What was dropped does not come back.";
  }
  if (absl::IsNotFound(done) || absl::IsInvalidArgument(done)) {
    return Failure{
        absl::IsNotFound(done) ? ExitCode::kNotFound : ExitCode::kUsage,
        Capitalized(absl::StrCat(done.message(), "."))};
  }
  if (!done.ok()) return StorageFailure(done, folder_);
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("account_id").String(who.ToHex());
    Print(std::move(json.Key(command).Bool(true).EndObject()));
  } else {
    Print(words_for_it);
  }
  return std::nullopt;
}

Run::Result Run::NoteDevices(const std::vector<AccountId>& accounts) {
  for (const AccountId& account : accounts) {
    if (json_) {
      JsonWriter json;
      json.BeginObject().Key("devices_changed").String(account.ToHex());
      Print(std::move(json.EndObject()));
      continue;
    }
    const absl::StatusOr<std::optional<Contact>> contact =
        store_->FindContact(account);
    const bool verified = contact.ok() && *contact && (*contact)->verified;
    std::fprintf(stderr,
                 verified
                     ? "%s, whom you have verified, has changed devices: "
                       "what you send them waits. Ask them by another way, "
                       "compare safety numbers, then: session verify\n"
                     : "%s has changed devices.\n",
                 NameOf(account).c_str());
  }
  const absl::Status confirmed = messenger_->ConfirmDevices(accounts);
  if (!confirmed.ok()) return StorageFailure(confirmed, folder_);
  return std::nullopt;
}

void Run::NoteRequests(int requests) {
  if (requests == 0) return;
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("requests").Int(requests);
    Print(std::move(json.EndObject()));
    return;
  }
  std::fprintf(stderr,
               requests == 1
                   ? "%d request of somebody who is no contact waits: session "
                     "requests\n"
                   : "%d requests of people who are no contacts wait: session "
                     "requests\n",
               requests);
}

Run::Result Run::FlushOutbox(FlushReport* report, bool force) {
  absl::StatusOr<FlushReport> flushed = Await<FlushReport>(
      [&](auto done) { messenger_->Flush(force, std::move(done)); });
  if (absl::IsDeadlineExceeded(flushed.status())) {
    return Failure{ExitCode::kNetwork,
                   "Stopped before the swarm had answered; what was not "
                   "confirmed stays queued."};
  }
  if (!flushed.ok()) return StorageFailure(flushed.status(), folder_);
  *report = *std::move(flushed);
  return std::nullopt;
}

Run::Result Run::Send() {
  if (arguments_.words().size() < 2) {
    return Failure{ExitCode::kUsage,
                   "Say whom to write to: session send WHO TEXT."};
  }
  if (Result failure = NeedAccount()) return failure;
  AccountId to = messenger_->account().id();
  if (Result failure = FindPerson(arguments_.word(1), &to)) return failure;
  std::string text = arguments_.word(2);
  if (arguments_.has("file")) {
    const std::string path = arguments_.option("file");
    absl::StatusOr<std::string> file = routing::ReadFile(path);
    if (!file.ok()) {
      return Failure{ExitCode::kNotFound,
                     absl::StrCat("The file ", path, " cannot be read.")};
    }
    text = *std::move(file);
  } else if (arguments_.words().size() < 3 || text == "-") {
    absl::StatusOr<std::string> input =
        ReadStandardInput(kMaxTextBytes, "Type your message, then Ctrl-D:\n");
    if (!input.ok()) {
      return Failure{ExitCode::kUsage,
                     Capitalized(absl::StrCat(input.status().message(), "."))};
    }
    text = *std::move(input);
  } else if (arguments_.words().size() > 3) {
    return Failure{ExitCode::kUsage,
                   "The text is one word to the shell: put it in quotes."};
  }
  const absl::Time started = environment_.clock.Now();
  const absl::StatusOr<int64_t> row = messenger_->Queue(to, text);
  if (absl::IsInvalidArgument(row.status()) ||
      absl::IsFailedPrecondition(row.status())) {
    return Failure{ExitCode::kUsage,
                   Capitalized(absl::StrCat(row.status().message(),
                                            "; nothing was sent."))};
  }
  if (!row.ok()) return StorageFailure(row.status(), folder_);

  Result failure = Connect();
  if (!failure) failure = Publish();
  FlushReport report;
  if (!failure) failure = FlushOutbox(&report);
  const absl::StatusOr<std::optional<Message>> message =
      store_->FindMessage(*row);
  if (!message.ok()) return StorageFailure(message.status(), folder_);
  const MessageState state = (*message)->state;
  const FlushedMessage* flushed = nullptr;
  for (const FlushedMessage& one : report.messages) {
    if (one.message_row == *row) flushed = &one;
  }
  const int64_t milliseconds =
      absl::ToInt64Milliseconds(environment_.clock.Now() - started);
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("row").Int(*row);
    json.Key("state").String(StateName(state));
    json.Key("detail").String((*message)->detail);
    json.Key("holders").BeginArray();
    if (flushed != nullptr) {
      for (const std::string& holder : flushed->delivery.holders) {
        json.String(holder);
      }
    }
    json.EndArray().Key("paths").BeginArray();
    if (flushed != nullptr) {
      for (const NamedRoute& route : flushed->delivery.routes) {
        json.BeginArray();
        for (const std::string& hop : route) json.String(hop);
        json.EndArray();
      }
    }
    json.EndArray().Key("milliseconds").Int(milliseconds);
    Print(std::move(json.EndObject()));
  }
  if (state == MessageState::kSent) {
    if (!json_ && flushed != nullptr) {
      Print(absl::StrCat("Sent to ", NameOf(to), " in ", milliseconds,
                         " ms. Signed for by ",
                         absl::StrJoin(flushed->delivery.holders, ", "), "."));
      for (const NamedRoute& route : flushed->delivery.routes) {
        Print(absl::StrCat("Path: ", RouteText(route)));
      }
    }
    return std::nullopt;
  }
  std::string reason = (*message)->detail;
  if (failure) reason = failure->sentence;
  if (absl::EndsWith(reason, ".")) reason.pop_back();
  if (reason.empty()) reason = "it could not be sent yet";
  return Failure{
      failure ? failure->code : ExitCode::kNetwork,
      absl::StrCat(Capitalized(reason),
                   ". Your message is kept and goes out with the next `send`, "
                   "`receive` or `watch`.")};
}

Run::Result Run::ReceiveOnce(ReceiveReport* report) {
  absl::StatusOr<ReceiveReport> received = Await<ReceiveReport>(
      [&](auto done) { messenger_->Receive(std::move(done)); });
  if (absl::IsDeadlineExceeded(received.status())) {
    return Failure{ExitCode::kNetwork,
                   "Stopped before the mailboxes were read; messages wait "
                   "there."};
  }
  if (!received.ok()) return StorageFailure(received.status(), folder_);
  *report = *std::move(received);
  return std::nullopt;
}

// After they were printed: whoever is killed in between sees them twice, which
// is better than never.
Run::Result Run::ConfirmShown(const ReceiveReport& report) {
  if (std::ferror(stdout) != 0) {
    return Failure{ExitCode::kFailure,
                   "Standard output takes nothing any more; the messages come "
                   "again."};
  }
  const absl::Status confirmed = messenger_->ConfirmShown(report.messages);
  if (!confirmed.ok()) return StorageFailure(confirmed, folder_);
  return std::nullopt;
}

void Run::WriteMessage(JsonWriter& json, const Message& message) {
  json.BeginObject().Key("row").Int(message.row);
  json.Key("conversation").String(message.conversation.ToHex());
  json.Key("name").String(NameOf(message.conversation));
  json.Key("outgoing").Bool(message.outgoing);
  json.Key("state").String(StateName(message.state));
  json.Key("sent_ms").Int(absl::ToUnixMillis(message.sent));
  json.Key("text").String(message.text);
  if (!message.detail.empty()) json.Key("detail").String(message.detail);
  json.EndObject();
}

void Run::PrintMessage(const Message& message) {
  std::string line = absl::StrCat("[", TerminalTime(message.sent), "] ",
                                  message.outgoing ? "you to " : "",
                                  NameOf(message.conversation));
  if (message.outgoing) {
    absl::StrAppend(&line, " (", StateName(message.state),
                    message.detail.empty() ? "" : ": ",
                    SafeForTerminal(message.detail, false), ")");
  }
  Print(absl::StrCat(line, ": ", SafeForTerminal(message.text, true)));
}

Run::Result Run::Receive() {
  if (Result failure = NeedNetwork()) return failure;
  ReceiveReport report;
  if (Result failure = ReceiveOnce(&report)) return failure;
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("messages").BeginArray();
    for (const Message& message : report.messages) WriteMessage(json, message);
    json.EndArray().Key("complete").Bool(report.complete);
    json.Key("unreadable").Int(report.unreadable);
    json.Key("requests").Int(report.requests);
    json.Key("devices_changed").BeginArray();
    for (const AccountId& account : report.changed_devices) {
      json.String(account.ToHex());
    }
    json.EndArray();
    json.Key("paths").BeginArray();
    for (const NamedRoute& route : report.routes) {
      json.BeginArray();
      for (const std::string& hop : route) json.String(hop);
      json.EndArray();
    }
    Print(std::move(json.EndArray().EndObject()));
  } else {
    for (const Message& message : report.messages) PrintMessage(message);
    if (report.messages.empty() && report.complete) {
      std::fprintf(stderr, "Nothing new.\n");
    }
    if (report.unreadable > 0) {
      std::fprintf(stderr,
                   "%d message(s) could not be opened: they were damaged, or "
                   "meant for keys that this device does not have.\n",
                   report.unreadable);
    }
    NoteRequests(report.requests);
  }
  if (Result failure =
          json_ ? std::nullopt : NoteDevices(report.changed_devices)) {
    return failure;
  }
  if (Result failure = ConfirmShown(report)) return failure;
  // Answers that sessions need, and texts that were waiting.
  FlushReport flushed;
  if (Result failure = FlushOutbox(&flushed)) return failure;
  if (report.complete) return std::nullopt;
  return Failure{ExitCode::kNetwork,
                 absl::StrCat("Not everything could be read: ",
                              report.incomplete_reason, ".")};
}

void Run::PrintNew(const ReceiveReport& report, int64_t* printed_row) {
  for (const Message& message : report.messages) {
    // Pushed while an earlier report that has it was being shown.
    if (message.row <= *printed_row) continue;
    *printed_row = message.row;
    if (json_) {
      JsonWriter json;
      WriteMessage(json, message);
      Print(std::move(json));
    } else {
      PrintMessage(message);
    }
  }
}

Run::Result Run::Watch() {
  if (Result failure = NeedNetwork()) return failure;
  Note("waiting for messages; Ctrl-C ends");
  std::deque<absl::StatusOr<MailWatch::Report>> reports;
  MailWatch watch(*messenger_, connection_->mail(), environment_.loop,
                  environment_.clock,
                  [&reports](absl::StatusOr<MailWatch::Report> report) {
                    reports.push_back(std::move(report));
                  });
  watch.Start();
  bool was_complete = false;
  int64_t printed_row = 0;
  std::set<std::string> told;  // whose changed devices
  absl::Time next_directory = environment_.clock.Now() + kDirectoryInterval;
  while (true) {
    bool back = false;
    while (!reports.empty()) {
      const absl::StatusOr<MailWatch::Report> report =
          std::move(reports.front());
      reports.pop_front();
      if (!report.ok()) return StorageFailure(report.status(), folder_);
      const ReceiveReport& received = report->received;
      PrintNew(received, &printed_row);
      if (received.new_requests > 0) NoteRequests(received.requests);
      // Once a run: a verified contact's stays until it is verified again.
      std::vector<AccountId> news;
      for (const AccountId& account : received.changed_devices) {
        if (told.insert(account.ToHex()).second) news.push_back(account);
      }
      if (Result failure = NoteDevices(news)) return failure;
      if (Result failure = ConfirmShown(received)) return failure;
      if (!report->full) continue;
      back = back || (received.complete && !was_complete);
      if (received.complete != was_complete && quiet_) {
        Note(received.complete
                 ? "the network answers again"
                 : absl::StrCat("trying again: ", received.incomplete_reason));
      }
      was_complete = received.complete;
      // From here on it would be the same words again and again.
      quiet_ = true;
    }
    FlushReport flushed;
    Result failure = FlushOutbox(&flushed, /*force=*/back);
    if (stopped_) return std::nullopt;
    if (failure) return failure;
    const absl::Status saved = connection_->Save();
    if (!saved.ok()) return StorageFailure(saved, folder_);
    // Ends with a report, with the interval, or stopped by a signal.
    const absl::Time next = environment_.clock.Now() + kWatchInterval;
    environment_.loop.RunUntil([&] { return !reports.empty(); },
                               kWatchInterval);
    if (reports.empty() && environment_.clock.Now() < next) {
      return std::nullopt;
    }
    if (!reports.empty()) continue;
    if ((quiet_ && !was_complete) ||
        environment_.clock.Now() >= next_directory) {
      next_directory = environment_.clock.Now() + kDirectoryInterval;
      if (!connection_->Connect().ok()) was_complete = false;
    }
    failure = Publish();
    if (stopped_) return std::nullopt;
    if (failure && failure->code != ExitCode::kNetwork) return failure;
  }
}

Run::Result Run::History() {
  if (Result failure = NeedAccount()) return failure;
  std::optional<AccountId> with;
  if (arguments_.words().size() > 1) {
    AccountId found = messenger_->account().id();
    if (Result failure = FindPerson(arguments_.word(1), &found)) return failure;
    with = found;
  }
  int limit = 0;
  if (Result failure = ReadLimit(&limit)) return failure;
  return PrintMessages(store_->Messages(with, limit));
}

Run::Result Run::Search() {
  if (arguments_.words().size() < 2) {
    return Failure{ExitCode::kUsage,
                   "Say what to look for: session search "
                   "WORDS."};
  }
  if (Result failure = NeedAccount()) return failure;
  int limit = 0;
  if (Result failure = ReadLimit(&limit)) return failure;
  std::string words;
  for (size_t i = 1; i < arguments_.words().size(); ++i) {
    absl::StrAppend(&words, arguments_.word(i), " ");
  }
  return PrintMessages(store_->Search(words, limit));
}

Run::Result Run::ReadLimit(int* limit) {
  *limit = 100;
  if (arguments_.has("limit") &&
      (!absl::SimpleAtoi(arguments_.option("limit"), limit) || *limit < 1)) {
    return Failure{ExitCode::kUsage,
                   "The option --limit takes a number from 1 on."};
  }
  return std::nullopt;
}

Run::Result Run::PrintMessages(
    const absl::StatusOr<std::vector<Message>>& messages) {
  if (!messages.ok()) return StorageFailure(messages.status(), folder_);
  JsonWriter json;
  json.BeginObject().Key("messages").BeginArray();
  for (const Message& message : *messages) {
    if (json_) {
      WriteMessage(json, message);
    } else {
      PrintMessage(message);
    }
  }
  if (json_) Print(std::move(json.EndArray().EndObject()));
  return std::nullopt;
}

Run::Result Run::SafetyNumber() {
  if (arguments_.words().size() != 2) {
    return Failure{ExitCode::kUsage, "Say whose: session safety-number WHO."};
  }
  if (Result failure = NeedAccount()) return failure;
  AccountId other = messenger_->account().id();
  if (Result failure = FindPerson(arguments_.word(1), &other)) return failure;
  const std::string digits =
      crypto::SafetyNumber(messenger_->account().id(), other);
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("safety_number").String(digits);
    Print(std::move(json.EndObject()));
    return std::nullopt;
  }
  // Twelve groups of five, in three lines, to read aloud.
  for (size_t line = 0; line < digits.size(); line += 20) {
    std::vector<std::string> groups;
    for (size_t group = line; group < line + 20; group += 5) {
      groups.push_back(digits.substr(group, 5));
    }
    Print(absl::StrJoin(groups, " "));
  }
  return std::nullopt;
}

Run::Result Run::Verify() {
  if (arguments_.words().size() < 3) {
    return Failure{ExitCode::kUsage,
                   "Say whom, and the digits they see: session verify WHO "
                   "DIGITS."};
  }
  if (Result failure = NeedAccount()) return failure;
  AccountId who = messenger_->account().id();
  if (Result failure = FindPerson(arguments_.word(1), &who)) return failure;
  std::string digits;
  for (size_t i = 2; i < arguments_.words().size(); ++i) {
    absl::StrAppend(&digits, arguments_.word(i), " ");
  }
  const absl::Status verified = messenger_->Verify(who, digits);
  if (absl::IsFailedPrecondition(verified)) {
    return Failure{
        ExitCode::kFailure,
        "These are not the digits of this conversation. Read them again; if "
        "they still differ, one of you has the id of somebody else: do not "
        "write anything here that they must not see."};
  }
  if (absl::IsInvalidArgument(verified) || absl::IsNotFound(verified)) {
    return Failure{
        absl::IsNotFound(verified) ? ExitCode::kNotFound : ExitCode::kUsage,
        Capitalized(absl::StrCat(verified.message(), "."))};
  }
  if (!verified.ok()) return StorageFailure(verified, folder_);
  if (json_) {
    JsonWriter json;
    Print(std::move(json.BeginObject().Key("verified").Bool(true).EndObject()));
  } else {
    Print(absl::StrCat(NameOf(who), " is verified."));
  }
  return std::nullopt;
}

Run::Result Run::Unverify() {
  if (arguments_.words().size() != 2) {
    return Failure{ExitCode::kUsage, "Say whom: session unverify WHO."};
  }
  if (Result failure = NeedAccount()) return failure;
  AccountId who = messenger_->account().id();
  if (Result failure = FindPerson(arguments_.word(1), &who)) return failure;
  const absl::Status done = messenger_->Unverify(who);
  if (absl::IsNotFound(done)) {
    return Failure{ExitCode::kNotFound,
                   Capitalized(absl::StrCat(done.message(), "."))};
  }
  if (!done.ok()) return StorageFailure(done, folder_);
  if (json_) {
    JsonWriter json;
    Print(
        std::move(json.BeginObject().Key("verified").Bool(false).EndObject()));
  } else {
    Print(absl::StrCat(NameOf(who), " is not verified any more."));
  }
  return std::nullopt;
}

Run::Result Run::Path() {
  if (Result failure = NeedNetwork()) return failure;
  // A real request to the own mailbox; nothing of it is kept.
  ReadTarget inbox;
  inbox.mailbox = std::string(messenger_->account().id().bytes());
  inbox.reader = std::make_shared<crypto::Ed25519PrivateKey>(
      crypto::Ed25519PrivateKey::FromSeed(
          messenger_->account().signing_key().seed()));
  const absl::StatusOr<Retrieved> retrieved = Await<Retrieved>([&](auto done) {
    connection_->mail().Retrieve(inbox, {}, std::move(done));
  });
  if (!retrieved.ok()) {
    return Failure{
        ExitCode::kNetwork,
        absl::StrCat("No path works now: ", retrieved.status().message(), ".")};
  }
  const bool proxy = arguments_.option("routing") == "proxy";
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("routing").String(proxy ? "proxy" : "onion");
    json.Key("paths").BeginArray();
    for (const NamedRoute& route : retrieved->routes) {
      json.BeginArray();
      for (const std::string& hop : route) json.String(hop);
      json.EndArray();
    }
    Print(std::move(json.EndArray().EndObject()));
    return std::nullopt;
  }
  for (const NamedRoute& route : retrieved->routes) Print(RouteText(route));
  std::fprintf(stderr,
               "Each line is one request: %s, and last the storage node. The "
               "next request takes other relays.\n",
               proxy ? "the proxy" : "the guard, two relays");
  return std::nullopt;
}

ExitCode Run::Execute() {
  const std::string routing = arguments_.option("routing");
  Result failure;
  if (!routing.empty() && routing != "onion" && routing != "proxy") {
    failure =
        Failure{ExitCode::kUsage, "The option --routing is onion or proxy."};
  }
  if (!failure) failure = ChooseFolder();
  if (!failure) {
    const std::string command = arguments_.word(0);
    if (command == "account") {
      failure = Account();
    } else if (command == "name") {
      failure = Name();
    } else if (command == "contact") {
      failure = ContactCommand();
    } else if (command == "requests") {
      failure = RequestsCommand();
    } else if (command == "accept" || command == "decline" ||
               command == "block" || command == "unblock") {
      failure = Decide(command);
    } else if (command == "send") {
      failure = Send();
    } else if (command == "receive") {
      failure = Receive();
    } else if (command == "watch") {
      failure = Watch();
    } else if (command == "history") {
      failure = History();
    } else if (command == "search") {
      failure = Search();
    } else if (command == "safety-number") {
      failure = SafetyNumber();
    } else if (command == "verify") {
      failure = Verify();
    } else if (command == "unverify") {
      failure = Unverify();
    } else if (command == "path") {
      failure = Path();
    } else {
      failure = Failure{ExitCode::kUsage,
                        absl::StrCat("There is no command \"",
                                     SafeForTerminal(command, false),
                                     "\"; session --help lists them.")};
    }
  }
  if (recorder_ != nullptr) RecordConnections(*recorder_);
  if (connection_ != nullptr) {
    const absl::Status saved = connection_->Save();
    if (!saved.ok() && !failure) failure = StorageFailure(saved, folder_);
  }
  if (!failure) return ExitCode::kOk;
  std::fprintf(stderr, "%s\n",
               SafeForTerminal(failure->sentence, false).c_str());
  return failure->code;
}

}  // namespace

ExitCode RunSessionCommand(const std::vector<std::string>& words,
                           const SessionEnvironment& environment) {
  absl::StatusOr<Arguments> arguments = Arguments::Parse(words);
  if (!arguments.ok()) {
    std::fprintf(stderr, "%s; session --help explains.\n",
                 Capitalized(arguments.status().message()).c_str());
    return ExitCode::kUsage;
  }
  if (arguments->has("version")) {
    std::printf("%s\n", kVersion);
    return ExitCode::kOk;
  }
  if (arguments->has("help") || arguments->words().empty()) {
    const bool asked = arguments->has("help");
    std::fputs(kHelp, asked ? stdout : stderr);
    return asked ? ExitCode::kOk : ExitCode::kUsage;
  }
  return Run(*std::move(arguments), environment).Execute();
}

}  // namespace messenger::client
