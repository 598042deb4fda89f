// What every operation of a SwarmClient works with. All outlive the operation.

#ifndef CLIENT_REMOTE_SWARM_CONTEXT_H_
#define CLIENT_REMOTE_SWARM_CONTEXT_H_

#include <algorithm>
#include <functional>
#include <vector>

#include "client/remote/member_caller.h"
#include "client/remote/network_time.h"
#include "client/remote/swarm_client_options.h"
#include "crypto/random/random.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/executor.h"
#include "swarm/auth/mailbox.h"
#include "swarm/placement/current_placement.h"
#include "swarm/placement/placement.h"

namespace messenger::client {

struct SwarmContext {
  MemberCaller& caller;
  swarm::CurrentPlacement& placement;
  const NetworkTime& time;
  routing::Executor& executor;
  crypto::Random& random;
  const SwarmClientOptions& options;
  // Members speak of a directory newer than ours: have it fetched. Never null.
  std::function<void()> refresh_directory;

  // Who stores the mailbox, for paths to avoid: by the newest directory, for
  // from that they are chosen, and `known` besides.
  std::vector<routing::NodeId> StorersOf(
      const swarm::MailboxAddress& mailbox,
      std::vector<routing::NodeId> known) const {
    for (const routing::NodeId& node :
         placement.Get()->MembersOf(mailbox).all) {
      if (std::find(known.begin(), known.end(), node) == known.end()) {
        known.push_back(node);
      }
    }
    return known;
  }
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_SWARM_CONTEXT_H_
