// One storage request to one member of a swarm, over the onion network
// (swarm/SPEC.md, section 4). Shared by the operations of SwarmClient.

#ifndef CLIENT_REMOTE_MEMBER_CALLER_H_
#define CLIENT_REMOTE_MEMBER_CALLER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/remote/onion_requester.h"
#include "client/remote/write_refusal.h"
#include "routing/onion/node_id.h"

namespace messenger::swarm::v1 {
class ClientResponse;
}  // namespace messenger::swarm::v1

namespace messenger::client {

struct MemberAnswer {
  // What the member said of the request; its words are dropped, they prove
  // nothing.
  absl::Status status;
  // Only looked at together with `status`: also an error may carry receipts.
  std::shared_ptr<const swarm::v1::ClientResponse> response;  // null: none came
  RequestRoute route;
  WriteRefusal refusal;
  // Of the directory the member used; 0 if it did not say.
  uint64_t epoch = 0;

  // The member refused because of a directory newer than ours.
  bool OurDirectoryIsOld(uint64_t our_epoch) const {
    return epoch > our_epoch && (absl::IsFailedPrecondition(status) ||
                                 refusal.reason == RefusalReason::kWrongSwarm);
  }
};

class MemberCaller final {
 public:
  using Done = absl::AnyInvocable<void(MemberAnswer)>;

  // `requester` must outlive the caller.
  explicit MemberCaller(OnionRequester& requester) : requester_(requester) {}

  void Call(const routing::NodeId& member,
            const std::vector<routing::NodeId>& swarm, std::string request,
            int reply_cells, absl::Duration timeout, Done done);

 private:
  OnionRequester& requester_;
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_MEMBER_CALLER_H_
