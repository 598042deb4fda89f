// What a storage node has on its disk (swarm/SPEC.md, section 6).
//
// One thread writes (Apply, Expire), one reads (the rest); they may be at it at
// the same time. Nothing here checks proofs, sizes or clocks: what arrives has
// been validated.
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
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/record.h"

namespace messenger::swarm {

// All times are Unix milliseconds below 2^63; so are sequence numbers.

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
};

struct DeleteMessages {
  MailboxAddress mailbox;
  MailboxNamespace ns;
  std::vector<MessageId> ids;
  // How long to remember ids that are not here.
  uint64_t unknown_until_ms = 0;
};

struct PutRecord {
  MailboxAddress mailbox;
  MailboxNamespace ns;
  ObjectId id;
  Record record;
};

using StoreOp = std::variant<PutMessage, DeleteMessages, PutRecord>;

enum class OpResult {
  // On disk: just now or already before; for a deletion, its tombstones are.
  kDone,
  // Not stored: its reader's deletion is on disk.
  kDeleted,
  // Not stored: a newer version of the record is.
  kSuperseded,
  // Not stored: the namespace has kMaxRecordsPerNamespace others.
  kTooManyRecords,
};

struct StoredMessage {
  uint64_t seq = 0;
  MessageId id;
  std::string payload;
  uint64_t expiry_ms = 0;
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
};

class MessageStore {
 public:
  virtual ~MessageStore() = default;

  // All operations in order, in one transaction that is on disk when this
  // returns; one result each. On an error nothing has changed.
  virtual absl::StatusOr<std::vector<OpResult>> Apply(
      absl::Span<const StoreOp> ops) = 0;

  // Forgets messages and tombstones that end at `now_ms` or before, at most
  // `limit_rows` of each; returns how many it forgot.
  virtual absl::StatusOr<size_t> Expire(uint64_t now_ms, size_t limit_rows) = 0;

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

  virtual absl::StatusOr<StoreTotals> Totals() const = 0;

  // A random number of this store. Sequence numbers rise, and are never used
  // twice, as long as it stays the same.
  virtual uint64_t incarnation() const = 0;
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_MESSAGE_STORE_H_
