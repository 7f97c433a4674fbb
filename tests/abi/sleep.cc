// Sleeping: nanosleep(2), clock_nanosleep(2). Raw calls, since libc returns errors in its own way.
#include "abi_test.h"

using namespace abi;

namespace {

long ClockNanosleep(clockid_t clock, int flags, const void* request, void* remain) {
  return syscall(SYS_clock_nanosleep, clock, flags, request, remain);
}
long Nanosleep(const void* request, void* remain) {
  return syscall(SYS_nanosleep, request, remain);
}

constexpr clockid_t kSleepClocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};

}  // namespace

TEST(nanosleep_sleeps_at_least_that_long) {
  const timespec t = FromNs(20 * kMs);
  const int64_t start = Now();
  CHECK_EQ(Nanosleep(&t, nullptr), 0);
  CHECK_GE(Now() - start, 20 * kMs);
}

TEST(successful_sleep_leaves_the_remainder_alone) {
  const timespec t = FromNs(1 * kMs);
  timespec left = {77, 78};
  CHECK_EQ(Nanosleep(&t, &left), 0);
  CHECK(left.tv_sec == 77 && left.tv_nsec == 78);
  CHECK_EQ(Nanosleep(&t, Wild()), 0);
}

TEST(clock_nanosleep_relative_and_absolute_on_each_clock) {
  for (clockid_t clock : kSleepClocks) {
    const timespec relative = FromNs(15 * kMs);
    int64_t start = Now(clock);
    CHECK_EQ(ClockNanosleep(clock, 0, &relative, nullptr), 0);
    CHECK_GE(Now(clock) - start, 15 * kMs);
    start = Now(clock);
    const timespec absolute = FromNs(start + 15 * kMs);
    CHECK_EQ(ClockNanosleep(clock, TIMER_ABSTIME, &absolute, nullptr), 0);
    CHECK_GE(Now(clock), start + 15 * kMs);
  }
}

TEST(absolute_sleep_until_the_past_returns_at_once) {
  for (clockid_t clock : kSleepClocks) {
    const timespec zero = {0, 0}, one = {1, 0};
    CHECK_EQ(ClockNanosleep(clock, TIMER_ABSTIME, &zero, nullptr), 0);
    CHECK_EQ(ClockNanosleep(clock, TIMER_ABSTIME, &one, nullptr), 0);
  }
}

TEST(sleep_of_zero_returns_zero) {
  const timespec zero = {0, 0};
  CHECK_EQ(Nanosleep(&zero, nullptr), 0);
}

TEST(interrupted_sleep_is_EINTR_with_a_remainder_even_with_SA_RESTART) {
  for (int flags : {0, SA_RESTART}) {
    for (bool clock_call : {false, true}) {
      Handler handler(SIGUSR1, CountSignal, flags);
      const timespec t = {1000, 0};
      timespec left = {-1, -1};
      long result = 0;
      int error = 0;
      Thread sleeper([&] {
        result = clock_call ? ClockNanosleep(CLOCK_MONOTONIC, 0, &t, &left) : Nanosleep(&t, &left);
        error = errno;
      });
      sleeper.AwaitBlocked(clock_call ? SYS_clock_nanosleep : SYS_nanosleep);
      Tgkill(sleeper.tid(), SIGUSR1);
      sleeper.Join();
      CHECK(result == -1 && error == EINTR);
      // Not "< request": Linux counts the timer slack in, so that the remainder may exceed the
      // request by 50 us.
      CHECK(ToNs(left) > 0 && left.tv_nsec < 1000000000);
    }
  }
}

TEST(interrupted_absolute_sleep_leaves_the_remainder_alone) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    g_signals = 0;
    const timespec t = FromNs(Now() + 60 * kMs);
    timespec left = {77, 78};
    long result = -1;
    int error = 0;
    Thread sleeper([&] {
      result = ClockNanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &left);
      error = errno;
    });
    sleeper.AwaitBlocked(SYS_clock_nanosleep);
    Tgkill(sleeper.tid(), SIGUSR1);
    sleeper.Join();
    CHECK_EQ(g_signals, 1);
    RECORD("%s: %s, remainder %ld %ld", flags ? "SA_RESTART" : "plain",
           result ? ErrnoName(error) : "0", (long)left.tv_sec, left.tv_nsec);
  }
}

TEST(interrupted_sleep_with_a_bad_remainder_is_EFAULT) {
  Handler handler(SIGUSR1, CountSignal);
  const timespec t = {1000, 0};
  int error = 0;
  Thread sleeper([&] {
    Nanosleep(&t, Wild());
    error = errno;
  });
  sleeper.AwaitBlocked(SYS_nanosleep);
  Tgkill(sleeper.tid(), SIGUSR1);
  sleeper.Join();
  RECORD("%s", ErrnoName(error));
}

TEST(ignored_and_blocked_signals_do_not_interrupt) {
  Handler handler(SIGUSR1, SIG_IGN);
  Handler blocked(SIGUSR2, CountSignal);
  const timespec t = FromNs(30 * kMs);
  const int64_t start = Now();
  long result = -1;
  Thread sleeper([&] {
    const sigset_t usr2 = SigSet(SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &usr2, nullptr);
    result = Nanosleep(&t, nullptr);
  });
  sleeper.AwaitBlocked(SYS_nanosleep);
  Tgkill(sleeper.tid(), SIGUSR1);
  Tgkill(sleeper.tid(), SIGUSR2);
  sleeper.Join();
  CHECK_EQ(result, 0);
  CHECK_GE(Now() - start, 30 * kMs);
  CHECK_EQ(g_signals, 0);
}

TEST(sleepers_wake_in_the_order_of_their_deadlines) {
  int order[3] = {0, 0, 0}, next = 0;
  const int64_t start = Now() + 20 * kMs;
  const auto sleep_until = [&](int index, int ms) {
    const timespec t = FromNs(start + ms * kMs);
    ClockNanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
    order[index] = __atomic_add_fetch(&next, 1, __ATOMIC_SEQ_CST);
  };
  Thread late([&] { sleep_until(0, 50); });
  Thread early([&] { sleep_until(1, 0); });
  Thread middle([&] { sleep_until(2, 25); });
  late.Join();
  early.Join();
  middle.Join();
  RECORD("late %d, early %d, middle %d", order[0], order[1], order[2]);
}

TEST(nanosleep_matrix) {
  timespec left;
  const timespec specs[] = {{0, 1000000000}, {0, -1}, {-1, 0}, {-1, 1000000000}, {0, 999999}};
  for (const timespec& t : specs) {
    RECORD("%ld s %ld ns: %s", (long)t.tv_sec, t.tv_nsec, Res(Nanosleep(&t, &left)));
  }
  RECORD("null %s, wild %s", Res(Nanosleep(nullptr, &left)), Res(Nanosleep(Wild(), Wild())));
}

TEST(clock_nanosleep_matrix) {
  const timespec good = {0, 1}, bad = {0, 1000000000}, negative = {-1, 0};
  // Only clocks on which a nanosecond is soon over: a sleep on a CPU clock may be refused or not,
  // but not waited for.
  for (int clock : {0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 20, -1, 100}) {
    char line[300];
    int n = 0;
    for (int flags : {0, TIMER_ABSTIME, 2, -1}) {
      n += snprintf(line + n, sizeof line - n, " %d: good %s bad %s negative %s null %s;", flags,
                    Res(ClockNanosleep(clock, flags, &good, nullptr)),
                    Res(ClockNanosleep(clock, flags, &bad, nullptr)),
                    Res(ClockNanosleep(clock, flags, &negative, nullptr)),
                    Res(ClockNanosleep(clock, flags, nullptr, nullptr)));
    }
    RECORD("clock %d:%s", clock, line);
  }
}

TEST(libc_sleep_and_usleep) {
  const int64_t start = Now();
  CHECK_EQ(usleep(10'000), 0);
  CHECK_GE(Now() - start, 10 * kMs);
  CHECK_EQ(sleep(0), 0);
}
