#include "client/daemon/guest_list.h"

#include <algorithm>
#include <utility>

namespace messenger::client {

bool Guest::RunUntil(absl::FunctionRef<bool()> done, absl::Duration limit) {
  if (done()) return true;
  // The loop looks at least then.
  const routing::TimerId timer = list_.loop_.RunAfter(limit, [] {});
  end_ = list_.clock_.Now() + limit;
  done_ = &done;
  was_done_ = false;
  {
    absl::MutexLock lock(&list_.mutex_);
    list_.GoOut();
    list_.ComeIn(*this);
  }
  done_ = nullptr;
  list_.loop_.Cancel(timer);
  return was_done_;
}

void Guest::Outside(absl::FunctionRef<void()> work) {
  {
    absl::MutexLock lock(&list_.mutex_);
    list_.GoOut();
  }
  work();
  absl::MutexLock lock(&list_.mutex_);
  list_.ComeIn(*this);
}

bool GuestList::Visit(std::function<bool()> gone,
                      absl::FunctionRef<void(Guest&)> visit) {
  Guest guest(*this, std::move(gone));
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return false;
    ++guests_;
    ComeIn(guest);
  }
  visit(guest);
  absl::MutexLock lock(&mutex_);
  --guests_;
  GoOut();
  return true;
}

void GuestList::ComeIn(Guest& guest) {
  waiting_.push_back(&guest);
  changed_.SignalAll();
  loop_.Run([] {});  // It may be asleep.
  while (inside_ != &guest) changed_.Wait(&mutex_);
}

void GuestList::GoOut() {
  inside_ = nullptr;
  changed_.SignalAll();
}

bool GuestList::Ready(Guest& guest, bool closed) const {
  if (guest.done_ == nullptr) return true;
  guest.was_done_ = (*guest.done_)();
  return guest.was_done_ || closed || clock_.Now() >= guest.end_ ||
         (guest.gone_ && guest.gone_());
}

void GuestList::Serve() {
  std::vector<Guest*> waiting;
  bool closed = false;
  {
    absl::MutexLock lock(&mutex_);
    waiting = waiting_;
    closed = closed_;
  }
  bool served = false;
  for (Guest* guest : waiting) {
    if (!Ready(*guest, closed)) continue;
    absl::MutexLock lock(&mutex_);
    waiting_.erase(std::find(waiting_.begin(), waiting_.end(), guest));
    inside_ = guest;
    changed_.SignalAll();
    while (inside_ != nullptr) changed_.Wait(&mutex_);
    served = true;
  }
  // What one did may be what another waits for.
  if (served) loop_.Run([] {});
}

void GuestList::ServeWithoutLoop(absl::FunctionRef<bool()> done,
                                 absl::Duration limit) {
  constexpr absl::Duration kPause = absl::Milliseconds(10);
  const absl::Time end = clock_.Now() + limit;
  while (!done() && clock_.Now() < end) {
    Serve();
    absl::MutexLock lock(&mutex_);
    changed_.WaitWithTimeout(&mutex_, kPause);
  }
}

void GuestList::CloseAndServe() {
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  while (true) {
    Serve();
    absl::MutexLock lock(&mutex_);
    while (guests_ > 0 && waiting_.empty()) changed_.Wait(&mutex_);
    if (guests_ == 0) return;
  }
}

}  // namespace messenger::client
