// Who holds a shard, by the rule of swarm/SPEC.md, section 2.2, in the plainest
// way: one seat after the other, each by looking at everybody who is left. A
// node's place in the network is given as numbers, so reading addresses is not
// in question here.
//
// Pure functions; thread-safe.

#ifndef SWARM_TESTING_MODELS_PLACEMENT_MODEL_H_
#define SWARM_TESTING_MODELS_PLACEMENT_MODEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace messenger::swarm {

struct ModelNode {
  std::string id;            // 32 bytes
  std::string operator_key;  // 32 bytes; zeros: undeclared
  bool v6 = false;
  std::array<uint8_t, 16> address = {};  // of an IPv4, the first four
  bool serves = true;                    // ACTIVE or LEAVING
  bool is_target = true;                 // ACTIVE or JOINING
};

enum class ModelSet { kServing, kTarget };

// Of bytes that name a mailbox.
int ModelShard(const std::string& mailbox);

// Indices into `nodes`, the first seat first.
std::vector<size_t> ModelMembers(int shard, const std::vector<ModelNode>& nodes,
                                 ModelSet set, size_t seats);

}  // namespace messenger::swarm

#endif  // SWARM_TESTING_MODELS_PLACEMENT_MODEL_H_
