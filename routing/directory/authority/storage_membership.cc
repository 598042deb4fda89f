#include "routing/directory/authority/storage_membership.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace messenger::routing {
namespace {

using enum StorageState;

// Everything a step needs; each step changes some states.
class Computation {
 public:
  Computation(const std::map<NodeId, StorageFacts>& facts,
              const NetworkParams& params, absl::Time now)
      : params_(params), now_(now) {
    for (const auto& [id, fact] : facts) {
      StorageState state = fact.before;
      // Outside of both sets the role alone decides.
      if (!IsServing(state) && !IsTarget(state)) {
        state = fact.storage_role ? kWaiting : kNone;
      }
      nodes_.push_back({id, &fact, state});
      serving_ += IsServing(state);
      target_ += IsTarget(state);
    }
    // T is never smaller than a swarm, nor than S where that is smaller yet: a
    // transition takes no copies away.
    floor_ = std::min(serving_, params.swarm_size);
  }

  bool anyone_serves() const { return serving_ > 0; }

  // With nothing stored anywhere there is nothing to wait for.
  void Found() {
    for (Node& node : nodes_) {
      if (node.state == kNone) continue;
      Set(node, MayJoin(node) ? kActive : kWaiting);
    }
  }

  // A node that was to leave and need not, or that was to join and cannot.
  void TurnBack() {
    for (Node& node : nodes_) {
      if (node.state == kLeaving && MayJoin(node)) Set(node, kActive);
      if (node.state == kJoining && (node.facts->leaving || Lost(node))) {
        Set(node, kWaiting);
      }
    }
  }

  // ACTIVE nodes that were down for too long, the longest first.
  std::vector<size_t> FindLost() const {
    int active = 0;
    int down = 0;
    std::vector<size_t> lost;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].state != kActive) continue;
      ++active;
      down += nodes_[i].facts->down_since.has_value();
      if (Lost(nodes_[i])) lost.push_back(i);
    }
    // So many at once: it is the network, not the nodes.
    if (3 * down > active) return {};
    std::stable_sort(lost.begin(), lost.end(), [this](size_t a, size_t b) {
      return *nodes_[a].facts->down_since < *nodes_[b].facts->down_since;
    });
    return lost;
  }

  void Join() {
    for (Node& node : nodes_) {
      if (node.state == kWaiting && MayJoin(node)) Set(node, kJoining);
    }
  }

  void Evict(const std::vector<size_t>& lost) {
    for (const size_t i : lost) Leave(nodes_[i]);
  }

  void LetGo() {
    for (Node& node : nodes_) {
      if (node.state == kActive && node.facts->leaving) Leave(node);
    }
  }

  // A target that lost joiners takes back whom it has instead, running nodes
  // first.
  void Refill() {
    for (const bool running : {true, false}) {
      for (Node& node : nodes_) {
        if (target_ >= floor_) return;
        if (node.state == kLeaving &&
            node.facts->down_since.has_value() != running) {
          Set(node, kActive);
        }
      }
    }
  }

  bool Pending() const {
    return std::any_of(nodes_.begin(), nodes_.end(), [](const Node& node) {
      return IsServing(node.state) != IsTarget(node.state);
    });
  }

  bool TargetChanged() const {
    return std::any_of(nodes_.begin(), nodes_.end(), [](const Node& node) {
      return IsTarget(node.state) != IsTarget(node.facts->before);
    });
  }

  // Whether T holds everything, running or not: what is down for long is not
  // in T any more.
  bool Ready(const StorageTransition& transition) const {
    return now_ - *transition.since >= params_.min_overlap &&
           std::all_of(nodes_.begin(), nodes_.end(), [&](const Node& node) {
             return !IsTarget(node.state) ||
                    node.facts->ready_epoch >= transition.epoch;
           });
  }

  void Complete() {
    for (Node& node : nodes_) {
      if (node.state == kJoining) Set(node, kActive);
      if (node.state == kLeaving) Set(node, kWaiting);
    }
  }

  StorageMembership Finish(const StorageTransition& transition) const {
    StorageMembership result;
    for (const Node& node : nodes_) {
      result.states.emplace_hint(result.states.end(), node.id, node.state);
    }
    result.transition = transition;
    return result;
  }

 private:
  struct Node {
    NodeId id;
    const StorageFacts* facts;
    StorageState state;
  };

  static bool MayJoin(const Node& node) {
    return !node.facts->down_since.has_value() && !node.facts->leaving;
  }

  bool Lost(const Node& node) const {
    return node.facts->down_since.has_value() &&
           now_ - *node.facts->down_since >= params_.evict_after;
  }

  void Leave(Node& node) {
    if (target_ > floor_) Set(node, kLeaving);
  }

  void Set(Node& node, StorageState state) {
    target_ += IsTarget(state) - IsTarget(node.state);
    node.state = state;
  }

  const NetworkParams& params_;
  const absl::Time now_;
  std::vector<Node> nodes_;  // By id.
  int serving_ = 0;          // Before.
  int target_ = 0;           // Now.
  int floor_ = 0;
};

}  // namespace

StorageMembership NextStorageMembership(
    const std::map<NodeId, StorageFacts>& facts,
    const StorageTransition& pending, const NetworkParams& params,
    uint64_t epoch, absl::Time now) {
  Computation computation(facts, params, now);
  if (!computation.anyone_serves()) {
    computation.Found();
    return computation.Finish({});
  }
  computation.TurnBack();
  const std::vector<size_t> lost = computation.FindLost();
  // An eviction changes T anyway; whoever waits may then be its replacement.
  if (pending.epoch == 0 || !lost.empty()) {
    computation.Join();
    computation.Evict(lost);
    computation.LetGo();
  }
  computation.Refill();
  // Back where it began. Whatever was stored meanwhile is in S too.
  if (!computation.Pending()) return computation.Finish({});
  if (pending.epoch == 0 || computation.TargetChanged()) {
    return computation.Finish({epoch, now});
  }
  if (!computation.Ready(pending)) return computation.Finish(pending);
  computation.Complete();
  return computation.Finish({});
}

}  // namespace messenger::routing
