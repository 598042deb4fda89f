#include "tools/simnet/node.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "routing/proto/relay.pb.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/store/in_memory_store.h"
#include "swarm/store/sqlite_store.h"

namespace messenger::simnet {
namespace {

constexpr char kPingMethod[] = "/messenger.routing.v1.Relay/Ping";
// One machine, which never reboots: only its processes die.
const routing::BootId kBootId = {};

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << "simnet: " << value.status() << std::endl;
    std::abort();
  }
  return *std::move(value);
}

}  // namespace

// As Router puts it together (routing/relay/router.cc).
struct Node::Relay {
  Relay(Node& node, World& world)
      : transport(world.observer.Watch(node.link().address,
                                       node.relay_host_.transport())),
        keys(Must(routing::NodeKeys::Open(node.folder_ + "/onion.keys",
                                          node.id_, world.params, world.random,
                                          world.clock.Now()))),
        replay_cache(Must(routing::ReplayCache::Open(
            node.folder_ + "/replay", kBootId, world.clock.Now()))),
        directory(*transport, world.executor, world.clock,
                  routing::DirectoryTrust::For(world.config),
                  node.Authorities(), world.random),
        mirror(directory.holder()),
        endpoint(*transport, node.storage()),
        core(routing::RelayCore::Options{
            .node_id = node.id_,
            .transport = *transport,
            .executor = world.executor,
            .clock = world.clock,
            .random = world.random,
            .keys = *keys,
            .directory = directory.holder(),
            .replay_cache = *replay_cache,
            .endpoint = &endpoint,
            .recorder = &world.observer.RecorderOf(node.link().address)}),
        publisher(*transport, world.executor, world.clock, node.identity_,
                  *keys, node.Authorities(), node.MakeDescriptor()) {}

  std::unique_ptr<routing::Transport> transport;
  std::unique_ptr<routing::NodeKeys> keys;
  std::unique_ptr<routing::ReplayCache> replay_cache;
  routing::DirectoryClient directory;
  routing::DirectoryMirror mirror;
  routing::RemoteEndpointHandler endpoint;
  routing::RelayCore core;
  routing::DescriptorPublisher publisher;
};

// As StorageProcess puts it together (swarm/node/storage_process.cc).
struct Node::Storage {
  Storage(Node& owner, World& world,
          std::unique_ptr<swarm::MessageStore> opened)
      : sqlite(std::move(opened)),
        disk(std::make_unique<LyingStore>(
            sqlite != nullptr ? *sqlite : *owner.memory_, owner.versions_)),
        directory(owner.storage_host_.transport(), world.executor, world.clock,
                  routing::DirectoryTrust::For(world.config),
                  owner.Authorities(), world.random),
        node(swarm::StorageNode::Options{
            .id = owner.id_,
            .storage_key = owner.storage_key_,
            .directory = directory.holder(),
            .store = *disk,
            .transport = owner.storage_host_.transport(),
            .core = world.executor,
            .disk = world.executor,
            .clock = world.clock,
            .random = world.random,
            .on_ready =
                [this, &owner](uint64_t ready_epoch) {
                  reporter.Report(ready_epoch, owner.leaving_);
                }}),
        reporter(owner.storage_host_.transport(), world.executor, world.clock,
                 owner.storage_key_, world.config.network_id, owner.id_,
                 owner.Authorities()) {
    disk->set_lie(owner.lie_);
  }

  std::unique_ptr<swarm::MessageStore> sqlite;  // null: in memory
  std::unique_ptr<LyingStore> disk;
  routing::DirectoryClient directory;
  swarm::StorageNode node;
  routing::StorageReporter reporter;
};

Node::Node(World& world, int number)
    : world_(world),
      nickname_(absl::StrCat("node-", number)),
      folder_(absl::StrCat(world.folder, "/", nickname_)),
      identity_(crypto::Ed25519PrivateKey::Generate(world.random)),
      storage_key_(crypto::Ed25519PrivateKey::Generate(world.random)),
      id_(routing::NodeId::FromBytes(identity_.public_key().bytes()).value()),
      relay_host_(world.links.AddHost(absl::StrCat("sim:relay-", number),
                                      world.random.Fixed<routing::TlsKey>())),
      storage_host_(
          world.links.AddHost(absl::StrCat("sim:storage-", number),
                              world.random.Fixed<routing::TlsKey>())) {
  std::filesystem::create_directory(folder_);
  if (!world.sqlite_stores) {
    memory_ = std::make_unique<swarm::InMemoryStore>(world.random);
  }
  world.observer.AddHost(link().address, Observer::Role::kRelay, number);
  world.observer.AddHost(storage().address, Observer::Role::kStorage, number);
}

Node::~Node() {
  CrashRelay();
  relay_host_.set_recorder(nullptr);
  CrashStorage();
}

std::vector<routing::Endpoint> Node::Authorities() const {
  std::vector<routing::Endpoint> endpoints;
  for (const auto& authority : world_.config.authorities) {
    endpoints.push_back(authority.endpoint);
  }
  return endpoints;
}

routing::Descriptor Node::MakeDescriptor() const {
  routing::Descriptor descriptor;
  descriptor.network_id = world_.config.network_id;
  descriptor.relay = true;
  descriptor.storage_role = true;
  descriptor.nickname = nickname_;
  descriptor.link = link();
  descriptor.storage = storage();
  descriptor.storage_key = storage_key_.public_key();
  // Every node is run by somebody else.
  descriptor.operator_key =
      routing::OperatorKey::FromBytes(id_.bytes()).value();
  descriptor.capacity_mib = 1024;
  descriptor.software = "simnet";
  return descriptor;
}

void Node::StartRelay() {
  if (relay_ != nullptr) return;
  world_.links.Restart(relay_host_);
  relay_host_.set_recorder(&world_.observer.RecorderOf(link().address));
  relay_ = std::make_unique<Relay>(*this, world_);
  routing::v1::PingReply pong;
  pong.set_node_id(std::string(id_.bytes()));
  relay_host_.server().HandleMethod(
      kPingMethod, {.max_request_bytes = 64},
      [pong = pong.SerializeAsString()](const routing::Peer&,
                                        const std::string&,
                                        routing::Reply reply) { reply(pong); });
  relay_->mirror.Register(relay_host_.server());
  relay_host_.server().HandleLinks(relay_->core);
  const absl::Status published = relay_->publisher.Start();
  if (!published.ok()) {
    std::cerr << "simnet: " << published << std::endl;
    std::abort();
  }
  relay_->directory.Start(world_.directory_interval);
}

void Node::CrashRelay() {
  world_.links.Crash(relay_host_);
  relay_.reset();
}

void Node::StartStorage() {
  if (storage_ != nullptr) return;
  world_.links.Restart(storage_host_);
  storage_ = std::make_unique<Storage>(
      *this, world_, memory_ == nullptr ? OpenSqlite() : nullptr);
  storage_->node.Serve(link().tls_key, storage_host_.server());
  storage_->node.Start(nullptr);
  storage_->directory.Start(world_.directory_interval);
}

void Node::CrashStorage() {
  world_.links.Crash(storage_host_);
  if (storage_ == nullptr) return;
  // A write that has not begun never will; its task finds a dead disk. The
  // database itself is closed with the process.
  std::unique_ptr<LyingStore> disk = std::move(storage_->disk);
  disk->Die();
  storage_.reset();
  closing_.push_back(std::move(disk));
}

void Node::WipeStorage() {
  CrashStorage();
  if (memory_ != nullptr) {
    closing_.push_back(std::move(memory_));
    memory_ = std::make_unique<swarm::InMemoryStore>(world_.random);
  } else {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(DatabasePath() + suffix);
    }
  }
  StartStorage();
}

void Node::Leave() {
  leaving_ = true;
  if (storage_ != nullptr) {
    storage_->reporter.Report(storage_->node.repair().ReadyEpoch(), leaving_);
  }
}

std::unique_ptr<swarm::MessageStore> Node::OpenSqlite() const {
  return Must(swarm::SqliteStore::Open(
      {.path = DatabasePath(), .capacity_bytes = 0, .vfs = ""}, world_.random));
}

void Node::WithDisk(absl::FunctionRef<void(const swarm::MessageStore&)> look) {
  if (memory_ != nullptr) return look(*memory_);
  if (storage_ != nullptr) return look(*storage_->sqlite);
  look(*OpenSqlite());
}

bool Node::Fills(const swarm::MailboxAddress& mailbox) {
  const swarm::Shard shard = swarm::ShardOf(mailbox);
  if (storage_ != nullptr) return storage_->node.repair().Holds(shard);
  bool fills = false;
  WithDisk([&](const swarm::MessageStore& store) {
    fills = store.FilledIn(shard) != 0;
  });
  return fills;
}

bool Node::ready() const {
  return storage_ != nullptr && storage_->node.repair().ReadyEpoch() != 0;
}

void Node::set_lie(Lie lie) {
  lie_ = lie;
  if (storage_ != nullptr) storage_->disk->set_lie(lie);
}

bool Node::Holds(const swarm::MailboxAddress& mailbox,
                 swarm::MailboxNamespace ns, const swarm::MessageId& id) {
  bool holds = false;
  WithDisk([&](const swarm::MessageStore& store) {
    const swarm::MessagePage page =
        Must(store.List(mailbox, ns, /*after_seq=*/0, /*now_ms=*/0,
                        /*limit_rows=*/1'000'000, /*limit_bytes=*/1 << 30));
    holds = std::any_of(page.messages.begin(), page.messages.end(),
                        [&](const auto& message) { return message.id == id; });
  });
  return holds;
}

bool Node::Knows(uint64_t directory_epoch) const {
  const auto knows = [&](routing::DirectoryClient& directory) {
    const auto held = directory.holder().current();
    return held != nullptr && held->epoch() >= directory_epoch;
  };
  return relay_ != nullptr && storage_ != nullptr && knows(relay_->directory) &&
         knows(storage_->directory);
}

}  // namespace messenger::simnet
