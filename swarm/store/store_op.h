// What the operations of a MessageStore have in common.
//
// Pure functions; thread-safe.

#ifndef SWARM_STORE_STORE_OP_H_
#define SWARM_STORE_STORE_OP_H_

#include <optional>

#include "swarm/auth/item.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

// The item that an operation stores; nothing for operations that members do
// not exchange.
std::optional<ItemKey> KeyOf(const StoreOp& op);

}  // namespace messenger::swarm

#endif  // SWARM_STORE_STORE_OP_H_
