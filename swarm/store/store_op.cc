#include "swarm/store/store_op.h"

#include "swarm/placement/rendezvous.h"

namespace messenger::swarm {
namespace {

struct Named {
  ItemKind kind;
  const MailboxAddress& mailbox;
  const ObjectId& id;
};

std::optional<Named> NameOf(const StoreOp& op) {
  if (const auto* put = std::get_if<PutMessage>(&op)) {
    return Named{ItemKind::kMessage, put->mailbox, put->id};
  }
  if (const auto* order = std::get_if<DeleteMessages>(&op)) {
    return Named{ItemKind::kDeletion, order->terms.mailbox, order->order_id};
  }
  if (const auto* order = std::get_if<PurgeMessages>(&op)) {
    return Named{ItemKind::kPurge, order->terms.mailbox, order->order_id};
  }
  if (const auto* put = std::get_if<PutRecord>(&op)) {
    return Named{ItemKind::kRecord, put->mailbox, put->id};
  }
  if (const auto* put = std::get_if<PutRegistration>(&op)) {
    return Named{ItemKind::kRegistration, put->mailbox, put->id};
  }
  return std::nullopt;
}

}  // namespace

std::optional<ItemKey> KeyOf(const StoreOp& op) {
  const std::optional<Named> named = NameOf(op);
  if (!named.has_value()) return std::nullopt;
  return ItemKey{named->kind, ShardOf(named->mailbox), named->id};
}

std::optional<MailboxAddress> MailboxOf(const StoreOp& op) {
  const std::optional<Named> named = NameOf(op);
  if (!named.has_value()) return std::nullopt;
  return named->mailbox;
}

}  // namespace messenger::swarm
