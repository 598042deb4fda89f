// What a member does for clients (swarm/SPEC.md, section 4): one ClientRequest
// in, one ClientResponse out.
//
// Knows nothing of who asks or by which path. Belongs to the core executor.

#ifndef SWARM_SERVICE_STORAGE_SERVICE_H_
#define SWARM_SERVICE_STORAGE_SERVICE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "routing/endpoint/endpoint_handler.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/server.h"
#include "swarm/placement/current_placement.h"
#include "swarm/replication/coordinator.h"
#include "swarm/store/message_store.h"
#include "swarm/validation/nonce_cache.h"

namespace messenger::swarm {

namespace v1 {
class ClientRequest;
class ClientResponse;
class GetRecordsRequest;
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
  };

  // All references must outlive the service; `store` is only read.
  StorageService(const routing::NodeId& self, CurrentPlacement& placement,
                 const MessageStore& store, Coordinator& coordinator,
                 const routing::Clock& clock);

  // Answers OK with a ClientResponse to whatever is asked; what is wrong with
  // the request is said in there. UNIMPLEMENTED for another service.
  void Handle(uint8_t service, std::string request,
              routing::Reply reply) override;

  const Counters& counters() const { return counters_; }

 private:
  void Write(v1::ClientRequest request, const Placement& placement,
             routing::Reply reply);
  absl::Status Retrieve(const v1::RetrieveRequest& request,
                        const Placement& placement,
                        v1::ClientResponse& response);
  absl::Status GetRecords(const v1::GetRecordsRequest& request,
                          const Placement& placement,
                          v1::ClientResponse& response);
  absl::Status CheckMember(const MailboxAddress& mailbox,
                           const Placement& placement);
  void Answer(const absl::Status& status, v1::ClientResponse response,
              routing::Reply& reply);

  const routing::NodeId self_;
  CurrentPlacement& placement_;
  const MessageStore& store_;
  Coordinator& coordinator_;
  const routing::Clock& clock_;
  NonceCache nonces_;
  Counters counters_;
};

}  // namespace messenger::swarm

#endif  // SWARM_SERVICE_STORAGE_SERVICE_H_
