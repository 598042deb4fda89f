#include "tools/simnet/device.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/messenger/content.h"
#include "client/messenger/messenger.h"
#include "client/messenger/swarm_mail_service.h"
#include "client/remote/onion_client_requester.h"
#include "client/remote/swarm_client.h"
#include "client/remote/swarm_client_options.h"
#include "client/session/identity_record.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/account_keys.h"
#include "routing/circuit/onion_client.h"
#include "routing/directory/directory_client.h"

namespace messenger::simnet {
namespace {

using ::messenger::client::Messenger;
using ::messenger::routing::Consensus;

constexpr char kConsensusSetting[] = "simnet/consensus";
constexpr char kGuardsSetting[] = "simnet/guards";
constexpr absl::Duration kDirectoryInterval = absl::Minutes(1);
// From the choice of a path to the first frame at its guard.
constexpr absl::Duration kLongestOpening = absl::Seconds(5);

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << "simnet: " << value.status() << std::endl;
    std::abort();
  }
  return *std::move(value);
}

void Must(const absl::Status& status) {
  if (!status.ok()) {
    std::cerr << "simnet: " << status << std::endl;
    std::abort();
  }
}

DeviceIds IdsOf(const client::IdentityRecord& record) {
  DeviceIds ids;
  for (const client::DeviceEntry& device : record.devices()) {
    ids.insert(std::string(device.id.bytes()));
  }
  return ids;
}

// Of an incoming message.
std::string IdOf(const client::Message& message) {
  return absl::StrCat(message.conversation.bytes(), message.message_id);
}

// After a failure of power: from the disk's being without to the next start.
constexpr absl::Duration kShortestPause = absl::Seconds(1);
constexpr absl::Duration kLongestPause = absl::Seconds(15);
// Enough to find what was written last.
constexpr int kNewest = 20;
// Enough for what comes between two readings.
constexpr int kNewestOfAll = 200;

}  // namespace

struct Device::Process {
  Process(Device& device, World& world,
          std::unique_ptr<client::ClientStore> opened,
          routing::GuardState guards)
      : store(std::move(opened)),
        directory(device.host_.transport(), world.executor, world.clock,
                  routing::DirectoryTrust::For(world.config), device.seeds_,
                  world.random),
        paths(world.random, std::move(guards)),
        onion(device.host_.transport(), world.executor, world.clock,
              world.random, directory.holder(), paths, device.options_.mode),
        requester(onion),
        swarm(requester, directory.holder(), world.clock, world.executor,
              world.random, client::SwarmClientOptions(),
              [this] { directory.Refresh([](const absl::Status&) {}); }),
        swarm_mail(swarm, directory.holder()),
        mail(swarm_mail, device),
        rough_mail(mail, device.roughness_, world.random,
                   [&device] { return !device.Dead(); }) {
    directory.holder().AddObserver(
        [&device](const std::shared_ptr<const Consensus>& newest) {
          device.OnDirectory(newest);
        });
  }

  std::unique_ptr<client::ClientStore> store;
  routing::DirectoryClient directory;
  routing::PathSelector paths;
  routing::OnionClient onion;
  client::OnionClientRequester requester;
  client::SwarmClient swarm;
  client::SwarmMailService swarm_mail;
  WatchedMail mail;
  RoughMail rough_mail;
  std::unique_ptr<Messenger> messenger;  // never null once it has started
  std::string saved_consensus;
  routing::GuardState saved_guards;
  bool flushing = false;
  bool flush_again = false;
};

Device::Device(World& world, Listener& listener, std::string name,
               const Options& options, std::vector<routing::Endpoint> seeds)
    : world_(world),
      listener_(listener),
      name_(std::move(name)),
      folder_(absl::StrCat(world.folder, "/device-", name_)),
      key_(world.random.Secret<32>()),
      options_(options),
      seeds_(std::move(seeds)),
      host_(world.links.AddHost(absl::StrCat("sim:client-", name_),
                                std::nullopt)),
      disk_random_(world.random.Uniform(uint64_t{1} << 62)),
      disk_(options.disk == DiskKind::kSimulated
                ? std::make_unique<sqlite::SimulatedDisk>(disk_random_)
                : nullptr) {
  if (disk_ == nullptr) std::filesystem::create_directory(folder_);
  const auto store = Must(OpenStore());
  Must(options.awaits_link
           ? Messenger::CreateForLink(*store, world.clock.Now(), world.random)
           : Messenger::CreateAccount(
                 *store, crypto::AccountKeys::Generate(world.random),
                 /*restored=*/false, name_, world.clock.Now(), world.random));
  world.observer.AddHost(address(), Observer::Role::kClient, /*number=*/-1);
  world.observer.set_path_length(
      address(), options.mode == routing::RoutingMode::kOnion ? 4 : 2);
}

Device::~Device() { GoOffline(); }

absl::StatusOr<std::unique_ptr<client::ClientStore>> Device::OpenStore() const {
  return disk_ == nullptr
             ? client::ClientStore::Open(folder_, key_, world_.random)
             : client::ClientStore::Open("", key_, world_.random,
                                         disk_->name());
}

client::Messenger* Device::messenger() {
  return process_ == nullptr || Dead() ? nullptr : process_->messenger.get();
}

client::ClientStore* Device::store() {
  return process_ == nullptr || Dead() ? nullptr : process_->store.get();
}

// ------------------------------------------------------------- on and off --

void Device::GoOffline() {
  if (process_ == nullptr) return;
  world_.links.Crash(host_);
  ++life_;
  if (disk_ != nullptr && disk_->powered()) disk_->Kill();
  process_.reset();
}

void Device::OnDirectory(const std::shared_ptr<const Consensus>& newest) {
  directory_before_ = std::exchange(directory_, newest);
  directory_changed_ = world_.clock.Now();
}

std::shared_ptr<const Consensus> Device::directory_before() const {
  return world_.clock.Now() - directory_changed_ < kLongestOpening
             ? directory_before_
             : nullptr;
}

void Device::GoOnline() {
  if (process_ != nullptr) return;
  world_.links.Restart(host_);
  if (!Start()) return;
  process_->directory.Start(kDirectoryInterval);
  Later(absl::ZeroDuration(), [this] { Cycle(); });
}

bool Device::Start() {
  absl::StatusOr<std::unique_ptr<client::ClientStore>> store = OpenStore();
  if (!Alive(store.status())) return false;
  const absl::StatusOr<std::optional<std::string>> guards =
      (*store)->Setting(kGuardsSetting);
  if (!Alive(guards.status())) return false;
  process_ = std::make_unique<Process>(
      *this, world_, *std::move(store),
      *guards ? Must(routing::GuardState::Parse(**guards))
              : routing::GuardState());
  absl::StatusOr<std::unique_ptr<Messenger>> messenger =
      Messenger::Open({*process_->store, process_->rough_mail, world_.clock,
                       world_.random, nullptr, /*confirms_shown=*/true});
  if (!Alive(messenger.status())) return false;
  process_->messenger = *std::move(messenger);
  const crypto::AccountId& account = process_->messenger->account_id();
  if (!account_) {
    world_.observer.AddAccount(account.bytes(),
                               process_->messenger->account_keys()
                                   ->signing_key()
                                   .public_key()
                                   .bytes());
    inbox_account_ = account;
  } else if (account != *account_) {
    linked_ = true;
    published_ = false;  // its keys are for another list
  }
  account_ = account;
  const absl::StatusOr<std::optional<std::string>> consensus =
      process_->store->Setting(kConsensusSetting);
  if (!Alive(consensus.status())) return false;
  if (*consensus) {
    process_->directory.holder().Accept(**consensus).IgnoreError();
  }
  return FindInterrupted() && ReadInbox() && LookAfterWritten();
}

void Device::FailAtWrite(uint64_t write, bool dropped) {
  disk_->set_on_operation(
      [this, at = disk_->operations() + write](uint64_t number) {
        if (number == at) OnPowerFailure();
      });
  disk_->CrashAt(disk_->operations() + write,
                 dropped ? sqlite::SimulatedDisk::CrashMode::kDropUnsynced
                         : sqlite::SimulatedDisk::CrashMode::kRandom);
}

// In the middle of a write: the process ends once nothing of it is on the
// stack.
void Device::OnPowerFailure() {
  ++power_failures_;
  world_.executor.Run([this] {
    GoOffline();
    disk_->Restart();
    const absl::Duration pause =
        kShortestPause +
        world_.random.UnitDouble() * (kLongestPause - kShortestPause);
    world_.executor.RunAfter(pause, [this, life = life_] {
      if (life == life_) GoOnline();
    });
  });
}

bool Device::Dead() const { return disk_ != nullptr && !disk_->powered(); }

bool Device::Alive(const absl::Status& status) {
  if (Dead()) return false;
  Must(status);
  return true;
}

void Device::Later(absl::Duration delay, std::function<void()> task) {
  world_.executor.RunAfter(delay, [this, life = life_, task = std::move(task)] {
    if (life == life_ && !Dead()) task();
  });
}

// ---------------------------------------------------------- what apps do --

// Publish, receive, send, rest.
void Device::Cycle() {
  Process& process = *process_;
  if (process.directory.holder().current() == nullptr) {
    return Later(absl::Seconds(1), [this] { Cycle(); });
  }
  if (process.messenger->published() && !process.messenger->renewal_due()) {
    published_ = true;
    return Receive();
  }
  process.messenger->Publish([this](absl::StatusOr<client::Delivery> done) {
    if (Dead()) return;
    for (const client::OwnDevice& device : process_->messenger->Devices()) {
      if (device.is_this) id_ = std::string(device.id.bytes());
    }
    published_ = process_->messenger->published();
    // The app says so, and that is all it does from now on.
    knows_of_unlinking_ =
        linked_ && absl::IsFailedPrecondition(done.status()) &&
        absl::StrContains(done.status().message(), "has been unlinked");
    if (!knows_of_unlinking_) Receive();
  });
}

void Device::Receive() {
  process_->messenger->Receive(
      [this, started = world_.clock.Now()](
          absl::StatusOr<client::ReceiveReport> report) {
        if (Dead()) return;
        if (process_->messenger->became_linked()) {
          return Later(absl::ZeroDuration(), [this] {
            GoOffline();
            GoOnline();
          });
        }
        if (!AcceptRequests() || !ReadInbox()) return;
        if (report.ok()) {
          if (!Show(*report)) return;
          unreadable_ += report->unreadable;
          if (report->complete) listener_.OnCompleteReading(*this, started);
        }
        Flush();
        if (Dead() || !Save()) return;
        Later(kPollInterval * (0.8 + 0.4 * world_.random.UnitDouble()),
              [this] { Cycle(); });
      });
}

bool Device::Show(const client::ReceiveReport& report) {
  for (const client::Message& message : report.messages) {
    if (message.kind != client::MessageKind::kText) continue;
    const std::string id = IdOf(message);
    if (!shown_ids_.insert(id).second && !unconfirmed_.contains(id)) {
      world_.observer.Violation(absl::StrCat(name_, " was shown a text twice"));
    }
    unconfirmed_.insert(id);
    shown_.insert(message.text);
  }
  if (!Alive(process_->messenger->ConfirmShown(report.messages))) return false;
  unconfirmed_.clear();
  return report.changed_devices.empty() ||
         Alive(process_->messenger->ConfirmDevices(report.changed_devices));
}

// Whoever writes is known from elsewhere.
bool Device::AcceptRequests() {
  const absl::StatusOr<std::vector<client::MessageRequest>> requests =
      process_->messenger->Requests();
  if (!Alive(requests.status())) return false;
  for (const client::MessageRequest& request : *requests) {
    if (!Alive(process_->messenger->AcceptRequest(request.account))) {
      return false;
    }
  }
  return true;
}

void Device::Tend() {
  Later(absl::ZeroDuration(), [this] { Flush(); });
}

void Device::Flush() {
  if (process_ == nullptr || knows_of_unlinking_) return;
  if (process_->flushing) {
    process_->flush_again = true;
    return;
  }
  process_->flushing = true;
  process_->messenger->Flush(
      /*force=*/false, [this](absl::StatusOr<client::FlushReport>) {
        process_->flushing = false;
        if (Dead() || !LookAfterWritten()) return;
        if (std::exchange(process_->flush_again, false)) {
          // Not in here: the messenger is still telling.
          Tend();
        }
      });
}

// As Connection does: guards and directory outlive the process.
bool Device::Save() {
  Process& process = *process_;
  const std::shared_ptr<const Consensus> held =
      process.directory.holder().current();
  if (held != nullptr && held->wire() != process.saved_consensus) {
    if (!Alive(process.store->SetSetting(kConsensusSetting, held->wire()))) {
      return false;
    }
    process.saved_consensus = held->wire();
  }
  const routing::GuardState& guards = process.paths.guards();
  if (!(guards == process.saved_guards)) {
    if (!Alive(process.store->SetSetting(kGuardsSetting, guards.Serialize()))) {
      return false;
    }
    process.saved_guards = guards;
  }
  std::vector<routing::Endpoint> endpoints;
  for (const routing::Guard& guard : guards.guards) {
    const routing::NodeRecord* node =
        held == nullptr ? nullptr : held->Find(guard.node);
    if (node != nullptr) endpoints.push_back(node->link);
  }
  if (!endpoints.empty()) process.directory.SetSources(std::move(endpoints));
  return true;
}

// Also what another device has shown: no report brings it.
bool Device::ReadInbox() {
  const absl::StatusOr<std::vector<client::Message>> newest =
      process_->store->Messages(std::nullopt, kNewestOfAll);
  if (!Alive(newest.status())) return false;
  for (const client::Message& message : *newest) {
    if (message.kind != client::MessageKind::kText) continue;
    if (message.outgoing) said_.insert(message.text);
    if (!message.outgoing && read_.insert(IdOf(message)).second) {
      inbox_.push_back({message.conversation, message.text});
    }
  }
  return true;
}

bool Device::LookAfterWritten() {
  for (WrittenText& text : written_) {
    if (text.sent != absl::InfiniteFuture()) continue;
    const absl::StatusOr<std::optional<client::Message>> message =
        process_->store->FindMessage(text.row);
    if (!Alive(message.status())) return false;
    if (*message && ((*message)->state == client::MessageState::kSent ||
                     (*message)->state == client::MessageState::kDelivered ||
                     (*message)->state == client::MessageState::kRead)) {
      text.sent = world_.clock.Now();
    }
  }
  return true;
}

// ----------------------------------------------------------------- sending --

absl::StatusOr<WrittenText> Device::Address(const crypto::AccountId& to,
                                            absl::string_view text) {
  WrittenText written = {to, std::string(text)};
  written.parts = static_cast<int>(client::SplitText(text).size());
  for (const client::OwnDevice& device : process_->messenger->Devices()) {
    if (!device.is_this) written.copies.insert(std::string(device.id.bytes()));
  }
  ASSIGN_OR_RETURN(const std::optional<client::Contact> contact,
                   process_->store->FindContact(to));
  if (contact && !contact->identity_record.empty()) {
    ASSIGN_OR_RETURN(const client::IdentityRecord record,
                     client::IdentityRecord::Verify(contact->identity_record));
    written.recipients = IdsOf(record);
  }
  return written;
}

absl::Status Device::Send(const crypto::AccountId& to, absl::string_view text) {
  return Write(to, text, [&] { return process_->messenger->Queue(to, text); });
}

absl::Status Device::Reply(const client::Message& message,
                           absl::string_view text) {
  return Write(message.conversation, text,
               [&] { return process_->messenger->Reply(message.row, text); });
}

absl::Status Device::Write(const crypto::AccountId& to, absl::string_view text,
                           absl::FunctionRef<absl::StatusOr<int64_t>()> queue) {
  if (process_ == nullptr || Dead()) {
    return absl::FailedPreconditionError("the device is off");
  }
  world_.observer.AddText(text);
  ASSIGN_OR_RETURN(WrittenText written, Address(to, text));
  const absl::StatusOr<int64_t> row = queue();
  if (Dead()) {
    interrupted_.push_back(std::move(written));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(row.status());
  written.row = *row;
  written_.push_back(std::move(written));
  Tend();
  return absl::OkStatus();
}

bool Device::FindInterrupted() {
  while (!interrupted_.empty()) {
    WrittenText& text = interrupted_.back();
    const absl::StatusOr<std::vector<client::Message>> newest =
        process_->store->Messages(text.to, kNewest);
    if (!Alive(newest.status())) return false;
    for (const client::Message& message : *newest) {
      if (!message.outgoing || message.text != text.text) continue;
      text.row = message.row;
      written_.push_back(text);
    }
    interrupted_.pop_back();
  }
  return true;
}

bool Device::AllSent() const {
  return std::all_of(written_.begin(), written_.end(),
                     [](const WrittenText& text) {
                       return text.sent != absl::InfiniteFuture();
                     });
}

// --------------------------------------------------------------- witnesses --

void Device::OnMailbox(absl::string_view mailbox) {
  world_.observer.AddMailbox(mailbox);
}

void Device::OnStored(const client::WriteTarget& target,
                      const std::string& payload, absl::Time expiry,
                      const client::Delivery& delivery) {
  ++acknowledged_;
  listener_.OnStored(*this, target, payload, expiry, delivery);
}

void Device::OnRetrieved(const client::ReadTarget& target,
                         const client::Retrieved& retrieved) {
  listener_.OnRetrieved(*this, target, retrieved);
}

}  // namespace messenger::simnet
