#include "tools/simnet/swarm/dishonest_store.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace messenger::simnet {
namespace {

// Not a member's own choice at each reading: what it hides it always hides.
bool IsHidden(const swarm::MessageId& id) { return (id.bytes()[0] & 1) != 0; }

}  // namespace

absl::StatusOr<std::vector<swarm::OpResult>> DishonestStore::Apply(
    absl::Span<const swarm::StoreOp> ops, uint64_t now_ms) {
  if (bug_ == StoreBug::kAckBeforeDisk) {
    const std::vector<swarm::StoreOp> behind = std::exchange(behind_, {});
    if (!behind.empty()) truth_.Apply(behind, now_ms).IgnoreError();
  }
  if (liar_ != Liar::kDrops && bug_ == StoreBug::kNone) {
    return truth_.Apply(ops, now_ms);
  }
  std::vector<swarm::OpResult> results;
  for (const swarm::StoreOp& op : ops) {
    const bool put = std::holds_alternative<swarm::PutMessage>(op);
    if ((put && liar_ == Liar::kDrops) ||
        (put && bug_ == StoreBug::kAckBeforeDisk) ||
        (bug_ == StoreBug::kDeletionsForgotten &&
         std::holds_alternative<swarm::DeleteMessages>(op))) {
      lied_();
      if (bug_ == StoreBug::kAckBeforeDisk) behind_.push_back(op);
      results.push_back(swarm::OpResult::kDone);
      continue;
    }
    auto one = truth_.Apply(absl::MakeConstSpan(&op, 1), now_ms);
    if (!one.ok()) return one.status();
    results.push_back(one->front());
  }
  return results;
}

absl::StatusOr<swarm::MessagePage> DishonestStore::List(
    const swarm::MailboxAddress& mailbox, swarm::MailboxNamespace ns,
    uint64_t after_seq, uint64_t now_ms, size_t limit_rows,
    size_t limit_bytes) const {
  absl::StatusOr<swarm::MessagePage> page =
      truth_.List(mailbox, ns, after_seq, now_ms, limit_rows, limit_bytes);
  if (!page.ok()) return page;
  std::vector<swarm::StoredMessage>& messages = page->messages;
  if (liar_ == Liar::kHides) {
    const auto first = std::remove_if(
        messages.begin(), messages.end(),
        [](const swarm::StoredMessage& m) { return IsHidden(m.id); });
    if (first != messages.end()) lied_();
    messages.erase(first, messages.end());
  } else if (liar_ == Liar::kStale && !messages.empty()) {
    // As if the newest half had never come.
    lied_();
    messages.resize(messages.size() / 2);
  } else if (liar_ == Liar::kCorrupts) {
    for (swarm::StoredMessage& message : messages) {
      lied_();
      message.payload[message.payload.size() / 2] ^= 0x20;
    }
  }
  return page;
}

}  // namespace messenger::simnet
