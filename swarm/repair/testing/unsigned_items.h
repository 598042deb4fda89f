// Items of all kinds, with proofs of the right shape that prove nothing, and a
// validator to match: it computes ids like the real one and checks no
// signature. So tests of repair make and move a million items in seconds.

#ifndef SWARM_REPAIR_TESTING_UNSIGNED_ITEMS_H_
#define SWARM_REPAIR_TESTING_UNSIGNED_ITEMS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/repair/item_intake.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

// UNAUTHENTICATED where the signature begins with "forged".
absl::StatusOr<StoreOp> ValidateUnsigned(const v1::ReplicatedItem& item,
                                         absl::Time now, Origin origin);

class UnsignedItems final {
 public:
  // Both must outlive this.
  explicit UnsignedItems(crypto::Random& random) : random_(random) {}

  MailboxAddress Mailbox();
  // As Mailbox(), in one of these shards.
  MailboxAddress MailboxIn(const std::vector<Shard>& shards);

  PutRegistration Registration(const MailboxAddress& mailbox, absl::Time at);
  PutMessage Message(const MailboxAddress& mailbox, absl::Time expiry,
                     size_t bytes = 16);
  DeleteMessages Deletion(const MailboxAddress& mailbox,
                          std::vector<MessageId> ids, absl::Time at,
                          absl::Time effective = absl::UnixEpoch());
  PurgeMessages Purge(const MailboxAddress& mailbox, absl::Time until,
                      absl::Time at);
  PutRecord Record(const MailboxAddress& mailbox, const RecordKey& key,
                   uint64_t seq);

 private:
  std::string Proof(const MailboxAddress& mailbox);

  crypto::Random& random_;
};

// Applies one operation; its result.
OpResult ApplyTo(MessageStore& store, StoreOp op, absl::Time now);

// The results of a Replicate request, applied without placement or receipts.
std::string ReplicateUnsigned(MessageStore& store, const std::string& request,
                              absl::Time now);

// All entries of all shards that end at `from` or later, as one sorted list.
std::vector<ItemEntry> EntriesOf(const MessageStore& store, absl::Time from);

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_TESTING_UNSIGNED_ITEMS_H_
