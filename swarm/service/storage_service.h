// What a member does for clients (swarm/SPEC.md, section 4): one ClientRequest
// in, one ClientResponse out.
//
// Knows nothing of who asks or by which path. Belongs to the core executor.

#ifndef SWARM_SERVICE_STORAGE_SERVICE_H_
#define SWARM_SERVICE_STORAGE_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "crypto/random/random.h"
#include "routing/endpoint/endpoint_handler.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/server.h"
#include "swarm/auth/item.h"
#include "swarm/placement/current_placement.h"
#include "swarm/proto/refusal.h"
#include "swarm/repair/planted_bug.h"
#include "swarm/replication/coordinator.h"
#include "swarm/replication/local_replica.h"
#include "swarm/service/mailbox_waiters.h"
#include "swarm/store/message_store.h"
#include "swarm/validation/nonce_cache.h"
#include "swarm/validation/request_validator.h"

namespace messenger::swarm {

namespace v1 {
class ClientRequest;
class ClientResponse;
class GetRecordsRequest;
class RepairRequest;
class RetrieveRequest;
}  // namespace v1

class StorageService final : public routing::EndpointHandler {
 public:
  struct Counters {
    uint64_t requests = 0;
    uint64_t refused = 0;      // any answer but OK
    uint64_t replayed = 0;     // of these, seen before
    uint64_t wrong_swarm = 0;  // of these, for another swarm
    // Stored messages that no longer hash to their id; never sent.
    uint64_t damaged_payloads = 0;
    // Reads refused because this node does not hold all of the shard yet.
    uint64_t filling = 0;
    uint64_t clock_skew = 0;      // writes refused: this node's clock is off
    uint64_t not_registered = 0;  // messages for mailboxes nobody registered
    uint64_t mailbox_full = 0;
    uint64_t node_full = 0;
    uint64_t work_needed = 0;
    uint64_t repaired = 0;  // messages that readers brought
    uint64_t pushed = 0;    // waits that a message ended
  };

  // What a node knows about its own fitness.
  struct Health {
    // It holds everything of the shard, so that its answer counts.
    std::function<bool(Shard)> holds;
    // Some shard is not held.
    std::function<bool()> filling;
    // Its clock agrees with its peers' well enough to take writes.
    std::function<bool()> clock_fit;
    // Called with the key of a stored message that is damaged.
    std::function<void(const ItemKey&)> on_damaged_item;
  };

  struct Options {
    routing::NodeId self;
    CurrentPlacement& placement;
    const MessageStore& store;  // only read
    LocalReplica& local;
    Coordinator& coordinator;
    MailboxWaiters& waiters;
    const routing::Clock& clock;
    crypto::Random& random;
    Health health;
    PlantedBug bug = PlantedBug::kNone;
  };

  // All references must outlive the service.
  explicit StorageService(Options options);

  // Answers OK with a ClientResponse to whatever is asked; what is wrong with
  // the request is said in there. UNIMPLEMENTED for another service.
  void Handle(uint8_t service, std::string request,
              routing::Reply reply) override;

  const Counters& counters() const { return counters_; }
  // What a retrieval must name at present (SPEC.md, section 3.2).
  uint64_t challenge() const { return nonces_.challenge(); }

 private:
  void Write(v1::ClientRequest request,
             std::shared_ptr<const Placement> placement, routing::Reply reply);
  // What can be said before any signature is looked at.
  absl::Status CheckWrite(const MailboxAddress& mailbox,
                          const v1::ClientRequest& request,
                          const Placement& placement);
  absl::Status CheckAdmission(const ValidWrite& write, uint64_t now_ms);
  void Repair(const v1::RepairRequest& request, const Placement& placement,
              routing::Reply reply);
  // Checks a retrieval and uses up its nonce.
  absl::StatusOr<ValidRetrieval> OpenRetrieval(
      const v1::RetrieveRequest& request, const Placement& placement);
  void Retrieve(const v1::RetrieveRequest& request, const Placement& placement,
                routing::Reply reply);
  absl::Status ListPage(const ValidRetrieval& retrieval,
                        v1::ClientResponse& response);
  absl::Status GetRecords(const v1::GetRecordsRequest& request,
                          const Placement& placement,
                          v1::ClientResponse& response);
  absl::Status CheckMember(const MailboxAddress& mailbox,
                           const Placement& placement);
  absl::Status CheckHolds(const MailboxAddress& mailbox);
  void Count(v1::Refusal::Reason reason);
  void Answer(const absl::Status& status, v1::ClientResponse response,
              routing::Reply& reply);

  const Options options_;
  NonceCache nonces_;
  Counters counters_;
};

}  // namespace messenger::swarm

#endif  // SWARM_SERVICE_STORAGE_SERVICE_H_
