#include "swarm/testing/models/placement_model.h"

#include <algorithm>

#include "crypto/hash/hash.h"

namespace messenger::swarm {
namespace {

bool SameOperator(const ModelNode& a, const ModelNode& b) {
  return a.operator_key == b.operator_key &&
         a.operator_key != std::string(32, '\0');
}

bool SameBlock(const ModelNode& a, const ModelNode& b) {
  const size_t bytes = a.v6 ? 6 : 3;  // /48 and /24
  return a.v6 == b.v6 &&
         std::equal(a.address.begin(), a.address.begin() + bytes,
                    b.address.begin());
}

// How much a node has in common with those who have a seat: 0, an address block
// or an operator key. The rule gives seats by this first, then by score.
int Closeness(const ModelNode& node, const std::vector<ModelNode>& nodes,
              const std::vector<size_t>& seated) {
  int closeness = 0;
  for (const size_t other : seated) {
    if (SameOperator(node, nodes[other])) return 2;
    if (SameBlock(node, nodes[other])) closeness = 1;
  }
  return closeness;
}

}  // namespace

int ModelShard(const std::string& mailbox) {
  const std::string hash(crypto::Blake2b256("nm1-shard", {mailbox}).bytes());
  return static_cast<unsigned char>(hash[0]) * 16 +
         static_cast<unsigned char>(hash[1]) / 16;
}

std::vector<size_t> ModelMembers(int shard, const std::vector<ModelNode>& nodes,
                                 ModelSet set, size_t seats) {
  const std::string number = {static_cast<char>(shard / 256),
                              static_cast<char>(shard % 256)};
  std::vector<std::string> scores;
  for (const ModelNode& node : nodes) {
    scores.emplace_back(
        crypto::Blake2b256("nm1-rendezvous", {number, node.id}).bytes());
  }
  std::vector<size_t> seated;
  while (seated.size() < seats) {
    int best = -1;
    int best_closeness = 0;
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (!(set == ModelSet::kServing ? nodes[i].serves : nodes[i].is_target) ||
          std::find(seated.begin(), seated.end(), i) != seated.end()) {
        continue;
      }
      const int closeness = Closeness(nodes[i], nodes, seated);
      if (best < 0 || closeness < best_closeness ||
          (closeness == best_closeness && scores[i] > scores[best])) {
        best = static_cast<int>(i);
        best_closeness = closeness;
      }
    }
    if (best < 0) break;
    seated.push_back(static_cast<size_t>(best));
  }
  return seated;
}

}  // namespace messenger::swarm
