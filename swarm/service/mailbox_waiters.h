// Readers that wait for the next message of a mailbox (swarm/SPEC.md, section
// 4.5).
//
// Belongs to the core executor. When it goes, nobody is called any more.

#ifndef SWARM_SERVICE_MAILBOX_WAITERS_H_
#define SWARM_SERVICE_MAILBOX_WAITERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "routing/runtime/executor.h"
#include "swarm/auth/mailbox.h"

namespace messenger::swarm {

class MailboxWaiters final {
 public:
  // Called once, on the executor, never inside Wait() or Notify(). `came` says
  // whether there is a message, or else the time has passed.
  using Done = absl::AnyInvocable<void(bool came)>;

  static constexpr size_t kMaxWaiting = 4'096;
  // Devices of one reader, and their repeated tries.
  static constexpr size_t kMaxWaitingPerMailbox = 16;

  // `executor` must outlive this.
  explicit MailboxWaiters(routing::Executor& executor) : executor_(executor) {}
  ~MailboxWaiters();

  MailboxWaiters(const MailboxWaiters&) = delete;
  MailboxWaiters& operator=(const MailboxWaiters&) = delete;

  // False if there are too many already; then `done` never runs.
  bool Wait(const MailboxAddress& mailbox, absl::Duration time, Done done);

  // A message of this mailbox is on the disk.
  void Notify(const MailboxAddress& mailbox);

  size_t waiting() const { return waiters_.size(); }

 private:
  struct Waiter {
    MailboxAddress mailbox;
    routing::TimerId timer;
    Done done;
  };

  void End(uint64_t number, bool came);

  routing::Executor& executor_;
  uint64_t last_ = 0;
  absl::flat_hash_map<uint64_t, Waiter> waiters_;
  std::multimap<MailboxAddress, uint64_t> by_mailbox_;
};

}  // namespace messenger::swarm

#endif  // SWARM_SERVICE_MAILBOX_WAITERS_H_
