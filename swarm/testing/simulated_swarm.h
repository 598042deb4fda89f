// Storage nodes of a whole network in one thread of virtual time, with stores
// in memory; made settled. Node i is node i of the TestNetwork; peers talk over
// a SimulatedNetwork, and Deliver() hands over what the onion network would.

#ifndef SWARM_TESTING_SIMULATED_SWARM_H_
#define SWARM_TESTING_SIMULATED_SWARM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crypto/identity/account_id.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/consensus_holder.h"
#include "routing/directory/network_params.h"
#include "routing/directory/testing/test_network.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/server.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/testing/simulated_network.h"
#include "swarm/auth/mailbox.h"
#include "swarm/node/storage_node.h"
#include "swarm/store/in_memory_store.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class SimulatedSwarm final {
 public:
  struct Node {
    routing::NodeId id;
    routing::SimulatedNetwork::Host* host = nullptr;
    std::unique_ptr<InMemoryStore> store;  // survives a crash
    std::unique_ptr<routing::ConsensusHolder> directory;
    std::unique_ptr<StorageNode> process;  // null while crashed
  };

  explicit SimulatedSwarm(int nodes, uint64_t seed = 1,
                          const routing::NetworkParams& params =
                              routing::TestNetwork::SmallParams());
  ~SimulatedSwarm();

  crypto::SeededRandom& random() { return random_; }
  routing::SimulatedClock& clock() { return clock_; }
  routing::SimulatedExecutor& executor() { return executor_; }
  routing::SimulatedNetwork& network() { return network_; }
  routing::TestNetwork& paper() { return paper_; }
  // What a client holds; follows Reissue().
  routing::ConsensusHolder& directory() { return directory_; }

  Node& node(int i) { return *nodes_[i]; }
  int IndexOf(const routing::NodeId& id) const { return paper_.IndexOf(id); }
  // Indices of the members of a mailbox, by the newest directory.
  std::vector<int> Members(const MailboxAddress& mailbox) const;

  // The process is gone; its store stays. Restart() starts another on it.
  void Crash(int i);
  void Restart(int i);
  // Its disk is lost, and it starts on an empty one: of this size, or without
  // bound.
  void Wipe(int i, uint64_t capacity_bytes = 0);
  bool crashed(int i) const { return nodes_[i]->process == nullptr; }

  // A new directory, at once known to clients and to the nodes in `informed`
  // (empty: to all).
  void Reissue(const std::function<void(routing::TestNetwork::Draft&)>& edit,
               const std::vector<int>& informed = {});

  // Until every node that runs holds all that it should. Aborts if that takes
  // more than five minutes.
  void Settle();

  // As if its reader had registered the mailbox an instant ago, at all members.
  void Register(const crypto::AccountKeys& account);
  void Register(const crypto::Ed25519PrivateKey& read_key,
                const crypto::Ed25519PublicKey& write_key);

  // A stranger's message, which all members of the inbox hold from now on, for
  // an hour.
  void PutIntoInbox(const crypto::AccountId& account,
                    const std::string& payload);

  // A request reaches a node's endpoint. A crashed node never answers.
  void Deliver(const routing::NodeId& node, uint8_t service,
               std::string request, routing::Reply reply);

 private:
  void StartProcess(Node& node);
  void Register(const MailboxAddress& mailbox,
                const crypto::Ed25519PrivateKey& reader, std::string keys);
  uint64_t NowMs() const;
  void PutAtMembers(const MailboxAddress& mailbox, const StoreOp& op);

  crypto::SeededRandom random_;
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_;
  routing::SimulatedNetwork network_;
  routing::TestNetwork paper_;
  routing::ConsensusHolder directory_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace messenger::swarm

#endif  // SWARM_TESTING_SIMULATED_SWARM_H_
