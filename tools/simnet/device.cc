#include "tools/simnet/device.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/messenger/content.h"
#include "client/messenger/messenger.h"
#include "client/messenger/swarm_mail_service.h"
#include "client/remote/onion_client_requester.h"
#include "client/remote/swarm_client.h"
#include "client/remote/swarm_client_options.h"
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

routing::GuardState LoadGuards(client::ClientStore& store) {
  const std::optional<std::string> bytes = Must(store.Setting(kGuardsSetting));
  return bytes ? Must(routing::GuardState::Parse(*bytes))
               : routing::GuardState();
}

}  // namespace

struct Device::Process {
  Process(Device& device, World& world,
          std::unique_ptr<client::ClientStore> opened)
      : store(std::move(opened)),
        directory(device.host_.transport(), world.executor, world.clock,
                  routing::DirectoryTrust::For(world.config), device.seeds_,
                  world.random),
        paths(world.random, LoadGuards(*store)),
        onion(device.host_.transport(), world.executor, world.clock,
              world.random, directory.holder(), paths, device.mode_),
        requester(onion),
        swarm(requester, directory.holder(), world.clock, world.executor,
              world.random, client::SwarmClientOptions(),
              [this] { directory.Refresh([](const absl::Status&) {}); }),
        swarm_mail(swarm, directory.holder()),
        mail(swarm_mail, device),
        messenger(Must(Messenger::Open(
            {*store, mail, world.clock, world.random, nullptr}))) {
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
  std::unique_ptr<Messenger> messenger;
  std::string saved_consensus;
  routing::GuardState saved_guards;
  bool flushing = false;
  bool flush_again = false;
};

Device::Device(World& world, Listener& listener, std::string name,
               routing::RoutingMode mode, std::vector<routing::Endpoint> seeds)
    : world_(world),
      listener_(listener),
      name_(std::move(name)),
      folder_(absl::StrCat(world.folder, "/device-", name_)),
      key_(world.random.Secret<32>()),
      mode_(mode),
      seeds_(std::move(seeds)),
      host_(world.links.AddHost(absl::StrCat("sim:client-", name_),
                                std::nullopt)),
      account_([&] {
        std::filesystem::create_directory(folder_);
        const auto store =
            Must(client::ClientStore::Open(folder_, key_, world.random));
        const crypto::AccountKeys keys =
            crypto::AccountKeys::Generate(world.random);
        Must(Messenger::CreateAccount(*store, keys, /*restored=*/false, name_,
                                      world.clock.Now(), world.random));
        world.observer.AddAccount(keys.id().bytes(),
                                  keys.signing_key().public_key().bytes());
        return keys.id();
      }()) {
  world.observer.AddHost(address(), Observer::Role::kClient, /*number=*/-1);
  world.observer.set_path_length(address(),
                                 mode == routing::RoutingMode::kOnion ? 4 : 2);
}

Device::~Device() { GoOffline(); }

void Device::GoOffline() {
  if (process_ == nullptr) return;
  world_.links.Crash(host_);
  ++life_;
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
  process_ = std::make_unique<Process>(
      *this, world_,
      Must(client::ClientStore::Open(folder_, key_, world_.random)));
  const std::optional<std::string> consensus =
      Must(process_->store->Setting(kConsensusSetting));
  if (consensus) {
    process_->directory.holder().Accept(*consensus).IgnoreError();
  }
  ReadInbox();
  LookAfterWritten();
  process_->directory.Start(kDirectoryInterval);
  Later(absl::ZeroDuration(), [this] { Cycle(); });
}

void Device::Later(absl::Duration delay, std::function<void()> task) {
  world_.executor.RunAfter(delay, [this, life = life_, task = std::move(task)] {
    if (life == life_) task();
  });
}

// Publish, receive, send, rest.
void Device::Cycle() {
  Process& process = *process_;
  if (process.directory.holder().current() == nullptr) {
    return Later(absl::Seconds(1), [this] { Cycle(); });
  }
  if (process.messenger->published()) {
    published_ = true;
    return Receive();
  }
  process.messenger->Publish([this](absl::StatusOr<client::Delivery>) {
    published_ = process_->messenger->published();
    Receive();
  });
}

void Device::Receive() {
  process_->messenger->Receive(
      [this, started = world_.clock.Now()](
          absl::StatusOr<client::ReceiveReport> report) {
        AcceptRequests();
        ReadInbox();
        if (report.ok()) {
          unreadable_ += report->unreadable;
          if (report->complete) listener_.OnCompleteReading(*this, started);
        }
        Flush();
        Save();
        Later(kPollInterval * (0.8 + 0.4 * world_.random.UnitDouble()),
              [this] { Cycle(); });
      });
}

// Whoever writes is known from elsewhere.
void Device::AcceptRequests() {
  for (const client::MessageRequest& request :
       Must(process_->messenger->Requests())) {
    Must(process_->messenger->AcceptRequest(request.account));
  }
}

void Device::Flush() {
  if (process_->flushing) {
    process_->flush_again = true;
    return;
  }
  process_->flushing = true;
  process_->messenger->Flush(
      /*force=*/false, [this](absl::StatusOr<client::FlushReport>) {
        process_->flushing = false;
        LookAfterWritten();
        if (std::exchange(process_->flush_again, false)) {
          // Not in here: the messenger is still telling.
          Later(absl::ZeroDuration(), [this] { Flush(); });
        }
      });
}

// As Connection does: guards and directory outlive the process.
void Device::Save() {
  Process& process = *process_;
  const std::shared_ptr<const Consensus> held =
      process.directory.holder().current();
  if (held != nullptr && held->wire() != process.saved_consensus) {
    Must(process.store->SetSetting(kConsensusSetting, held->wire()));
    process.saved_consensus = held->wire();
  }
  const routing::GuardState& guards = process.paths.guards();
  if (!(guards == process.saved_guards)) {
    Must(process.store->SetSetting(kGuardsSetting, guards.Serialize()));
    process.saved_guards = guards;
  }
  std::vector<routing::Endpoint> endpoints;
  for (const routing::Guard& guard : guards.guards) {
    const routing::NodeRecord* node =
        held == nullptr ? nullptr : held->Find(guard.node);
    if (node != nullptr) endpoints.push_back(node->link);
  }
  if (!endpoints.empty()) process.directory.SetSources(std::move(endpoints));
}

void Device::ReadInbox() {
  for (const client::Message& message :
       Must(process_->store->IncomingAfter(last_row_))) {
    inbox_.push_back({message.conversation, message.text});
    last_row_ = message.row;
  }
}

void Device::LookAfterWritten() {
  for (WrittenText& text : written_) {
    if (text.sent != absl::InfiniteFuture()) continue;
    const std::optional<client::Message> message =
        Must(process_->store->FindMessage(text.row));
    if (message && message->state == client::MessageState::kSent) {
      text.sent = world_.clock.Now();
    }
  }
}

absl::Status Device::Send(const crypto::AccountId& to, absl::string_view text) {
  if (process_ == nullptr) {
    return absl::FailedPreconditionError("the device is off");
  }
  world_.observer.AddText(text);
  ASSIGN_OR_RETURN(const int64_t row, process_->messenger->Queue(to, text));
  written_.push_back({to, std::string(text), row,
                      static_cast<int>(client::SplitText(text).size())});
  Later(absl::ZeroDuration(), [this] { Flush(); });
  return absl::OkStatus();
}

bool Device::AllSent() const {
  return std::all_of(written_.begin(), written_.end(),
                     [](const WrittenText& text) {
                       return text.sent != absl::InfiniteFuture();
                     });
}

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
