// What the guests about futexes share: bare calls, and threads that wait on a word.
#ifndef DETENT_TESTS_ABI_FUTEX_TEST_H_
#define DETENT_TESTS_ABI_FUTEX_TEST_H_

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>

#include "abi_test.h"

namespace abi {

using Words = std::initializer_list<uint32_t>;

inline long Futex(const void* word, int op, uint32_t value, const void* timeout = nullptr,
                  const void* word2 = nullptr, uint32_t value3 = 0) {
  return syscall(SYS_futex, word, op, value, timeout, word2, value3);
}
inline long Wake(const void* word, int count) { return Futex(word, FUTEX_WAKE_PRIVATE, count); }
inline long LockPi(const void* word) { return Futex(word, FUTEX_LOCK_PI_PRIVATE, 0); }
inline long UnlockPi(const void* word) { return Futex(word, FUTEX_UNLOCK_PI_PRIVATE, 0); }
inline const void* Count(long n) { return reinterpret_cast<const void*>(n); }

// A PI futex word as text, with "me" for the caller's tid.
inline const char* State(uint32_t word) {
  static thread_local char text[48];
  const uint32_t owner = word & FUTEX_TID_MASK;
  snprintf(text, sizeof text, "%s%s%s",
           owner == 0                              ? "free"
           : owner == static_cast<uint32_t>(Tid()) ? "me"
                                                   : "other",
           word & FUTEX_WAITERS ? "|WAITERS" : "", word & FUTEX_OWNER_DIED ? "|OWNER_DIED" : "");
  return text;
}

// Real-time priority of a thread, 0 for SCHED_OTHER. Without the right to it, natively and under detent alike
// nothing happens.
inline void SetRealtime(pid_t tid, int priority) {
  sched_param parameter = {};
  parameter.sched_priority = priority;
  sched_setscheduler(tid, priority == 0 ? SCHED_OTHER : SCHED_FIFO, &parameter);
}

// A thread that waits on a plain futex once, blocked when the constructor returns.
class PlainWaiter {
 public:
  explicit PlainWaiter(const uint32_t* word, int priority = 0, uint32_t value = 0,
                       int op = FUTEX_WAIT_PRIVATE)
      : word_(word), priority_(priority), value_(value), op_(op), thread_(Body{this}) {
    thread_.AwaitBlocked(SYS_futex);
  }
  int order() const { return order_; }
  static void ResetOrder() { next_ = 0; }
  static int count() { return __atomic_load_n(&next_, __ATOMIC_SEQ_CST); }

 private:
  struct Body {
    PlainWaiter* self;
    void operator()() const {
      if (self->priority_ != 0) SetRealtime(0, self->priority_);
      Futex(self->word_, self->op_, self->value_);
      self->order_ = __atomic_add_fetch(&next_, 1, __ATOMIC_SEQ_CST);
    }
  };
  static inline int next_ = 0;
  const uint32_t* word_;
  int priority_;
  uint32_t value_;
  int op_;
  int order_ = 0;
  Thread<Body> thread_;
};

// A flag that one thread waits for.
class Gate {
 public:
  void Open() {
    __atomic_store_n(&open_, 1, __ATOMIC_SEQ_CST);
    Futex(&open_, FUTEX_WAKE_PRIVATE, INT_MAX);
  }
  void Pass() const {
    while (__atomic_load_n(&open_, __ATOMIC_SEQ_CST) == 0) Futex(&open_, FUTEX_WAIT_PRIVATE, 0);
  }

 private:
  uint32_t open_ = 0;
};

// A thread that locks `first` (if there is one), then `word`, blocked on it when the constructor
// returns; and that unlocks them once it is allowed to.
class PiWaiter {
 public:
  explicit PiWaiter(uint32_t* word, int priority = 0, uint32_t* first = nullptr,
                    timespec until = {})
      : word_(word), first_(first), until_(until), priority_(priority), thread_(Body{this}) {
    thread_.AwaitBlocked(SYS_futex);
  }
  ~PiWaiter() { Allow(); }
  pid_t tid() const { return thread_.tid(); }
  long result() const { return result_; }
  int error() const { return error_; }
  int order() const { return order_; }
  bool locked() const { return __atomic_load_n(&locked_, __ATOMIC_SEQ_CST); }
  void SetPriority(int priority) { SetRealtime(tid(), priority); }
  void AwaitLocked() {
    CHECK(Eventually([this] { return locked(); }));
  }
  void Allow() { gate_.Open(); }
  void Join() { thread_.Join(); }
  void Release() {
    Allow();
    Join();
  }
  static void ResetOrder() { next_ = 0; }

 private:
  struct Body {
    PiWaiter* self;
    void operator()() const { self->Run(); }
  };
  void Run() {
    if (priority_ != 0) SetRealtime(0, priority_);
    if (first_ != nullptr) CHECK_EQ(LockPi(first_), 0);
    result_ = Futex(word_, FUTEX_LOCK_PI_PRIVATE, 0, until_.tv_sec != 0 ? &until_ : nullptr);
    error_ = errno;
    order_ = __atomic_add_fetch(&next_, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&locked_, true, __ATOMIC_SEQ_CST);
    gate_.Pass();
    if (result_ == 0) CHECK_EQ(UnlockPi(word_), 0);
    if (first_ != nullptr) CHECK_EQ(UnlockPi(first_), 0);
  }
  static inline int next_ = 0;
  uint32_t* word_;
  uint32_t* first_;
  timespec until_;
  int priority_;
  long result_ = -2;
  int error_ = 0;
  int order_ = 0;
  bool locked_ = false;
  Gate gate_;
  Thread<Body> thread_;
};

// A thread that owns `word` until it is told to unlock it, or to end as its owner.
class PiHolder {
 public:
  explicit PiHolder(uint32_t* word) : word_(word), thread_(Body{this}) { locked_.Pass(); }
  ~PiHolder() { Release(); }
  pid_t tid() const { return thread_.tid(); }
  void Release() {
    gate_.Open();
    thread_.Join();
  }
  void EndWithoutRelease() {
    keep_ = true;
    Release();
  }

 private:
  struct Body {
    PiHolder* self;
    void operator()() const {
      CHECK_EQ(LockPi(self->word_), 0);
      self->locked_.Open();
      self->gate_.Pass();
      if (!self->keep_) CHECK_EQ(UnlockPi(self->word_), 0);
    }
  };
  uint32_t* word_;
  bool keep_ = false;
  Gate locked_, gate_;
  Thread<Body> thread_;
};

}  // namespace abi

#endif  // DETENT_TESTS_ABI_FUTEX_TEST_H_
