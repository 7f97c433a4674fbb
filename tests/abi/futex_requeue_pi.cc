// futex(2) WAIT_REQUEUE_PI and CMP_REQUEUE_PI: a condition variable whose waiters are moved to a PI mutex.
#include "futex_test.h"

using namespace abi;

namespace {

long Requeue(const void* from, uint32_t expected, const void* to, int move = INT_MAX,
             int wake = 1) {
  return Futex(from, FUTEX_CMP_REQUEUE_PI_PRIVATE, wake, Count(move), to, expected);
}

// Waits on `condition` for the PI mutex `mutex`, which it unlocks again when it got it and is allowed to.
class Sleeper {
 public:
  Sleeper(uint32_t* condition, uint32_t* mutex, timespec until = {}, int flags = 0,
          int priority = 0)
      : condition_(condition),
        mutex_(mutex),
        until_(until),
        flags_(flags),
        priority_(priority),
        thread_(Body{this}) {
    thread_.AwaitBlocked(SYS_futex);
  }
  ~Sleeper() { Release(); }
  pid_t tid() const { return thread_.tid(); }
  const char* result() const { return result_; }
  int order() const { return order_; }
  bool done() const { return __atomic_load_n(&done_, __ATOMIC_SEQ_CST); }
  void AwaitDone() {
    CHECK(Eventually([this] { return done(); }));
  }
  void Release() {
    gate_.Open();
    thread_.Join();
  }
  static void ResetOrder() { next_ = 0; }

 private:
  struct Body {
    Sleeper* self;
    void operator()() const { self->Run(); }
  };
  void Run() {
    if (priority_ != 0) SetRealtime(0, priority_);
    const long result = Futex(condition_, FUTEX_WAIT_REQUEUE_PI_PRIVATE | flags_, 0,
                              until_.tv_sec != 0 ? &until_ : nullptr, mutex_);
    snprintf(result_, sizeof result_, "%s", Res(result));
    order_ = __atomic_add_fetch(&next_, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&done_, true, __ATOMIC_SEQ_CST);
    gate_.Pass();
    if (result == 0) CHECK_EQ(UnlockPi(mutex_), 0);
  }
  static inline int next_ = 0;
  uint32_t* condition_;
  uint32_t* mutex_;
  timespec until_;
  int flags_;
  int priority_;
  char result_[24] = "";
  int order_ = 0;
  bool done_ = false;
  Gate gate_;
  Thread<Body> thread_;
};

}  // namespace

TEST(free_mutex_is_taken_for_the_first_waiter) {
  for (int move : {0, 1, INT_MAX}) {
    uint32_t condition = 0, mutex = 0;
    Sleeper a(&condition, &mutex);
    const long moved = Requeue(&condition, 0, &mutex, move);
    a.AwaitDone();
    RECORD("move %d: %ld, %s, waiters bit %d", move, moved, a.result(),
           (mutex & FUTEX_WAITERS) != 0);
    CHECK_EQ(mutex & FUTEX_TID_MASK, a.tid());
    a.Release();
    CHECK_EQ(mutex, 0);
  }
}

TEST(held_mutex_is_waited_for) {
  uint32_t condition = 0, mutex = 0;
  CHECK_EQ(LockPi(&mutex), 0);
  Sleeper a(&condition, &mutex);
  CHECK_EQ(Requeue(&condition, 0, &mutex), 1);
  CHECK_EQ(mutex, static_cast<uint32_t>(Tid()) | FUTEX_WAITERS);
  CHECK_EQ(Requeue(&condition, 0, &mutex), 0);
  SleepMs(5);
  CHECK(!a.done());
  CHECK_EQ(UnlockPi(&mutex), 0);
  a.AwaitDone();
  RECORD("%s", a.result());
  CHECK_EQ(mutex, static_cast<uint32_t>(a.tid()) | FUTEX_WAITERS);
  a.Release();
  CHECK_EQ(mutex, 0);
}

TEST(several_waiters_get_the_mutex_one_by_one) {
  uint32_t condition = 0, mutex = 0;
  Sleeper::ResetOrder();
  Sleeper a(&condition, &mutex), b(&condition, &mutex, {}, 0, 10), c(&condition, &mutex),
      d(&condition, &mutex);
  const long first = Requeue(&condition, 0, &mutex, 1);
  const long second = Requeue(&condition, 0, &mutex, INT_MAX);
  RECORD("%ld then %ld", first, second);
  for (Sleeper* s : {&b, &a, &c, &d}) {
    s->AwaitDone();
    s->Release();
  }
  RECORD("%d %d %d %d", a.order(), b.order(), c.order(), d.order());
  CHECK_EQ(mutex, 0);
}

TEST(requeue_errors) {
  uint32_t condition = 0, mutex = 0, other = 0;
  {
    Sleeper a(&condition, &mutex);
    RECORD("changed word %s, wake 0 %s, wake 2 %s, move -1 %s", Res(Requeue(&condition, 1, &mutex)),
           Res(Requeue(&condition, 0, &mutex, 1, 0)), Res(Requeue(&condition, 0, &mutex, 1, 2)),
           Res(Requeue(&condition, 0, &mutex, -1)));
    RECORD("to itself %s, to another mutex %s", Res(Requeue(&condition, 0, &condition)),
           Res(Requeue(&condition, 0, &other)));
    RECORD("wake %s, requeue %s, cmp_requeue %s", Res(Wake(&condition, 1)),
           Res(Futex(&condition, FUTEX_REQUEUE_PRIVATE, 1, Count(1), &other)),
           Res(Futex(&condition, FUTEX_CMP_REQUEUE_PRIVATE, 0, Count(1), &other, 0)));
    mutex = static_cast<uint32_t>(a.tid());
    RECORD("to what the waiter owns %s", Res(Requeue(&condition, 0, &mutex)));
    mutex = 0x3ffffff0;
    const char* nobody = Res(Requeue(&condition, 0, &mutex));
    RECORD("to what nobody owns %s, %#x", nobody, mutex);
    mutex = 0;
    CHECK_EQ(Requeue(&condition, 0, &mutex), 1);
  }
  {
    PlainWaiter plain(&condition);
    RECORD("plain waiter %s", Res(Requeue(&condition, 0, &mutex)));
    CHECK_EQ(Wake(&condition, 1), 1);
  }
  CHECK_EQ(Requeue(&condition, 0, &mutex), 0);
  CHECK_EQ(mutex, 0);
}

TEST(wait_errors) {
  uint32_t words[2] = {0, 0};
  const timespec past = {1, 0}, bad = {0, -1};
  const int op = FUTEX_WAIT_REQUEUE_PI_PRIVATE;
  RECORD("same word %s, changed %s, past %s, bad time %s",
         Res(Futex(&words[0], op, 0, &past, &words[0])),
         Res(Futex(&words[0], op, 1, &past, &words[1])),
         Res(Futex(&words[0], op, 0, &past, &words[1])),
         Res(Futex(&words[0], op, 0, &bad, &words[1])));
  const void* wrong[] = {nullptr, Wild(), reinterpret_cast<char*>(&words) + 2};
  for (const void* w : wrong) {
    RECORD("%s %s %s; requeue %s %s", Res(Futex(w, op, 0, &past, &words[1])),
           Res(Futex(&words[0], op, 0, &past, w)), Res(Futex(w, op, 0, &past, w)),
           Res(Requeue(w, 0, &words[1])), Res(Requeue(&words[0], 0, w)));
  }
  void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK_EQ(*static_cast<volatile uint32_t*>(page),
           0);  // a page that was never touched gives other errors
  RECORD("read-only %s %s %s %s", Res(Futex(page, op, 0, &past, &words[1])),
         Res(Futex(&words[0], op, 0, &past, page)), Res(Requeue(page, 0, &words[1])),
         Res(Requeue(&words[0], 0, page)));
  munmap(page, 4096);
}

TEST(timeouts_before_and_after_the_requeue) {
  for (int flags : {0, FUTEX_CLOCK_REALTIME}) {
    for (bool requeue : {false, true}) {
      uint32_t condition = 0, mutex = 0;
      CHECK_EQ(LockPi(&mutex), 0);
      const int64_t until = Now(flags ? CLOCK_REALTIME : CLOCK_MONOTONIC) + 100 * kMs;
      Sleeper a(&condition, &mutex, FromNs(until), flags);
      if (requeue) CHECK_EQ(Requeue(&condition, 0, &mutex), 1);
      a.AwaitDone();
      RECORD("%s", a.result());
      CHECK_EQ(Requeue(&condition, 0, &mutex), 0);
      a.Release();
      CHECK_EQ(UnlockPi(&mutex), 0);
      CHECK_EQ(mutex, 0);
    }
  }
}

TEST(signals_before_and_after_the_requeue) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    g_signals = 0;
    uint32_t condition = 0, mutex = 0;
    CHECK_EQ(LockPi(&mutex), 0);
    Sleeper a(&condition, &mutex);
    Tgkill(a.tid(), SIGUSR1);
    CHECK(Eventually([] { return g_signals == 1; }));
    SleepMs(20);
    CHECK(!a.done());
    CHECK_EQ(Requeue(&condition, 0, &mutex), 1);
    Tgkill(a.tid(), SIGUSR1);
    a.AwaitDone();
    RECORD("%s after %d signals", a.result(), g_signals);
    a.Release();
    CHECK_EQ(UnlockPi(&mutex), 0);
  }
}

TEST(requeue_that_would_deadlock) {
  uint32_t condition = 0, mutex = 0, held = 0;
  CHECK_EQ(LockPi(&mutex), 0);
  // Holds `held` and sleeps; the owner of the mutex then waits for `held`.
  long result = -2;
  Thread sleeper([&] {
    CHECK_EQ(LockPi(&held), 0);
    result = Futex(&condition, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, nullptr, &mutex);
    if (result == 0) CHECK_EQ(UnlockPi(&mutex), 0);
    CHECK_EQ(UnlockPi(&held), 0);
  });
  sleeper.AwaitBlocked(SYS_futex);
  Thread requeuer([&] {
    SleepMs(50);
    const long requeued = Requeue(&condition, 0, &mutex);
    RECORD("requeue %s", Res(requeued));
  });
  const timespec until = FromNs(Now(CLOCK_REALTIME) + 300 * kMs);
  const long locked = Futex(&held, FUTEX_LOCK_PI_PRIVATE, 0, &until);
  RECORD("owner %s", Res(locked));
  requeuer.Join();
  if (locked == 0) UnlockPi(&held);
  UnlockPi(&mutex);
  const long moved = Requeue(&condition, 0, &mutex);
  sleeper.Join();
  RECORD("then %ld, sleeper %ld", moved, result);
}
