#include "tools/simnet/network.h"

#include <stdlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/messenger/messenger.h"
#include "client/session/device_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/directory/authority/authority_core.h"
#include "routing/directory/authority/testing/in_memory_authority_store.h"
#include "routing/directory/consensus.h"
#include "swarm/auth/mailbox.h"
#include "swarm/placement/placement.h"
#include "tools/simnet/node.h"
#include "tools/simnet/observer.h"

namespace messenger::simnet {
namespace {

using ::messenger::routing::AuthorityCore;
using ::messenger::routing::Consensus;
using ::messenger::swarm::MailboxAddress;
using ::messenger::swarm::MailboxNamespace;
using ::messenger::swarm::MessageId;

constexpr absl::Duration kProbeInterval = absl::Seconds(15);
constexpr absl::Duration kDirectoryInterval = absl::Seconds(20);
constexpr absl::Duration kStartLimit = absl::Minutes(10);
constexpr absl::Duration kSettleLimit = absl::Minutes(5);
// Relays whose addresses every client is given with the program.
constexpr int kSeeds = 3;

[[noreturn]] void Die(absl::string_view what) {
  std::cerr << "simnet: " << what << std::endl;
  std::abort();
}

std::string MakeFolder() {
  const char* base = getenv("TEST_TMPDIR");
  std::string pattern =
      absl::StrCat(base != nullptr ? base : "/tmp", "/simnet-XXXXXX");
  if (mkdtemp(pattern.data()) == nullptr) Die("no folder for the disks");
  return pattern;
}

struct Authority {
  explicit Authority(crypto::Ed25519PrivateKey the_key)
      : key(std::move(the_key)) {}

  const crypto::Ed25519PrivateKey key;
  routing::InMemoryAuthorityStore store;
  routing::SimulatedNetwork::Host* host = nullptr;
  std::unique_ptr<AuthorityCore> core;
};

// A message that a client was told is stored.
struct Acknowledged {
  MailboxAddress mailbox;
  MailboxNamespace ns;
  MessageId id;
  absl::Time expiry;
};

}  // namespace

class Network::Impl final : public Device::Listener {
 public:
  explicit Impl(const Options& options)
      : options_(options),
        random_(options.seed),
        executor_(clock_),
        links_(random_, executor_),
        observer_(clock_),
        world_{.clock = clock_,
               .executor = executor_,
               .random = random_,
               .links = links_,
               .observer = observer_,
               .config = {},
               .params = {},
               .folder = MakeFolder(),
               .sqlite_stores = options.sqlite_stores,
               .directory_interval = kDirectoryInterval} {
    links_.SetDelay(options.min_delay, options.mean_delay);
    links_.SetLoss(options.packet_loss);
    links_.set_wiretap(
        [this](const routing::SimulatedNetwork::Observation& observation) {
          observer_.OnObservation(observation);
        });
    observer_.set_members_known_to([this](absl::string_view client) {
      return MembersKnownTo(DeviceAt(client));
    });
    world_.config.network_id = random_.Fixed<routing::NetworkId>();
    world_.config.allow_private_addresses = true;
    world_.config.params = routing::NetworkConfig::Params::kSmall;
    world_.params = routing::NetworkParams::For(world_.config);
    world_.params.swarm_size = options.swarm_size;
    world_.params.evict_after = options.evict_after;
    for (int i = 0; i < options.authorities; ++i) AddAuthority(i);
    for (auto& authority : authorities_) Start(*authority);
    for (int i = 0; i < options.nodes; ++i) {
      nodes_.push_back(std::make_unique<Node>(world_, i));
      Restart(i, Part::kMachine);
    }
    if (!executor_.RunUntil([this] { return Ready(); }, kStartLimit)) {
      Die("the network did not come up");
    }
  }

  ~Impl() override {
    devices_.clear();
    nodes_.clear();
    for (auto& authority : authorities_) {
      links_.Crash(*authority->host);
      authority->core.reset();
    }
    std::error_code ignored;
    std::filesystem::remove_all(world_.folder, ignored);
  }

  Device& AddDevice(const std::string& name, const Device::Options& options) {
    std::vector<routing::Endpoint> seeds;
    for (int i = 0; i < std::min(kSeeds, options_.nodes); ++i) {
      seeds.push_back(nodes_[i]->link());
    }
    devices_.push_back(
        std::make_unique<Device>(world_, *this, name, options, seeds));
    devices_.back()->GoOnline();
    return *devices_.back();
  }
  Device& AddDevice(const std::string& name) {
    return AddDevice(name, {.mode = options_.mode});
  }

  bool Link(Device& first, Device& fresh, absl::Duration limit) {
    const absl::Time end = clock_.Now() + limit;
    const auto until = [&](absl::FunctionRef<bool()> done) {
      return executor_.RunUntil(done, end - clock_.Now());
    };
    const auto digits = [](Device& device) -> std::string {
      if (device.messenger() == nullptr) return "";
      return device.messenger()->LinkDigits().value_or("");
    };
    if (!until([&] { return fresh.published() && first.published(); }) ||
        !Do(
             first,
             [&](client::Messenger& messenger) {
               return messenger.OfferLink(fresh.account());
             },
             end - clock_.Now())
             .ok()) {
      return false;
    }
    std::string typed;
    size_t before = 0;
    const bool shown = until([&] {
      typed = digits(fresh);
      if (typed.empty() || digits(first) != typed) return false;
      before = first.messenger()->Devices().size();
      return true;
    });
    if (!shown) return false;
    observer_.LinkAccounts(first.account().bytes(), fresh.account().bytes());
    // Typed once: a second try would find no link that waits.
    return Do(
               first,
               [&](client::Messenger& messenger) {
                 return messenger.Devices().size() > before
                            ? absl::OkStatus()
                            : messenger.ConfirmLink(typed);
               },
               end - clock_.Now())
               .ok() &&
           until([&] { return fresh.linked() && fresh.published(); });
  }

  absl::Status Unlink(Device& first, Device& device) {
    const absl::StatusOr<client::DeviceId> id =
        client::DeviceId::FromBytes(device.id());
    if (!id.ok()) return id.status();
    const absl::Status status = Do(
        first,
        [&](client::Messenger& messenger) {
          const absl::Status unlinked = messenger.UnlinkDevice(*id);
          // Done, and the power had failed.
          return absl::IsNotFound(unlinked) ? absl::OkStatus() : unlinked;
        },
        kSettleLimit);
    if (status.ok()) device.OnUnlinked();
    return status;
  }

  absl::Status Do(Device& device,
                  absl::FunctionRef<absl::Status(client::Messenger&)> what,
                  absl::Duration limit) {
    absl::Status status = absl::DeadlineExceededError("the device is off");
    executor_.RunUntil(
        [&] {
          if (device.messenger() == nullptr) return false;
          status = what(*device.messenger());
          return device.messenger() != nullptr;
        },
        limit);
    device.Tend();
    return status;
  }

  bool Settle() {
    return executor_.RunUntil(
        [this] {
          return std::all_of(devices_.begin(), devices_.end(),
                             [](const auto& device) {
                               return !device->online() || device->published();
                             });
        },
        kSettleLimit);
  }

  std::vector<int> Members(const MailboxAddress& mailbox) const {
    return Members(Directory(), mailbox);
  }

  int AddNode() {
    const int number = static_cast<int>(nodes_.size());
    nodes_.push_back(std::make_unique<Node>(world_, number));
    Restart(number, Part::kMachine);
    return number;
  }

  bool IsMember(int node) const {
    const routing::NodeRecord* record = Directory()->Find(nodes_[node]->id());
    return record != nullptr && (record->serving() || record->target());
  }

  bool Changing() const { return Directory()->transition_epoch() != 0; }

  bool HoldsAll(int node) {
    const swarm::Placement placement(Directory());
    return nodes_[node]->ready() &&
           std::all_of(acknowledged_.begin(), acknowledged_.end(),
                       [&](const Acknowledged& message) {
                         return message.expiry <= clock_.Now() ||
                                !placement.IsMember(message.mailbox,
                                                    nodes_[node]->id()) ||
                                nodes_[node]->Holds(message.mailbox, message.ns,
                                                    message.id);
                       });
  }

  std::vector<std::vector<int>> Paths(const Device& device) const {
    std::vector<std::vector<int>> paths;
    for (const Observer::Circuit* circuit :
         observer_.CircuitsOf(device.address())) {
      paths.emplace_back();
      for (const std::string& hop : circuit->hops) {
        paths.back().push_back(IndexOf(
            [&](const Node& node) { return node.link().address == hop; }));
      }
    }
    return paths;
  }

  void BreakLinksOf(const Device& device) {
    for (const auto& node : nodes_) {
      links_.BreakLinks(device.host(), node->relay_host());
    }
  }

  void Crash(int node, Part part) {
    if (part != Part::kStorage) nodes_[node]->CrashRelay();
    if (part != Part::kRelay) nodes_[node]->CrashStorage();
  }
  void Restart(int node, Part part) {
    if (part != Part::kRelay) nodes_[node]->StartStorage();
    if (part != Part::kStorage) nodes_[node]->StartRelay();
  }

  void Partition(const std::set<int>& nodes) {
    std::set<std::string> addresses;
    for (const int node : nodes) {
      addresses.insert(nodes_[node]->link().address);
      addresses.insert(nodes_[node]->storage().address);
    }
    links_.Partition(addresses);
  }

  int StoredIn(const crypto::AccountId& account) const {
    const MailboxAddress mailbox = MailboxAddress::ForAccount(account);
    return static_cast<int>(std::count_if(acknowledged_.begin(),
                                          acknowledged_.end(),
                                          [&](const Acknowledged& message) {
                                            return message.mailbox == mailbox;
                                          }));
  }

  std::string Missing() const {
    for (const auto& device : devices_) {
      if (device->unlinked()) continue;
      for (const WrittenText& text : device->written()) {
        std::string missing = MissingOn(*device, text);
        if (!missing.empty()) return missing;
      }
    }
    return "";
  }

  absl::Status CheckInvariants() {
    if (!observer_.status().ok()) return observer_.status();
    for (const auto& device : devices_) CheckDevice(*device);
    const swarm::Placement placement(Directory());
    for (const Acknowledged& message : acknowledged_) {
      if (message.expiry > clock_.Now()) CheckKept(message, placement);
    }
    return observer_.status();
  }

  // Device::Listener:
  void OnStored(const Device& device, const client::WriteTarget& target,
                const std::string& payload, absl::Time expiry,
                const client::Delivery& delivery) override {
    const MailboxAddress mailbox =
        MailboxAddress::FromBytes(target.mailbox).value();
    const Acknowledged message{
        mailbox, target.mailbox_namespace,
        swarm::ComputeMessageId(mailbox, target.mailbox_namespace, payload),
        expiry};
    // By the directory of the device: it cannot know of another.
    const swarm::Placement placement(device.directory());
    const swarm::ShardMembers members = placement.MembersOf(mailbox);
    std::set<routing::NodeId> signers;
    for (const std::string& holder : delivery.holders) {
      const int i =
          IndexOf([&](const Node& node) { return node.nickname() == holder; });
      signers.insert(nodes_[i]->id());
      if (!members.Has(nodes_[i]->id())) {
        observer_.Violation(absl::StrCat(holder, " is no member and signed"));
      } else if (!LiesAboutMessages(nodes_[i]->lie()) &&
                 !nodes_[i]->Holds(message.mailbox, message.ns, message.id)) {
        observer_.Violation(
            absl::StrCat(holder, " signed for what is not on its disk"));
      }
    }
    if (!placement.HasWriteQuorum(members, signers)) {
      observer_.Violation(absl::StrCat(device.name(), " was satisfied with ",
                                       signers.size(), " receipts"));
    }
    acknowledged_.push_back(message);
  }

  void OnRetrieved(const Device& device, const client::ReadTarget& target,
                   const client::Retrieved& retrieved) override {
    const MailboxAddress mailbox =
        MailboxAddress::FromBytes(target.mailbox).value();
    std::set<std::string> ids;
    for (const client::MailMessage& message : retrieved.messages) {
      const MessageId id = swarm::ComputeMessageId(
          mailbox, target.mailbox_namespace, message.payload);
      if (id.bytes() != message.id || !ids.insert(message.id).second) {
        observer_.Violation(
            absl::StrCat(device.name(), " was handed a false message"));
      }
    }
  }

  void OnCompleteReading(const Device& reader, absl::Time started) override {
    // A member that hides what it signed for is one of a quorum: what it
    // hides comes from the others, in time. Of several devices one has it, and
    // the others may have to wait.
    if (liars_ > 0 || DevicesOf(reader.account()).size() > 1) return;
    for (const auto& writer : devices_) {
      for (const WrittenText& text : writer->written()) {
        if (text.to != reader.account() || text.sent >= started) continue;
        if (CopiesOn(reader, *writer, text) == 0) {
          observer_.Violation(absl::StrCat(
              reader.name(), " read everything and misses a text of ",
              writer->name()));
        }
      }
    }
  }

  routing::SimulatedClock& clock() { return clock_; }
  routing::SimulatedExecutor& executor() { return executor_; }
  routing::SimulatedNetwork& links() { return links_; }
  const Observer& observer() const { return observer_; }
  std::vector<std::unique_ptr<Node>>& nodes() { return nodes_; }
  void SetLie(int node, Lie lie) {
    if (LiesAboutMessages(lie)) ++liars_;
    nodes_[node]->set_lie(lie);
  }

 private:
  void AddAuthority(int i) {
    authorities_.push_back(std::make_unique<Authority>(
        crypto::Ed25519PrivateKey::Generate(random_)));
    Authority& authority = *authorities_.back();
    const std::string address = absl::StrCat("sim:authority-", i);
    authority.host = &links_.AddHost(address, random_.Fixed<routing::TlsKey>());
    observer_.AddHost(address, Observer::Role::kAuthority, /*number=*/-1);
    world_.config.authorities.push_back({absl::StrCat("authority-", i),
                                         authority.key.public_key(),
                                         authority.host->endpoint()});
  }

  void Start(Authority& authority) {
    AuthorityCore::Options options;
    options.network = world_.config;
    options.params = world_.params;
    options.voting_interval = options_.voting_interval;
    options.probe_interval = kProbeInterval;
    options.acceptable_address = [](absl::string_view) { return true; };
    absl::StatusOr<std::unique_ptr<AuthorityCore>> core = AuthorityCore::Create(
        std::move(options), authority.key, authority.host->transport(),
        executor_, clock_, authority.store);
    if (!core.ok()) Die(core.status().ToString());
    authority.core = *std::move(core);
    authority.core->Register(authority.host->server());
    authority.core->Start();
  }

  std::shared_ptr<const Consensus> Directory() const {
    return authorities_.front()->core->holder().current();
  }

  bool Ready() const {
    const std::shared_ptr<const Consensus> directory = Directory();
    if (directory == nullptr ||
        static_cast<int>(directory->nodes().size()) < options_.nodes) {
      return false;
    }
    for (const routing::NodeRecord& node : directory->nodes()) {
      if (!node.running ||
          node.storage_state != routing::StorageState::kActive) {
        return false;
      }
    }
    return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
      return node->Knows(directory->epoch());
    });
  }

  template <typename Predicate>
  int IndexOf(Predicate is) const {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (is(*nodes_[i])) return static_cast<int>(i);
    }
    Die("no such node");
  }

  // Those that are linked, or were, until they know better.
  std::vector<const Device*> DevicesOf(const crypto::AccountId& account) const {
    std::vector<const Device*> devices;
    for (const auto& device : devices_) {
      if (device->account() == account) devices.push_back(device.get());
    }
    return devices;
  }

  static int CopiesOn(const Device& device, const Device& writer,
                      const WrittenText& text) {
    return static_cast<int>(
        std::count(device.inbox().begin(), device.inbox().end(),
                   ReceivedText{writer.account(), text.text}));
  }

  // It is to be on all devices that it is for, and at least on one.
  std::string MissingOn(const Device& writer, const WrittenText& text) const {
    bool somewhere = false;
    for (const Device* device : DevicesOf(text.to)) {
      const bool there = CopiesOn(*device, writer, text) > 0;
      if (!there && !device->unlinked() &&
          text.recipients.contains(device->id())) {
        return absl::StrCat(device->name(), " lacks \"", text.text, "\" of ",
                            writer.name());
      }
      somewhere = somewhere || there;
    }
    for (const Device* device : DevicesOf(writer.account())) {
      if (device->unlinked() || !text.copies.contains(device->id())) continue;
      if (!device->said().contains(text.text)) {
        return absl::StrCat(device->name(), " lacks the copy of \"", text.text,
                            "\" of ", writer.name());
      }
    }
    return somewhere ? ""
                     : absl::StrCat("\"", text.text, "\" of ", writer.name(),
                                    " is nowhere");
  }

  std::vector<int> Members(const std::shared_ptr<const Consensus>& directory,
                           const MailboxAddress& mailbox) const {
    std::vector<int> members;
    for (const routing::NodeId& id :
         swarm::Placement(directory).Members(mailbox)) {
      members.push_back(IndexOf(id));
    }
    return members;
  }

  Observer::Members MembersKnownTo(const Device& device) const {
    return [this, directory = device.directory(),
            before = device.directory_before()](absl::string_view bytes) {
      const MailboxAddress mailbox = MailboxAddress::FromBytes(bytes).value();
      std::vector<int> members = Members(directory, mailbox);
      if (before != nullptr) {
        const std::vector<int> known = Members(before, mailbox);
        std::erase_if(members, [&](int member) {
          return std::find(known.begin(), known.end(), member) == known.end();
        });
      }
      return members;
    };
  }

  const Device& DeviceAt(absl::string_view address) const {
    for (const auto& device : devices_) {
      if (device->address() == address) return *device;
    }
    Die("no such client");
  }

  int IndexOf(const routing::NodeId& id) const {
    return IndexOf([&](const Node& node) { return node.id() == id; });
  }

  // That no R of those that serve, and of those that will, can answer and all
  // miss it. A member that knows that it lacks something answers nobody: after
  // the loss of a disk, or before it has filled what is to be its own.
  void CheckKept(const Acknowledged& message,
                 const swarm::Placement& placement) {
    const swarm::ShardMembers members = placement.MembersOf(message.mailbox);
    const auto holds = [&](const routing::NodeId& id) {
      Node& node = *nodes_[IndexOf(id)];
      return !LiesAboutMessages(node.lie()) &&
             node.Holds(message.mailbox, message.ns, message.id);
    };
    const auto may_hide_it = [&](const routing::NodeId& id) {
      return !holds(id) && nodes_[IndexOf(id)]->Fills(message.mailbox);
    };
    const auto holders =
        std::count_if(members.all.begin(), members.all.end(), holds);
    if (holders == 0) {
      observer_.Violation("an acknowledged message is on 0 honest disks");
    }
    if (liars_ > 0) return;
    for (const auto* set : {&members.serving, &members.target}) {
      const auto missing = std::count_if(set->begin(), set->end(), may_hide_it);
      if (missing < placement.read_quorum()) continue;
      observer_.Violation(absl::StrCat(
          "an acknowledged message is on ", holders, " honest disks, but ",
          missing, set == &members.serving ? " that serve" : " that will serve",
          " answer without it"));
    }
  }

  void CheckDevice(const Device& device) {
    std::map<std::pair<std::string, std::string>, int> written;
    for (const auto& other : devices_) {
      for (const WrittenText& text : other->written()) {
        if (text.to != device.account()) continue;
        ++written[{other->account().ToHex(), text.text}];
      }
    }
    for (const ReceivedText& text : device.inbox()) {
      if (--written[{text.from.ToHex(), text.text}] < 0) {
        observer_.Violation(absl::StrCat(
            device.name(), " got a text twice, or one nobody wrote"));
      }
    }
    if (device.unreadable() > 0) {
      observer_.Violation(absl::StrCat(device.name(), " could not open ",
                                       device.unreadable(), " messages"));
    }
    int parts_sent = 0;
    for (const WrittenText& text : device.written()) {
      if (text.sent != absl::InfiniteFuture()) parts_sent += text.parts;
    }
    // Across the death of a device an acknowledgement may count twice, never
    // be missing.
    if (parts_sent > device.acknowledged()) {
      observer_.Violation(absl::StrCat(
          device.name(), " calls something sent that nobody signed for"));
    }
  }

  const Options options_;
  crypto::SeededRandom random_;
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_;
  routing::SimulatedNetwork links_;
  Observer observer_;
  World world_;
  std::vector<std::unique_ptr<Authority>> authorities_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<Acknowledged> acknowledged_;
  int liars_ = 0;
};

Network::Network(const Options& options)
    : impl_(std::make_unique<Impl>(options)) {}
Network::~Network() = default;

Device& Network::AddDevice(const std::string& name) {
  return impl_->AddDevice(name);
}
Device& Network::AddDevice(const std::string& name,
                           const Device::Options& options) {
  return impl_->AddDevice(name, options);
}
bool Network::Link(Device& first, Device& fresh, absl::Duration limit) {
  return impl_->Link(first, fresh, limit);
}
absl::Status Network::Unlink(Device& first, Device& device) {
  return impl_->Unlink(first, device);
}
absl::Status Network::Do(
    Device& device, absl::FunctionRef<absl::Status(client::Messenger&)> what,
    absl::Duration limit) {
  return impl_->Do(device, what, limit);
}
bool Network::Settle() { return impl_->Settle(); }
bool Network::RunUntil(absl::FunctionRef<bool()> done, absl::Duration limit) {
  return impl_->executor().RunUntil(done, limit);
}
void Network::RunFor(absl::Duration time) { impl_->executor().RunFor(time); }
absl::Time Network::Now() const { return impl_->clock().Now(); }

int Network::nodes() const { return static_cast<int>(impl_->nodes().size()); }
std::vector<int> Network::SwarmOf(const crypto::AccountId& account) const {
  return impl_->Members(MailboxAddress::ForAccount(account));
}
std::vector<std::vector<int>> Network::Paths(const Device& device) const {
  return impl_->Paths(device);
}

void Network::Crash(int node, Part part) { impl_->Crash(node, part); }
void Network::Restart(int node, Part part) { impl_->Restart(node, part); }
bool Network::up(int node) const {
  return impl_->nodes()[node]->relay_up() && impl_->nodes()[node]->storage_up();
}
void Network::Partition(const std::set<int>& nodes) { impl_->Partition(nodes); }
void Network::Heal() { impl_->links().Heal(); }
void Network::SetLoss(double probability) {
  impl_->links().SetLoss(probability);
}
void Network::SetDuplication(double probability) {
  impl_->links().SetDuplication(probability);
}
void Network::BreakLinksOf(const Device& device) {
  impl_->BreakLinksOf(device);
}
void Network::SetLie(int node, Lie lie) { impl_->SetLie(node, lie); }
void Network::Wipe(int node) { impl_->nodes()[node]->WipeStorage(); }
int Network::AddNode() { return impl_->AddNode(); }
void Network::Leave(int node) { impl_->nodes()[node]->Leave(); }
bool Network::IsMember(int node) const { return impl_->IsMember(node); }
bool Network::Changing() const { return impl_->Changing(); }
bool Network::HoldsAll(int node) const { return impl_->HoldsAll(node); }

int Network::StoredIn(const crypto::AccountId& account) const {
  return impl_->StoredIn(account);
}
std::string Network::Missing() const { return impl_->Missing(); }
absl::Status Network::CheckInvariants() const {
  return impl_->CheckInvariants();
}
crypto::Digest256 Network::trace() const { return impl_->observer().trace(); }
uint64_t Network::requests_delivered() const {
  return impl_->observer().requests_delivered();
}

}  // namespace messenger::simnet
