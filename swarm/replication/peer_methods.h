// What members agree on about calling one another (swarm/SPEC.md, section 5).

#ifndef SWARM_REPLICATION_PEER_METHODS_H_
#define SWARM_REPLICATION_PEER_METHODS_H_

#include <cstddef>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace messenger::swarm {

inline constexpr absl::string_view kReplicateMethod =
    "/messenger.swarm.v1.Peer/Replicate";
inline constexpr size_t kMaxReplicateBytes = 1024 * 1024;
inline constexpr int kMaxReplicateItems = 64;
// Calls a member serves at one time for all its peers.
inline constexpr int kMaxConcurrentReplications = 512;

// How long a peer gets, and how long a client waits for W of them.
inline constexpr absl::Duration kReplicateTimeout = absl::Seconds(4);

}  // namespace messenger::swarm

#endif  // SWARM_REPLICATION_PEER_METHODS_H_
