// Tells ThreadSanitizer what Debian's Abseil and gRPC do.
//
// Abseil announces its locks to ThreadSanitizer only where it was compiled with
// it, and Debian's libraries were not: every variable guarded by an absl::Mutex
// would be reported as a race. In builds with --config=tsan this file defines
// the functions again, in the executable, so that the calls of our code and
// those of gRPC come here first; each announces itself and then calls Abseil's.
//
// What gRPC, protobuf and OpenSSL do with their own memory, by means other than
// locks, cannot be followed; the functions of the C library that they call are
// therefore not watched. Nothing
// that our code does is left out.

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdint>
#include <cstdlib>

#include "absl/base/options.h"
#include "absl/status/status.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

#define MESSENGER_STRING2(x) #x
#define MESSENGER_STRING(x) MESSENGER_STRING2(x)

extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

namespace {

// The names below are mangled with Debian's inline namespace.
constexpr char kNamespace[] =
    MESSENGER_STRING(ABSL_OPTION_INLINE_NAMESPACE_NAME);
static_assert(sizeof(kNamespace) == sizeof("debian3"),
              "another Abseil: change the names of ABSEIL_FUNCTION");

// Abseil's own definition of a function that this file defines as well. No
// static with a guard: the first call may come from any thread at any time.
template <typename Function>
class Original;

template <typename Result, typename... Args>
class Original<Result(Args...)> {
 public:
  explicit constexpr Original(const char* symbol) : symbol_(symbol) {}

  Result operator()(Args... args) {
    void* function = __atomic_load_n(&function_, __ATOMIC_RELAXED);
    if (function == nullptr) {
      function = dlsym(RTLD_NEXT, symbol_);
      if (function == nullptr) abort();
      __atomic_store_n(&function_, function, __ATOMIC_RELAXED);
    }
    return reinterpret_cast<Result (*)(Args...)>(function)(args...);
  }

 private:
  const char* symbol_;
  void* function_ = nullptr;
};

#define ABSEIL_FUNCTION(variable, type, prefix, suffix) \
  constinit Original<type> variable("_ZN" prefix "4absl7debian3" suffix)

using absl::Condition;
using absl::CondVar;
using absl::Duration;
using absl::Mutex;
using absl::Notification;
using absl::Time;

ABSEIL_FUNCTION(real_destroy, void(Mutex*), "", "5MutexD1Ev");
ABSEIL_FUNCTION(real_lock, void(Mutex*), "", "5Mutex4LockEv");
ABSEIL_FUNCTION(real_unlock, void(Mutex*), "", "5Mutex6UnlockEv");
ABSEIL_FUNCTION(real_try_lock, bool(Mutex*), "", "5Mutex7TryLockEv");
ABSEIL_FUNCTION(real_reader_lock, void(Mutex*), "", "5Mutex10ReaderLockEv");
ABSEIL_FUNCTION(real_reader_unlock, void(Mutex*), "", "5Mutex12ReaderUnlockEv");
ABSEIL_FUNCTION(real_reader_try_lock, bool(Mutex*), "",
                "5Mutex13ReaderTryLockEv");
ABSEIL_FUNCTION(real_lock_when, void(Mutex*, const Condition&), "",
                "5Mutex8LockWhenERKNS0_9ConditionE");
ABSEIL_FUNCTION(real_lock_when_timeout,
                bool(Mutex*, const Condition&, Duration), "",
                "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
ABSEIL_FUNCTION(real_lock_when_deadline, bool(Mutex*, const Condition&, Time),
                "", "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
ABSEIL_FUNCTION(real_reader_lock_when, void(Mutex*, const Condition&), "",
                "5Mutex14ReaderLockWhenERKNS0_9ConditionE");
ABSEIL_FUNCTION(
    real_reader_lock_when_timeout, bool(Mutex*, const Condition&, Duration), "",
    "5Mutex25ReaderLockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
ABSEIL_FUNCTION(
    real_reader_lock_when_deadline, bool(Mutex*, const Condition&, Time), "",
    "5Mutex26ReaderLockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
ABSEIL_FUNCTION(real_await, void(Mutex*, const Condition&), "",
                "5Mutex5AwaitERKNS0_9ConditionE");
ABSEIL_FUNCTION(real_await_timeout, bool(Mutex*, const Condition&, Duration),
                "", "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
ABSEIL_FUNCTION(real_await_deadline, bool(Mutex*, const Condition&, Time), "",
                "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
ABSEIL_FUNCTION(real_wait, void(CondVar*, Mutex*), "",
                "7CondVar4WaitEPNS0_5MutexE");
ABSEIL_FUNCTION(real_wait_timeout, bool(CondVar*, Mutex*, Duration), "",
                "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
ABSEIL_FUNCTION(real_wait_deadline, bool(CondVar*, Mutex*, Time), "",
                "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
ABSEIL_FUNCTION(real_notify, void(Notification*), "",
                "12Notification6NotifyEv");
ABSEIL_FUNCTION(real_notification_wait, void(const Notification*), "K",
                "12Notification19WaitForNotificationEv");
ABSEIL_FUNCTION(
    real_notification_wait_timeout, bool(const Notification*, Duration), "K",
    "12Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
ABSEIL_FUNCTION(real_notification_wait_deadline,
                bool(const Notification*, Time), "K",
                "12Notification31WaitForNotificationWithDeadlineENS0_4TimeE");
ABSEIL_FUNCTION(real_decrement, bool(absl::BlockingCounter*), "",
                "15BlockingCounter14DecrementCountEv");
ABSEIL_FUNCTION(real_counter_wait, void(absl::BlockingCounter*), "",
                "15BlockingCounter4WaitEv");
ABSEIL_FUNCTION(real_unref, void(uintptr_t), "", "6Status15UnrefNonInlinedEm");

// Abseil's functions call one another, and so come here again: only the
// outermost call is announced.
thread_local bool inside_abseil = false;

// While Abseil runs. A thread that unlocks a mutex, or waits for it, may
// evaluate the conditions of other waiters, at moments that the announcements
// cannot express: its reads are not watched meanwhile.
class InsideAbseil {
 public:
  InsideAbseil() {
    inside_abseil = true;
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  }
  ~InsideAbseil() {
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    inside_abseil = false;
  }
  InsideAbseil(const InsideAbseil&) = delete;
  InsideAbseil& operator=(const InsideAbseil&) = delete;
};

void AnnounceLocked(Mutex* mutex, unsigned flags) {
  __tsan_mutex_pre_lock(mutex, flags);
  __tsan_mutex_post_lock(mutex, flags, 0);
}

void AnnounceUnlocked(Mutex* mutex, unsigned flags) {
  __tsan_mutex_pre_unlock(mutex, flags);
  __tsan_mutex_post_unlock(mutex, flags);
}

// Runs `lock`, which returns with the mutex held.
template <typename Function>
auto Locking(Mutex* mutex, unsigned flags, Function lock) {
  if (inside_abseil) return lock();
  struct Announce {
    Mutex* mutex;
    unsigned flags;
    ~Announce() { AnnounceLocked(mutex, flags); }
  } announce{mutex, flags};
  InsideAbseil inside;
  return lock();
}

// Runs `wait`, which is called and returns with the mutex held, and releases it
// in between.
template <typename Function>
auto Waiting(Mutex* mutex, Function wait) {
  if (inside_abseil) return wait();
  AnnounceUnlocked(mutex, 0);
  return Locking(mutex, 0, wait);
}

bool TryLocking(Mutex* mutex, unsigned flags, bool locked) {
  if (inside_abseil) return locked;
  flags |= __tsan_mutex_try_lock;
  __tsan_mutex_pre_lock(mutex, flags);
  __tsan_mutex_post_lock(
      mutex, locked ? flags : flags | __tsan_mutex_try_lock_failed, 0);
  return locked;
}

// What `HasBeenNotified()` reads, in code that ThreadSanitizer does watch.
void* NotifiedFlag(Notification* notification) {
  return reinterpret_cast<char*>(notification) + sizeof(Mutex);
}

constexpr unsigned kReader = __tsan_mutex_read_lock;

}  // namespace

// Names libraries, and of functions only gRPC's own: what is reported in our
// code stands. Some of gRPC is compiled from its headers, so it is watched, but
// gRPC hands it from thread to thread through a queue without locks, which is
// not. `race_top` is about the innermost frame alone, and our callbacks are
// never below the other two on the stack.
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libabsl_cord.so\n"
         "called_from_lib:libabsl_cord_internal.so\n"
         "called_from_lib:libabsl_graphcycles_internal.so\n"
         "called_from_lib:libabsl_status.so\n"
         "called_from_lib:libabsl_statusor.so\n"
         "called_from_lib:libcrypto.so\n"
         "called_from_lib:libgpr.so\n"
         "called_from_lib:libgrpc++.so\n"
         "called_from_lib:libgrpc.so\n"
         "called_from_lib:libprotobuf.so\n"
         "called_from_lib:libssl.so\n"
         "called_from_lib:libupb.so\n"
         "race:grpc::ServerBidiReactor\n"
         "race:grpc::internal::CallOpSet\n"
         "race_top:grpc::\n";
}

namespace absl {
ABSL_NAMESPACE_BEGIN

Mutex::~Mutex() {
  real_destroy(this);
  __tsan_mutex_destroy(this, __tsan_mutex_not_static);
}

void Mutex::Lock() {
  Locking(this, 0, [&] { real_lock(this); });
}

void Mutex::Unlock() {
  if (inside_abseil) return real_unlock(this);
  AnnounceUnlocked(this, 0);
  InsideAbseil inside;
  real_unlock(this);
}

bool Mutex::TryLock() { return TryLocking(this, 0, real_try_lock(this)); }

void Mutex::ReaderLock() {
  Locking(this, kReader, [&] { real_reader_lock(this); });
}

void Mutex::ReaderUnlock() {
  if (inside_abseil) return real_reader_unlock(this);
  AnnounceUnlocked(this, kReader);
  InsideAbseil inside;
  real_reader_unlock(this);
}

bool Mutex::ReaderTryLock() {
  return TryLocking(this, kReader, real_reader_try_lock(this));
}

void Mutex::LockWhen(const Condition& cond) {
  Locking(this, 0, [&] { real_lock_when(this, cond); });
}

bool Mutex::LockWhenWithTimeout(const Condition& cond, Duration timeout) {
  return Locking(this, 0,
                 [&] { return real_lock_when_timeout(this, cond, timeout); });
}

bool Mutex::LockWhenWithDeadline(const Condition& cond, Time deadline) {
  return Locking(this, 0,
                 [&] { return real_lock_when_deadline(this, cond, deadline); });
}

void Mutex::ReaderLockWhen(const Condition& cond) {
  Locking(this, kReader, [&] { real_reader_lock_when(this, cond); });
}

bool Mutex::ReaderLockWhenWithTimeout(const Condition& cond, Duration timeout) {
  return Locking(this, kReader, [&] {
    return real_reader_lock_when_timeout(this, cond, timeout);
  });
}

bool Mutex::ReaderLockWhenWithDeadline(const Condition& cond, Time deadline) {
  return Locking(this, kReader, [&] {
    return real_reader_lock_when_deadline(this, cond, deadline);
  });
}

// A reader may await, too; announcing it as a writer could report a race that
// there is none of, and no code here does so.
void Mutex::Await(const Condition& cond) {
  Waiting(this, [&] { real_await(this, cond); });
}

bool Mutex::AwaitWithTimeout(const Condition& cond, Duration timeout) {
  return Waiting(this, [&] { return real_await_timeout(this, cond, timeout); });
}

bool Mutex::AwaitWithDeadline(const Condition& cond, Time deadline) {
  return Waiting(this,
                 [&] { return real_await_deadline(this, cond, deadline); });
}

void CondVar::Wait(Mutex* mu) {
  Waiting(mu, [&] { real_wait(this, mu); });
}

bool CondVar::WaitWithTimeout(Mutex* mu, Duration timeout) {
  return Waiting(mu, [&] { return real_wait_timeout(this, mu, timeout); });
}

bool CondVar::WaitWithDeadline(Mutex* mu, Time deadline) {
  return Waiting(mu, [&] { return real_wait_deadline(this, mu, deadline); });
}

void Notification::Notify() {
  __tsan_release(NotifiedFlag(this));
  real_notify(this);
}

void Notification::WaitForNotification() const {
  real_notification_wait(this);
  __tsan_acquire(NotifiedFlag(const_cast<Notification*>(this)));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  const bool notified = real_notification_wait_timeout(this, timeout);
  if (notified) __tsan_acquire(NotifiedFlag(const_cast<Notification*>(this)));
  return notified;
}

bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  const bool notified = real_notification_wait_deadline(this, deadline);
  if (notified) __tsan_acquire(NotifiedFlag(const_cast<Notification*>(this)));
  return notified;
}

bool BlockingCounter::DecrementCount() {
  __tsan_release(this);
  return real_decrement(this);
}

void BlockingCounter::Wait() {
  real_counter_wait(this);
  __tsan_acquire(this);
}

// The reference count of an error status: the last one deletes it.
void Status::UnrefNonInlined(uintptr_t rep) {
  __tsan_acquire(reinterpret_cast<void*>(rep));
  __tsan_release(reinterpret_cast<void*>(rep));
  real_unref(rep);
}

ABSL_NAMESPACE_END
}  // namespace absl
