#include "swarm/service/mailbox_waiters.h"

namespace messenger::swarm {

MailboxWaiters::~MailboxWaiters() {
  for (auto& [number, waiter] : waiters_) executor_.Cancel(waiter.timer);
}

bool MailboxWaiters::Wait(const MailboxAddress& mailbox, absl::Duration time,
                          Done done) {
  if (waiters_.size() >= kMaxWaiting ||
      by_mailbox_.count(mailbox) >= kMaxWaitingPerMailbox) {
    return false;
  }
  const uint64_t number = ++last_;
  waiters_.emplace(
      number, Waiter{.mailbox = mailbox,
                     .timer = executor_.RunAfter(
                         time, [this, number] { End(number, /*came=*/false); }),
                     .done = std::move(done)});
  by_mailbox_.emplace(mailbox, number);
  return true;
}

void MailboxWaiters::Notify(const MailboxAddress& mailbox) {
  const auto [first, last] = by_mailbox_.equal_range(mailbox);
  for (auto it = first; it != last; ++it) {
    Waiter& waiter = waiters_.at(it->second);
    executor_.Cancel(waiter.timer);
    // A timer, so that what goes away meanwhile cancels it.
    waiter.timer = executor_.RunAfter(
        absl::ZeroDuration(),
        [this, number = it->second] { End(number, /*came=*/true); });
  }
}

void MailboxWaiters::End(uint64_t number, bool came) {
  const auto found = waiters_.find(number);
  if (found == waiters_.end()) return;
  Waiter waiter = std::move(found->second);
  waiters_.erase(found);
  const auto [first, last] = by_mailbox_.equal_range(waiter.mailbox);
  for (auto it = first; it != last; ++it) {
    if (it->second == number) {
      by_mailbox_.erase(it);
      break;
    }
  }
  waiter.done(came);
}

}  // namespace messenger::swarm
