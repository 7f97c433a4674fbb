// PI futexes: futex(2) LOCK_PI, LOCK_PI2, TRYLOCK_PI, UNLOCK_PI. The word's states, errors and
// their precedence, order of waiters, deadlocks, owners that die. Requeueing to PI futexes is in
// futex_requeue_pi.cc.
#include "futex_test.h"

using namespace abi;

TEST(lock_and_unlock_without_contention) {
  for (int op : Ints{FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI}) {
    for (int flag : {0, FUTEX_PRIVATE_FLAG}) {
      uint32_t word = 0;
      CHECK_EQ(Futex(&word, op | flag, 0), 0);
      CHECK_EQ(word, Tid());
      CHECK_EQ(Futex(&word, FUTEX_UNLOCK_PI | flag, 0), 0);
      CHECK_EQ(word, 0);
    }
  }
}

TEST(lock_of_a_word_without_owner_keeps_owner_died_only) {
  for (uint32_t state : Words{FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_WAITERS | FUTEX_OWNER_DIED}) {
    for (int op : Ints{FUTEX_LOCK_PI_PRIVATE, FUTEX_TRYLOCK_PI_PRIVATE}) {
      uint32_t word = state;
      const char* result = Res(Futex(&word, op, 0));
      RECORD("%#x: %s, then %s, then unlock", state, result, State(word));
      CHECK_EQ(Futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0), 0);
      CHECK_EQ(word, 0);
    }
  }
}

TEST(lock_of_what_the_caller_owns_is_EDEADLK) {
  for (uint32_t bits : Words{0u, FUTEX_WAITERS, FUTEX_OWNER_DIED}) {
    uint32_t word = static_cast<uint32_t>(Tid()) | bits;
    CHECK_ERRNO(LockPi(&word), EDEADLK);
    CHECK_ERRNO(Futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0), EDEADLK);
    CHECK_EQ(word, static_cast<uint32_t>(Tid()) | bits);
  }
}

TEST(unlock_of_what_the_caller_does_not_own_is_EPERM) {
  for (uint32_t value : Words{0u, 1u, FUTEX_WAITERS, FUTEX_TID_MASK, FUTEX_OWNER_DIED | 5u}) {
    uint32_t word = value;
    CHECK_ERRNO(UnlockPi(&word), EPERM);
    CHECK_EQ(word, value);
  }
}

TEST(unlock_drops_all_bits_when_nobody_waits) {
  for (uint32_t bits : Words{FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_WAITERS | FUTEX_OWNER_DIED}) {
    uint32_t word = static_cast<uint32_t>(Tid()) | bits;
    CHECK_EQ(UnlockPi(&word), 0);
    CHECK_EQ(word, 0);
  }
}

TEST(owner_that_does_not_exist_is_ESRCH) {
  for (int op : Ints{FUTEX_LOCK_PI_PRIVATE, FUTEX_TRYLOCK_PI_PRIVATE}) {
    for (uint32_t bits : Words{0, FUTEX_OWNER_DIED}) {
      uint32_t word = 0x3ffffff0 | bits;
      const char* result = Res(Futex(&word, op, 0));
      RECORD("%s, then %#x", result, word);
    }
  }
}

TEST(owner_in_another_process) {  // must share the memory of a private futex (EPERM)
  const pid_t child = Spawn([] {
    for (;;) pause();
    return 0;
  });
  uint32_t word = static_cast<uint32_t>(child);
  const timespec past = {1, 0};
  CHECK_ERRNO(Futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, &past), EPERM);
  CHECK_ERRNO(Futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0), EPERM);
  auto* shared = static_cast<uint32_t*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  *shared = static_cast<uint32_t>(child);
  CHECK_ERRNO(Futex(shared, FUTEX_LOCK_PI_PRIVATE, 0, &past), EPERM);
  *shared = static_cast<uint32_t>(child);
  CHECK_ERRNO(Futex(shared, FUTEX_LOCK_PI, 0, &past), ETIMEDOUT);
  CHECK_EQ(*shared, static_cast<uint32_t>(child) | FUTEX_WAITERS);
  CHECK_ERRNO(Futex(shared, FUTEX_TRYLOCK_PI, 0), EAGAIN);
  word = static_cast<uint32_t>(child);
  CHECK_ERRNO(Futex(&word, FUTEX_LOCK_PI, 0, &past), ETIMEDOUT);
  kill(child, SIGKILL);
  WaitFor(child);
  CHECK_ERRNO(Futex(shared, FUTEX_LOCK_PI, 0, &past), ESRCH);
  munmap(shared, 4096);
}

TEST(contended_lock_is_handed_over_in_order) {
  uint32_t word = 0;
  PiWaiter::ResetOrder();
  CHECK_EQ(LockPi(&word), 0);
  PiWaiter a(&word), b(&word), c(&word);
  CHECK_EQ(word, static_cast<uint32_t>(Tid()) | FUTEX_WAITERS);
  CHECK_ERRNO(Futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0), EDEADLK);
  CHECK_EQ(UnlockPi(&word), 0);
  for (PiWaiter* w : {&a, &b, &c}) {
    w->AwaitLocked();
    CHECK_EQ(w->result(), 0);
    CHECK_EQ(word, static_cast<uint32_t>(w->tid()) | FUTEX_WAITERS);
    CHECK_ERRNO(Futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0), EAGAIN);
    w->Release();
  }
  CHECK_EQ(word, 0);
  CHECK(a.order() == 1 && b.order() == 2 && c.order() == 3);
}

TEST(waiters_are_ordered_by_priority_then_by_arrival) {
  uint32_t word = 0;
  PiWaiter::ResetOrder();
  CHECK_EQ(LockPi(&word), 0);
  PiWaiter a(&word), b(&word, 10), c(&word, 30), d(&word, 20), e(&word, 30), f(&word, 10), g(&word);
  CHECK_EQ(UnlockPi(&word), 0);
  for (PiWaiter* w : {&a, &b, &c, &d, &e, &f, &g}) w->Allow();
  for (PiWaiter* w : {&a, &b, &c, &d, &e, &f, &g}) w->Join();
  RECORD("%d %d %d %d %d %d %d", a.order(), b.order(), c.order(), d.order(), e.order(), f.order(),
         g.order());
  CHECK_EQ(word, 0);
}

TEST(raised_priority_of_a_waiter_moves_it_forward) {
  uint32_t word = 0;
  PiWaiter::ResetOrder();
  CHECK_EQ(LockPi(&word), 0);
  PiWaiter a(&word, 10), b(&word, 20), c(&word, 30);
  a.SetPriority(25);
  c.SetPriority(20);  // behind b, which had that priority before
  CHECK_EQ(UnlockPi(&word), 0);
  for (PiWaiter* w : {&a, &b, &c}) w->Allow();
  for (PiWaiter* w : {&a, &b, &c}) w->Join();
  RECORD("%d %d %d", a.order(), b.order(), c.order());
}

// L is held by `low`, which waits for M as a task of no priority, among others; a waiter of high
// priority on L lends it its place in the queue for M.
TEST(inherited_priority_counts_in_another_queue) {
  uint32_t m = 0, l = 0;
  PiWaiter::ResetOrder();
  CHECK_EQ(LockPi(&m), 0);
  PiWaiter middle(&m, 20);
  PiWaiter low(&m, 0, &l);  // locks l first
  PiWaiter high(&l, 50);
  for (PiWaiter* w : {&middle, &low, &high}) w->Allow();
  CHECK_EQ(UnlockPi(&m), 0);
  for (PiWaiter* w : {&middle, &low, &high}) w->Join();
  // When low lets go of both, middle and high go on side by side.
  CHECK_EQ(low.order(), 1);
  CHECK(middle.order() > 1);
  CHECK_EQ(high.result(), 0);
}

TEST(plain_wakes_are_ordered_by_priority_then_by_arrival) {
  uint32_t word = 0;
  PlainWaiter::ResetOrder();
  PlainWaiter a(&word), b(&word, 10), c(&word, 30), d(&word), e(&word, 30);
  for (int i = 0; i < 5; ++i) {
    CHECK_EQ(Wake(&word, 1), 1);
    CHECK(Eventually([&] { return PlainWaiter::count() == i + 1; }));
  }
  RECORD("%d %d %d %d %d", a.order(), b.order(), c.order(), d.order(), e.order());
}

TEST(timeouts_by_operation_and_clock) {
  const struct {
    const char* name;
    int op;
    clockid_t clock;
  } cases[] = {{"LOCK_PI", FUTEX_LOCK_PI, CLOCK_REALTIME},
               {"LOCK_PI2", FUTEX_LOCK_PI2, CLOCK_MONOTONIC},
               {"LOCK_PI2 realtime", FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME}};
  for (const auto& c : cases) {
    uint32_t word = 0;
    PiHolder holder(&word);
    const int64_t until = Now(c.clock) + 20 * kMs;
    const timespec t = FromNs(until);
    CHECK_ERRNO(Futex(&word, c.op | FUTEX_PRIVATE_FLAG, 0, &t), ETIMEDOUT);
    CHECK_GE(Now(c.clock), until);
    CHECK_EQ(word, static_cast<uint32_t>(holder.tid()) | FUTEX_WAITERS);
    const timespec past = {1, 0};
    CHECK_ERRNO(Futex(&word, c.op | FUTEX_PRIVATE_FLAG, 0, &past), ETIMEDOUT);
    holder.Release();
    CHECK_EQ(word, 0);
    CHECK_EQ(Futex(&word, c.op | FUTEX_PRIVATE_FLAG, 0, &past), 0);
  }
}

TEST(timed_out_waiter_gets_nothing_later) {
  uint32_t word = 0;
  CHECK_EQ(LockPi(&word), 0);
  {
    PiWaiter a(&word, 0, nullptr, FromNs(Now(CLOCK_REALTIME) + 20 * kMs));
    a.Allow();
    a.Join();
    CHECK_EQ(a.error(), ETIMEDOUT);
  }
  CHECK_EQ(UnlockPi(&word), 0);
  CHECK_EQ(word, 0);
}

TEST(lock_is_always_restarted_after_a_signal) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    g_signals = 0;
    uint32_t word = 0;
    CHECK_EQ(LockPi(&word), 0);
    PiWaiter a(&word);
    Tgkill(a.tid(), SIGUSR1);
    CHECK(Eventually([] { return g_signals == 1; }));
    SleepMs(20);
    CHECK(!a.locked());
    CHECK_EQ(UnlockPi(&word), 0);
    a.AwaitLocked();
    CHECK_EQ(a.result(), 0);
    a.Release();
  }
}

TEST(two_locks_in_opposite_order_are_EDEADLK) {
  uint32_t a = 0, b = 0;
  CHECK_EQ(LockPi(&a), 0);
  PiWaiter other(&a, 0, &b);  // holds b, waits for a
  CHECK_ERRNO(LockPi(&b), EDEADLK);
  const timespec past = {1, 0};
  CHECK_ERRNO(Futex(&b, FUTEX_LOCK_PI_PRIVATE, 0, &past), EDEADLK);
  CHECK_EQ(b, static_cast<uint32_t>(other.tid()) | FUTEX_WAITERS);
  CHECK_ERRNO(Futex(&b, FUTEX_TRYLOCK_PI_PRIVATE, 0), EAGAIN);
  CHECK_EQ(UnlockPi(&a), 0);
  other.AwaitLocked();
  other.Release();
  CHECK_EQ(a, 0);
}

TEST(three_locks_in_a_circle_are_EDEADLK) {
  uint32_t a = 0, b = 0, c = 0;
  CHECK_EQ(LockPi(&a), 0);
  PiWaiter first(&a, 0, &b);
  PiWaiter second(&b, 0, &c);
  CHECK_ERRNO(LockPi(&c), EDEADLK);
  second.Allow();
  first.Allow();
  CHECK_EQ(UnlockPi(&a), 0);
  first.Join();
  second.Join();
}

namespace {
constexpr int kChain = 1025;  // threads that wait, each for what the one before owns
uint32_t g_chain[kChain + 1];
uint32_t g_ready, g_go;
void* ChainLink(void* argument) {
  const long k = reinterpret_cast<long>(argument);
  g_chain[k] = static_cast<uint32_t>(Tid());
  __atomic_add_fetch(&g_ready, 1, __ATOMIC_SEQ_CST);
  Futex(&g_ready, FUTEX_WAKE_PRIVATE, 1);
  if (k == 0) {
    while (__atomic_load_n(&g_go, __ATOMIC_SEQ_CST) == 0) Futex(&g_go, FUTEX_WAIT_PRIVATE, 0);
  } else if (LockPi(&g_chain[k - 1]) != 0) {
    ABI_FAIL("link %ld: %s", k, Res(-1));
  } else {
    UnlockPi(&g_chain[k - 1]);
  }
  UnlockPi(&g_chain[k]);
  return nullptr;
}
}  // namespace

TEST(chain_of_owners_is_followed_1024_times) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  static pthread_t threads[kChain + 1];
  const auto start = [&](long k) {
    REQUIRE(pthread_create(&threads[k], &attributes, ChainLink, reinterpret_cast<void*>(k)) == 0);
    for (uint32_t seen; (seen = __atomic_load_n(&g_ready, __ATOMIC_SEQ_CST)) != k + 1;) {
      Futex(&g_ready, FUTEX_WAIT_PRIVATE, seen);
    }
  };
  const auto attempt = [](int k) {
    AwaitBlocked(0, SYS_futex);  // long enough for all
    SleepMs(50);
    const timespec past = {1, 0};
    return Res(Futex(&g_chain[k], FUTEX_LOCK_PI_PRIVATE, 0, &past));
  };
  for (long k = 0; k < kChain; ++k) start(k);
  RECORD("behind %d waiters: %s", kChain - 1, attempt(kChain - 1));
  start(kChain);
  RECORD("behind %d waiters: %s", kChain, attempt(kChain));
  __atomic_store_n(&g_go, 1, __ATOMIC_SEQ_CST);
  Futex(&g_go, FUTEX_WAKE_PRIVATE, 1);
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  CHECK_EQ(g_chain[kChain], 0);
}

TEST(plain_and_pi_waiters_on_one_word_are_EINVAL) {
  uint32_t word = 0;
  PiHolder holder(&word);
  {
    PlainWaiter plain(&word, 0, static_cast<uint32_t>(holder.tid()));
    CHECK_ERRNO(LockPi(&word), EINVAL);
    CHECK_ERRNO(Futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0), EINVAL);
    CHECK_EQ(word, static_cast<uint32_t>(holder.tid()));
    const uint32_t mine = static_cast<uint32_t>(Tid());
    __atomic_store_n(&word, mine, __ATOMIC_SEQ_CST);
    CHECK_ERRNO(UnlockPi(&word), EINVAL);
    __atomic_store_n(&word, static_cast<uint32_t>(holder.tid()), __ATOMIC_SEQ_CST);
    CHECK_EQ(Wake(&word, 9), 1);
  }
  PiWaiter waiter(&word);
  uint32_t other = 0;
  RECORD("wake %s, bitset %s", Res(Wake(&word, 9)),
         Res(Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 1)));
  RECORD("requeue %s, to it %s, cmp_requeue_pi %s",
         Res(Futex(&word, FUTEX_REQUEUE_PRIVATE, 1, Count(1), &other)),
         Res(Futex(&other, FUTEX_REQUEUE_PRIVATE, 1, Count(1), &word)),
         Res(Futex(&word, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, Count(1), &other, word)));
  RECORD("wake_op %s and %s",
         Res(Futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, Count(1), &other,
                   FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0))),
         Res(Futex(&other, FUTEX_WAKE_OP_PRIVATE, 1, Count(1), &word,
                   FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_NE, 0))));
  waiter.Allow();
  holder.Release();
  waiter.Join();
  CHECK_EQ(waiter.result(), 0);
}

TEST(word_changed_behind_the_kernels_back) {
  uint32_t word = 0;
  PiHolder holder(&word);
  PiWaiter waiter(&word);
  const uint32_t right = word;
  const uint32_t wrong[] = {0,
                            static_cast<uint32_t>(Tid()),
                            FUTEX_WAITERS,
                            FUTEX_OWNER_DIED,
                            static_cast<uint32_t>(waiter.tid()),
                            0x3ffffff0,
                            FUTEX_OWNER_DIED | right};
  const timespec past = {1, 0};
  for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
    __atomic_store_n(&word, wrong[i], __ATOMIC_SEQ_CST);
    const char* lock = Res(Futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, &past));
    const bool kept = word == wrong[i];
    __atomic_store_n(&word, wrong[i], __ATOMIC_SEQ_CST);
    RECORD("case %u: lock %s, word %s, unlock %s", i, lock, kept ? "kept" : "changed",
           Res(UnlockPi(&word)));
  }
  __atomic_store_n(&word, right, __ATOMIC_SEQ_CST);
  waiter.Allow();
  holder.Release();
  waiter.Join();
  CHECK_EQ(waiter.result(), 0);
}

TEST(owner_that_ends_hands_over_with_owner_died) {
  uint32_t word = 0;
  PiHolder holder(&word);
  PiWaiter a(&word), b(&word);
  holder.EndWithoutRelease();
  a.AwaitLocked();
  CHECK_EQ(a.result(), 0);
  CHECK_EQ(word, static_cast<uint32_t>(a.tid()) | FUTEX_WAITERS | FUTEX_OWNER_DIED);
  a.Release();
  b.AwaitLocked();
  CHECK_EQ(word, static_cast<uint32_t>(b.tid()) | FUTEX_WAITERS);
  b.Release();
  CHECK_EQ(word, 0);
}

TEST(owner_that_ended_without_waiters_is_ESRCH) {
  uint32_t word = 0;
  {
    PiHolder holder(&word);
    holder.EndWithoutRelease();
  }
  CHECK_ERRNO(LockPi(&word), ESRCH);
}

TEST(errors_and_their_order) {
  uint32_t word = 0;
  const timespec good = {1, 0}, bad = {0, 1000000000};
  const struct {
    const char* name;
    const void* p;
  } words[] = {{"good", &word},
               {"unaligned", reinterpret_cast<char*>(&word) + 1},
               {"null", nullptr},
               {"wild", Wild()},
               {"kernel", reinterpret_cast<void*>(0xffff888000000000)}},
    times[] = {{"none", nullptr}, {"past", &good}, {"bad", &bad}, {"wild", Wild()}};
  for (const auto& w : words) {
    for (const auto& t : times) {
      char line[400];
      int n = 0;
      for (int op : Ints{FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI}) {
        for (int flags : Ints{0, FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME}) {
          word = op == FUTEX_UNLOCK_PI ? static_cast<uint32_t>(Tid()) : 0;
          n += snprintf(line + n, sizeof line - n, " %d/%d=%s", op, flags,
                        Res(Futex(w.p, op | flags, 0, t.p)));
        }
      }
      RECORD("%s %s:%s", w.name, t.name, line);
    }
  }
}

TEST(lock_on_read_only_memory_is_EFAULT) {
  void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int flag : {0, FUTEX_PRIVATE_FLAG}) {
    RECORD("lock %s, trylock %s, unlock %s", Res(Futex(page, FUTEX_LOCK_PI | flag, 0)),
           Res(Futex(page, FUTEX_TRYLOCK_PI | flag, 0)),
           Res(Futex(page, FUTEX_UNLOCK_PI | flag, 0)));
  }
  munmap(page, 4096);
}

TEST(pthread_mutex_with_priority_inheritance) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  CHECK_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_t mutex;
  CHECK_EQ(pthread_mutex_init(&mutex, &attributes), 0);
  int total = 0;
  const auto add = [&] {
    for (int i = 0; i < 200; ++i) {
      CHECK_EQ(pthread_mutex_lock(&mutex), 0);
      const int seen = total;
      if (i % 16 == 0) sched_yield();
      total = seen + 1;
      CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    }
  };
  { Thread a(add), b(add), c(add); }
  CHECK_EQ(total, 600);
  CHECK_EQ(pthread_mutex_lock(&mutex), 0);
  CHECK_EQ(pthread_mutex_lock(&mutex), EDEADLK);
  Thread other([&] {
    const timespec t = FromNs(Now(CLOCK_REALTIME) + 10 * kMs), m = FromNs(Now() + 10 * kMs);
    CHECK_EQ(pthread_mutex_timedlock(&mutex, &t), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &m), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&mutex), EPERM);
  });
  other.Join();
  CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
  CHECK_EQ(pthread_mutex_destroy(&mutex), 0);
}

// The owner unlocks at the very moment at which a waiter's time is up, and a third thread wants it too.
TEST(F38_a_time_out_and_a_hand_over_agree_on_the_owner) {
  uint32_t word = 0;
  int got = 0, late = 0;
  for (int round = 0; round < 60; ++round) {
    CHECK_EQ(LockPi(&word), 0);
    const int64_t end = Now(CLOCK_REALTIME) + (round % 3 + 1) * kMs;
    Thread timed([&] {
      const timespec until = FromNs(end);
      const long result = Futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, &until);
      const int error = errno;
      const auto me = static_cast<uint32_t>(Tid());
      const uint32_t owner = __atomic_load_n(&word, __ATOMIC_SEQ_CST) & FUTEX_TID_MASK;
      if (result == 0) {
        ++got;
        CHECK_EQ(owner, me);
        CHECK_EQ(UnlockPi(&word), 0);
      } else {
        ++late;
        CHECK_EQ(error, ETIMEDOUT);
        CHECK(owner != me);
        CHECK_ERRNO(UnlockPi(&word), EPERM);
      }
    });
    Thread third([&] {
      CHECK_EQ(LockPi(&word), 0);
      CHECK_EQ(UnlockPi(&word), 0);
    });
    while (Now(CLOCK_REALTIME) < end - 20'000 * (round % 5)) {
    }
    CHECK_EQ(UnlockPi(&word), 0);
    timed.Join();
    third.Join();
    CHECK_EQ(LockPi(&word), 0);  // nobody is left in the queue
    CHECK_EQ(UnlockPi(&word), 0);
  }
  CHECK_EQ(got + late, 60);
}
