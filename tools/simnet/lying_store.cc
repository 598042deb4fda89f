#include "tools/simnet/lying_store.h"

#include <iterator>
#include <utility>
#include <variant>

#include "crypto/base/status_macros.h"

namespace messenger::simnet {

void RecordVersions::Add(const swarm::PutRecord& put) {
  versions_[{put.mailbox, put.ns}][put.record.key].insert_or_assign(
      put.record.seq, put.record);
}

std::vector<swarm::Record> RecordVersions::Shown(
    Lie lie, const swarm::MailboxAddress& mailbox, swarm::MailboxNamespace ns,
    std::vector<swarm::Record> newest) const {
  if (lie == Lie::kNoRecords) return {};
  const bool identity = ns == swarm::MailboxNamespace::kIdentityRecord;
  const bool previous = lie == Lie::kPreviousRecords ||
                        (lie == Lie::kPreviousIdentity && identity) ||
                        (lie == Lie::kPreviousPrekeys && !identity);
  if (!previous && lie != Lie::kEveryVersion) return newest;
  std::vector<swarm::Record> shown;
  for (swarm::Record& record : newest) {
    const auto box = versions_.find({mailbox, ns});
    if (box == versions_.end()) continue;
    const auto versions = box->second.find(record.key);
    if (versions == box->second.end()) continue;
    const auto end = versions->second.lower_bound(record.seq);
    if (previous) {
      if (end != versions->second.begin()) {
        shown.push_back(std::prev(end)->second);
      }
      continue;
    }
    for (auto version = versions->second.begin(); version != end; ++version) {
      shown.push_back(version->second);
    }
    shown.push_back(std::move(record));
  }
  return shown;
}

absl::StatusOr<std::vector<swarm::OpResult>> LyingStore::Apply(
    absl::Span<const swarm::StoreOp> ops, uint64_t now_ms) {
  if (dead_) return Dead();
  for (const swarm::StoreOp& op : ops) {
    if (const auto* put = std::get_if<swarm::PutRecord>(&op)) {
      versions_.Add(*put);
    }
  }
  if (lie_ != Lie::kDropAfterReceipt) return truth_.Apply(ops, now_ms);
  // Who may write is checked, or the node would be caught refusing nothing.
  std::vector<swarm::StoreOp> kept;
  for (const swarm::StoreOp& op : ops) {
    if (!std::holds_alternative<swarm::PutMessage>(op)) kept.push_back(op);
  }
  RETURN_IF_ERROR(truth_.Apply(kept, now_ms).status());
  return std::vector<swarm::OpResult>(ops.size(), swarm::OpResult::kDone);
}

absl::StatusOr<std::vector<swarm::StoreOp>> LyingStore::Load(
    absl::Span<const swarm::ItemKey> items) const {
  ASSIGN_OR_RETURN(std::vector<swarm::StoreOp> loaded, truth_.Load(items));
  std::vector<swarm::StoreOp> shown;
  for (swarm::StoreOp& op : loaded) {
    auto* put = std::get_if<swarm::PutMessage>(&op);
    if (put != nullptr && lie_ == Lie::kHide) continue;
    if (put != nullptr && lie_ == Lie::kCorrupt) {
      put->payload[put->payload.size() / 2] ^= 1;
    }
    shown.push_back(std::move(op));
  }
  return shown;
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
  ASSIGN_OR_RETURN(std::vector<swarm::Record> newest,
                   truth_.Records(mailbox, ns));
  return versions_.Shown(lie_, mailbox, ns, std::move(newest));
}

}  // namespace messenger::simnet
