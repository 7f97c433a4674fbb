// futex: futex(2). Counts, errors and their precedence, timeouts on both clocks, interruption. PI
// futexes are not here.
#include <limits.h>
#include <linux/futex.h>
#include <sys/mman.h>

#include "abi_test.h"

using namespace abi;

namespace {

long Futex(const void* word, int op, uint32_t value, const void* timeout = nullptr,
           const void* word2 = nullptr, uint32_t value3 = 0) {
  return syscall(SYS_futex, word, op, value, timeout, word2, value3);
}
long Wake(const void* word, int count) { return Futex(word, FUTEX_WAKE_PRIVATE, count); }
long Wait(const void* word, uint32_t value, const timespec* timeout = nullptr) {
  return Futex(word, FUTEX_WAIT_PRIVATE, value, timeout);
}
const void* Count(long n) { return reinterpret_cast<const void*>(n); }

// A thread that waits on a word once, blocked when the constructor returns.
class Waiter {
 public:
  explicit Waiter(const uint32_t* word, int op = FUTEX_WAIT_PRIVATE,
                  uint32_t bits = FUTEX_BITSET_MATCH_ANY)
      : word_(word), op_(op), bits_(bits), thread_(Body{this}) {
    thread_.AwaitBlocked(SYS_futex);
  }
  void Join() { thread_.Join(); }
  bool done() const { return __atomic_load_n(&done_, __ATOMIC_SEQ_CST); }
  int order() const { return order_; }
  static void ResetOrder() { next_ = 0; }

 private:
  struct Body {
    Waiter* self;
    void operator()() const {
      Futex(self->word_, self->op_, 0, nullptr, nullptr, self->bits_);
      self->order_ = __atomic_add_fetch(&next_, 1, __ATOMIC_SEQ_CST);
      __atomic_store_n(&self->done_, true, __ATOMIC_SEQ_CST);
    }
  };
  static inline int next_ = 0;
  const uint32_t* word_;
  int op_;
  uint32_t bits_;
  int order_ = 0;
  bool done_ = false;
  Thread<Body> thread_;
};

}  // namespace

TEST(wait_on_a_changed_word_is_EAGAIN) {
  uint32_t word = 1;
  CHECK_ERRNO(Wait(&word, 0), EAGAIN);
  CHECK_ERRNO(Futex(&word, FUTEX_WAIT, 0), EAGAIN);
}

TEST(wake_without_waiters_is_zero) {
  uint32_t word = 0;
  for (int count : {0, 1, -1, INT_MAX, INT_MIN}) CHECK_EQ(Wake(&word, count), 0);
}

TEST(wake_wakes_at_most_the_asked_number_and_counts) {
  uint32_t word = 0;
  Waiter a(&word), b(&word), c(&word), d(&word);
  CHECK_EQ(Wake(&word, 1), 1);
  CHECK_EQ(Wake(&word, 2), 2);
  CHECK_EQ(Wake(&word, INT_MAX), 1);
  CHECK_EQ(Wake(&word, INT_MAX), 0);
}

TEST(wake_of_zero_or_less_wakes_one) {  // the count is compared after the first wake
  uint32_t word = 0;
  Waiter a(&word), b(&word);
  const char* zero = Res(Wake(&word, 0));
  const char* minus = Res(Wake(&word, -1));
  RECORD("wake(0) %s, wake(-1) %s, rest %ld", zero, minus, Wake(&word, INT_MAX));
}

TEST(wake_is_first_in_first_out) {
  uint32_t word = 0;
  Waiter::ResetOrder();
  Waiter a(&word), b(&word), c(&word);
  for (Waiter* w : {&a, &b, &c}) {
    CHECK_EQ(Wake(&word, 1), 1);
    w->Join();
  }
  CHECK(a.order() == 1 && b.order() == 2 && c.order() == 3);
}

TEST(private_and_shared_waits_do_not_meet) {
  uint32_t word = 0;
  Waiter a(&word);
  CHECK_EQ(Futex(&word, FUTEX_WAKE, INT_MAX), 0);
  CHECK_EQ(Wake(&word, INT_MAX), 1);
}

TEST(shared_wait_on_private_memory_works) {
  uint32_t word = 0;
  Waiter a(&word, FUTEX_WAIT);
  CHECK_EQ(Futex(&word, FUTEX_WAKE, 1), 1);
}

TEST(shared_wait_meets_through_two_mappings_of_one_page) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "futex", 0));
  CHECK_OK(ftruncate(fd, 4096));
  void* one = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void* two = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  {
    Waiter a(static_cast<uint32_t*>(one), FUTEX_WAIT);
    CHECK_EQ(Wake(two, 1), 0);
    CHECK_EQ(Futex(two, FUTEX_WAKE, 1), 1);
  }
  munmap(one, 4096);
  munmap(two, 4096);
  close(fd);
}

TEST(bitset_wakes_only_waiters_with_a_common_bit) {
  uint32_t word = 0;
  Waiter one(&word, FUTEX_WAIT_BITSET_PRIVATE, 1), two(&word, FUTEX_WAIT_BITSET_PRIVATE, 2),
      plain(&word);
  CHECK_EQ(Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, nullptr, nullptr, 4),
           1);  // plain waits with all bits
  plain.Join();
  CHECK_EQ(Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, nullptr, nullptr, 2), 1);
  two.Join();
  CHECK(!one.done());
  CHECK_EQ(Wake(&word, INT_MAX), 1);
}

TEST(bitset_zero_is_EINVAL) {
  uint32_t word = 0;
  CHECK_ERRNO(Futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, nullptr, nullptr, 0), EINVAL);
  CHECK_ERRNO(Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 0), EINVAL);
}

TEST(relative_timeout_waits_at_least_that_long) {
  uint32_t word = 0;
  const timespec t = FromNs(20 * kMs);
  const int64_t start = Now();
  CHECK_ERRNO(Wait(&word, 0, &t), ETIMEDOUT);
  CHECK_GE(Now() - start, 20 * kMs);
}

TEST(absolute_bitset_timeout_on_both_clocks) {
  uint32_t word = 0;
  const struct {
    int op;
    clockid_t clock;
  } cases[] = {{FUTEX_WAIT_BITSET_PRIVATE, CLOCK_MONOTONIC},
               {FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME}};
  for (const auto& c : cases) {
    const int64_t until = Now(c.clock) + 20 * kMs;
    const timespec t = FromNs(until);
    CHECK_ERRNO(Futex(&word, c.op, 0, &t, nullptr, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
    CHECK_GE(Now(c.clock), until);
  }
}

TEST(
    plain_wait_with_the_realtime_flag_is_ENOSYS) {  // futex(2) says "since Linux 4.5"; 6.18 says no
  uint32_t word = 0;
  const timespec t = FromNs(20 * kMs);
  CHECK_ERRNO(Futex(&word, FUTEX_WAIT_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &t), ENOSYS);
}

TEST(timeouts_in_the_past_and_of_zero) {
  uint32_t word = 0;
  const timespec zero = {0, 0}, past = {1, 0};
  CHECK_ERRNO(Wait(&word, 0, &zero), ETIMEDOUT);
  CHECK_ERRNO(Wait(&word, 1, &zero), EAGAIN);
  for (int clock : {0, FUTEX_CLOCK_REALTIME}) {
    const int op = FUTEX_WAIT_BITSET_PRIVATE | clock;
    CHECK_ERRNO(Futex(&word, op, 0, &past, nullptr, ~0u), ETIMEDOUT);
    CHECK_ERRNO(Futex(&word, op, 0, &zero, nullptr, ~0u), ETIMEDOUT);
    CHECK_ERRNO(Futex(&word, op, 1, &past, nullptr, ~0u), EAGAIN);
  }
}

TEST(timed_wait_that_is_woken_returns_zero) {
  uint32_t word = 0;
  long result = -1;
  const timespec t = {1000, 0};
  Thread waiter([&] { result = Wait(&word, 0, &t); });
  waiter.AwaitBlocked(SYS_futex);
  CHECK_EQ(Wake(&word, 1), 1);
  waiter.Join();
  CHECK_EQ(result, 0);
}

TEST(timed_out_waiter_is_no_longer_counted) {
  uint32_t word = 0;
  const timespec t = FromNs(10 * kMs);
  Thread waiter([&] { Wait(&word, 0, &t); });
  waiter.Join();
  CHECK_EQ(Wake(&word, 1), 0);
}

TEST(timeout_matrix) {
  uint32_t word = 0;
  const timespec good = {0, 1}, nsec = {0, 1000000000}, negative_nsec = {0, -1}, negative = {-1, 0};
  const struct {
    const char* name;
    const void* p;
  } times[] = {{"good", &good},
               {"nsec", &nsec},
               {"negative-nsec", &negative_nsec},
               {"negative", &negative},
               {"wild", Wild()}};
  const struct {
    const char* name;
    const void* p;
  } words[] = {{"good", &word},
               {"unaligned", reinterpret_cast<char*>(&word) + 1},
               {"null", nullptr},
               {"wild", Wild()},
               {"kernel", (void*)0xffff888000000000}};
  for (const auto& t : times) {
    for (const auto& w : words) {
      char line[300];
      int n = 0;
      for (int op : Ints{FUTEX_WAIT_PRIVATE, FUTEX_WAIT, FUTEX_WAIT_BITSET_PRIVATE}) {
        for (uint32_t value : {0u, 1u}) {
          for (uint32_t bits : {0u, 1u}) {
            if (op != FUTEX_WAIT_BITSET_PRIVATE && bits == 0) continue;
            n += snprintf(line + n, sizeof line - n, " %d/%u/%u=%s", op, value, bits,
                          Res(Futex(w.p, op, value, t.p, nullptr, bits)));
          }
        }
      }
      RECORD("timeout %s word %s:%s", t.name, w.name, line);
    }
  }
}

TEST(wake_matrix) {
  uint32_t word[2] = {0, 0};
  const struct {
    const char* name;
    const void* p;
  } words[] = {{"good", &word},
               {"unaligned", reinterpret_cast<char*>(&word) + 1},
               {"null", nullptr},
               {"wild", Wild()},
               {"kernel", (void*)0xffff888000000000}};
  for (const auto& w : words) {
    RECORD("%s: wake private %s, shared %s, bitset 0 %s", w.name, Res(Wake(w.p, 1)),
           Res(Futex(w.p, FUTEX_WAKE, 1)),
           Res(Futex(w.p, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 0)));
    for (const auto& v : words) {
      RECORD("%s to %s: requeue %s, cmp %s, cmp shared %s, wake_op %s", w.name, v.name,
             Res(Futex(w.p, FUTEX_REQUEUE_PRIVATE, 1, Count(1), v.p)),
             Res(Futex(w.p, FUTEX_CMP_REQUEUE_PRIVATE, 1, Count(1), v.p, 0)),
             Res(Futex(w.p, FUTEX_CMP_REQUEUE, 1, Count(1), v.p, 1)),
             Res(Futex(w.p, FUTEX_WAKE_OP_PRIVATE, 1, Count(1), v.p,
                       FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 9))));
    }
  }
}

TEST(requeue_moves_without_waking) {
  uint32_t from = 0, to = 0;
  Waiter a(&from), b(&from), c(&from);
  const long moved = Futex(&from, FUTEX_REQUEUE_PRIVATE, 1, Count(1), &to);
  CHECK_EQ(moved, 2);  // one woken and one moved
  CHECK_EQ(Wake(&to, INT_MAX), 1);
  CHECK_EQ(Wake(&from, INT_MAX), 1);
}

TEST(requeue_wakes_the_first_and_moves_the_next) {
  uint32_t from = 0, to = 0;
  Waiter a(&from), b(&from), c(&from);
  CHECK_EQ(Futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 1, Count(INT_MAX), &to, 0), 3);
  a.Join();
  CHECK(!b.done() && !c.done());
  CHECK_EQ(Wake(&from, INT_MAX), 0);
  CHECK_EQ(Wake(&to, 1), 1);
  b.Join();
  CHECK_EQ(Wake(&to, 1), 1);
}

TEST(requeue_of_nobody_to_be_woken_moves_all) {
  uint32_t from = 0, to = 0;
  Waiter a(&from), b(&from);
  CHECK_EQ(Futex(&from, FUTEX_REQUEUE_PRIVATE, 0, Count(INT_MAX), &to), 2);
  CHECK_EQ(Wake(&to, INT_MAX), 2);
}

TEST(requeue_counts_must_not_be_negative) {
  uint32_t from = 0, to = 0;
  for (int wake : {-1, 0, 1}) {
    for (int move : {-1, 0, 1}) {
      RECORD("wake %d move %d: %s", wake, move,
             Res(Futex(&from, FUTEX_REQUEUE_PRIVATE, wake, Count(move), &to)));
    }
  }
}

TEST(requeue_to_itself) {
  uint32_t word = 0;
  Waiter a(&word), b(&word), c(&word);
  const char* result = Res(Futex(&word, FUTEX_REQUEUE_PRIVATE, 1, Count(1), &word));
  RECORD("%s, then %ld left", result, Wake(&word, INT_MAX));
}

TEST(cmp_requeue_of_a_changed_word_is_EAGAIN) {
  uint32_t from = 0, to = 0;
  Waiter a(&from);
  CHECK_ERRNO(Futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 1, Count(1), &to, 7), EAGAIN);
  CHECK(!a.done());
  CHECK_EQ(Wake(&from, 1), 1);
}

TEST(requeued_waiter_times_out_on_its_new_word) {
  uint32_t from = 0, to = 0;
  const timespec t = FromNs(50 * kMs);
  long result = 0;
  int error = 0;
  Thread waiter([&] {
    result = Wait(&from, 0, &t);
    error = errno;
  });
  waiter.AwaitBlocked(SYS_futex);
  Futex(&from, FUTEX_REQUEUE_PRIVATE, 0, Count(1), &to);
  waiter.Join();
  CHECK_EQ(result, -1);
  CHECK_EQ(error, ETIMEDOUT);
  CHECK_EQ(Wake(&to, 1), 0);
}

TEST(requeued_waiter_can_be_interrupted) {
  Handler handler(SIGUSR1, CountSignal);
  uint32_t from = 0, to = 0;
  int error = 0;
  Thread waiter([&] {
    Wait(&from, 0);
    error = errno;
  });
  waiter.AwaitBlocked(SYS_futex);
  CHECK_EQ(Futex(&from, FUTEX_REQUEUE_PRIVATE, 0, Count(1), &to), 1);
  Tgkill(waiter.tid(), SIGUSR1);
  waiter.Join();
  CHECK_EQ(error, EINTR);
}

TEST(wake_op_operations_and_comparisons) {
  const struct {
    const char* name;
    int op;
  } ops[] = {
      {"set", FUTEX_OP_SET}, {"add", FUTEX_OP_ADD}, {"or", FUTEX_OP_OR}, {"andn", FUTEX_OP_ANDN},
      {"xor", FUTEX_OP_XOR}, {"bad5", 5},           {"bad7", 7}};
  for (const auto& op : ops) {
    for (int shift : {0, FUTEX_OP_OPARG_SHIFT}) {
      for (uint32_t argument : {1u, 3u, 0x7ffu, 0x800u, 0xfffu}) {  // 12 bits, sign-extended
        uint32_t word = 0, word2 = 6;
        const char* result = Res(Futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, Count(1), &word2,
                                       FUTEX_OP((op.op | shift), argument, FUTEX_OP_CMP_EQ, 6)));
        RECORD("%s%s %#x: %s, 6 became %#x", op.name, shift ? " shifted" : "", argument, result,
               word2);
      }
    }
  }
  for (int compare = 0; compare < 8; ++compare) {
    uint32_t word = 0, word2 = 6;
    const char* result = Res(Futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, Count(1), &word2,
                                   FUTEX_OP(FUTEX_OP_ADD, 1, compare, 6)));
    RECORD("compare %d: %s, 6 became %u", compare, result, word2);
  }
}

TEST(wake_op_that_is_unknown_is_told_before_a_bad_address) {
  uint32_t word = 0;
  for (int op : {FUTEX_OP_OR, 5}) {
    RECORD("op %d: %s", op,
           Res(Futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, Count(1), Wild(),
                     FUTEX_OP(op, 0, FUTEX_OP_CMP_EQ, 9))));
  }
}

TEST(wake_op_wakes_the_second_word_only_if_the_old_value_matches) {
  for (uint32_t old : {0u, 5u}) {
    uint32_t word = 0, word2 = 0;
    Waiter a(&word), b(&word2);
    word2 = old;
    CHECK_EQ(Futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, Count(1), &word2,
                   FUTEX_OP(FUTEX_OP_SET, 9, FUTEX_OP_CMP_EQ, 5)),
             old == 5 ? 2 : 1);
    CHECK_EQ(word2, 9);
    CHECK_EQ(Wake(&word2, 1), old == 5 ? 0 : 1);
  }
}

TEST(wake_op_wakes_with_every_comparison) {
  const struct {
    int compare;
    int argument;
  } cases[] = {{FUTEX_OP_CMP_EQ, 0},    {FUTEX_OP_CMP_NE, 0}, {FUTEX_OP_CMP_LT, 1},
               {FUTEX_OP_CMP_LE, 0},    {FUTEX_OP_CMP_GT, 0}, {FUTEX_OP_CMP_GE, 0},
               {FUTEX_OP_CMP_GT, 0xfff}};
  for (const auto& c : cases) {
    uint32_t word = 0, word2 = 0;
    Waiter a(&word2);
    const char* result = Res(Futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, Count(1), &word2,
                                   FUTEX_OP(FUTEX_OP_SET, 0, c.compare, c.argument)));
    RECORD("compare %d with %#x: %s", c.compare, c.argument, result);
    Wake(&word2, 1);
  }
}

TEST(wait_without_timeout_restarts_with_SA_RESTART_only) {
  for (int flags : {0, SA_RESTART}) {
    for (bool timed : {false, true}) {
      for (int op : Ints{FUTEX_WAIT_PRIVATE, FUTEX_WAIT_BITSET_PRIVATE}) {
        Handler handler(SIGUSR1, CountSignal, flags);
        g_signals = 0;
        uint32_t word = 0;
        timespec t = FromNs(op == FUTEX_WAIT_PRIVATE ? 1000'000 * kMs : Now() + 1000'000 * kMs);
        long result = 0;
        int error = 0;
        Thread waiter([&] {
          result = Futex(&word, op, 0, timed ? &t : nullptr, nullptr, ~0u);
          error = errno;
        });
        waiter.AwaitBlocked(SYS_futex);
        Tgkill(waiter.tid(), SIGUSR1);
        while (g_signals == 0) SleepMs(1);
        waiter.AwaitBlocked(SYS_futex);
        const long woken = Wake(&word, 1);
        waiter.Join();
        RECORD("%s %s op %d: %s, then woken %ld", flags ? "SA_RESTART" : "plain",
               timed ? "timed" : "untimed", op, result ? ErrnoName(error) : "0", woken);
      }
    }
  }
}

TEST(restarted_wait_looks_at_the_word_again) {
  Handler handler(SIGUSR1, CountSignal, SA_RESTART);
  uint32_t word = 0;
  int error = 0;
  Thread waiter([&] {
    Wait(&word, 0);
    error = errno;
  });
  waiter.AwaitBlocked(SYS_futex);
  __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
  Tgkill(waiter.tid(), SIGUSR1);
  waiter.Join();
  CHECK_EQ(error, EAGAIN);
}

TEST(unknown_operations_are_ENOSYS) {
  uint32_t word = 0;
  for (int op : {2 /* FUTEX_FD */, 14, 15, 16, 64, 127}) {
    RECORD("op %d: %s, private %s", op, Res(Futex(&word, op, 1)),
           Res(Futex(&word, op | FUTEX_PRIVATE_FLAG, 1)));
  }
  for (int op :
       Ints{FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_WAKE_BITSET}) {
    RECORD(
        "op %d with CLOCK_REALTIME: %s", op,
        Res(Futex(&word, op | FUTEX_CLOCK_REALTIME | FUTEX_PRIVATE_FLAG, 1, Count(1), &word, 1)));
  }
}

TEST(wait_on_read_only_memory_works) {
  void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const timespec t = {0, 1};
  CHECK_ERRNO(Wait(page, 0, &t), ETIMEDOUT);
  RECORD("shared wait %s, shared wake %s", Res(Futex(page, FUTEX_WAIT, 0, &t)),
         Res(Futex(page, FUTEX_WAKE, 1)));
  uint32_t word = 0;
  RECORD("wake_op %s", Res(Futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, Count(1), page,
                                 FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0))));
  munmap(page, 4096);
}

TEST(two_threads_hand_a_word_to_and_fro) {
  uint32_t turn = 0;
  const auto play = [&](uint32_t me) {
    for (int i = 0; i < 500; ++i) {
      while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != me) Wait(&turn, 1 - me);
      __atomic_store_n(&turn, 1 - me, __ATOMIC_RELEASE);
      Wake(&turn, 1);
    }
  };
  Thread partner([&] { play(1); });
  play(0);
  partner.Join();
  CHECK_EQ(turn, 0);
}

TEST(wake_of_a_thousand_waiters_is_first_in_first_out) {
  constexpr int kThreads = 1000;
  static uint32_t word, order[kThreads], next;
  static pthread_t threads[kThreads];
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 * 1024);
  for (long i = 0; i < kThreads; ++i) {
    auto body = [](void* number) -> void* {
      const long own = reinterpret_cast<long>(number);
      CHECK_EQ(Futex(&word, FUTEX_WAIT_PRIVATE, 0), 0);
      order[own] = __atomic_add_fetch(&next, 1, __ATOMIC_SEQ_CST);
      return nullptr;
    };
    CHECK_EQ(pthread_create(&threads[i], &small, body, reinterpret_cast<void*>(i)), 0);
    // A requeue to the same word moves nobody and counts all.
    CHECK(Eventually(
        [&] { return Futex(&word, FUTEX_REQUEUE_PRIVATE, 0, Count(INT_MAX), &word) == i + 1; }));
  }
  CHECK_EQ(Wake(&word, 1), 1);
  CHECK(Eventually([] { return __atomic_load_n(&next, __ATOMIC_SEQ_CST) == 1; }));
  CHECK_EQ(order[0], 1);
  CHECK_EQ(Wake(&word, 500), 500);
  CHECK(Eventually([] { return __atomic_load_n(&next, __ATOMIC_SEQ_CST) == 501; }));
  for (int i = 501; i < kThreads; ++i) CHECK_EQ(order[i], 0);
  CHECK_EQ(Wake(&word, INT_MAX), kThreads - 501);
  for (const pthread_t& thread : threads) pthread_join(thread, nullptr);
  CHECK_EQ(next, kThreads);
}
