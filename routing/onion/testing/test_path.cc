#include "routing/onion/testing/test_path.h"

namespace messenger::routing {

TestPath::Node::Node(crypto::Random& random)
    : onion_key(crypto::X25519PrivateKey::Generate(random)),
      kem_key(crypto::MlKem768PrivateKey::Generate(random)),
      secrets(random.Fixed<NodeId>(), onion_key, kem_key) {}

TestPath::TestPath(int hops, crypto::Random& random) {
  for (int i = 0; i < hops; ++i) {
    nodes_.push_back(std::make_unique<Node>(random));
  }
}

std::vector<HopKeys> TestPath::Keys(int hops) const {
  std::vector<HopKeys> keys;
  for (int i = 0; i < hops; ++i) {
    const Node& node = *nodes_[i];
    keys.push_back({node.secrets.node_id, node.onion_key.public_key(),
                    node.kem_key.public_key()});
  }
  return keys;
}

}  // namespace messenger::routing
