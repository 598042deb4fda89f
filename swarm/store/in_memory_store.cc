#include "swarm/store/in_memory_store.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "swarm/auth/limits.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/store/admission.h"

namespace messenger::swarm {
namespace {

uint64_t Plus(uint64_t time_ms, absl::Duration duration) {
  return time_ms + absl::ToInt64Milliseconds(duration);
}

bool TakesRoom(const StoreOp& op) {
  return !std::holds_alternative<DeleteMessages>(op) &&
         !std::holds_alternative<PurgeMessages>(op) &&
         !std::holds_alternative<DropHints>(op) &&
         !std::holds_alternative<DropDamaged>(op);
}

}  // namespace

InMemoryStore::InMemoryStore(crypto::Random& random, uint64_t capacity_bytes)
    : incarnation_(random.U64() >> 1), capacity_bytes_(capacity_bytes) {}

void InMemoryStore::set_full(bool full) {
  absl::MutexLock lock(&mutex_);
  full_ = full;
}

absl::StatusOr<std::vector<OpResult>> InMemoryStore::Apply(
    absl::Span<const StoreOp> ops, uint64_t now_ms) {
  absl::MutexLock lock(&mutex_);
  if (full_ && std::any_of(ops.begin(), ops.end(), TakesRoom)) {
    return absl::ResourceExhaustedError("the store is full");
  }
  Change change(index_);
  std::vector<OpResult> results;
  results.reserve(ops.size());
  for (const StoreOp& op : ops) {
    results.push_back(std::visit(
        [&](const auto& one) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          return Do(one, now_ms, change);
        },
        op));
  }
  Finish(change);
  return results;
}

void InMemoryStore::Finish(const Change& change) {
  for (const auto& [address, state] : change.mailboxes()) {
    if (state.IsEmpty()) mailboxes_.erase(address);
  }
  index_.Commit(change);
}

std::optional<uint64_t> InMemoryStore::EndOf(const Mailbox& mailbox,
                                             const MessageId& id,
                                             uint64_t author_expiry_ms) {
  uint64_t end_ms = author_expiry_ms;
  for (auto it = mailbox.tombstones.lower_bound({id, ObjectId()});
       it != mailbox.tombstones.end() && it->first.first == id; ++it) {
    if (it->second == 0) return std::nullopt;
    end_ms = std::min(end_ms, it->second);
  }
  if (mailbox.purge.has_value() &&
      end_ms <= mailbox.purge->terms.expiry_until_ms) {
    return std::nullopt;
  }
  return end_ms;
}

OpResult InMemoryStore::Do(const PutMessage& op, uint64_t now_ms,
                           Change& change) {
  MailboxState* state = change.Find(op.mailbox);
  if (state == nullptr || !HasMessages(op.mailbox, op.ns) ||
      !IsRegistered(*state, op.origin, now_ms)) {
    return OpResult::kNotRegistered;
  }
  Mailbox& mailbox = mailboxes_.at(op.mailbox);
  const auto stored = mailbox.seq_of.find(op.id);
  if (stored != mailbox.seq_of.end()) {
    Message& message = mailbox.messages.at(stored->second);
    if (op.expiry_ms <= message.put.expiry_ms) return OpResult::kDone;
    if (message.expiry_ms > now_ms) {
      // A proof speaks for one expiry, so the two change together.
      message.put.expiry_ms = op.expiry_ms;
      message.put.proof = op.proof;
      Shorten(op.mailbox, mailbox, stored->second, change);
      return OpResult::kDone;
    }
    // It has ended and readers have gone past its number: it comes anew.
    Forget({ItemKind::kMessage, state->shard, op.id}, change);
  }
  const std::optional<uint64_t> end_ms = EndOf(mailbox, op.id, op.expiry_ms);
  if (!end_ms.has_value()) return OpResult::kDeleted;
  NodeSpace space = Space();
  space.used_bytes += change.added_bytes();
  const OpResult admitted = AdmitMessage(op, *state, space);
  if (admitted != OpResult::kDone) return admitted;
  const uint64_t seq = ++last_seq_;
  mailbox.messages.insert({seq, {.put = op, .expiry_ms = *end_ms}});
  mailbox.messages.at(seq).put.origin = Origin::kPeer;
  mailbox.seq_of[op.id] = seq;
  items_.insert(
      {{ItemKind::kMessage, state->shard, op.id}, {op.mailbox, *end_ms}});
  ends_.insert(
      {ItemKind::kMessage, *end_ms, {ItemKind::kMessage, state->shard, op.id}});
  windows_[{state->shard, WindowOf(*end_ms)}].insert(
      {ItemKind::kMessage, op.id, *end_ms});
  change.AddMessage(op.mailbox, op.id, *end_ms, seq, op.payload.size());
  return OpResult::kDone;
}

void InMemoryStore::Shorten(const MailboxAddress& address, Mailbox& mailbox,
                            uint64_t seq, Change& change) {
  Message& message = mailbox.messages.at(seq);
  const Shard shard = change.Find(address)->shard;
  const ItemKey key{ItemKind::kMessage, shard, message.put.id};
  const std::optional<uint64_t> end_ms =
      EndOf(mailbox, message.put.id, message.put.expiry_ms);
  if (!end_ms.has_value()) {
    Forget(key, change);
    return;
  }
  if (*end_ms == message.expiry_ms) return;
  change.MoveMessage(shard, key.id, message.expiry_ms, *end_ms);
  ends_.erase({ItemKind::kMessage, message.expiry_ms, key});
  ends_.insert({ItemKind::kMessage, *end_ms, key});
  LeaveWindow({ItemKind::kMessage, key.id, message.expiry_ms}, shard);
  windows_[{shard, WindowOf(*end_ms)}].insert(
      {ItemKind::kMessage, key.id, *end_ms});
  items_.at(key).end_ms = *end_ms;
  message.expiry_ms = *end_ms;
}

OpResult InMemoryStore::Do(const DeleteMessages& op, uint64_t now_ms,
                           Change& change) {
  const DeleteTerms& terms = op.terms;
  MailboxState* state = change.Find(terms.mailbox);
  if (state == nullptr || !HasMessages(terms.mailbox, terms.ns) ||
      !IsRegistered(*state, op.origin, now_ms)) {
    return OpResult::kNotRegistered;
  }
  Mailbox& mailbox = mailboxes_.at(terms.mailbox);
  if (mailbox.deletions.contains(op.order_id)) return OpResult::kDone;
  const OpResult admitted = AdmitDeletion(op, *state);
  if (admitted != OpResult::kDone) return admitted;
  mailbox.deletions.insert({op.order_id, op}).first->second.origin =
      Origin::kPeer;
  ++state->deletions;
  state->owner_ids += terms.ids.size();
  AddItem(ItemKind::kDeletion, terms.mailbox, state->shard, op.order_id,
          Plus(terms.timestamp_ms, kUnknownTombstoneLife), change);
  for (const MessageId& id : terms.ids) {
    mailbox.tombstones[{id, op.order_id}] = terms.effective_ms;
    const auto stored = mailbox.seq_of.find(id);
    if (stored == mailbox.seq_of.end()) continue;
    Shorten(terms.mailbox, mailbox, stored->second, change);
  }
  return OpResult::kDone;
}

OpResult InMemoryStore::Do(const PurgeMessages& op, uint64_t now_ms,
                           Change& change) {
  const PurgeTerms& terms = op.terms;
  MailboxState* state = change.Find(terms.mailbox);
  if (state == nullptr || !HasMessages(terms.mailbox, terms.ns) ||
      !IsRegistered(*state, op.origin, now_ms)) {
    return OpResult::kNotRegistered;
  }
  Mailbox& mailbox = mailboxes_.at(terms.mailbox);
  if (mailbox.purge.has_value()) {
    if (mailbox.purge->order_id == op.order_id) return OpResult::kDone;
    if (!Supersedes(terms.expiry_until_ms, op.order_id,
                    mailbox.purge->terms.expiry_until_ms,
                    mailbox.purge->order_id)) {
      return OpResult::kSuperseded;
    }
    RemoveItem(ItemKind::kPurge, state->shard, mailbox.purge->order_id, change);
  }
  mailbox.purge = op;
  mailbox.purge->origin = Origin::kPeer;
  state->purged_until_ms = terms.expiry_until_ms;
  AddItem(ItemKind::kPurge, terms.mailbox, state->shard, op.order_id,
          Plus(terms.expiry_until_ms, kTombstoneGrace), change);
  for (const uint64_t seq : change.Messages(terms.mailbox)) {
    Shorten(terms.mailbox, mailbox, seq, change);
  }
  return OpResult::kDone;
}

OpResult InMemoryStore::Do(const PutRecord& op, uint64_t now_ms,
                           Change& change) {
  MailboxState* state = change.Find(op.mailbox);
  if (state == nullptr || !IsRegistered(*state, op.origin, now_ms)) {
    return OpResult::kNotRegistered;
  }
  Mailbox& mailbox = mailboxes_.at(op.mailbox);
  const std::pair<MailboxNamespace, RecordKey> key(op.ns, op.record.key);
  const auto found = mailbox.records.find(key);
  if (found != mailbox.records.end()) {
    const PutRecord& stored = found->second;
    if (stored.id == op.id) return OpResult::kDone;
    if (!Supersedes(op.record.seq, op.id, stored.record.seq, stored.id)) {
      return OpResult::kSuperseded;
    }
    RemoveItem(ItemKind::kRecord, state->shard, stored.id, change);
    --state->records;
  } else {
    const auto of_namespace = [&](const auto& record) {
      return record.first.first == op.ns;
    };
    if (std::count_if(mailbox.records.begin(), mailbox.records.end(),
                      of_namespace) >=
        static_cast<ptrdiff_t>(kMaxRecordsPerNamespace)) {
      return OpResult::kOwnerLimit;
    }
  }
  ++state->records;
  mailbox.records.insert_or_assign(key, op).first->second.origin =
      Origin::kPeer;
  AddItem(ItemKind::kRecord, op.mailbox, state->shard, op.id, kNeverMs, change);
  return OpResult::kDone;
}

OpResult InMemoryStore::Do(const PutRegistration& op, uint64_t /*now_ms*/,
                           Change& change) {
  MailboxState* state = change.Find(op.mailbox);
  if (state == nullptr) {
    state = &change.Add(op.mailbox, ++last_row_, ShardOf(op.mailbox));
  }
  std::optional<PutRegistration>& stored = mailboxes_[op.mailbox].registration;
  if (stored.has_value()) {
    if (stored->id == op.id) return OpResult::kDone;
    if (!Supersedes(op.timestamp_ms, op.id, stored->timestamp_ms, stored->id)) {
      return OpResult::kSuperseded;
    }
    RemoveItem(ItemKind::kRegistration, state->shard, stored->id, change);
  }
  stored = op;
  state->registered_ms = op.timestamp_ms;
  AddItem(ItemKind::kRegistration, op.mailbox, state->shard, op.id,
          Plus(op.timestamp_ms, kRegistrationKept), change);
  return OpResult::kDone;
}

OpResult InMemoryStore::Do(const PutHints& op, uint64_t /*now_ms*/,
                           Change& change) {
  for (const ItemKey& item : op.items) {
    const auto found = hint_of_.find({op.peer, item});
    if (found != hint_of_.end()) {
      found->second->until_ms = std::max(found->second->until_ms, op.until_ms);
      continue;
    }
    std::list<Hint>& hints = hints_[op.peer];
    if (hints.size() >= kMaxHintsPerPeer) {
      change.DropHint();
      continue;
    }
    hints.push_back({item, op.until_ms});
    hint_of_[{op.peer, item}] = std::prev(hints.end());
    change.AddHints(op.peer, 1);
  }
  return OpResult::kDone;
}

OpResult InMemoryStore::Do(const DropHints& op, uint64_t /*now_ms*/,
                           Change& change) {
  for (const ItemKey& item : op.items) {
    const auto found = hint_of_.find({op.peer, item});
    if (found == hint_of_.end()) continue;
    hints_.at(op.peer).erase(found->second);
    hint_of_.erase(found);
    change.AddHints(op.peer, -1);
  }
  return OpResult::kDone;
}

OpResult InMemoryStore::Do(const SetFill& op, uint64_t /*now_ms*/,
                           Change& change) {
  for (const auto& [shard, epoch] : op.shards) change.SetFill(shard, epoch);
  return OpResult::kDone;
}

OpResult InMemoryStore::Do(const DropDamaged& op, uint64_t /*now_ms*/,
                           Change& change) {
  Forget(op.item, change);
  return OpResult::kDone;
}

void InMemoryStore::AddItem(ItemKind kind, const MailboxAddress& mailbox,
                            Shard shard, const ObjectId& id, uint64_t end_ms,
                            Change& change) {
  const ItemKey key{kind, shard, id};
  items_.insert({key, {mailbox, end_ms}});
  if (end_ms != kNeverMs) ends_.insert({kind, end_ms, key});
  windows_[{shard, WindowOf(end_ms)}].insert({kind, id, end_ms});
  change.AddItem(kind, shard, id, end_ms);
}

void InMemoryStore::LeaveWindow(const ItemEntry& entry, Shard shard) {
  const auto window = windows_.find({shard, WindowOf(entry.expiry_ms)});
  window->second.erase(entry);
  if (window->second.empty()) windows_.erase(window);
}

void InMemoryStore::RemoveItem(ItemKind kind, Shard shard, const ObjectId& id,
                               Change& change) {
  const auto found = items_.find({kind, shard, id});
  ends_.erase({kind, found->second.end_ms, found->first});
  LeaveWindow({kind, id, found->second.end_ms}, shard);
  change.RemoveItem(kind, shard, id, found->second.end_ms);
  items_.erase(found);
}

bool InMemoryStore::Forget(const ItemKey& item, Change& change) {
  const auto found = items_.find(item);
  if (found == items_.end()) return false;
  const MailboxAddress address = found->second.mailbox;
  MailboxState& state = *change.Find(address);
  Mailbox& mailbox = mailboxes_.at(address);
  switch (item.kind) {
    case ItemKind::kRegistration: {
      mailbox.registration.reset();
      state.registered_ms.reset();
      break;
    }
    case ItemKind::kPurge: {
      mailbox.purge.reset();
      state.purged_until_ms.reset();
      break;
    }
    case ItemKind::kDeletion: {
      const auto order = mailbox.deletions.find(item.id);
      for (const MessageId& id : order->second.terms.ids) {
        mailbox.tombstones.erase({id, item.id});
      }
      --state.deletions;
      state.owner_ids -= order->second.terms.ids.size();
      mailbox.deletions.erase(order);
      break;
    }
    case ItemKind::kRecord: {
      std::erase_if(mailbox.records, [&](const auto& record) {
        return record.second.id == item.id;
      });
      --state.records;
      break;
    }
    case ItemKind::kMessage: {
      const auto seq = mailbox.seq_of.find(item.id);
      const auto message = mailbox.messages.find(seq->second);
      change.RemoveMessage(address, item.id, message->second.expiry_ms,
                           seq->second, message->second.put.payload.size());
      ends_.erase({item.kind, found->second.end_ms, item});
      LeaveWindow({item.kind, item.id, found->second.end_ms}, item.shard);
      items_.erase(found);
      mailbox.messages.erase(message);
      mailbox.seq_of.erase(seq);
      return true;
    }
  }
  RemoveItem(item.kind, item.shard, item.id, change);
  return true;
}

absl::StatusOr<size_t> InMemoryStore::Expire(uint64_t now_ms,
                                             size_t limit_rows) {
  absl::MutexLock lock(&mutex_);
  Change change(index_);
  size_t forgotten = 0;
  for (int number = 1; number <= kItemKinds; ++number) {
    const auto kind = static_cast<ItemKind>(number);
    for (size_t i = 0; i < limit_rows; ++i) {
      const auto due = ends_.lower_bound({kind, 0, ItemKey()});
      if (due == ends_.end() || std::get<0>(*due) != kind ||
          std::get<1>(*due) > now_ms) {
        break;
      }
      const ItemKey item = std::get<2>(*due);
      if (kind == ItemKind::kRegistration) {
        // The records of an account go with it.
        std::vector<ObjectId> records;
        for (const auto& [key, record] :
             mailboxes_.at(items_.at(item).mailbox).records) {
          records.push_back(record.id);
        }
        for (const ObjectId& id : records) {
          Forget({ItemKind::kRecord, item.shard, id}, change);
        }
        forgotten += records.size();
      }
      Forget(item, change);
      ++forgotten;
    }
  }
  size_t hints = 0;
  for (auto it = hint_of_.begin();
       it != hint_of_.end() && hints < limit_rows;) {
    if (it->second->until_ms > now_ms) {
      ++it;
      continue;
    }
    hints_.at(it->first.first).erase(it->second);
    change.AddHints(it->first.first, -1);
    it = hint_of_.erase(it);
    ++hints;
  }
  Finish(change);
  return forgotten + hints;
}

absl::StatusOr<size_t> InMemoryStore::EraseShard(Shard shard,
                                                 size_t limit_rows) {
  absl::MutexLock lock(&mutex_);
  Change change(index_);
  change.SetFill(shard, 0);
  size_t forgotten = 0;
  // What decides about others goes last.
  for (int number = kItemKinds; number >= 1; --number) {
    const auto kind = static_cast<ItemKind>(number);
    while (forgotten < limit_rows) {
      const auto found = items_.lower_bound({kind, shard, ObjectId()});
      if (found == items_.end() || found->first.kind != kind ||
          found->first.shard != shard) {
        break;
      }
      Forget(ItemKey(found->first), change);
      ++forgotten;
    }
  }
  for (auto it = hint_of_.begin();
       it != hint_of_.end() && forgotten < limit_rows;) {
    if (it->first.second.shard != shard) {
      ++it;
      continue;
    }
    hints_.at(it->first.first).erase(it->second);
    change.AddHints(it->first.first, -1);
    it = hint_of_.erase(it);
    ++forgotten;
  }
  Finish(change);
  return forgotten;
}

absl::StatusOr<MessagePage> InMemoryStore::List(
    const MailboxAddress& mailbox, MailboxNamespace ns, uint64_t after_seq,
    uint64_t now_ms, size_t limit_rows, size_t limit_bytes) const {
  absl::MutexLock lock(&mutex_);
  MessagePage page;
  const auto found = mailboxes_.find(mailbox);
  if (found == mailboxes_.end() || !HasMessages(mailbox, ns)) return page;
  const auto& messages = found->second.messages;
  size_t bytes = 0;
  for (auto it = messages.upper_bound(after_seq); it != messages.end(); ++it) {
    const Message& message = it->second;
    if (message.expiry_ms <= now_ms) continue;
    bytes += message.put.payload.size() + kRowOverheadBytes;
    if (page.messages.size() == limit_rows || bytes > limit_bytes) {
      page.more = true;
      break;
    }
    page.messages.push_back({.seq = it->first,
                             .id = message.put.id,
                             .payload = message.put.payload,
                             .expiry_ms = message.expiry_ms,
                             .proof = message.put.proof,
                             .author_expiry_ms = message.put.expiry_ms});
  }
  return page;
}

absl::StatusOr<std::vector<Record>> InMemoryStore::Records(
    const MailboxAddress& mailbox, MailboxNamespace ns) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Record> records;
  const auto found = mailboxes_.find(mailbox);
  if (found == mailboxes_.end()) return records;
  for (const auto& [key, stored] : found->second.records) {
    if (key.first == ns) records.push_back(stored.record);
  }
  return records;
}

MailboxUsage InMemoryStore::Usage(const MailboxAddress& mailbox) const {
  return index_.Usage(mailbox);
}

NodeSpace InMemoryStore::Space() const {
  NodeSpace space;
  space.capacity_bytes = capacity_bytes_;
  const StoreTotals totals = index_.Totals();
  space.used_bytes = totals.payload_bytes + totals.messages * kMessageBytes;
  space.median_mailbox_bytes = index_.MedianMailboxBytes();
  space.fair_mailbox_bytes = FairMailboxBytes(space, index_);
  return space;
}

std::vector<Shard> InMemoryStore::Shards() const { return index_.Shards(); }

std::vector<WindowSummary> InMemoryStore::Windows(Shard shard,
                                                  uint64_t from_ms) const {
  return index_.Windows(shard, from_ms);
}

absl::StatusOr<std::vector<ItemEntry>> InMemoryStore::Entries(
    Shard shard, Window window) const {
  absl::MutexLock lock(&mutex_);
  const auto found = windows_.find({shard, window});
  if (found == windows_.end()) return std::vector<ItemEntry>();
  return std::vector<ItemEntry>(found->second.begin(), found->second.end());
}

std::optional<StoreOp> InMemoryStore::LoadOne(const ItemKey& item) const {
  const auto found = items_.find(item);
  if (found == items_.end()) return std::nullopt;
  const Mailbox& mailbox = mailboxes_.at(found->second.mailbox);
  switch (item.kind) {
    case ItemKind::kRegistration:
      return *mailbox.registration;
    case ItemKind::kPurge:
      return *mailbox.purge;
    case ItemKind::kDeletion:
      return mailbox.deletions.at(item.id);
    case ItemKind::kRecord:
      for (const auto& [key, record] : mailbox.records) {
        if (record.id == item.id) return record;
      }
      return std::nullopt;
    case ItemKind::kMessage:
      return mailbox.messages.at(mailbox.seq_of.at(item.id)).put;
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<StoreOp>> InMemoryStore::Load(
    absl::Span<const ItemKey> items) const {
  absl::MutexLock lock(&mutex_);
  std::vector<StoreOp> ops;
  for (const ItemKey& item : items) {
    std::optional<StoreOp> op = LoadOne(item);
    if (op.has_value()) ops.push_back(*std::move(op));
  }
  return ops;
}

absl::StatusOr<std::vector<ItemKey>> InMemoryStore::Hints(
    const routing::NodeId& peer, size_t limit) const {
  absl::MutexLock lock(&mutex_);
  std::vector<ItemKey> items;
  const auto found = hints_.find(peer);
  if (found == hints_.end()) return items;
  for (const Hint& hint : found->second) {
    if (items.size() == limit) break;
    items.push_back(hint.item);
  }
  return items;
}

absl::StatusOr<std::vector<routing::NodeId>> InMemoryStore::PeersWithHints()
    const {
  absl::MutexLock lock(&mutex_);
  std::vector<routing::NodeId> peers;
  for (const auto& [peer, hints] : hints_) {
    if (!hints.empty()) peers.push_back(peer);
  }
  return peers;
}

uint64_t InMemoryStore::FilledIn(Shard shard) const {
  return index_.FilledIn(shard);
}

absl::StatusOr<StoreTotals> InMemoryStore::Totals() const {
  return index_.Totals();
}

}  // namespace messenger::swarm
