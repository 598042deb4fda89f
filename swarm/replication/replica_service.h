// Serves the other members: commits what they replicate here (swarm/SPEC.md,
// section 5.2).
//
// A peer is trusted for nothing but being there. What it brings carries its
// author's proof and is validated as if it came from a client.
//
// Belongs to the core executor. May be destroyed once the server is shut down.

#ifndef SWARM_REPLICATION_REPLICA_SERVICE_H_
#define SWARM_REPLICATION_REPLICA_SERVICE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/server.h"
#include "swarm/placement/current_placement.h"
#include "swarm/repair/planted_bug.h"
#include "swarm/replication/local_replica.h"
#include "swarm/validation/request_validator.h"

namespace messenger::swarm {

namespace v1 {
class ReplicatedItem;
}  // namespace v1

class ReplicaService final {
 public:
  struct Counters {
    uint64_t committed = 0;
    uint64_t refused = 0;
    uint64_t strangers = 0;  // calls of who is no storage node
    uint64_t outdated = 0;   // calls that ignore a change of members
  };

  // All references must outlive the service.
  ReplicaService(LocalReplica& local, CurrentPlacement& placement,
                 const routing::Clock& clock,
                 PlantedBug bug = PlantedBug::kNone);

  // Registers kReplicateMethod.
  void Serve(routing::Server& server);

  const Counters& counters() const { return counters_; }

 private:
  struct Call;

  void Replicate(const routing::Peer& peer, const std::string& request,
                 routing::Reply reply);
  // A validated item that both this node and `caller` hold by the directory.
  absl::StatusOr<ValidWrite> Check(const v1::ReplicatedItem& item,
                                   const Placement& placement,
                                   const routing::NodeId& caller,
                                   absl::Time now) const;

  LocalReplica& local_;
  CurrentPlacement& placement_;
  const routing::Clock& clock_;
  const PlantedBug bug_;
  Counters counters_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPLICATION_REPLICA_SERVICE_H_
