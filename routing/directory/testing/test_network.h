// A whole network on paper, for tests: a signed consensus of n nodes of which
// every private key is at hand.
//
//   SeededRandom random(seed);
//   TestNetwork net(/*nodes=*/8, TestNetwork::SmallParams(), random, now);
//   net.consensus()->nodes(); net.node(0).identity.Sign(...);
//   net.Reissue([](TestNetwork::Draft& draft) { draft.nodes[3].running = false;
//   });
//
// Node i has link address "sim:i", storage address "sim:s<i>", a nickname
// "node-i" and an operator of its own. Not thread-safe.

#ifndef ROUTING_DIRECTORY_TESTING_TEST_NETWORK_H_
#define ROUTING_DIRECTORY_TESTING_TEST_NETWORK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/consensus.h"
#include "routing/directory/descriptor.h"
#include "routing/directory/network_params.h"
#include "routing/directory/node_keys.h"
#include "routing/directory/storage_state.h"

namespace messenger::routing {

class TestNetwork final {
 public:
  struct Node {
    crypto::Ed25519PrivateKey identity;
    crypto::Ed25519PrivateKey storage_key;  // Signs receipts.
    // Names of TLS hosts. Tests over real TLS make identities from the seeds.
    crypto::SecretBytes<32> link_tls_seed;
    crypto::SecretBytes<32> storage_tls_seed;
    std::unique_ptr<NodeKeys> keys;  // Onion and KEM keys, in memory.

    NodeId id() const { return keys->node_id(); }
  };

  // What is going to be signed. Edits of `descriptor` are signed by the node.
  struct Draft {
    struct Node {
      Descriptor descriptor;
      bool running = true;
      StorageState storage_state = StorageState::kActive;
      absl::Time since;
      // Left open for a node that is not running: since `valid_after`.
      std::optional<absl::Time> down_since;
    };
    uint64_t epoch = 0;
    absl::Time valid_after;
    NetworkParams params;
    // Kept up by `Reissue` from the storage states, unless the edit sets it.
    uint64_t transition_epoch = 0;
    std::optional<absl::Time> transition_since;
    std::vector<Node> nodes;  // By index, as `node(i)`; may be erased or added.
  };

  // Swarms of 3, private addresses, default key periods.
  static NetworkParams SmallParams();

  // Three authorities, two signatures needed; valid from the start of `now`'s
  // second. `random` is used during construction and `AddNode` only.
  TestNetwork(int nodes, const NetworkParams& params, crypto::Random& random,
              absl::Time now);

  int size() const { return static_cast<int>(nodes_.size()); }
  Node& node(int i) { return *nodes_[i]; }
  // The index of a node; -1 if it is none of the network's.
  int IndexOf(const NodeId& id) const;

  const DirectoryTrust& trust() const { return trust_; }
  const crypto::Ed25519PrivateKey& authority(int i) const {
    return authorities_[i];
  }

  const std::shared_ptr<const Consensus>& consensus() const {
    return consensus_;
  }

  // Applies `edit` to the newest draft, raises the epoch and signs. The edit
  // may move `valid_after`; call with `now` of later epochs to have nodes
  // publish their keys of then.
  const std::shared_ptr<const Consensus>& Reissue(
      const std::function<void(Draft&)>& edit);
  const std::shared_ptr<const Consensus>& ReissueAt(
      absl::Time now, const std::function<void(Draft&)>& edit);

  // Adds a node to the draft, not yet to the consensus. Returns its index.
  int AddNode();

  // Wire bytes of a draft signed by the given authorities (indices).
  std::string Sign(const Draft& draft,
                   const std::vector<int>& signers = {0, 1, 2}) const;
  const Draft& draft() const { return draft_; }

 private:
  void Adopt(absl::Time now);
  // What the header says about a transition, from the states of the draft.
  void FollowTransition();

  crypto::Random& random_;
  absl::Time now_;
  DirectoryTrust trust_;
  std::vector<crypto::Ed25519PrivateKey> authorities_;
  std::vector<std::unique_ptr<Node>> nodes_;
  Draft draft_;
  std::set<NodeId> target_;  // As of the last draft.
  std::shared_ptr<const Consensus> consensus_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_TESTING_TEST_NETWORK_H_
