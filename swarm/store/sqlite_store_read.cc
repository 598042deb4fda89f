// The reading half of SqliteStore, on a connection of its own.

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "crypto/base/status_macros.h"
#include "swarm/auth/limits.h"
#include "swarm/store/admission.h"
#include "swarm/store/sql.h"
#include "swarm/store/sqlite_store.h"

namespace messenger::swarm {
namespace {

using Loaded = absl::StatusOr<std::optional<StoreOp>>;

absl::Status Damaged() {
  return absl::DataLossError("a row of the store is damaged");
}

MailboxNamespace NamespaceOf(const MailboxAddress& mailbox) {
  return HasMessages(mailbox, MailboxNamespace::kInbox)
             ? MailboxNamespace::kInbox
             : MailboxNamespace::kPairwise;
}

absl::Status AppendEntries(Rows rows, ItemKind kind, Window window,
                           std::vector<ItemEntry>& entries) {
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, rows.Next());
    if (!row) return absl::OkStatus();
    const auto id = ObjectId::FromBytes(rows.Blob(0));
    if (!id.ok()) return Damaged();
    if (WindowOf(rows.Unsigned(1)) != window) continue;
    entries.push_back({.kind = kind, .id = *id, .expiry_ms = rows.Unsigned(1)});
  }
}

}  // namespace

absl::StatusOr<MessagePage> SqliteStore::List(
    const MailboxAddress& mailbox, MailboxNamespace ns, uint64_t after_seq,
    uint64_t now_ms, size_t limit_rows, size_t limit_bytes) const {
  MessagePage page;
  if (!HasMessages(mailbox, ns)) return page;
  const std::vector<uint64_t> seqs =
      index_.Messages(mailbox, after_seq, std::numeric_limits<size_t>::max());
  if (seqs.empty()) return page;
  // One view of the file for all rows, and one look at its locks.
  RETURN_IF_ERROR(Run(*reader_, "BEGIN"));
  const absl::Cleanup end = [this] { Run(*reader_, "COMMIT").IgnoreError(); };
  size_t bytes = 0;
  for (const uint64_t seq : seqs) {
    ASSIGN_OR_RETURN(Rows rows,
                     Select(*reader_,
                            "SELECT id, expiry_ms, author_expiry_ms, size, "
                            "proof, payload FROM messages WHERE seq=?",
                            seq));
    ASSIGN_OR_RETURN(const bool row, rows.Next());
    // Forgotten since.
    if (!row || rows.Unsigned(1) <= now_ms) continue;
    bytes += static_cast<size_t>(rows.Int(3)) + kRowOverheadBytes;
    if (page.messages.size() == limit_rows || bytes > limit_bytes) {
      page.more = true;
      return page;
    }
    const auto id = MessageId::FromBytes(rows.Blob(0));
    if (!id.ok()) return Damaged();
    page.messages.push_back({.seq = seq,
                             .id = *id,
                             .payload = rows.Blob(5),
                             .expiry_ms = rows.Unsigned(1),
                             .proof = rows.Blob(4),
                             .author_expiry_ms = rows.Unsigned(2)});
  }
  return page;
}

absl::StatusOr<std::vector<Record>> SqliteStore::Records(
    const MailboxAddress& mailbox, MailboxNamespace ns) const {
  std::vector<Record> records;
  const std::optional<MailboxState> state = index_.Find(mailbox);
  if (!state.has_value() || state->records == 0) return records;
  ASSIGN_OR_RETURN(Rows rows,
                   Select(*reader_,
                          "SELECT key, seq, owner_key, signature, body FROM "
                          "records WHERE mailbox=? AND ns=? ORDER BY key",
                          state->row, ns));
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, rows.Next());
    if (!row) return records;
    const auto key = RecordKey::FromBytes(rows.Blob(0));
    const auto owner_key = crypto::Ed25519PublicKey::FromBytes(rows.Blob(2));
    const auto signature = crypto::Ed25519Signature::FromBytes(rows.Blob(3));
    if (!key.ok() || !owner_key.ok() || !signature.ok()) return Damaged();
    records.push_back({.key = *key,
                       .seq = rows.Unsigned(1),
                       .body = rows.Blob(4),
                       .owner_key = *owner_key,
                       .signature = *signature});
  }
}

MailboxUsage SqliteStore::Usage(const MailboxAddress& mailbox) const {
  return index_.Usage(mailbox);
}

std::vector<Shard> SqliteStore::Shards() const { return index_.Shards(); }

std::vector<WindowSummary> SqliteStore::Windows(Shard shard,
                                                uint64_t from_ms) const {
  return index_.Windows(shard, from_ms);
}

uint64_t SqliteStore::FilledIn(Shard shard) const {
  return index_.FilledIn(shard);
}

absl::StatusOr<StoreTotals> SqliteStore::Totals() const {
  return index_.Totals();
}

absl::StatusOr<std::vector<ItemEntry>> SqliteStore::Entries(
    Shard shard, Window window) const {
  std::vector<ItemEntry> entries;
  const uint64_t kept_ms = absl::ToInt64Milliseconds(kRegistrationKept);
  ASSIGN_OR_RETURN(
      Rows registrations,
      Select(*reader_,
             "SELECT registration, registered_ms+?2 FROM mailboxes WHERE "
             "shard=?1 AND registration IS NOT NULL",
             shard, kept_ms));
  RETURN_IF_ERROR(AppendEntries(std::move(registrations),
                                ItemKind::kRegistration, window, entries));
  ASSIGN_OR_RETURN(
      Rows purges,
      Select(*reader_, "SELECT id, ends_ms FROM purges WHERE shard=?", shard));
  RETURN_IF_ERROR(
      AppendEntries(std::move(purges), ItemKind::kPurge, window, entries));
  ASSIGN_OR_RETURN(
      Rows deletions,
      Select(*reader_, "SELECT id, ends_ms FROM deletions WHERE shard=?",
             shard));
  RETURN_IF_ERROR(AppendEntries(std::move(deletions), ItemKind::kDeletion,
                                window, entries));
  if (window == WindowOf(kNeverMs)) {
    ASSIGN_OR_RETURN(
        Rows records,
        Select(*reader_, "SELECT id, ?2 FROM records WHERE shard=?1", shard,
               kNeverMs));
    RETURN_IF_ERROR(
        AppendEntries(std::move(records), ItemKind::kRecord, window, entries));
  }
  ASSIGN_OR_RETURN(Rows messages,
                   Select(*reader_,
                          "SELECT id, expiry_ms FROM messages INDEXED BY "
                          "messages_by_id WHERE shard=?",
                          shard));
  RETURN_IF_ERROR(
      AppendEntries(std::move(messages), ItemKind::kMessage, window, entries));
  std::sort(entries.begin(), entries.end());
  return entries;
}

absl::StatusOr<std::vector<StoreOp>> SqliteStore::Load(
    absl::Span<const ItemKey> items) const {
  std::vector<StoreOp> ops;
  for (const ItemKey& item : items) {
    ASSIGN_OR_RETURN(std::optional<StoreOp> op, LoadOne(item));
    if (op.has_value()) ops.push_back(*std::move(op));
  }
  return ops;
}

Loaded SqliteStore::LoadOne(const ItemKey& item) const {
  switch (item.kind) {
    case ItemKind::kRegistration:
      return LoadRegistration(item);
    case ItemKind::kPurge:
      return LoadPurge(item);
    case ItemKind::kDeletion:
      return LoadDeletion(item);
    case ItemKind::kRecord:
      return LoadRecord(item);
    case ItemKind::kMessage:
      return LoadMessage(item);
  }
  return std::nullopt;
}

Loaded SqliteStore::LoadMessage(const ItemKey& item) const {
  ASSIGN_OR_RETURN(
      Rows rows,
      Select(*reader_,
             "SELECT address, author_expiry_ms, messages.proof, payload FROM "
             "messages INDEXED BY messages_by_id JOIN mailboxes ON row=mailbox "
             "WHERE messages.shard=? AND id=?",
             item.shard, item.id.bytes()));
  ASSIGN_OR_RETURN(const bool row, rows.Next());
  if (!row) return std::nullopt;
  const auto mailbox = MailboxAddress::FromBytes(rows.Blob(0));
  if (!mailbox.ok()) return Damaged();
  return PutMessage{.mailbox = *mailbox,
                    .ns = NamespaceOf(*mailbox),
                    .id = item.id,
                    .payload = rows.Blob(3),
                    .expiry_ms = rows.Unsigned(1),
                    .proof = rows.Blob(2),
                    .origin = Origin::kPeer};
}

Loaded SqliteStore::LoadDeletion(const ItemKey& item) const {
  ASSIGN_OR_RETURN(
      Rows rows,
      Select(*reader_,
             "SELECT address, ns, timestamp_ms, nonce, effective_ms, "
             "deletions.proof, ids FROM deletions JOIN mailboxes ON "
             "mailboxes.row=mailbox WHERE deletions.shard=? AND id=?",
             item.shard, item.id.bytes()));
  ASSIGN_OR_RETURN(const bool row, rows.Next());
  if (!row) return std::nullopt;
  const auto mailbox = MailboxAddress::FromBytes(rows.Blob(0));
  const auto nonce = RequestNonce::FromBytes(rows.Blob(3));
  const std::string ids = rows.Blob(6);
  if (!mailbox.ok() || !nonce.ok() || ids.size() % MessageId::kSize != 0) {
    return Damaged();
  }
  DeleteMessages order{
      .terms = {.mailbox = *mailbox,
                .ns = static_cast<MailboxNamespace>(rows.Int(1)),
                .timestamp_ms = rows.Unsigned(2),
                .nonce = *nonce,
                .effective_ms = rows.Unsigned(4),
                .ids = {}},
      .order_id = item.id,
      .proof = rows.Blob(5),
      .origin = Origin::kPeer};
  for (size_t at = 0; at < ids.size(); at += MessageId::kSize) {
    order.terms.ids.push_back(
        *MessageId::FromBytes(ids.substr(at, MessageId::kSize)));
  }
  return order;
}

Loaded SqliteStore::LoadPurge(const ItemKey& item) const {
  ASSIGN_OR_RETURN(
      Rows rows,
      Select(*reader_,
             "SELECT address, ns, until_ms, timestamp_ms, nonce, purges.proof "
             "FROM purges JOIN mailboxes ON row=mailbox WHERE purges.shard=? "
             "AND id=?",
             item.shard, item.id.bytes()));
  ASSIGN_OR_RETURN(const bool row, rows.Next());
  if (!row) return std::nullopt;
  const auto mailbox = MailboxAddress::FromBytes(rows.Blob(0));
  const auto nonce = RequestNonce::FromBytes(rows.Blob(4));
  if (!mailbox.ok() || !nonce.ok()) return Damaged();
  return PurgeMessages{
      .terms = {.mailbox = *mailbox,
                .ns = static_cast<MailboxNamespace>(rows.Int(1)),
                .expiry_until_ms = rows.Unsigned(2),
                .timestamp_ms = rows.Unsigned(3),
                .nonce = *nonce},
      .order_id = item.id,
      .proof = rows.Blob(5),
      .origin = Origin::kPeer};
}

Loaded SqliteStore::LoadRecord(const ItemKey& item) const {
  ASSIGN_OR_RETURN(
      Rows rows,
      Select(*reader_,
             "SELECT address, ns, key, seq, owner_key, signature, body FROM "
             "records JOIN mailboxes ON row=mailbox WHERE records.shard=? AND "
             "id=?",
             item.shard, item.id.bytes()));
  ASSIGN_OR_RETURN(const bool row, rows.Next());
  if (!row) return std::nullopt;
  const auto mailbox = MailboxAddress::FromBytes(rows.Blob(0));
  const auto key = RecordKey::FromBytes(rows.Blob(2));
  const auto owner_key = crypto::Ed25519PublicKey::FromBytes(rows.Blob(4));
  const auto signature = crypto::Ed25519Signature::FromBytes(rows.Blob(5));
  if (!mailbox.ok() || !key.ok() || !owner_key.ok() || !signature.ok()) {
    return Damaged();
  }
  return PutRecord{.mailbox = *mailbox,
                   .ns = static_cast<MailboxNamespace>(rows.Int(1)),
                   .id = item.id,
                   .record = {.key = *key,
                              .seq = rows.Unsigned(3),
                              .body = rows.Blob(6),
                              .owner_key = *owner_key,
                              .signature = *signature},
                   .origin = Origin::kPeer};
}

Loaded SqliteStore::LoadRegistration(const ItemKey& item) const {
  ASSIGN_OR_RETURN(Rows rows,
                   Select(*reader_,
                          "SELECT address, registered_ms, proof_nonce, proof "
                          "FROM mailboxes WHERE shard=? AND registration=?",
                          item.shard, item.id.bytes()));
  ASSIGN_OR_RETURN(const bool row, rows.Next());
  if (!row) return std::nullopt;
  const auto mailbox = MailboxAddress::FromBytes(rows.Blob(0));
  if (!mailbox.ok()) return Damaged();
  return PutRegistration{.mailbox = *mailbox,
                         .id = item.id,
                         .timestamp_ms = rows.Unsigned(1),
                         .proof_nonce = rows.Unsigned(2),
                         .proof = rows.Blob(3)};
}

absl::StatusOr<std::vector<ItemKey>> SqliteStore::Hints(
    const routing::NodeId& peer, size_t limit) const {
  ASSIGN_OR_RETURN(Rows rows,
                   Select(*reader_,
                          "SELECT kind, shard, id FROM hints INDEXED BY "
                          "hints_by_peer WHERE peer=? ORDER BY row LIMIT ?",
                          peer.bytes(), limit));
  std::vector<ItemKey> items;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, rows.Next());
    if (!row) return items;
    const auto id = ObjectId::FromBytes(rows.Blob(2));
    if (!id.ok()) return Damaged();
    items.push_back({static_cast<ItemKind>(rows.Int(0)),
                     static_cast<Shard>(rows.Int(1)), *id});
  }
}

absl::StatusOr<std::vector<routing::NodeId>> SqliteStore::PeersWithHints()
    const {
  return index_.PeersWithHints();
}

}  // namespace messenger::swarm
