// How repair commits what a peer brings, and how it reads what it gives: the
// seams to validation and to the committer.

#ifndef SWARM_REPAIR_ITEM_INTAKE_H_
#define SWARM_REPAIR_ITEM_INTAKE_H_

#include <functional>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

// From a peer's item to an operation checked in every respect, its id computed;
// ValidateItem() of swarm/validation. Status codes are a validator's.
using ValidateFunction = std::function<absl::StatusOr<StoreOp>(
    const v1::ReplicatedItem& item, absl::Time now, Origin origin)>;

// GroupCommitter::Submit(). `done` never runs inside the call.
using CommitFunction = std::function<void(
    StoreOp op, absl::AnyInvocable<void(absl::StatusOr<OpResult>)> done)>;

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_ITEM_INTAKE_H_
