// Storage nodes, directory and network of one run: production code everywhere
// but for time, chance, wires and disks.
//
//   clients ---\                        authorities
//               >-- SimulatedNetwork ----- a vote of each per interval,
//   nodes -----/                           ComputeConsensus(), news to all
//
// A node is a StorageNode on a NodeDisk with a clock and an executor of its
// own. Requests of clients come as calls of kClientMethod, as if onion circuits
// were one wire. Not thread-safe.

#ifndef TOOLS_SIMNET_SWARM_WORLD_H_
#define TOOLS_SIMNET_SWARM_WORLD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/directory/consensus_holder.h"
#include "routing/directory/testing/test_network.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/testing/simulated_network.h"
#include "swarm/auth/item.h"
#include "swarm/auth/mailbox.h"
#include "swarm/node/storage_node.h"
#include "swarm/placement/placement.h"
#include "swarm/store/message_store.h"
#include "tools/simnet/swarm/dishonest_store.h"
#include "tools/simnet/swarm/node_disk.h"
#include "tools/simnet/swarm/plan.h"
#include "tools/simnet/swarm/probes.h"
#include "tools/simnet/swarm/process_executor.h"
#include "tools/simnet/swarm/skewed_clock.h"

namespace messenger::simnet {

inline constexpr char kClientMethod[] = "/simnet.swarm/Client";

class World final {
 public:
  struct Node {
    int index = 0;
    routing::NodeId id;
    Liar liar = Liar::kHonest;
    std::string address;
    routing::SimulatedNetwork::Host* host = nullptr;
    std::unique_ptr<NodeDisk> disk;
    std::unique_ptr<SkewedClock> clock;
    // Survives the process, as the file it is kept in does.
    std::string directory_wire;

    // The process; all null while there is none.
    std::unique_ptr<crypto::SeededRandom> random;
    std::unique_ptr<ProcessExecutor> executor;
    std::unique_ptr<ProcessExecutor> disk_executor;
    std::unique_ptr<routing::ConsensusHolder> directory;
    std::unique_ptr<DishonestStore> dishonest;
    std::unique_ptr<swarm::StorageNode> process;

    bool known = false;  // to the authorities
    bool lost = false;   // never comes back
    bool paused = false;
    bool leaving = false;  // its operator wants it to
    bool cut_off = false;  // from the authorities
    bool damaged = false;  // its disk is; it needs a new one
    bool was_evicted = false;
    absl::Time started_at = absl::InfinitePast();
    // What was on its disk, or a part of it, was gone at that time.
    absl::Time last_destroyed = absl::InfinitePast();
    bool running() const { return process != nullptr; }
  };

  World(const Plan& plan, Probes& probes);
  ~World();

  World(const World&) = delete;
  World& operator=(const World&) = delete;

  const Plan& plan() const { return plan_; }
  Probes& probes() { return probes_; }
  routing::SimulatedClock& clock() { return clock_; }
  routing::SimulatedExecutor& executor() { return executor_; }
  routing::SimulatedNetwork& network() { return network_; }
  absl::Time Now() const { return clock_.Now(); }

  // --- nodes ---
  int nodes() const { return static_cast<int>(nodes_.size()); }
  Node& node(int i) { return *nodes_[i]; }
  const Node& node(int i) const { return *nodes_[i]; }
  int IndexOf(const routing::NodeId& id) const { return paper_.IndexOf(id); }

  void Crash(int i, bool power_loss);
  // On what is left on its disk. A damaged disk, or one that fails, leaves it
  // down.
  void Start(int i);
  void Wipe(int i);
  void Pause(int i);
  void Resume(int i);
  // A node that nobody has heard of registers with the authorities.
  int Join();

  // --- directory ---
  const std::shared_ptr<const routing::Consensus>& consensus() const {
    return consensus_;
  }
  // By the newest consensus.
  const swarm::Placement& placement() const { return *placement_; }
  const routing::DirectoryTrust& trust() const { return paper_.trust(); }
  const std::string& newest_wire() const { return consensus_->wire(); }
  bool in_transition() const { return consensus_->transition_epoch() != 0; }
  // When S or T last changed.
  absl::Time last_membership_change() const { return last_change_; }
  uint64_t transitions_completed() const { return transitions_completed_; }

  // --- what a god sees ---
  // The item is on the node's disk, whole. Also where the disk cannot be read
  // just now: then nobody knows.
  bool Holds(int i, const swarm::ItemKey& key) const;
  // Its end has not come; what has ended is read by nobody.
  bool Shows(int i, const swarm::ItemKey& key) const;
  // Who is a member of the shard, and what each thinks and has of it.
  std::string Describe(swarm::Shard shard) const;
  std::vector<swarm::ItemEntry> Entries(int i, swarm::Shard shard,
                                        uint64_t from_ms) const;

  // Lies about replies go through here.
  void set_reply_filter(
      std::function<void(Node& node, std::string& reply)> filter) {
    reply_filter_ = std::move(filter);
  }

  // Of all that was sent and when, so far.
  uint64_t trace_hash() const { return trace_hash_; }
  uint64_t bytes_sent() const { return bytes_sent_; }

  // Adds what the counters of running processes say to the probes; a process
  // is also asked when it ends.
  void CollectProbes();
  struct Totals {
    uint64_t hints_delivered = 0;
    uint64_t reconciliations = 0;
    uint64_t fetched = 0;
    uint64_t pushed = 0;
    uint64_t peer_faults = 0;
    uint64_t fetched_bytes = 0;
  };
  const Totals& totals() const { return totals_; }

 private:
  void AddNode(bool known);
  void Hash(const routing::SimulatedNetwork::Observation& observation);
  void Vote();
  void Publish();
  void Tell(int i);
  void FetchDirectory(int i);
  void CollectProbes(Node& node);
  uint64_t ReadyEpoch(const Node& node) const;

  const Plan plan_;
  Probes& probes_;
  crypto::SeededRandom random_;  // keys and the network
  crypto::SeededRandom disk_random_;
  crypto::SeededRandom directory_random_;
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_;
  routing::SimulatedNetwork network_;
  routing::TestNetwork paper_;
  std::shared_ptr<const routing::Consensus> consensus_;
  std::unique_ptr<swarm::Placement> placement_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<int, std::string> descriptors_;
  absl::Time last_change_;
  uint64_t transitions_completed_ = 0;
  std::function<void(Node&, std::string&)> reply_filter_;
  uint64_t trace_hash_ = 14695981039346656037u;
  uint64_t bytes_sent_ = 0;
  uint64_t processes_ = 0;
  Totals totals_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_WORLD_H_
