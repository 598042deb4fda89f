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
#include "crypto/sign/ed25519.h"
#include "routing/directory/consensus_holder.h"
#include "routing/endpoint/endpoint_handler.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/server.h"
#include "routing/runtime/transport.h"
#include "swarm/placement/current_placement.h"
#include "swarm/replication/coordinator.h"
#include "swarm/replication/local_replica.h"
#include "swarm/replication/replica_service.h"
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

  // For a router in the same process, and for tests.
  routing::EndpointHandler& endpoint() { return service_; }

  const StorageService& service() const { return service_; }
  const ReplicaService& replicas() const { return replicas_; }

  // Less than the 60 s within which nothing may be served after its expiry;
  // what expired is not listed anyway.
  static constexpr absl::Duration kExpireInterval = absl::Seconds(20);
  // Rows forgotten in one transaction, so that writes do not wait long.
  static constexpr size_t kExpireRows = 1000;

 private:
  void ScheduleExpire(absl::Duration delay);

  routing::Executor& executor_;
  const routing::Clock& clock_;
  CurrentPlacement placement_;
  GroupCommitter committer_;
  LocalReplica local_;
  Coordinator coordinator_;
  ReplicaService replicas_;
  StorageService service_;
  routing::TimerId expire_timer_ = 0;
  std::function<void(absl::Status)> on_damage_;
};

}  // namespace messenger::swarm

#endif  // SWARM_NODE_STORAGE_NODE_H_
