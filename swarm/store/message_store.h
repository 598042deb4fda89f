// What a storage node has on its disk (swarm/SPEC.md, section 6).
//
// One thread writes (Apply, Expire, EraseShard), one reads (the rest); they
// may be at it at the same time. Nothing here checks proofs, sizes or clocks:
// what arrives has been validated. What needs the state on the disk to decide -
// is the mailbox registered, is there room, has it been deleted - is decided
// here, inside the transaction.
//
// Two complete implementations, SqliteStore and InMemoryStore, under one
// contract test. Status codes of both:
//   RESOURCE_EXHAUSTED  no space
//   UNAVAILABLE         the disk fails
//   DATA_LOSS           what is on the disk is damaged

#ifndef SWARM_STORE_MESSAGE_STORE_H_
#define SWARM_STORE_MESSAGE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/item.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/record.h"
#include "swarm/auth/request_auth.h"

namespace messenger::swarm {

// All times are Unix milliseconds below 2^63; so are sequence numbers.

// Who brings a write. What a peer brings was checked when it was fresh, so it
// is held to all but freshness, and to a quota with slack (section 5.5).
enum class Origin { kClient, kPeer };

struct PutMessage {
  MailboxAddress mailbox;
  MailboxNamespace ns;
  MessageId id;
  std::string payload;
  // Of two for one message, the later stands.
  uint64_t expiry_ms = 0;
  // The author's keys and signature, so that the message can be proven to
  // other members later. Empty where no proof is needed.
  std::string proof;
  Origin origin = Origin::kClient;
};

// An order to delete. It is kept as a whole, with its proof, for
// kUnknownTombstoneLife from its time on, so that members can bring it to one
// another.
struct DeleteMessages {
  DeleteTerms terms;
  ObjectId order_id;  // DeletionId(terms)
  std::string proof;  // keys and signature
  Origin origin = Origin::kClient;
};

// The same for everything that ends by a time. Of two for one compartment the
// later `expiry_until_ms` stands, of equal ones the higher id. Kept until
// kTombstoneGrace after that time.
struct PurgeMessages {
  PurgeTerms terms;
  ObjectId order_id;  // PurgeId(terms)
  std::string proof;
  Origin origin = Origin::kClient;
};

struct PutRecord {
  MailboxAddress mailbox;
  MailboxNamespace ns;
  ObjectId id;
  Record record;
  Origin origin = Origin::kClient;
};

// Of two for one mailbox the later one stands, of equally late ones the higher
// id.
struct PutRegistration {
  MailboxAddress mailbox;
  ObjectId id;  // RegistrationId()
  uint64_t timestamp_ms = 0;
  uint64_t proof_nonce = 0;
  std::string proof;  // keys and signature
};

// Items that a peer has not confirmed. Never more than kMaxHintsPerPeer: what
// does not fit is left to reconciliation, and counted.
struct PutHints {
  routing::NodeId peer;
  std::vector<ItemKey> items;
  uint64_t until_ms = 0;
};
struct DropHints {
  routing::NodeId peer;
  std::vector<ItemKey> items;
};

// In which epoch this node last came to hold all of a shard; 0: it does not.
struct SetFill {
  std::vector<std::pair<Shard, uint64_t>> shards;
};

// Forgets an item whose stored bytes turned out to be damaged, so that a peer's
// copy can take its place.
struct DropDamaged {
  ItemKey item;
};

using StoreOp =
    std::variant<PutMessage, DeleteMessages, PutRecord, PurgeMessages,
                 PutRegistration, PutHints, DropHints, SetFill, DropDamaged>;

enum class OpResult {
  // On disk: just now or already before; for a deletion, its tombstones are.
  kDone,
  // Not stored: its reader's deletion or purge is on disk.
  kDeleted,
  // Not stored: a newer version of the record, purge or registration is.
  kSuperseded,
  // Not stored: the namespace has kMaxRecordsPerNamespace other records, or the
  // mailbox's deletions as many ids as they may have.
  kOwnerLimit,
  // Not stored: the mailbox is not registered, or no longer.
  kNotRegistered,
  // Not stored: the mailbox has what it may have of this class.
  kMailboxFull,
  // Not stored: the node keeps what room it has for other classes.
  kNodeFull,
};

struct StoredMessage {
  uint64_t seq = 0;
  MessageId id;
  std::string payload;
  uint64_t expiry_ms = 0;
  std::string proof;
  // What the author gave, and what `proof` speaks for: later than `expiry_ms`
  // where the reader has shortened the message's life.
  uint64_t author_expiry_ms = 0;
};

struct MessagePage {
  std::vector<StoredMessage> messages;  // by rising seq
  // Others follow the last one, or the first does not fit `limit_bytes`.
  bool more = false;
};

struct StoreTotals {
  uint64_t messages = 0;
  uint64_t tombstones = 0;
  uint64_t records = 0;
  uint64_t deletions = 0;
  uint64_t registrations = 0;
  uint64_t hints = 0;
  uint64_t hints_dropped = 0;  // since the store was opened
  uint64_t payload_bytes = 0;  // of messages
};

// What one mailbox takes.
struct MailboxUsage {
  // The end of its registration; 0 if it has none.
  uint64_t registered_until_ms = 0;
  uint64_t messages = 0;
  uint64_t bytes = 0;      // of payloads
  uint64_t owner_ids = 0;  // in deletions kept
};

// How full the node is.
struct NodeSpace {
  uint64_t used_bytes = 0;
  uint64_t capacity_bytes = 0;  // 0: not bounded
  // Of the bytes of mailboxes that hold something.
  uint64_t median_mailbox_bytes = 0;
  // Of a crowded node (admission.h): what a mailbox may hold if all that hold
  // more are to blame alike.
  uint64_t fair_mailbox_bytes = std::numeric_limits<uint64_t>::max();
};

struct WindowSummary {
  Window window = 0;
  uint64_t count = 0;
  SetDigest digest;
};

class MessageStore {
 public:
  // Hints of one peer.
  static constexpr size_t kMaxHintsPerPeer = 100'000;

  virtual ~MessageStore() = default;

  // All operations in order, in one transaction that is on disk when this
  // returns; one result each. On an error nothing has changed. `now_ms` decides
  // about registrations, and which messages have ended: one that comes again
  // after its end, with a later one, is a new one.
  virtual absl::StatusOr<std::vector<OpResult>> Apply(
      absl::Span<const StoreOp> ops, uint64_t now_ms) = 0;

  // Forgets what ends at `now_ms` or before, at most `limit_rows` of each kind;
  // returns how many it forgot.
  virtual absl::StatusOr<size_t> Expire(uint64_t now_ms, size_t limit_rows) = 0;

  // Forgets up to `limit_rows` items of a shard that is no longer this node's.
  virtual absl::StatusOr<size_t> EraseShard(Shard shard, size_t limit_rows) = 0;

  // Messages with a higher seq than `after_seq` that end after `now_ms`. Each
  // counts its payload and kRowOverheadBytes against `limit_bytes`.
  virtual absl::StatusOr<MessagePage> List(const MailboxAddress& mailbox,
                                           MailboxNamespace ns,
                                           uint64_t after_seq, uint64_t now_ms,
                                           size_t limit_rows,
                                           size_t limit_bytes) const = 0;

  // By rising key.
  virtual absl::StatusOr<std::vector<Record>> Records(
      const MailboxAddress& mailbox, MailboxNamespace ns) const = 0;

  virtual MailboxUsage Usage(const MailboxAddress& mailbox) const = 0;
  virtual NodeSpace Space() const = 0;

  // --- what reconciliation compares; from memory, so without a status ---

  // Shards in which there is any item.
  virtual std::vector<Shard> Shards() const = 0;
  // The windows of a shard that end after `from_ms` and hold anything, rising.
  virtual std::vector<WindowSummary> Windows(Shard shard,
                                             uint64_t from_ms) const = 0;
  // The entries of one window, sorted (ItemEntry's order).
  virtual absl::StatusOr<std::vector<ItemEntry>> Entries(
      Shard shard, Window window) const = 0;
  // The items themselves, as operations with Origin::kPeer, in the order asked
  // for; what is not there is left out. A message comes with the expiry that
  // its author gave: its proof speaks for no other, and an order that shortened
  // it is an item of its own.
  virtual absl::StatusOr<std::vector<StoreOp>> Load(
      absl::Span<const ItemKey> items) const = 0;

  // The oldest hints of a peer.
  virtual absl::StatusOr<std::vector<ItemKey>> Hints(
      const routing::NodeId& peer, size_t limit) const = 0;
  virtual absl::StatusOr<std::vector<routing::NodeId>> PeersWithHints()
      const = 0;

  // The epoch in which the shard was last filled; 0: it is not.
  virtual uint64_t FilledIn(Shard shard) const = 0;

  virtual absl::StatusOr<StoreTotals> Totals() const = 0;

  // A random number of this store. Sequence numbers rise, and are never used
  // twice, as long as it stays the same.
  virtual uint64_t incarnation() const = 0;
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_MESSAGE_STORE_H_
