// Turns single writes into shared transactions: while one is being synced to
// disk the next gathers (swarm/SPEC.md, section 6.2). So a quiet node commits
// at once and a busy one amortises the sync over up to kMaxBatch operations.
// Which of those that wait come next is FairQueue's business.
//
// Belongs to the core executor; the store is written on the disk executor only.
// May be destroyed at any time: callbacks then never run. The store must
// outlive the disk executor's last task.

#ifndef SWARM_STORE_GROUP_COMMITTER_H_
#define SWARM_STORE_GROUP_COMMITTER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "swarm/auth/mailbox.h"
#include "swarm/store/fair_queue.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class GroupCommitter final {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<OpResult>)>;
  using MaintainDone = absl::AnyInvocable<void(absl::StatusOr<size_t>)>;

  // Operations of one transaction.
  static constexpr size_t kMaxBatch = 64;

  // All must outlive the committer; `store` see above. `clock` decides about
  // registrations.
  GroupCommitter(MessageStore& store, const routing::Clock& clock,
                 routing::Executor& core, routing::Executor& disk);
  ~GroupCommitter();

  GroupCommitter(const GroupCommitter&) = delete;
  GroupCommitter& operator=(const GroupCommitter&) = delete;

  // `done` runs on the core executor, never inside the call. With OK the
  // operation's outcome is on disk. RESOURCE_EXHAUSTED: too much waits, of
  // all or of this mailbox, or no space; then nothing was changed. `brought`:
  // FairQueue's.
  void Submit(StoreOp op, Done done,
              FairQueue::Brought brought = FairQueue::Brought::kForRepair);

  // Told of each message that is on the disk, before its `done` runs. Set it
  // before the first Submit().
  void set_on_message(std::function<void(const MailboxAddress&)> on_message);

  // MessageStore's, between two transactions.
  void Expire(uint64_t now_ms, size_t limit_rows, MaintainDone done);
  void EraseShard(Shard shard, size_t limit_rows, MaintainDone done);

  size_t waiting() const;

 private:
  struct State;

  void Maintain(absl::AnyInvocable<absl::StatusOr<size_t>(MessageStore&)> work,
                MaintainDone done);

  std::shared_ptr<State> state_;
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_GROUP_COMMITTER_H_
