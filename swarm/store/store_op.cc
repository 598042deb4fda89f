#include "swarm/store/store_op.h"

#include <variant>

#include "swarm/placement/rendezvous.h"

namespace messenger::swarm {

std::optional<ItemKey> KeyOf(const StoreOp& op) {
  if (const auto* put = std::get_if<PutMessage>(&op)) {
    return ItemKey{ItemKind::kMessage, ShardOf(put->mailbox), put->id};
  }
  if (const auto* erase = std::get_if<DeleteMessages>(&op)) {
    return ItemKey{ItemKind::kDeletion, ShardOf(erase->terms.mailbox),
                   erase->order_id};
  }
  if (const auto* purge = std::get_if<PurgeMessages>(&op)) {
    return ItemKey{ItemKind::kPurge, ShardOf(purge->terms.mailbox),
                   purge->order_id};
  }
  if (const auto* record = std::get_if<PutRecord>(&op)) {
    return ItemKey{ItemKind::kRecord, ShardOf(record->mailbox), record->id};
  }
  if (const auto* put = std::get_if<PutRegistration>(&op)) {
    return ItemKey{ItemKind::kRegistration, ShardOf(put->mailbox), put->id};
  }
  return std::nullopt;
}

}  // namespace messenger::swarm
