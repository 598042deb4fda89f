// What the life of a store is made of, for tests that break its disk in the
// middle: a random sequence of steps, and all that a store can be asked for, as
// one value to compare. A new kind of operation of MessageStore gets a case in
// `DrawStoreScript`, and a field in `StoreState` if it has a state of its own.
//
// Regular values and pure functions.

#ifndef SWARM_STORE_TESTING_STORE_SCRIPT_H_
#define SWARM_STORE_TESTING_STORE_SCRIPT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "crypto/random/random.h"
#include "swarm/auth/item.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/record.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

// One transaction.
struct ApplyOps {
  std::vector<StoreOp> ops;
  uint64_t now_ms = 0;
};
struct ExpireBefore {
  uint64_t now_ms = 0;
};
// The process ends in good order and starts again; for its runner to do.
struct ReopenStore {};
using StoreStep = std::variant<ApplyOps, ExpireBefore, ReopenStore>;

// Few mailboxes and few ids, so that operations meet: repetitions, deletions of
// what is there and of what is not, late copies of what was deleted, records
// that supersede one another. The mailboxes are registered in the first step.
std::vector<StoreStep> DrawStoreScript(size_t steps, crypto::Random& random);

struct StepResult {
  std::vector<OpResult> ops;
  size_t expired = 0;

  friend bool operator==(const StepResult&, const StepResult&) = default;
};
// Nothing for ReopenStore.
absl::StatusOr<StepResult> DoStep(const StoreStep& step, MessageStore& store);

struct StoreState {
  using Box = std::pair<MailboxAddress, MailboxNamespace>;
  struct Message {
    MessageId id;
    std::string payload;
    uint64_t expiry_ms = 0;

    friend bool operator==(const Message&, const Message&) = default;
  };

  // In the order of their sequence numbers, which two stores need not share.
  std::map<Box, std::vector<Message>> messages;
  std::map<Box, std::vector<Record>> records;
  uint64_t tombstones = 0;
  uint64_t deletions = 0;
  uint64_t registrations = 0;
  uint64_t hints = 0;
  // What reconciliation compares, by shard and window (invariant I12).
  std::map<std::pair<Shard, Window>, std::string> digests;
  std::map<Shard, uint64_t> filled;

  friend bool operator==(const StoreState&, const StoreState&) = default;
};
// All that a script can have put there. INTERNAL if the store contradicts
// itself: a message that its id does not name (invariant I13), a total that
// does not count what is there.
absl::StatusOr<StoreState> ReadState(const MessageStore& store);

// The messages by sequence number.
absl::StatusOr<std::map<uint64_t, MessageId>> ReadNumbers(
    const MessageStore& store);

}  // namespace messenger::swarm

#endif  // SWARM_STORE_TESTING_STORE_SCRIPT_H_
