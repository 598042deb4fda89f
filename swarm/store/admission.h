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

// Shares of the capacity, in percent. From the first on strangers' messages for
// mailboxes above the median are refused, and contacts' for those above the
// fair size; from the second on those of all strangers, and what peers bring
// for mailboxes above the fair size; from the third on all messages.
inline constexpr uint64_t kCrowdedPercent = 80;
inline constexpr uint64_t kNoStrangersPercent = 90;
inline constexpr uint64_t kNoMessagesPercent = 95;

// NodeSpace::fair_mailbox_bytes of a node so full: the size to which larger
// mailboxes would have to be cut for it to be filled to kCrowdedPercent.
// Whoever fills a node, with whatever right, so stops before those who are in
// his way do.
uint64_t FairMailboxBytes(const NodeSpace& space, const ItemIndex& index);

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
