#include "tools/simnet/lying_store.h"

#include <utility>

#include "crypto/base/status_macros.h"

namespace messenger::simnet {

absl::StatusOr<std::vector<swarm::OpResult>> LyingStore::Apply(
    absl::Span<const swarm::StoreOp> ops) {
  if (lie_ != Lie::kDropAfterReceipt) return truth_.Apply(ops);
  return std::vector<swarm::OpResult>(ops.size(), swarm::OpResult::kDone);
}

absl::StatusOr<swarm::MessagePage> LyingStore::List(
    const swarm::MailboxAddress& mailbox, swarm::MailboxNamespace ns,
    uint64_t after_seq, uint64_t now_ms, size_t limit_rows,
    size_t limit_bytes) const {
  if (lie_ == Lie::kHide) return swarm::MessagePage();
  ASSIGN_OR_RETURN(
      swarm::MessagePage page,
      truth_.List(mailbox, ns, after_seq, now_ms, limit_rows, limit_bytes));
  if (lie_ == Lie::kCorrupt) {
    for (swarm::StoredMessage& message : page.messages) {
      message.payload[message.payload.size() / 2] ^= 1;
    }
  }
  return page;
}

absl::StatusOr<std::vector<swarm::Record>> LyingStore::Records(
    const swarm::MailboxAddress& mailbox, swarm::MailboxNamespace ns) const {
  if (lie_ == Lie::kOldRecords) return std::vector<swarm::Record>();
  return truth_.Records(mailbox, ns);
}

}  // namespace messenger::simnet
