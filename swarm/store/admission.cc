#include "swarm/store/admission.h"

#include "absl/time/time.h"
#include "swarm/auth/limits.h"

namespace messenger::swarm {
namespace {

uint64_t QuotaFor(Origin origin, uint64_t quota) {
  return origin == Origin::kPeer ? WithPeerSlack(quota) : quota;
}

bool IsFilledTo(const NodeSpace& space, uint64_t percent) {
  return space.capacity_bytes > 0 &&
         100 * space.used_bytes >= percent * space.capacity_bytes;
}

}  // namespace

uint64_t FairMailboxBytes(const NodeSpace& space, const ItemIndex& index) {
  if (!IsFilledTo(space, kCrowdedPercent))
    return NodeSpace().fair_mailbox_bytes;
  return index.FairMailboxBytes(kCrowdedPercent * space.capacity_bytes,
                                100 * space.used_bytes);
}

bool HasMessages(const MailboxAddress& mailbox, MailboxNamespace ns) {
  switch (mailbox.kind()) {
    case MailboxAddress::Kind::kAccount:
      return ns == MailboxNamespace::kInbox;
    case MailboxAddress::Kind::kPairwise:
      return ns == MailboxNamespace::kPairwise;
  }
  return false;
}

bool IsRegistered(const MailboxState& mailbox, Origin origin, uint64_t now_ms) {
  if (!mailbox.registered_ms.has_value()) return false;
  return origin == Origin::kPeer ||
         now_ms < *mailbox.registered_ms +
                      absl::ToInt64Milliseconds(kRegistrationLife);
}

OpResult AdmitMessage(const PutMessage& message, const MailboxState& mailbox,
                      const NodeSpace& space) {
  const bool stranger = message.ns == MailboxNamespace::kInbox;
  const uint64_t messages = stranger ? kStrangerMessages : kContactMessages;
  const uint64_t bytes = stranger ? kStrangerBytes : kContactBytes;
  if (mailbox.messages >= QuotaFor(message.origin, messages) ||
      mailbox.bytes + message.payload.size() >
          QuotaFor(message.origin, bytes)) {
    return OpResult::kMailboxFull;
  }
  // The last part is for owners' orders and what members bring besides
  // messages: a full node must still be able to forget.
  if (IsFilledTo(space, kNoMessagesPercent)) return OpResult::kNodeFull;
  const bool too_large = mailbox.bytes > space.fair_mailbox_bytes;
  if (message.origin == Origin::kPeer) {
    return too_large && IsFilledTo(space, kNoStrangersPercent)
               ? OpResult::kNodeFull
               : OpResult::kDone;
  }
  if (!stranger && too_large && IsFilledTo(space, kCrowdedPercent)) {
    return OpResult::kNodeFull;
  }
  if (stranger) {
    if (IsFilledTo(space, kNoStrangersPercent)) return OpResult::kNodeFull;
    if (IsFilledTo(space, kCrowdedPercent) &&
        mailbox.bytes > space.median_mailbox_bytes) {
      return OpResult::kNodeFull;
    }
  }
  return OpResult::kDone;
}

OpResult AdmitDeletion(const DeleteMessages& order,
                       const MailboxState& mailbox) {
  return mailbox.owner_ids + order.terms.ids.size() >
                 QuotaFor(order.origin, kOwnerIds)
             ? OpResult::kOwnerLimit
             : OpResult::kDone;
}

}  // namespace messenger::swarm
