// Clocks that the guest sets: clock_settime(2), settimeofday(2), adjtimex(2). Only its own move, and no
// privilege is needed. What must follow is from the manuals and
// kernel/time/{timekeeping,ntp,hrtimer}.c, since a native run would set the machine's clock.
#include <linux/futex.h>
#include <sys/time.h>

#include "clocks_test.h"

using namespace abi;
using namespace clocks;

namespace {

bool Near(int64_t got, int64_t want, int64_t by = kMs) {
  return got >= want - by && got <= want + by;
}

void Step(int64_t by) {
  const timespec when = FromNs(Now(CLOCK_REALTIME) + by);
  CHECK_OK(clock_settime(CLOCK_REALTIME, &when));
}

// Runs `wait`, which is to end at REALTIME now + 1 h; after 1 s another thread steps the clock by an
// hour. Returns how long MONOTONIC went on.
template <typename F>
int64_t WaitOverStep(F wait) {
  const int64_t start = Now();
  const timespec until = FromNs(Now(CLOCK_REALTIME) + kHour);
  Thread stepper([] {
    Sleep(kSecond);
    Step(kHour);
  });
  wait(until);
  return Now() - start;
}

int64_t g_handled;
void Note(int) { g_handled = Now(); }

}  // namespace

TEST(settime_moves_realtime_and_tai_only) {
  const Clocks before;
  Step(-2 * kHour);
  const Clocks d = Clocks() - before;
  CHECK(Near(d.realtime, d.monotonic - 2 * kHour, 10000));
  CHECK(Near(d.tai, d.monotonic - 2 * kHour, 10000));
  CHECK_EQ(d.boottime, d.monotonic);
  CHECK_EQ(d.raw, d.monotonic);
}

TEST(settimeofday_sets_time_and_zone) {
  const timeval when = {2000000000, 500000};
  const struct timezone zone = {-60, 0};
  CHECK_OK(settimeofday(&when, nullptr));
  CHECK(Near(Now(CLOCK_REALTIME), 2000000000 * kSecond + kSecond / 2));
  CHECK_OK(syscall(SYS_settimeofday, nullptr, &zone));
  struct timezone got = {};
  CHECK_OK(syscall(SYS_gettimeofday, nullptr, &got));
  CHECK_EQ(got.tz_minuteswest, -60);
}

TEST(settime_before_monotonic_is_EINVAL) {
  const timespec when = FromNs(Now() / 2);
  CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &when), EINVAL);
}

TEST(absolute_realtime_sleep_follows_the_step) {
  CHECK(Near(WaitOverStep([](timespec until) {
               CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, nullptr), 0);
             }),
             kSecond));
}

TEST(relative_realtime_sleep_does_not) {
  CHECK(Near(WaitOverStep([](timespec) {
               const timespec span = {10, 0};
               CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, 0, &span, nullptr), 0);
             }),
             10 * kSecond));
}

TEST(timed_semaphore_mutex_and_condition_follow_the_step) {
  static sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  CHECK(Near(WaitOverStep(
                 [](timespec until) { CHECK_ERRNO(sem_timedwait(&semaphore, &until), ETIMEDOUT); }),
             kSecond));
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  pthread_mutex_lock(&mutex);
  CHECK(Near(WaitOverStep([](timespec until) {
               CHECK_EQ(pthread_cond_timedwait(&condition, &mutex, &until), ETIMEDOUT);
             }),
             kSecond));
  Thread locker([] {
    CHECK(Near(WaitOverStep([](timespec until) {
                 CHECK_EQ(pthread_mutex_timedlock(&mutex, &until), ETIMEDOUT);
               }),
               kSecond));
  });
  locker.Join();
  pthread_mutex_unlock(&mutex);
}

TEST(futex_waits_on_realtime_follow_the_step) {
  static int word = 0;
  CHECK(Near(WaitOverStep([](timespec until) {
               CHECK_ERRNO(
                   syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0,
                           &until, nullptr, FUTEX_BITSET_MATCH_ANY),
                   ETIMEDOUT);
             }),
             kSecond));
}

TEST(posix_timers_follow_the_step_if_absolute) {
  const Handler handler(SIGALRM, Note);
  for (const bool absolute : {true, false}) {
    timer_t id;
    CHECK_OK(timer_create(CLOCK_REALTIME, nullptr, &id));
    g_handled = 0;
    const int64_t start = Now();
    const itimerspec spec = {{0, 0}, FromNs(absolute ? Now(CLOCK_REALTIME) + kHour : 3 * kSecond)};
    CHECK_OK(timer_settime(id, absolute ? TIMER_ABSTIME : 0, &spec, nullptr));
    Thread stepper([] {
      Sleep(kSecond);
      Step(kHour);
    });
    stepper.Join();
    if (!absolute) {
      itimerspec left = {};
      CHECK_OK(timer_gettime(id, &left));
      CHECK(Near(ToNs(left.it_value), 2 * kSecond));
      Sleep(3 * kSecond);
    }
    CHECK(Near(g_handled - start, absolute ? kSecond : 3 * kSecond));
    CHECK_OK(timer_delete(id));
  }
}

TEST(cancel_on_set_wakes_readers_pollers_and_tells_once) {
  TimerFd t(CLOCK_REALTIME, 0);
  const int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  CHECK_OK(t.Set(Now(CLOCK_REALTIME) + 10 * kHour, flags));
  const int64_t start = Now();
  Thread stepper([] {
    Sleep(kSecond);
    Step(kMs);
    Sleep(kSecond);
    Step(-kMs);
  });
  CHECK_EQ(t.Read(), -ECANCELED);
  CHECK(Near(Now() - start, kSecond));
  CHECK(!t.Readable());
  CHECK(t.Readable(-1));
  CHECK(Near(Now() - start, 2 * kSecond));
  CHECK_EQ(t.Read(), -ECANCELED);
  CHECK(!t.Readable());
}

TEST(cancel_on_set_needs_realtime_and_abstime) {
  TimerFd relative(CLOCK_REALTIME), monotonic(CLOCK_MONOTONIC), plain(CLOCK_REALTIME),
      alarm(CLOCK_REALTIME_ALARM);
  const int both = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  CHECK_OK(relative.Set(kHour, TFD_TIMER_CANCEL_ON_SET));
  CHECK_OK(monotonic.Set(Now() + kHour, both));
  CHECK_OK(plain.Set(Now(CLOCK_REALTIME) + kHour, TFD_TIMER_ABSTIME));
  CHECK_OK(alarm.Set(Now(CLOCK_REALTIME) + kHour, both));
  Step(kSecond);
  CHECK_EQ(relative.Read(), -EAGAIN);
  CHECK_EQ(monotonic.Read(), -EAGAIN);
  CHECK_EQ(plain.Read(), -EAGAIN);
  CHECK_EQ(alarm.Read(), -ECANCELED);
}

TEST(settime_of_a_cancelled_timer_is_ECANCELED_and_arms_it) {
  TimerFd t(CLOCK_REALTIME);
  const int both = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  CHECK_OK(t.Set(Now(CLOCK_REALTIME) + kHour, both));
  Step(kSecond);
  CHECK_ERRNO(t.Set(Now(CLOCK_REALTIME) + kSecond, both), ECANCELED);
  Sleep(2 * kSecond);
  CHECK_EQ(t.Read(), 1);
}

// T18: fs/timerfd.c timerfd_read() finds no expiry when it re-arms.
TEST(T18_read_after_a_step_back_returns_0_bytes) {
  for (const int flags : Ints{0, TFD_NONBLOCK}) {
    TimerFd t(CLOCK_REALTIME, flags);
    CHECK_OK(t.Set(Now(CLOCK_REALTIME) + kSecond, TFD_TIMER_ABSTIME, kSecond));
    Sleep(2 * kSecond);
    CHECK(t.Readable());
    Step(-kHour);
    CHECK_EQ(t.Read(), flags == 0 ? 0 : -EAGAIN);
  }
}

TEST(epoll_edge_of_a_cancelled_timer) {
  TimerFd t(CLOCK_REALTIME);
  CHECK_OK(t.Set(Now(CLOCK_REALTIME) + kHour, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET));
  pollfd p = {t.fd(), POLLIN, 0};
  CHECK_EQ(poll(&p, 1, 0), 0);
  Step(kSecond);
  CHECK_EQ(poll(&p, 1, 0), 1);
  CHECK_EQ(p.revents, POLLIN);
}

TEST(frequency_and_tick_bend_the_clocks_against_raw) {
  timex request = {};
  request.modes = ADJ_FREQUENCY;
  request.freq = 100L << 16;
  CHECK_GE(adjtimex(&request), 0);
  const Clocks before;
  Sleep(10000 * kSecond);
  Clocks d = Clocks() - before;
  CHECK(Near(d.monotonic - d.raw, 999900010, 10000));  // 10000 s - 10000 s / 1.0001
  CHECK_EQ(d.realtime, d.monotonic);
  request = {};
  request.modes = ADJ_FREQUENCY | ADJ_TICK;
  request.freq = 0;
  request.tick = 9900;
  CHECK_GE(adjtimex(&request), 0);
  const Clocks slow;
  Sleep(99 * kSecond);
  d = Clocks() - slow;
  CHECK(Near(d.raw - d.monotonic, kSecond, 10000));
  request.tick = 10000;
  CHECK_GE(adjtimex(&request), 0);
}

TEST(frequency_is_limited_to_500_ppm) {
  timex request = {};
  request.modes = ADJ_FREQUENCY;
  request.freq = 600L << 16;
  CHECK_GE(adjtimex(&request), 0);
  CHECK_EQ(request.freq, 500L << 16);
  request.freq = 0;
  CHECK_GE(adjtimex(&request), 0);
}

TEST(adjtime_slews_at_500_ppm_and_tells_what_is_left) {
  timeval delta = {0, 500000}, left = {};
  CHECK_OK(adjtime(&delta, nullptr));
  TimerFd t(CLOCK_REALTIME);
  CHECK_OK(t.Set(Now(CLOCK_REALTIME) + 100 * kHour, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET));
  const Clocks before;
  Sleep(500 * kSecond);
  CHECK_OK(adjtime(nullptr, &left));
  CHECK(Near(left.tv_sec * 1000000LL + left.tv_usec, 250125, 200));
  Sleep(5000 * kSecond);
  const Clocks d = Clocks() - before;
  CHECK(Near(d.monotonic - d.raw, kSecond / 2, 20000));
  CHECK_OK(adjtime(nullptr, &left));
  CHECK_EQ(left.tv_sec * 1000000LL + left.tv_usec, 0);
  CHECK_EQ(t.Read(), -EAGAIN);  // a slew is no step
}

TEST(setoffset_steps) {
  const Clocks before;
  timex request = {};
  request.modes = ADJ_SETOFFSET | ADJ_NANO;
  request.time.tv_sec = -3;
  request.time.tv_usec = 250000000;
  CHECK_GE(adjtimex(&request), 0);
  const Clocks d = Clocks() - before;
  CHECK(Near(d.realtime, d.monotonic - 3 * kSecond + kSecond / 4, 10000));
}

TEST(tai_offset) {
  timex request = {};
  request.modes = ADJ_TAI;
  request.constant = 37;
  CHECK_GE(adjtimex(&request), 0);
  CHECK_EQ(request.tai, 37);
  CHECK(Near(Now(CLOCK_TAI) - Now(CLOCK_REALTIME), 37 * kSecond));
  const timespec until = FromNs(Now(CLOCK_TAI) + kSecond);
  const int64_t start = Now();
  CHECK_EQ(clock_nanosleep(CLOCK_TAI, TIMER_ABSTIME, &until, nullptr), 0);
  CHECK(Near(Now() - start, kSecond));
}

// argv: --child, MONOTONIC_RAW minus MONOTONIC and REALTIME minus MONOTONIC before the exec.
int AbiChildMain(int, char** argv) {
  timex request = {};
  if (adjtimex(&request) < 0 || request.freq != 50L << 16 || request.tai != 12) return 1;
  const int64_t raw = Now(CLOCK_MONOTONIC_RAW), mono = Now(), real = Now(CLOCK_REALTIME);
  if (!Near(raw - mono, atoll(argv[2]), 20 * kMs)) return 2;
  if (!Near(real - mono, atoll(argv[3]))) return 3;
  Sleep(1000 * kSecond);
  if (!Near((Now() - mono) - (Now(CLOCK_MONOTONIC_RAW) - raw), 49997500, 20000)) return 4;
  struct timezone zone = {};
  syscall(SYS_gettimeofday, nullptr, &zone);
  return zone.tz_minuteswest == 42 ? 42 : 5;
}

TEST(exec_keeps_what_was_set) {
  const int status = ChildStatus([] {
    timex request = {};
    request.modes = ADJ_FREQUENCY;
    request.freq = 50L << 16;
    CHECK_GE(adjtimex(&request), 0);
    request.modes = ADJ_TAI;
    request.constant = 12;
    CHECK_GE(adjtimex(&request), 0);
    const struct timezone zone = {42, 0};
    CHECK_OK(syscall(SYS_settimeofday, nullptr, &zone));
    Step(kHour);
    Sleep(1000 * kSecond);
    const Clocks now;
    char raw[32], real[32];
    snprintf(raw, sizeof raw, "%lld", static_cast<long long>(now.raw - now.monotonic));
    snprintf(real, sizeof real, "%lld", static_cast<long long>(now.realtime - now.monotonic));
    execl("/proc/self/exe", "guest", "--child", raw, real, static_cast<char*>(nullptr));
    return 9;
  });
  CHECK_EQ(WEXITSTATUS(status), 42);
}
