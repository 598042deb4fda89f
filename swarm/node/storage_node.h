// A storage node, put together: service, replication, store and housekeeping
// (swarm/SPEC.md, section 6).
//
// What differs between a process and a simulation comes from outside: the
// network, the disk, the time. Belongs to the core executor.

#ifndef SWARM_NODE_STORAGE_NODE_H_
#define SWARM_NODE_STORAGE_NODE_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/consensus_holder.h"
#include "routing/endpoint/endpoint_handler.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/server.h"
#include "routing/runtime/transport.h"
#include "swarm/placement/current_placement.h"
#include "swarm/repair/foreign_shards.h"
#include "swarm/repair/planted_bug.h"
#include "swarm/repair/repair_engine.h"
#include "swarm/repair/shard_map.h"
#include "swarm/replication/coordinator.h"
#include "swarm/replication/local_replica.h"
#include "swarm/replication/replica_service.h"
#include "swarm/service/mailbox_waiters.h"
#include "swarm/service/storage_service.h"
#include "swarm/store/group_committer.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class StorageNode final {
 public:
  struct Options {
    routing::NodeId id;  // of the router beside it
    const crypto::Ed25519PrivateKey& storage_key;
    const routing::ConsensusHolder& directory;
    MessageStore& store;
    routing::Transport& transport;  // to the other members
    routing::Executor& core;
    // Where the store is written; may be `core` itself in a simulation. Its
    // last task must be done before `store` goes.
    routing::Executor& disk;
    const routing::Clock& clock;
    crypto::Random& random;
    // Told whenever the epoch changes by whose directory this node holds
    // everything of every shard that it is to hold; 0: it does not. May be
    // null.
    std::function<void(uint64_t ready_epoch)> on_ready;
    // How long shards of others stay, and how often contents are compared with
    // each peer; simulations have less time.
    absl::Duration foreign_kept = ForeignShards::kKept;
    absl::Duration scrub_period = Scrubber::kPeriod;
    // Simulations only: see swarm/repair/planted_bug.h.
    PlantedBug bug = PlantedBug::kNone;
    // Simulations only: no repair of any kind, and everything counts as held.
    bool without_repair = false;
  };

  // All references must outlive the node.
  explicit StorageNode(const Options& options);
  ~StorageNode();

  StorageNode(const StorageNode&) = delete;
  StorageNode& operator=(const StorageNode&) = delete;

  // Registers what the node answers: the requests of clients, that the router
  // with `router_key` hands over, and the other members'. Before the server
  // starts; the node must outlive it.
  void Serve(const routing::TlsKey& router_key, routing::Server& server);

  // Starts forgetting what has expired. `on_damage` is told, once, when the
  // disk turns out to be damaged; the process should end then.
  void Start(std::function<void(absl::Status)> on_damage);

  // A stored item whose contents turned out to be damaged: it is forgotten, and
  // comes again from a peer.
  void DropDamagedItem(const ItemKey& item);

  // For a router in the same process, and for tests.
  routing::EndpointHandler& endpoint() { return service_; }

  const StorageService& service() const { return service_; }
  const ReplicaService& replicas() const { return replicas_; }
  const Coordinator& coordinator() const { return coordinator_; }
  const RepairEngine& repair() const { return repair_; }

  // Less than the 60 s within which nothing may be served after its expiry;
  // what expired is not listed anyway.
  static constexpr absl::Duration kExpireInterval = absl::Seconds(20);
  // Rows forgotten in one transaction, so that writes do not wait long.
  static constexpr size_t kExpireRows = 1000;

  // How often a new directory and readiness are looked for.
  static constexpr absl::Duration kLookInterval = absl::Seconds(1);
  // How long a member that missed an item is told again.
  static constexpr absl::Duration kHintLife = absl::Hours(24);

 private:
  // The time that the members agree on, for all that clients' requests are
  // held against.
  class CorrectedClock final : public routing::Clock {
   public:
    explicit CorrectedClock(const RepairEngine& repair) : repair_(repair) {}
    absl::Time Now() const override { return repair_.cluster_clock().Now(); }

   private:
    const RepairEngine& repair_;
  };

  std::shared_ptr<const ShardMap> NewestMap();
  bool Holds(Shard shard) const;
  void NoteHint(const routing::NodeId& peer, const ItemKey& item);
  void ScheduleExpire(absl::Duration delay);
  void Look();

  const Options options_;
  CurrentPlacement placement_;
  std::shared_ptr<const Placement> mapped_;
  std::shared_ptr<const ShardMap> map_;
  GroupCommitter committer_;
  LocalReplica local_;
  RepairEngine repair_;
  CorrectedClock clock_;
  MailboxWaiters waiters_;
  Coordinator coordinator_;
  ReplicaService replicas_;
  StorageService service_;
  uint64_t ready_epoch_ = 0;
  routing::TimerId expire_timer_ = 0;
  routing::TimerId look_timer_ = 0;
  std::function<void(absl::Status)> on_damage_;
};

}  // namespace messenger::swarm

#endif  // SWARM_NODE_STORAGE_NODE_H_
