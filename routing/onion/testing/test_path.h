// Nodes with real keys, for tests that build and peel SETUPs.
//
// Move-only, not thread-safe; `Secrets` refers into the path.

#ifndef ROUTING_ONION_TESTING_TEST_PATH_H_
#define ROUTING_ONION_TESTING_TEST_PATH_H_

#include <memory>
#include <vector>

#include "crypto/agreement/x25519.h"
#include "crypto/kem/mlkem768.h"
#include "crypto/random/random.h"
#include "routing/onion/node_id.h"
#include "routing/onion/setup.h"

namespace messenger::routing {

class TestPath final {
 public:
  TestPath(int hops, crypto::Random& random);

  int hops() const { return static_cast<int>(nodes_.size()); }

  // The public keys of the first `hops` nodes.
  std::vector<HopKeys> Keys(int hops) const;
  std::vector<HopKeys> Keys() const { return Keys(hops()); }

  const HopSecrets& Secrets(int hop) const { return nodes_[hop]->secrets; }

 private:
  struct Node {
    explicit Node(crypto::Random& random);

    crypto::X25519PrivateKey onion_key;
    crypto::MlKem768PrivateKey kem_key;
    HopSecrets secrets;
  };

  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace messenger::routing

#endif  // ROUTING_ONION_TESTING_TEST_PATH_H_
