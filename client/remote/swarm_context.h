// What every operation of a SwarmClient works with. All outlive the operation.

#ifndef CLIENT_REMOTE_SWARM_CONTEXT_H_
#define CLIENT_REMOTE_SWARM_CONTEXT_H_

#include <functional>

#include "client/remote/member_caller.h"
#include "client/remote/network_time.h"
#include "client/remote/swarm_client_options.h"
#include "crypto/random/random.h"
#include "routing/runtime/executor.h"
#include "swarm/placement/current_placement.h"

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
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_SWARM_CONTEXT_H_
