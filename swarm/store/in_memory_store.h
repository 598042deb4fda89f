// A MessageStore that forgets everything when the process ends. For tests and
// simulations. Thread-safe.

#ifndef SWARM_STORE_IN_MEMORY_STORE_H_
#define SWARM_STORE_IN_MEMORY_STORE_H_

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "crypto/random/random.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class InMemoryStore final : public MessageStore {
 public:
  // `random` gives the incarnation.
  explicit InMemoryStore(crypto::Random& random);

  absl::StatusOr<std::vector<OpResult>> Apply(
      absl::Span<const StoreOp> ops) override;
  absl::StatusOr<size_t> Expire(uint64_t now_ms, size_t limit_rows) override;
  absl::StatusOr<MessagePage> List(const MailboxAddress& mailbox,
                                   MailboxNamespace ns, uint64_t after_seq,
                                   uint64_t now_ms, size_t limit_rows,
                                   size_t limit_bytes) const override;
  absl::StatusOr<std::vector<Record>> Records(
      const MailboxAddress& mailbox, MailboxNamespace ns) const override;
  absl::StatusOr<StoreTotals> Totals() const override;
  uint64_t incarnation() const override { return incarnation_; }

  // Refuses further messages and records, RESOURCE_EXHAUSTED, as a full disk.
  void set_full(bool full);

 private:
  using Box = std::tuple<MailboxAddress, MailboxNamespace>;
  using Key = std::tuple<MailboxAddress, MailboxNamespace, MessageId>;
  struct VersionedRecord {
    ObjectId id;
    Record record;
  };

  OpResult Do(const PutMessage& op) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  OpResult Do(const DeleteMessages& op) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  OpResult Do(const PutRecord& op) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t incarnation_;
  mutable absl::Mutex mutex_;
  bool full_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t last_seq_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Box, std::map<uint64_t, StoredMessage>> messages_
      ABSL_GUARDED_BY(mutex_);
  std::map<Key, uint64_t> seq_of_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, uint64_t> tombstones_ ABSL_GUARDED_BY(mutex_);
  std::map<Box, std::map<RecordKey, VersionedRecord>> records_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_IN_MEMORY_STORE_H_
