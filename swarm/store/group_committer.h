// Turns single writes into shared transactions: while one is being synced to
// disk the next gathers (swarm/SPEC.md, section 6.2). So a quiet node commits
// at once and a busy one amortises the sync over up to kMaxBatch operations.
//
// Belongs to the core executor; the store is written on the disk executor only.
// May be destroyed at any time: callbacks then never run. The store must
// outlive the disk executor's last task.

#ifndef SWARM_STORE_GROUP_COMMITTER_H_
#define SWARM_STORE_GROUP_COMMITTER_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "routing/runtime/executor.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class GroupCommitter final {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<OpResult>)>;
  using ExpireDone = absl::AnyInvocable<void(absl::StatusOr<size_t>)>;

  // Operations of one transaction.
  static constexpr size_t kMaxBatch = 64;
  // Operations that wait, by number and by bytes; more are refused.
  static constexpr size_t kMaxWaiting = 4096;
  static constexpr size_t kMaxWaitingBytes = 64 * 1024 * 1024;

  // All must outlive the committer; `store` see above.
  GroupCommitter(MessageStore& store, routing::Executor& core,
                 routing::Executor& disk);
  ~GroupCommitter();

  GroupCommitter(const GroupCommitter&) = delete;
  GroupCommitter& operator=(const GroupCommitter&) = delete;

  // `done` runs on the core executor, never inside the call. With OK the
  // operation's outcome is on disk. RESOURCE_EXHAUSTED: too much waits, or no
  // space; then nothing was changed.
  void Submit(StoreOp op, Done done);

  // MessageStore::Expire between two transactions.
  void Expire(uint64_t now_ms, size_t limit_rows, ExpireDone done);

  size_t waiting() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_GROUP_COMMITTER_H_
