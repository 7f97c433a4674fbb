// Bugs that other futex implementations (and old Linux) had, by their number in the collection of
// races (F..., C15): what Linux does there.
#include <limits.h>
#include <linux/futex.h>

#include "fds.h"

using namespace abi;

namespace {

long Futex(int* word, int op, long value, const timespec* timeout = nullptr, int* word2 = nullptr,
           unsigned value3 = 0) {
  return syscall(SYS_futex, word, op, value, timeout, word2, value3);
}
long Wait(int* word, int value, const timespec* timeout = nullptr) {
  return Futex(word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, value, timeout);
}
long Wake(int* word, int count) { return Futex(word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count); }
long Requeue(int* from, int wake, int move, int* to, int expected) {
  return Futex(from, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, wake,
               reinterpret_cast<const timespec*>(static_cast<long>(move)), to,
               static_cast<unsigned>(expected));
}
// A mutex of three states, as in pthreads.
void Lock(int* m) {
  int free = 0;
  if (__atomic_compare_exchange_n(m, &free, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return;
  while (__atomic_exchange_n(m, 2, __ATOMIC_SEQ_CST) != 0) Wait(m, 2);
}
void Unlock(int* m) {
  if (__atomic_exchange_n(m, 0, __ATOMIC_SEQ_CST) == 2) Wake(m, 1);
}

}  // namespace

// A broadcast wakes one waiter and moves the others to the mutex; the one that was woken unlocks it at
// once, and so do they in turn.
TEST(F19_a_wake_right_after_the_requeue_finds_the_moved_waiters) {
  for (int round = 0; round < 50; ++round) {
    int sequence = 0, mutex = 0, done = 0, waiting = 0;
    const auto wait = [&] {
      Increment(waiting);
      Wait(&sequence, 0);
      // What a condition variable does after a requeue: take the mutex as one who has waited.
      while (__atomic_exchange_n(&mutex, 2, __ATOMIC_SEQ_CST) != 0) Wait(&mutex, 2);
      Increment(done);
      Unlock(&mutex);
    };
    Thread a(wait), b(wait), c(wait), d(wait), e(wait);
    CHECK(Eventually([&] { return Load(waiting) == 5; }));
    Lock(&mutex);
    Store(sequence, 1);
    Store(mutex, 2);
    CHECK_GE(Requeue(&sequence, 1, INT_MAX, &mutex, 1), 0);
    Unlock(&mutex);
    CHECK(Eventually([&] { return Load(done) == 5; }));
  }
}

TEST(F19_requeue_counts) {
  int from = 0, to = 0, back = 0;
  const auto wait = [&] {
    if (Wait(&from, 0) == 0) Increment(back);
  };
  Thread a(wait), b(wait), c(wait);
  a.AwaitBlocked(SYS_futex);
  b.AwaitBlocked(SYS_futex);
  c.AwaitBlocked(SYS_futex);
  CHECK_EQ(Requeue(&from, 1, INT_MAX, &to, 0), 3);
  CHECK(Eventually([&] { return Load(back) == 1; }));
  CHECK_EQ(Wake(&from, INT_MAX), 0);
  CHECK_EQ(Wake(&to, 1), 1);
  CHECK_EQ(Wake(&to, INT_MAX), 1);
  CHECK_EQ(Wake(&to, INT_MAX), 0);
}

TEST(F20_a_store_and_a_wake_are_never_missed) {
  int turn = 0;
  Thread other([&] {
    for (int i = 0; i < 2000; ++i) {
      while (Load(turn) != 2 * i + 1) Wait(&turn, 2 * i);
      Store(turn, 2 * i + 2);
      Wake(&turn, 1);
    }
  });
  for (int i = 0; i < 2000; ++i) {
    while (Load(turn) != 2 * i) Wait(&turn, 2 * i - 1);
    Store(turn, 2 * i + 1);
    Wake(&turn, 1);
  }
  other.Join();
  CHECK_EQ(turn, 4000);
}

TEST(F21_a_waiter_that_timed_out_takes_no_wake) {
  int word = 0;
  const timespec soon = FromNs(5 * kMs);
  CHECK_ERRNO(Wait(&word, 0, &soon), ETIMEDOUT);
  long result = -1;
  Thread first([&] { CHECK_ERRNO(Wait(&word, 0, &soon), ETIMEDOUT); });
  Thread second([&] { result = Wait(&word, 0); });
  first.Join();
  second.AwaitBlocked(SYS_futex);
  CHECK_EQ(Wake(&word, 1), 1);
  second.Join();
  CHECK_EQ(result, 0);
}

TEST(F21_a_waiter_that_was_interrupted_takes_no_wake) {
  Handler handler(SIGUSR1, CountSignal);
  int word = 0;
  Thread first([&] { CHECK_ERRNO(Wait(&word, 0), EINTR); });
  first.AwaitBlocked(SYS_futex);
  CHECK_OK(Tgkill(first.tid(), SIGUSR1));
  first.Join();
  long result = -1;
  Thread second([&] { result = Wait(&word, 0); });
  second.AwaitBlocked(SYS_futex);
  CHECK_EQ(Wake(&word, 1), 1);
  second.Join();
  CHECK_EQ(result, 0);
}

TEST(F22_check_and_enqueue_are_one_step) {
  int mutex = 0, sum = 0;
  {
    const auto work = [&] {
      for (int i = 0; i < 1000; ++i) {
        Lock(&mutex);
        const int old = sum;
        if (i % 16 == 0) sched_yield();
        sum = old + 1;
        Unlock(&mutex);
      }
    };
    Thread a(work), b(work), c(work);
  }
  CHECK_EQ(sum, 3000);
  CHECK_EQ(mutex, 0);
}

// The last waiter of a word leaves while others come: they are found by the next wake.
TEST(F23_the_last_wake_and_a_new_waiter_on_one_word) {
  int word = 0;
  for (int round = 0; round < 100; ++round) {
    int back = 0;
    const auto wait = [&] {
      while (Load(word) == round) Wait(&word, round);
      Increment(back);
    };
    Thread a(wait), b(wait);
    Wake(&word, 1);  // whoever is there waits again
    Store(word, round + 1);
    Wake(&word, 1);
    Wake(&word, 1);
    CHECK(Eventually([&] {
      if (Load(back) == 2) return true;
      Wake(&word, INT_MAX);
      return false;
    }));
  }
}

static int g_release;
static int g_in_handler;
static void Linger(int) {
  Increment(g_in_handler);
  while (!Load(g_release)) sched_yield();
}

// While its handler runs a waiter is in no queue: the wake counts nobody, and the wait goes on.
TEST(F24_a_wake_during_the_handler_is_not_counted_and_the_wait_restarts) {
  Store(g_release, 0);
  Store(g_in_handler, 0);
  Handler handler(SIGUSR1, Linger, SA_RESTART);
  int word = 0, done = 0;
  Thread waiter([&] {
    CHECK_EQ(Wait(&word, 0), 0);
    Store(done, 1);
  });
  waiter.AwaitBlocked(SYS_futex);
  CHECK_OK(Tgkill(waiter.tid(), SIGUSR1));
  CHECK(Eventually([&] { return Load(g_in_handler) == 1; }));
  CHECK_EQ(Wake(&word, 1), 0);
  Store(g_release, 1);
  waiter.AwaitBlocked(SYS_futex);
  CHECK_EQ(Load(done), 0);
  CHECK(Eventually([&] { return Wake(&word, 1) == 1; }));
  waiter.Join();
}

TEST(F24_with_the_word_changed_the_restarted_wait_is_EAGAIN) {
  Store(g_release, 0);
  Store(g_in_handler, 0);
  Handler handler(SIGUSR1, Linger, SA_RESTART);
  int word = 0;
  Thread waiter([&] { CHECK_ERRNO(Wait(&word, 0), EAGAIN); });
  waiter.AwaitBlocked(SYS_futex);
  CHECK_OK(Tgkill(waiter.tid(), SIGUSR1));
  CHECK(Eventually([&] { return Load(g_in_handler) == 1; }));
  Store(word, 1);
  CHECK_EQ(Wake(&word, 1), 0);
  Store(g_release, 1);
}

TEST(F24_a_timed_wait_is_not_restarted_in_full) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    int word = 0;
    const timespec long_time = FromNs(3600'000 * kMs);
    Thread waiter([&] { CHECK_ERRNO(Wait(&word, 0, &long_time), EINTR); });
    waiter.AwaitBlocked(SYS_futex);
    CHECK_OK(Tgkill(waiter.tid(), SIGUSR1));
  }
}

TEST(F27_wake_returns_the_number_really_woken) {
  int word = 0;
  CHECK_EQ(Wake(&word, 1), 0);
  {
    const auto wait = [&] { CHECK_EQ(Wait(&word, 0), 0); };
    Thread a(wait), b(wait), c(wait);
    a.AwaitBlocked(SYS_futex);
    b.AwaitBlocked(SYS_futex);
    c.AwaitBlocked(SYS_futex);
    CHECK_EQ(Wake(&word, 1), 1);
    CHECK_EQ(Wake(&word, 10), 2);
    CHECK_EQ(Wake(&word, 1), 0);  // woken ones that have not run yet count no more
  }
  CHECK_EQ(Wake(&word, INT_MAX), 0);
}

// The protocol of Rust's lock: "wake(writer) returned 1" means that nobody else need be woken.
TEST(F27_a_writer_that_is_awake_is_not_woken_again) {
  int readers = 0, writers = 0, reader_done = 0, writer_done = 0;
  Thread reader([&] {
    CHECK_EQ(Wait(&readers, 0), 0);
    Store(reader_done, 1);
  });
  Thread writer([&] {
    CHECK_EQ(Wait(&writers, 0), 0);
    Store(writer_done, 1);
  });
  reader.AwaitBlocked(SYS_futex);
  writer.AwaitBlocked(SYS_futex);
  CHECK_EQ(Wake(&writers, 1), 1);
  CHECK_EQ(Wake(&writers, 1), 0);  // so the readers are next
  CHECK_EQ(Wake(&readers, INT_MAX), 1);
  reader.Join();
  writer.Join();
  CHECK(reader_done == 1 && writer_done == 1);
}

TEST(C15_an_absolute_deadline_is_taken_as_it_is) {
  const struct {
    clockid_t clock;
    int flag;
  } clocks[] = {{CLOCK_MONOTONIC, 0}, {CLOCK_REALTIME, FUTEX_CLOCK_REALTIME}};
  for (const auto& c : clocks) {
    const int op = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | c.flag;
    int word = 0;
    const int64_t deadline = Now(c.clock) + 10 * kMs;
    timespec at = FromNs(deadline);
    CHECK_ERRNO(Futex(&word, op, 0, &at, nullptr, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
    CHECK_GE(Now(c.clock), deadline);
    CHECK(Now(c.clock) < deadline + 20'000 * kMs);
    for (int64_t past : {deadline, int64_t{1}, int64_t{0}}) {
      at = FromNs(past);
      const int64_t start = Now();
      CHECK_ERRNO(Futex(&word, op, 0, &at, nullptr, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
      CHECK(Now() - start < 20'000 * kMs);
    }
  }
}
