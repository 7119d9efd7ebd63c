// Tells ThreadSanitizer about absl::Mutex and absl::Notification.
//
// Debian's Abseil was built without ThreadSanitizer, which therefore sees no
// order between two holders of an absl::Mutex and reports a race wherever one
// protects something. These definitions stand in front of the library's (the
// symbols of a program go before those of shared libraries) and say what was
// locked when. Linked into tests of --config=tsan only.
//
// Conditions are evaluated by the library under the lock, but at times that
// look unlocked from here: reads in there are not checked.

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

template <typename Function>
Function* Real(const char* symbol) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, symbol));
}

class UncheckedReads {
 public:
  UncheckedReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~UncheckedReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

template <typename Result = void, typename... Args>
Result Acquire(Result (*real)(absl::Mutex*, Args...), absl::Mutex* mutex,
               Args... args) {
  struct Acquired {
    absl::Mutex* mutex;
    ~Acquired() { __tsan_acquire(mutex); }
  } acquired{mutex};
  UncheckedReads unchecked;
  return real(mutex, args...);
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

#define GANTRY_REAL(type, symbol) \
  static auto* const real = Real<type>("_ZN4absl7debian35Mutex" symbol)

void Mutex::Lock() {
  GANTRY_REAL(void(Mutex*), "4LockEv");
  Acquire(real, this);
}

void Mutex::Unlock() {
  GANTRY_REAL(void(Mutex*), "6UnlockEv");
  __tsan_release(this);
  UncheckedReads unchecked;
  real(this);
}

bool Mutex::TryLock() {
  GANTRY_REAL(bool(Mutex*), "7TryLockEv");
  const bool locked = real(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  GANTRY_REAL(void(Mutex*), "10ReaderLockEv");
  Acquire(real, this);
}

void Mutex::ReaderUnlock() {
  GANTRY_REAL(void(Mutex*), "12ReaderUnlockEv");
  __tsan_release(this);
  UncheckedReads unchecked;
  real(this);
}

void Mutex::Await(const Condition& condition) {
  GANTRY_REAL(void(Mutex*, const Condition*), "5AwaitERKNS0_9ConditionE");
  __tsan_release(this);
  Acquire(real, this, &condition);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  GANTRY_REAL(bool(Mutex*, const Condition*, Duration),
              "16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  __tsan_release(this);
  return Acquire(real, this, &condition, timeout);
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  GANTRY_REAL(bool(Mutex*, const Condition*, Time),
              "17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  __tsan_release(this);
  return Acquire(real, this, &condition, deadline);
}

void Mutex::LockWhen(const Condition& condition) {
  GANTRY_REAL(void(Mutex*, const Condition*), "8LockWhenERKNS0_9ConditionE");
  Acquire(real, this, &condition);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  GANTRY_REAL(bool(Mutex*, const Condition*, Duration),
              "19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  return Acquire(real, this, &condition, timeout);
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  GANTRY_REAL(bool(Mutex*, const Condition*, Time),
              "20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return Acquire(real, this, &condition, deadline);
}

#undef GANTRY_REAL

void Notification::Notify() {
  static auto* const real =
      Real<void(Notification*)>("_ZN4absl7debian312Notification6NotifyEv");
  __tsan_release(this);
  real(this);
}

void Notification::WaitForNotification() const {
  static auto* const real = Real<void(const Notification*)>(
      "_ZNK4absl7debian312Notification19WaitForNotificationEv");
  real(this);
  __tsan_acquire(const_cast<Notification*>(this));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  static auto* const real = Real<bool(const Notification*, Duration)>(
      "_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_"
      "8DurationE");
  const bool notified = real(this, timeout);
  if (notified) __tsan_acquire(const_cast<Notification*>(this));
  return notified;
}

ABSL_NAMESPACE_END
}  // namespace absl
