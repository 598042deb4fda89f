// How repair reaches one member: the transport, with the address looked up.

#ifndef SWARM_REPAIR_PEER_CALLER_H_
#define SWARM_REPAIR_PEER_CALLER_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/transport.h"

namespace messenger::swarm {

inline constexpr absl::Duration kReconcileTimeout = absl::Seconds(10);

class PeerCaller {
 public:
  virtual ~PeerCaller() = default;

  // As Transport::Call(); NOT_FOUND: no such storage node in the directory.
  virtual void Call(const routing::NodeId& peer, absl::string_view method,
                    std::string request, absl::Duration timeout,
                    routing::Transport::CallDone done) = 0;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_PEER_CALLER_H_
