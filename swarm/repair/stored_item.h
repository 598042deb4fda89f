// What an operation of a store is as an item among members (swarm/SPEC.md,
// sections 5.4 and 5.6).
//
// Pure functions; thread-safe.

#ifndef SWARM_REPAIR_STORED_ITEM_H_
#define SWARM_REPAIR_STORED_ITEM_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "swarm/auth/item.h"
#include "swarm/repair/reconcile_codec.h"
#include "swarm/store/message_store.h"
#include "swarm/store/store_op.h"

namespace messenger::swarm {

// Marks what a peer brought.
void SetOrigin(StoreOp& op, Origin origin);

// What the id of a message or record commits to and a member might have lost.
// Nothing for others: two signatures under one order are both valid, so members
// may differ in them.
std::optional<absl::string_view> ScrubbedContent(const StoreOp& op);

ScrubHash ComputeScrubHash(const ScrubSalt& salt, const ObjectId& id,
                           absl::string_view content);

// Whether the content hashes to the id. True for what has none to check.
bool IsIntact(const StoreOp& op);

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_STORED_ITEM_H_
