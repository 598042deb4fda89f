// What the operations of a MessageStore have in common.
//
// Pure functions; thread-safe.

#ifndef SWARM_STORE_STORE_OP_H_
#define SWARM_STORE_STORE_OP_H_

#include <optional>

#include "swarm/auth/item.h"
#include "swarm/auth/mailbox.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

// The item that an operation stores; nothing for hints and the like.
std::optional<ItemKey> KeyOf(const StoreOp& op);

// The mailbox it is about; nothing for hints and the like.
std::optional<MailboxAddress> MailboxOf(const StoreOp& op);

}  // namespace messenger::swarm

#endif  // SWARM_STORE_STORE_OP_H_
