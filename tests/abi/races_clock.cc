// Bugs that others had when the clock was set, by their number in the collection of races (C...). They
// set CLOCK_REALTIME, so they are run under detent only, where that is the guest's own clock; what is
// expected follows from kernel/time/hrtimer.c, timekeeping.c (clock_was_set) and fs/timerfd.c.
#include <linux/futex.h>

#include "fds.h"

using namespace abi;

namespace {

// The kernel of detent lies at a fixed address: without it this machine's own clock would be set.
bool UnderDetent() {
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[256];
  bool found = false;
  while (maps != nullptr && fgets(line, sizeof line, maps)) {
    found = found || strncmp(line, "70000000-", 9) == 0;
  }
  if (maps != nullptr) fclose(maps);
  return found;
}

int Step(int64_t by) {
  const timespec now = FromNs(Now(CLOCK_REALTIME) + by);
  return clock_settime(CLOCK_REALTIME, &now);
}

constexpr int64_t kSecond = 1000 * kMs;
constexpr int64_t kHour = 3600 * kSecond;

struct Condition {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
  // Waits on CLOCK_REALTIME; returns the error.
  int WaitUntil(int64_t when) {
    const timespec until = FromNs(when);
    pthread_mutex_lock(&mutex);
    const int error = pthread_cond_timedwait(&changed, &mutex, &until);
    pthread_mutex_unlock(&mutex);
    return error;
  }
};

}  // namespace

// After the leap second of 2012 waits of less than a second ended at once.
TEST(C01_short_absolute_waits_keep_their_length_after_a_step_back) {
  REQUIRE(UnderDetent());
  Condition condition;
  CHECK_OK(Step(-kSecond));
  for (int i = 0; i < 5; ++i) {
    const int64_t start = Now(), target = Now(CLOCK_REALTIME) + 50 * kMs;
    CHECK_EQ(condition.WaitUntil(target), ETIMEDOUT);
    CHECK_GE(Now(CLOCK_REALTIME), target);
    CHECK_GE(Now() - start, 49 * kMs);
  }
}

TEST(C01_a_wait_that_began_before_the_step_ends_by_the_new_clock) {
  REQUIRE(UnderDetent());
  for (const int64_t by : {-kSecond, kHour}) {
    Condition condition;
    const int64_t start = Now();
    const int64_t target = Now(CLOCK_REALTIME) + (by < 0 ? 50 * kMs : kHour);
    Thread waiter([&] { CHECK_EQ(condition.WaitUntil(target), ETIMEDOUT); });
    waiter.AwaitBlocked(SYS_futex);
    CHECK_OK(Step(by));
    waiter.Join();
    CHECK_GE(Now(CLOCK_REALTIME), target);
    if (by < 0) CHECK_GE(Now() - start, kSecond);
    if (by > 0) CHECK(Now() - start < kHour / 2);
  }
}

TEST(C01_an_absolute_futex_wait_follows_the_step_and_a_relative_one_does_not) {
  REQUIRE(UnderDetent());
  int word = 0, relative_done = 0;
  const int64_t start = Now();
  Thread absolute([&] {
    const timespec at = FromNs(Now(CLOCK_REALTIME) + kHour);
    CHECK_ERRNO(
        syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 0,
                &at, nullptr, FUTEX_BITSET_MATCH_ANY),
        ETIMEDOUT);
  });
  absolute.AwaitBlocked(SYS_futex);
  Thread relative([&] {
    const timespec span = FromNs(200 * kMs);
    CHECK_ERRNO(syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, &span), ETIMEDOUT);
    Store(relative_done, 1);
  });
  relative.AwaitBlocked(SYS_futex);
  CHECK_OK(Step(kHour + kSecond));
  absolute.Join();
  CHECK_EQ(Load(relative_done), 0);
  relative.Join();
  CHECK_GE(Now() - start, 200 * kMs);
}

// Absolute REALTIME timers move in the queue, the others keep their place.
TEST(C16_a_step_forward_changes_the_order_of_the_timers) {
  REQUIRE(UnderDetent());
  TimerFd absolute(CLOCK_REALTIME), relative(CLOCK_REALTIME), monotonic;
  EpollFd ep;
  CHECK_OK(ep.Add(absolute, EPOLLIN | EPOLLET, 1));
  CHECK_OK(ep.Add(relative, EPOLLIN | EPOLLET, 2));
  CHECK_OK(ep.Add(monotonic, EPOLLIN | EPOLLET, 3));
  const int64_t now = Now(CLOCK_REALTIME);
  CHECK_OK(monotonic.Set(300 * kMs));
  CHECK_OK(relative.Set(200 * kMs));
  CHECK_OK(absolute.Set(now + 10 * kSecond, 0, TFD_TIMER_ABSTIME));
  CHECK_OK(Step(10 * kSecond - 100 * kMs));
  CHECK_EQ(ep.First(5'000), 1);
  CHECK_EQ(ep.First(5'000), 2);
  CHECK_EQ(ep.First(5'000), 3);
}

TEST(C16_a_step_back_holds_the_absolute_timer_only) {
  REQUIRE(UnderDetent());
  TimerFd absolute(CLOCK_REALTIME), relative(CLOCK_REALTIME), monotonic;
  EpollFd ep;
  CHECK_OK(ep.Add(absolute, EPOLLIN | EPOLLET, 1));
  CHECK_OK(ep.Add(relative, EPOLLIN | EPOLLET, 2));
  CHECK_OK(ep.Add(monotonic, EPOLLIN | EPOLLET, 3));
  CHECK_OK(absolute.Set(Now(CLOCK_REALTIME) + 50 * kMs, 0, TFD_TIMER_ABSTIME));
  CHECK_OK(relative.Set(100 * kMs));
  CHECK_OK(monotonic.Set(200 * kMs));
  CHECK_OK(Step(-kHour));
  CHECK_EQ(ep.First(5'000), 2);
  CHECK_EQ(ep.First(5'000), 3);
  CHECK_EQ(ep.First(), -1);
  CHECK_GE(absolute.Remaining(), kHour / 2);
}

TEST(C16_cancel_on_set_is_reported_once) {
  REQUIRE(UnderDetent());
  TimerFd t(CLOCK_REALTIME);
  EpollFd ep;
  CHECK_OK(ep.Add(t, EPOLLIN));
  CHECK_OK(t.Set(Now(CLOCK_REALTIME) + 2 * kHour, 0, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET));
  CHECK_EQ(ep.Count(), 0);
  CHECK_OK(Step(kSecond));
  CHECK_EQ(ep.Count(), 1);
  CHECK_ERRNO(t.Read(), ECANCELED);
  CHECK_ERRNO(t.Read(), EAGAIN);
  CHECK_EQ(ep.Count(), 0);
}

// One clock for all processes: what a child sets, its parent and a sibling see.
TEST(a_step_by_one_process_is_seen_by_the_others) {
  REQUIRE(UnderDetent());
  int told[2];
  CHECK_OK(pipe(told));
  const int64_t before = Now(CLOCK_REALTIME) - Now();
  const pid_t sibling = Spawn([&] {
    const timespec until = FromNs(Now(CLOCK_REALTIME) + kHour);
    CHECK_OK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, nullptr));
    CHECK_GE(Now(CLOCK_REALTIME), ToNs(until));
    return 0;
  });
  const int64_t start = Now();
  const pid_t child = Spawn([&] {
    SleepMs(20);
    CHECK_OK(Step(2 * kHour));
    CHECK_EQ(write(told[1], "s", 1), 1);
    return 0;
  });
  char byte = 0;
  CHECK_EQ(read(told[0], &byte, 1), 1);
  CHECK_GE(Now(CLOCK_REALTIME) - Now() - before, 2 * kHour - kMs);
  CHECK_EQ(WaitFor(child), 0);
  CHECK_EQ(WaitFor(sibling), 0);
  CHECK(Now() - start < kHour / 2);
  CHECK_OK(Step(-2 * kHour));
}
