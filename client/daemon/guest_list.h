// Lets threads of their own work on what belongs to an event loop: one at a
// time, and only while the loop stands still.
//
//   a thread     Visit -----[runs]--- RunUntil ........ [runs] --- leaves
//   the loop     ...... Serve [stands] ... tasks ... Serve [stands] ...
//
// So a command is straight-line code that waits where it has to, many of them
// are under way at once, and none needs a lock: between two waits of a guest
// nothing else runs.

#ifndef CLIENT_DAEMON_GUEST_LIST_H_
#define CLIENT_DAEMON_GUEST_LIST_H_

#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/daemon/waiter.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"

namespace messenger::client {

class GuestList;

// One visit. For its own thread.
class Guest final : public Waiter {
 public:
  // Lets the loop run meanwhile. False also when the list was closed or the
  // guest's `gone` is true.
  bool RunUntil(absl::FunctionRef<bool()> done, absl::Duration limit) override;

  // Lets the loop run while `work`, which may block, does not touch anything
  // of it.
  void Outside(absl::FunctionRef<void()> work);

 private:
  friend class GuestList;
  Guest(GuestList& list, std::function<bool()> gone)
      : list_(list), gone_(std::move(gone)) {}

  GuestList& list_;
  const std::function<bool()> gone_;
  // What it waits for; null: to come in.
  const absl::FunctionRef<bool()>* done_ = nullptr;
  bool was_done_ = false;
  absl::Time end_;
};

class GuestList final {
 public:
  // Both outlive the list.
  GuestList(routing::EventLoop& loop, const routing::Clock& clock)
      : loop_(loop), clock_(clock) {}

  // Runs `visit` on the calling thread, any but the loop's. `gone` ends its
  // waits; it is asked on the loop's thread, after every batch of tasks. False:
  // the list is closed, and nothing was run.
  bool Visit(std::function<bool()> gone, absl::FunctionRef<void(Guest&)> visit);

  // On the loop's thread, after every batch of its tasks: lets those run who
  // can go on.
  void Serve();

  // For a loop that was stopped: lets guests run who need nothing of it, until
  // `done` or for `limit`.
  void ServeWithoutLoop(absl::FunctionRef<bool()> done, absl::Duration limit);

  // On the loop's thread: takes no more guests, ends the waits of all, and
  // returns when the last has left. `work` outside must end by itself.
  void CloseAndServe();

 private:
  friend class Guest;

  void ComeIn(Guest& guest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GoOut() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Ready(Guest& guest, bool closed) const;

  routing::EventLoop& loop_;
  const routing::Clock& clock_;

  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::vector<Guest*> waiting_ ABSL_GUARDED_BY(mutex_);
  Guest* inside_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int guests_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace messenger::client

#endif  // CLIENT_DAEMON_GUEST_LIST_H_
