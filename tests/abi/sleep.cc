// Sleeping: nanosleep(2), clock_nanosleep(2). Raw calls, since libc returns errors in its own way.
#include <sys/time.h>

#include "abi_test.h"

using namespace abi;

namespace {

constexpr int64_t kSecond = 1000 * kMs;

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

// A stop and a continue do not end a sleep, nor make it longer.
TEST(a_sleep_goes_on_after_SIGSTOP_and_SIGCONT) {
  for (const int flags : {0, TIMER_ABSTIME}) {
    const int64_t start = Now();
    const pid_t child = Spawn([&] {
      const timespec t = FromNs(kSecond + (flags != 0 ? start : 0));
      CHECK_EQ(ClockNanosleep(CLOCK_MONOTONIC, flags, &t, nullptr), 0);
      CHECK_GE(Now() - start, kSecond);
      return 42;
    });
    SleepMs(300);
    int status = 0;
    CHECK_OK(kill(child, SIGSTOP));
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK(WIFSTOPPED(status));
    SleepMs(100);
    CHECK_OK(kill(child, SIGCONT));
    CHECK_EQ(WEXITSTATUS(WaitFor(child)), 42);
  }
}

// With a handler for it, SIGCONT ends the sleep as any other signal does.
TEST(a_handled_SIGCONT_ends_a_sleep) {
  for (const int flags : {0, TIMER_ABSTIME}) {
    const int64_t start = Now();
    const pid_t child = Spawn([&] {
      Handler handler(SIGCONT, CountSignal, SA_RESTART);
      const timespec t = FromNs(1000 * kSecond + (flags != 0 ? start : 0));
      timespec left = {77, 78};
      CHECK_ERRNO(ClockNanosleep(CLOCK_MONOTONIC, flags, &t, &left), EINTR);
      CHECK_EQ(g_signals, 1);
      if (flags != 0) {
        CHECK(left.tv_sec == 77 && left.tv_nsec == 78);
      } else {
        CHECK(left.tv_sec > 900 && left.tv_sec <= 1000);
      }
      return 42;
    });
    SleepMs(300);
    int status = 0;
    CHECK_OK(kill(child, SIGSTOP));
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK_OK(kill(child, SIGCONT));
    CHECK_EQ(WEXITSTATUS(WaitFor(child)), 42);
  }
}

// Interrupted, and interrupted again: each remainder is what is left of the first request.
TEST(remainders_come_down_to_nothing) {
  Handler handler(SIGALRM, CountSignal);
  const itimerval soon = {{0, 3000}, {0, 3000}}, off = {};
  const int64_t start = Now();
  timespec left = FromNs(40 * kMs);
  CHECK_OK(setitimer(ITIMER_REAL, &soon, nullptr));
  int rounds = 0;
  while (ClockNanosleep(CLOCK_MONOTONIC, 0, &left, &left) == -1 && errno == EINTR) ++rounds;
  CHECK_OK(setitimer(ITIMER_REAL, &off, nullptr));
  CHECK_GE(Now() - start, 40 * kMs);
  CHECK_GE(rounds, 1);
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
