#include "swarm/store/in_memory_store.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "swarm/auth/limits.h"

namespace messenger::swarm {

InMemoryStore::InMemoryStore(crypto::Random& random)
    : incarnation_(random.U64() >> 1) {}

void InMemoryStore::set_full(bool full) {
  absl::MutexLock lock(&mutex_);
  full_ = full;
}

absl::StatusOr<std::vector<OpResult>> InMemoryStore::Apply(
    absl::Span<const StoreOp> ops) {
  absl::MutexLock lock(&mutex_);
  for (const StoreOp& op : ops) {
    if (full_ && !std::holds_alternative<DeleteMessages>(op)) {
      return absl::ResourceExhaustedError("the store is full");
    }
  }
  std::vector<OpResult> results;
  for (const StoreOp& op : ops) {
    if (const auto* put = std::get_if<PutMessage>(&op)) {
      results.push_back(Do(*put));
    } else if (const auto* erase = std::get_if<DeleteMessages>(&op)) {
      results.push_back(Do(*erase));
    } else {
      results.push_back(Do(std::get<PutRecord>(op)));
    }
  }
  return results;
}

OpResult InMemoryStore::Do(const PutMessage& op) {
  const Key key(op.mailbox, op.ns, op.id);
  if (tombstones_.contains(key)) return OpResult::kDeleted;
  auto& box = messages_[Box(op.mailbox, op.ns)];
  const auto [found, fresh] = seq_of_.try_emplace(key, last_seq_ + 1);
  if (fresh) {
    ++last_seq_;
    box.emplace(last_seq_, StoredMessage{.seq = last_seq_,
                                         .id = op.id,
                                         .payload = op.payload,
                                         .expiry_ms = op.expiry_ms});
  } else {
    StoredMessage& message = box.at(found->second);
    message.expiry_ms = std::max(message.expiry_ms, op.expiry_ms);
  }
  return OpResult::kDone;
}

OpResult InMemoryStore::Do(const DeleteMessages& op) {
  auto& box = messages_[Box(op.mailbox, op.ns)];
  for (const MessageId& id : op.ids) {
    const Key key(op.mailbox, op.ns, id);
    uint64_t until_ms = op.unknown_until_ms;
    const auto found = seq_of_.find(key);
    if (found != seq_of_.end()) {
      const auto message = box.find(found->second);
      until_ms = message->second.expiry_ms +
                 absl::ToInt64Milliseconds(kTombstoneGrace);
      box.erase(message);
      seq_of_.erase(found);
    }
    uint64_t& tombstone = tombstones_[key];
    tombstone = std::max(tombstone, until_ms);
  }
  return OpResult::kDone;
}

OpResult InMemoryStore::Do(const PutRecord& op) {
  auto& records = records_[Box(op.mailbox, op.ns)];
  const auto found = records.find(op.record.key);
  if (found == records.end()) {
    if (records.size() >= kMaxRecordsPerNamespace) {
      return OpResult::kTooManyRecords;
    }
    records.emplace(op.record.key,
                    VersionedRecord{.id = op.id, .record = op.record});
    return OpResult::kDone;
  }
  VersionedRecord& stored = found->second;
  if (stored.id == op.id) return OpResult::kDone;
  if (!Supersedes(op.record.seq, op.id, stored.record.seq, stored.id)) {
    return OpResult::kSuperseded;
  }
  stored = VersionedRecord{.id = op.id, .record = op.record};
  return OpResult::kDone;
}

absl::StatusOr<size_t> InMemoryStore::Expire(uint64_t now_ms,
                                             size_t limit_rows) {
  absl::MutexLock lock(&mutex_);
  size_t messages = 0;
  for (auto it = seq_of_.begin();
       it != seq_of_.end() && messages < limit_rows;) {
    auto& box = messages_[Box(std::get<0>(it->first), std::get<1>(it->first))];
    const auto message = box.find(it->second);
    if (message->second.expiry_ms > now_ms) {
      ++it;
      continue;
    }
    box.erase(message);
    it = seq_of_.erase(it);
    ++messages;
  }
  size_t tombstones = 0;
  for (auto it = tombstones_.begin();
       it != tombstones_.end() && tombstones < limit_rows;) {
    if (it->second > now_ms) {
      ++it;
      continue;
    }
    it = tombstones_.erase(it);
    ++tombstones;
  }
  return messages + tombstones;
}

absl::StatusOr<MessagePage> InMemoryStore::List(
    const MailboxAddress& mailbox, MailboxNamespace ns, uint64_t after_seq,
    uint64_t now_ms, size_t limit_rows, size_t limit_bytes) const {
  absl::MutexLock lock(&mutex_);
  MessagePage page;
  const auto box = messages_.find(Box(mailbox, ns));
  if (box == messages_.end()) return page;
  size_t bytes = 0;
  for (auto it = box->second.upper_bound(after_seq); it != box->second.end();
       ++it) {
    const StoredMessage& message = it->second;
    if (message.expiry_ms <= now_ms) continue;
    bytes += message.payload.size() + kRowOverheadBytes;
    if (page.messages.size() == limit_rows || bytes > limit_bytes) {
      page.more = true;
      break;
    }
    page.messages.push_back(message);
  }
  return page;
}

absl::StatusOr<std::vector<Record>> InMemoryStore::Records(
    const MailboxAddress& mailbox, MailboxNamespace ns) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Record> records;
  const auto box = records_.find(Box(mailbox, ns));
  if (box == records_.end()) return records;
  for (const auto& [key, stored] : box->second) {
    records.push_back(stored.record);
  }
  return records;
}

absl::StatusOr<StoreTotals> InMemoryStore::Totals() const {
  absl::MutexLock lock(&mutex_);
  StoreTotals totals;
  totals.messages = seq_of_.size();
  totals.tombstones = tombstones_.size();
  for (const auto& [box, records] : records_) totals.records += records.size();
  return totals;
}

}  // namespace messenger::swarm
