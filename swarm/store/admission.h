// Who may still store what, as far as the state on the disk decides it
// (swarm/SPEC.md, section 5.5; design/0003, "Who may store").
//
// Pure functions; thread-safe.

#ifndef SWARM_STORE_ADMISSION_H_
#define SWARM_STORE_ADMISSION_H_

#include <cstddef>
#include <cstdint>

#include "swarm/store/item_index.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

// Shares of the capacity, in percent, from which strangers' messages for
// mailboxes above the median are refused, those of all strangers, and all
// messages.
inline constexpr uint64_t kCrowdedPercent = 80;
inline constexpr uint64_t kNoStrangersPercent = 90;
inline constexpr uint64_t kNoMessagesPercent = 95;

// Whether `ns` is where this kind of mailbox has messages. Each kind has one
// such namespace, so messages are kept by mailbox alone.
bool HasMessages(const MailboxAddress& mailbox, MailboxNamespace ns);

// Whether the mailbox's registration lets this write in. A client needs one
// that is good; what a peer brings was written while it was, so there any that
// is remembered will do.
bool IsRegistered(const MailboxState& mailbox, Origin origin, uint64_t now_ms);

// Of a message that is not there yet: kDone (room for it), kMailboxFull or
// kNodeFull.
OpResult AdmitMessage(const PutMessage& message, const MailboxState& mailbox,
                      const NodeSpace& space);

// Of an order to delete that is not there yet: kDone or kOwnerLimit.
OpResult AdmitDeletion(const DeleteMessages& order,
                       const MailboxState& mailbox);

}  // namespace messenger::swarm

#endif  // SWARM_STORE_ADMISSION_H_
