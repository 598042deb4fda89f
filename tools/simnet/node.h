// One machine of a simulated network: the relay and the storage process of a
// node, put together from the production objects as their mains do.
//
// What a process has on its disk survives its crash: keys, the replay cache,
// messages. Belongs to the executor of its world.

#ifndef TOOLS_SIMNET_NODE_H_
#define TOOLS_SIMNET_NODE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/descriptor_publisher.h"
#include "routing/directory/directory_client.h"
#include "routing/directory/directory_mirror.h"
#include "routing/directory/network_params.h"
#include "routing/directory/node_keys.h"
#include "routing/directory/storage_reporter.h"
#include "routing/endpoint/remote_endpoint_handler.h"
#include "routing/onion/node_id.h"
#include "routing/relay/relay_core.h"
#include "routing/relay/replay_cache.h"
#include "routing/runtime/network_config.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/testing/simulated_network.h"
#include "routing/runtime/transport.h"
#include "swarm/auth/mailbox.h"
#include "swarm/node/storage_node.h"
#include "swarm/store/message_store.h"
#include "tools/simnet/lying_store.h"
#include "tools/simnet/observer.h"

namespace messenger::simnet {

// What all processes of a simulation share.
struct World {
  routing::SimulatedClock& clock;
  routing::SimulatedExecutor& executor;
  crypto::Random& random;
  routing::SimulatedNetwork& links;
  Observer& observer;
  routing::NetworkConfig config;
  routing::NetworkParams params;
  std::string folder;          // exists
  bool sqlite_stores = false;  // or in memory
  absl::Duration directory_interval;
};

class Node final {
 public:
  // Does not start anything. `world` must outlive the node.
  Node(World& world, int number);
  ~Node();

  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void StartRelay();
  void CrashRelay();
  bool relay_up() const { return relay_ != nullptr; }

  void StartStorage();
  void CrashStorage();
  bool storage_up() const { return storage_ != nullptr; }
  // All messages and all it knew of them are lost; another disk is put in.
  void WipeStorage();
  // It says from now on that it wants to leave.
  void Leave();

  void set_lie(Lie lie);
  Lie lie() const { return lie_; }
  // Whether it answers readings of the mailbox, or would if it were up: it has
  // all of the shard, as far as it knows.
  bool Fills(const swarm::MailboxAddress& mailbox);
  // It fills all shards of which it is to be a member.
  bool ready() const;
  // Whether the message is on the disk, whatever the node says.
  bool Holds(const swarm::MailboxAddress& mailbox, swarm::MailboxNamespace ns,
             const swarm::MessageId& id);

  const routing::NodeId& id() const { return id_; }
  const std::string& nickname() const { return nickname_; }
  routing::SimulatedNetwork::Host& relay_host() { return relay_host_; }
  const routing::Endpoint& link() const { return relay_host_.endpoint(); }
  const routing::Endpoint& storage() const { return storage_host_.endpoint(); }

  // Both processes are up and know this directory or a newer one.
  bool Knows(uint64_t directory_epoch) const;

 private:
  struct Relay;
  struct Storage;

  std::vector<routing::Endpoint> Authorities() const;
  routing::Descriptor MakeDescriptor() const;
  std::string DatabasePath() const { return folder_ + "/messages.db"; }
  std::unique_ptr<swarm::MessageStore> OpenSqlite() const;
  // Runs `look` on the disk, also of a process that is dead.
  void WithDisk(absl::FunctionRef<void(const swarm::MessageStore&)> look);

  World& world_;
  const std::string nickname_;
  const std::string folder_;
  const crypto::Ed25519PrivateKey identity_;
  const crypto::Ed25519PrivateKey storage_key_;
  const routing::NodeId id_;
  routing::SimulatedNetwork::Host& relay_host_;
  routing::SimulatedNetwork::Host& storage_host_;

  Lie lie_ = Lie::kNone;
  RecordVersions versions_;
  bool leaving_ = false;
  // In memory: the disk. Null with SQLite.
  std::unique_ptr<swarm::MessageStore> memory_;
  // Of crashed processes: tasks of theirs may still look at them.
  std::vector<std::unique_ptr<swarm::MessageStore>> closing_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<Storage> storage_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_NODE_H_
