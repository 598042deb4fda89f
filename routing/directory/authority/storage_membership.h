// Which nodes store messages, from one consensus to the next
// (routing/directory/SPEC.md, section 5.6).
//
//   WAITING -> JOINING -> ACTIVE -> LEAVING -> WAITING
//                 |          ^          |
//                 v          +----------+
//              WAITING
//
// A change of members is a transition: it begins with a new target set T, T
// may change while it lasts, and it ends, in an epoch of its own, when every
// node of T says that it holds everything. Only the end changes the serving
// set S. A pure function, thread-safe.

#ifndef ROUTING_DIRECTORY_AUTHORITY_STORAGE_MEMBERSHIP_H_
#define ROUTING_DIRECTORY_AUTHORITY_STORAGE_MEMBERSHIP_H_

#include <cstdint>
#include <map>
#include <optional>

#include "absl/time/time.h"
#include "routing/directory/network_params.h"
#include "routing/directory/storage_state.h"
#include "routing/onion/node_id.h"

namespace messenger::routing {

// What is known about a node in the epoch that is being computed.
struct StorageFacts {
  // In the previous consensus; kNone if it was not in there.
  StorageState before = StorageState::kNone;
  bool storage_role = false;
  std::optional<absl::Time> down_since;  // Nothing: it is running.
  bool leaving = false;                  // Its operator wants it to leave.
  // It held everything by the target of this epoch, as most votes have it.
  uint64_t ready_epoch = 0;
};

// A pending transition: the epoch in which T got its present members, and when
// that consensus became valid. Epoch 0: none.
struct StorageTransition {
  uint64_t epoch = 0;
  std::optional<absl::Time> since;

  friend bool operator==(const StorageTransition&,
                         const StorageTransition&) = default;
};

struct StorageMembership {
  std::map<NodeId, StorageState> states;  // Of all nodes in `facts`.
  StorageTransition transition;
};

// The states in `epoch`, which becomes valid at `now`. `facts` has every node
// of the new consensus; the caller lists each node that was serving or target
// before, with its storage role.
StorageMembership NextStorageMembership(
    const std::map<NodeId, StorageFacts>& facts,
    const StorageTransition& pending, const NetworkParams& params,
    uint64_t epoch, absl::Time now);

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_STORAGE_MEMBERSHIP_H_
