#include "client/cli/run.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/cli/pin_source.h"
#include "client/cli/terminal_text.h"
#include "client/daemon/local_socket.h"
#include "client/messenger/begin_anew.h"
#include "client/remote/write_refusal.h"
#include "crypto/base/status_macros.h"
#include "routing/path/path_selector.h"
#include "routing/runtime/files.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::routing::RoutingMode;

// Of the id of somebody who is known by a name of their own choice only.
constexpr size_t kShownIdDigits = 12;
// With which somebody who is known can be named.
constexpr size_t kFewestIdDigits = 8;
constexpr absl::Duration kLockPollInterval = absl::Milliseconds(50);

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

RoutingMode RoutingModeOf(const Arguments& arguments) {
  return arguments.option("routing") == "proxy" ? RoutingMode::kProxy
                                                : RoutingMode::kOnion;
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

}  // namespace

std::optional<Failure> FolderOf(const Arguments& arguments,
                                std::string* folder) {
  *folder = arguments.option("data-dir");
  if (folder->empty()) {
    const char* variable = getenv("SESSION_DATA_DIR");
    if (variable != nullptr) *folder = variable;
  }
  if (folder->empty()) {
    const char* home = getenv("HOME");
    if (home == nullptr || home[0] == '\0') {
      return Failure{ExitCode::kUsage,
                     "There is no home folder: say where to keep the data with "
                     "--data-dir."};
    }
    *folder = absl::StrCat(home, "/.local/share/session");
  }
  return std::nullopt;
}

std::optional<Failure> DeviceSecretKindOf(const std::string& word,
                                          DeviceSecretKind* kind) {
  if (word == "file") {
    *kind = DeviceSecretKind::kFile;
  } else if (word == "secret-service") {
    *kind = DeviceSecretKind::kSecretService;
  } else {
    return Failure{ExitCode::kUsage,
                   "The device secret can be in a file or in the "
                   "secret-service."};
  }
  return std::nullopt;
}

std::string RouteText(const NamedRoute& route) {
  return absl::StrCat("you > ", absl::StrJoin(route, " > "));
}

// Before a connection exists.
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

Run::Run(Arguments arguments, const Place& place)
    : arguments_(std::move(arguments)),
      environment_(place.environment),
      console_(place.console),
      waiter_(place.waiter),
      shared_(place.shared),
      daemon_may_do_it_(place.daemon_may_do_it),
      lock_patience_(place.lock_patience),
      out_(place.console.out()),
      err_(place.console.err()),
      json_(arguments_.has("json")) {
  if (shared_ == nullptr) return;
  folder_ = shared_->folder;
  store_ = shared_->store;
  connection_ = shared_->connection;
  messenger_ = shared_->messenger;
  on_tried_ = [this](int64_t row) { shared_->news.TellTried(row); };
}

Run::~Run() {
  messenger_.reset();
  connection_.reset();
  store_.reset();
  if (lock_ >= 0) close(lock_);
  for (std::optional<std::string>* pin : {&pin_, &given_pin_}) {
    if (*pin) crypto::SecureWipe(**pin);
  }
}

Run::Result Run::LockFolder() {
  if (lock_ >= 0) return std::nullopt;
  const std::string path = absl::StrCat(folder_, "/lock");
  lock_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) {
    return Failure{
        errno == ENOSPC ? ExitCode::kStorage : ExitCode::kNotFound,
        absl::StrCat("The folder ", folder_,
                     " cannot be written to: ", strerror(errno), ".")};
  }
  bool locked = false;
  waiter_.RunUntil(
      [&] {
        locked = flock(lock_, LOCK_EX | LOCK_NB) == 0;
        if (!locked) {
          // It had the lock before it began to listen.
          const absl::StatusOr<int> daemon = ConnectToLocalSocket(folder_);
          if (daemon.ok()) {
            close(*daemon);
            daemon_answers_ = true;
            return true;
          }
          Note("waiting for another session program to finish");
          environment_.loop.RunAfter(kLockPollInterval, [] {});
        }
        return locked;
      },
      lock_patience_);
  if (locked) return std::nullopt;
  close(lock_);
  lock_ = -1;
  if (daemon_answers_) {
    return Failure{ExitCode::kUsage,
                   absl::StrCat("A daemon has ", folder_,
                                " open; end it with `session daemon stop` and "
                                "try again.")};
  }
  return Failure{ExitCode::kStorage,
                 absl::StrCat("Another session program is using ", folder_,
                              "; end it (perhaps a `watch`) and try again.")};
}

Run::Result Run::ChooseDeviceSecret() {
  std::vector<std::string> variables;
  for (const char* name : SecretServiceDeviceSecret::kVariables) {
    const char* value = getenv(name);
    if (value != nullptr) variables.push_back(absl::StrCat(name, "=", value));
  }
  secret_service_.emplace(SecretServiceDeviceSecret::FindTool(),
                          std::move(variables));
  std::string place = arguments_.option("device-secret-file");
  if (place.empty()) {
    const char* variable = getenv("SESSION_DEVICE_SECRET_FILE");
    if (variable != nullptr) place = variable;
  }
  if (!place.empty()) {
    device_secret_file_ = FileDeviceSecret::AtPath(place);
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
    device_secret_file_ = FileDeviceSecret::InFolder(place);
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
  if (arguments_.has("device-secret")) {
    if (Result failure = DeviceSecretKindOf(arguments_.option("device-secret"),
                                            &policy->device_secret_kind)) {
      return failure;
    }
    if (arguments_.has("no-device-secret")) {
      return Failure{ExitCode::kUsage,
                     "The options --device-secret and --no-device-secret say "
                     "the opposite; give one of them."};
    }
  }
  policy->use_device_secret =
      Places().At(policy->device_secret_kind) != nullptr &&
      !arguments_.has("no-device-secret");
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
  if (!wiped && state->has_pin) {
    // Before anybody types in vain.
    const absl::Status wait = CheckPinWait(folder_, environment_.clock);
    if (!wait.ok()) return PinFailure(wait, folder_);
    absl::StatusOr<std::string> read =
        given_pin_ ? absl::StatusOr<std::string>(*given_pin_)
                   : ReadPin(arguments_, "pin-fd", "SESSION_PIN_FILE", "PIN: ");
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
  const absl::StatusOr<OpenedKeyslot> opened = OpenKeyslot(
      folder_, pin_ ? std::optional<absl::string_view>(*pin_) : std::nullopt,
      Places(), environment_.clock, environment_.random);
  if (!opened.ok()) return PinFailure(opened.status(), folder_);
  opened_with_pin_ = pin_.has_value();
  absl::StatusOr<std::unique_ptr<ClientStore>> store =
      opened->begins_anew
          ? BeginAnew(folder_, *opened, environment_.clock.Now(),
                      environment_.random,
                      [&](ClientStore& anew) {
                        // Of the same network, or of none until it is named.
                        AdoptNetwork(anew, opened->note).IgnoreError();
                        return absl::OkStatus();
                      })
          : ClientStore::Open(folder_, opened->key);
  if (absl::IsFailedPrecondition(store.status())) {
    return Failure{ExitCode::kStorage,
                   "The data was written by a newer version of this program; "
                   "update it."};
  }
  if (!store.ok()) return StorageFailure(store.status(), folder_);
  store_ = *std::move(store);
  return std::nullopt;
}

Run::Result Run::OpenShared(std::optional<absl::string_view> pin,
                            SharedAccount* shared) {
  if (Result failure = FolderOf(arguments_, &folder_)) return failure;
  if (pin) given_pin_ = std::string(*pin);
  quiet_ = true;
  absl::Cleanup forget_pin = [this] {
    for (std::optional<std::string>* each : {&pin_, &given_pin_}) {
      if (*each) crypto::SecureWipe(**each);
      each->reset();
    }
  };
  if (Result failure = OpenStore()) return failure;
  // Otherwise this holds a part of what the daemon is to forget.
  absl::Cleanup hand_over = [this] {
    messenger_.reset();
    connection_.reset();
    store_.reset();
  };
  if (Result failure = AdoptNetworkFile()) return failure;
  if (Result failure = MakeConnection()) return failure;
  if (Result failure = OpenMessenger()) return failure;
  shared->folder = folder_;
  shared->routing = RoutingModeOf(arguments_);
  shared->store = store_;
  shared->connection = connection_;
  shared->messenger = messenger_;
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
    path = console_.network_file();
  }
  if (path.empty()) return std::nullopt;
  const absl::StatusOr<std::string> text = console_.ReadFile(path);
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

Run::Result Run::MakeConnection() {
  const RoutingMode mode = RoutingModeOf(arguments_);
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
  return std::nullopt;
}

Run::Result Run::Connect() {
  if (Result failure = AdoptNetworkFile()) return failure;
  if (shared_ == nullptr) {
    if (Result failure = MakeConnection()) return failure;
    messenger_.reset();  // Made again, with mail.
    if (Result failure = OpenMessenger()) return failure;
  } else {
    if (arguments_.has("routing") &&
        RoutingModeOf(arguments_) != shared_->routing) {
      return Failure{ExitCode::kUsage,
                     "The daemon was started with another --routing; end it "
                     "with `session daemon stop` and start it with this one."};
    }
    const absl::Time now = environment_.clock.Now();
    if (shared_->connected <= now &&
        now < shared_->connected + kDirectoryInterval) {
      return std::nullopt;
    }
  }
  const absl::Status connected = connection_->Connect(waiter_);
  if (recorder_ != nullptr) RecordConnections(*recorder_);
  if (!connected.ok()) {
    return Failure{ExitCode::kNetwork,
                   absl::StrCat("The network cannot be reached: ",
                                connected.message(), ".")};
  }
  if (shared_ != nullptr) shared_->connected = environment_.clock.Now();
  return std::nullopt;
}

Run::Result Run::Publish() {
  // One that goes on for another command, too, may be all that is needed.
  waiter_.RunUntil([this] { return !messenger_->publishing(); }, kCommandLimit);
  const bool before = messenger_->published();
  if (before && !messenger_->renewal_due()) return std::nullopt;
  const absl::Status published = Await<Delivery>([&](auto done) {
                                   messenger_->Publish(std::move(done));
                                 }).status();
  if (auto restored = messenger_->TakeRestored()) restored_ = restored;
  NoteRestored();
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

void Run::NoteRestored() {
  // `account restore` says more.
  if (!restored_ || arguments_.word(0) == "account") return;
  if (restored_->found > 0) {
    std::fprintf(err_,
                 "A vault of this account was found: %d contacts and %d "
                 "blocked accounts are known now.\n",
                 restored_->contacts, restored_->blocked);
  }
  restored_.reset();
}

Run::Result Run::NeedPerson(size_t most, absl::string_view usage,
                            std::optional<AccountId>* found) {
  if (arguments_.words().size() < 2 || arguments_.words().size() > most) {
    return Failure{ExitCode::kUsage, std::string(usage)};
  }
  if (Result failure = NeedAccount()) return failure;
  return FindPerson(arguments_.word(1), found);
}

Run::Result Run::NeedMessage(size_t most, absl::string_view usage,
                             int64_t* row) {
  const std::string word(absl::StripPrefix(arguments_.word(1), "#"));
  if (arguments_.words().size() < 2 || arguments_.words().size() > most ||
      !absl::SimpleAtoi(word, row)) {
    return Failure{
        ExitCode::kUsage,
        absl::StrCat(usage, " N is the number that `session history` shows.")};
  }
  return NeedAccount();
}

Failure Run::Refusal(const absl::Status& status,
                     absl::string_view consequence) {
  const std::string sentence =
      Capitalized(absl::StrCat(status.message(), consequence, "."));
  if (absl::IsNotFound(status)) return {ExitCode::kNotFound, sentence};
  if (absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status)) {
    return {ExitCode::kUsage, sentence};
  }
  return StorageFailure(status, folder_);
}

Run::Result Run::FindPerson(const std::string& who,
                            std::optional<AccountId>* found) {
  if (LooksLikeContactLink(who)) {
    std::optional<ContactLink> link;
    if (Result failure = ReadLink(who, &link)) return failure;
    *found = link->account;
    return std::nullopt;
  }
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

ExitCode Run::Execute() {
  const std::string routing = arguments_.option("routing");
  Result failure;
  if (!routing.empty() && routing != "onion" && routing != "proxy") {
    failure =
        Failure{ExitCode::kUsage, "The option --routing is onion or proxy."};
  }
  if (!failure && shared_ == nullptr) failure = FolderOf(arguments_, &folder_);
  if (!failure) {
    const std::string command = arguments_.word(0);
    if (command == "account") {
      failure = Account();
    } else if (command == "device") {
      failure = DeviceCommand();
    } else if (command == "name") {
      failure = Name();
    } else if (command == "picture") {
      failure = PictureCommand();
    } else if (command == "contact") {
      failure = ContactCommand();
    } else if (command == kContactNamesCommand) {
      failure = ContactNames();
    } else if (command == "invite") {
      failure = InviteCommand();
    } else if (command == "requests") {
      failure = RequestsCommand();
    } else if (command == "accept" || command == "decline" ||
               command == "block" || command == "unblock") {
      failure = Decide(command);
    } else if (command == "reply") {
      failure = Reply();
    } else if (command == "edit") {
      failure = Edit();
    } else if (command == "react" || command == "unreact") {
      failure = React(/*take_back=*/command == "unreact");
    } else if (command == "unsend") {
      failure = Unsend();
    } else if (command == "delete") {
      failure = Delete();
    } else if (command == "timer") {
      failure = Timer();
    } else if (command == "receipts") {
      failure = ReceiptsCommand();
    } else if (command == "conversations") {
      failure = Conversations();
    } else if (command == "mute" || command == "unmute" ||
               command == "archive" || command == "unarchive" ||
               command == "pin" || command == "unpin") {
      failure = Arrange(command);
    } else if (command == "draft") {
      failure = Draft();
    } else if (command == "export") {
      failure = Export();
    } else if (command == "backup") {
      failure = BackupCommand();
    } else if (command == "send") {
      failure = Send();
    } else if (command == "receive") {
      failure = Receive();
    } else if (command == "watch") {
      failure = Watch();
    } else if (command == "events") {
      failure = Events();
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
  if (daemon_answers_ && daemon_may_do_it_) return failure->code;
  std::fprintf(err_, "%s\n", SafeForTerminal(failure->sentence, false).c_str());
  return failure->code;
}

}  // namespace messenger::client
