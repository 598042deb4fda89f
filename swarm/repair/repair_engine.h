// All of repair in one object: serves peers' comparisons, compares with them,
// fills shards, brings hints, scrubs, keeps the cluster's time, erases what is
// foreign (swarm/SPEC.md, sections 5.3 to 5.8; design/0003).
//
// Runs of comparison do not overlap: one at a time, and fills go first.
//
// Belongs to the core executor. May be destroyed at any time once the server no
// longer calls it.

#ifndef SWARM_REPAIR_REPAIR_ENGINE_H_
#define SWARM_REPAIR_REPAIR_ENGINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/server.h"
#include "routing/runtime/transport.h"
#include "swarm/repair/cluster_clock.h"
#include "swarm/repair/foreign_shards.h"
#include "swarm/repair/hint_sender.h"
#include "swarm/repair/item_intake.h"
#include "swarm/repair/paced_caller.h"
#include "swarm/repair/peer_caller.h"
#include "swarm/repair/peer_health.h"
#include "swarm/repair/planted_bug.h"
#include "swarm/repair/reconcile_responder.h"
#include "swarm/repair/reconciler.h"
#include "swarm/repair/repair_schedule.h"
#include "swarm/repair/scrubber.h"
#include "swarm/repair/shard_filler.h"
#include "swarm/repair/shard_map.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class RepairEngine final {
 public:
  // How often the directory is looked at, besides MapChanged().
  static constexpr absl::Duration kLookAtMap = absl::Seconds(5);

  struct Options {
    const MessageStore& store;  // all references must outlive the engine
    routing::Transport& transport;
    routing::Executor& executor;
    const routing::Clock& clock;
    crypto::Random& random;
    ShardMapSource maps;
    ValidateFunction validate;
    CommitFunction commit;
    EraseFunction erase;
    absl::Duration foreign_kept = ForeignShards::kKept;
    absl::Duration scrub_period = Scrubber::kPeriod;
    PlantedBug bug = PlantedBug::kNone;
  };

  struct Counters {
    uint64_t runs = 0;
    uint64_t equal = 0;
    uint64_t complete = 0;
    uint64_t bounded = 0;
    uint64_t failed = 0;
    uint64_t peer_faults = 0;
    uint64_t fetched = 0;
    uint64_t pushed = 0;
    uint64_t not_needed = 0;
    uint64_t refused_here = 0;
    uint64_t refused_there = 0;
    uint64_t not_given = 0;
    uint64_t bytes_sent = 0;
    uint64_t bytes_received = 0;
  };

  explicit RepairEngine(Options options);
  ~RepairEngine();

  RepairEngine(const RepairEngine&) = delete;
  RepairEngine& operator=(const RepairEngine&) = delete;

  // Registers the methods of ReconcileResponder.
  void Serve(routing::Server& server);
  void Start();
  // Ends what is under way; peers are still answered.
  void Stop();

  // There is a new directory.
  void MapChanged();

  // Hints for `peer` have been committed.
  void HintsAdded(const routing::NodeId& peer) { hints_.Wake(peer); }
  PeerHealth& health() { return health_; }

  bool Holds(Shard shard) const { return filler_.Holds(shard); }
  uint64_t ReadyEpoch() const { return filler_.ReadyEpoch(); }
  const ClusterClock& cluster_clock() const { return cluster_clock_; }
  // Runs that ended by a fault of this peer.
  uint64_t FaultsOf(const routing::NodeId& peer) const;

  const Counters& counters() const { return counters_; }
  const ReconcileResponder& responder() const { return responder_; }
  const ShardFiller& filler() const { return filler_; }
  const HintSender& hints() const { return hints_; }
  const Scrubber& scrubber() const { return scrubber_; }
  const ForeignShards& foreign() const { return foreign_; }

 private:
  class DirectoryCaller;

  // The next run, if it is time for one and none is under way.
  void Next();
  void StartRun(const routing::NodeId& peer, bool is_fill);
  void EndRun(bool is_fill, Reconciler::Outcome outcome);
  void Count(const Reconciler::Outcome& outcome);
  void ArmTimer();
  void LookAtMap();

  const Options options_;
  const std::unique_ptr<DirectoryCaller> caller_;
  PacedCaller paced_;  // for comparisons
  ClusterClock cluster_clock_;
  PeerHealth health_;
  ShardFiller filler_;
  ReconcileResponder responder_;
  HintSender hints_;
  Scrubber scrubber_;
  ForeignShards foreign_;
  RepairSchedule schedule_;

  bool running_ = false;
  std::shared_ptr<const ShardMap> map_;
  absl::Time next_turn_ = absl::InfinitePast();
  std::optional<routing::NodeId> run_peer_;
  uint64_t run_layout_ = 0;
  std::unique_ptr<Reconciler> run_;
  absl::flat_hash_map<routing::NodeId, uint64_t> faults_;
  Counters counters_;
  routing::TimerId timer_ = 0;
  routing::TimerId map_timer_ = 0;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_REPAIR_ENGINE_H_
