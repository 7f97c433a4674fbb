// Bugs that other timerfd implementations had, by their number in the collection of races (T...):
// what Linux does there. The measured facts F1..F8b are in timerfd.cc.
#include <sys/stat.h>

#include "fds.h"

using namespace abi;

TEST(T06_disarm_and_rearm_drop_an_unread_expiry) {
  for (int64_t next : {int64_t{0}, 3600'000 * kMs}) {
    TimerFd t;
    EpollFd ep;
    CHECK_OK(ep.Add(t, EPOLLIN));
    CHECK_OK(t.Set(1));
    CHECK(t.Readable(1000));
    CHECK_EQ(ep.Count(), 1);
    CHECK_OK(t.Set(next));
    CHECK(!t.Readable());
    CHECK_EQ(ep.Count(), 0);
    CHECK_ERRNO(t.Read(), EAGAIN);
  }
}

// The k-th tick is due at t0 + k * interval, however late the reads are.
TEST(T12_late_reads_do_not_move_the_grid) {
  const int64_t interval = 5 * kMs;
  TimerFd t(CLOCK_MONOTONIC, 0);
  const int64_t t0 = Now();
  CHECK_OK(t.Set(t0 + interval, interval, TFD_TIMER_ABSTIME));
  int64_t ticks = 0;
  for (int round = 0; round < 20; ++round) {
    const long count = t.Read();
    CHECK_GE(count, 1);
    ticks += count;
    CHECK_GE(Now(), t0 + ticks * interval);
    SleepMs(round % 4 * 2);
    // A point of the grid lies where the time left says that the next expiry is.
    const int64_t before = Now(), left = t.Remaining(), after = Now();
    const int64_t last_point = t0 + (after + left - t0) / interval * interval;
    CHECK_GE(last_point, before + left);
  }
  const int64_t before = (Now() - t0) / interval;
  CHECK_GE(ticks + (t.Readable() ? t.Read() : 0), before);
}

TEST(T13_a_deadline_that_passed_before_settime_fires_at_once) {
  for (int64_t late : {int64_t{0}, int64_t{1}, 7 * kMs}) {
    TimerFd t(CLOCK_MONOTONIC, 0);
    const int64_t deadline = Now() - late;
    if (late > kMs) SleepMs(2);
    CHECK_OK(t.Set(deadline, 0, TFD_TIMER_ABSTIME));
    CHECK_EQ(t.Read(), 1);
    CHECK_EQ(t.Remaining(), 0);
  }
}

TEST(T23_a_faulting_read_consumes_the_count_for_every_reader) {
  TimerFd t;
  EpollFd ep;
  CHECK_OK(ep.Add(t, EPOLLIN));
  CHECK_OK(t.Set(1));
  CHECK(t.Readable(1000));
  CHECK_ERRNO(read(t, Wild(), 8), EFAULT);
  CHECK(!t.Readable());
  CHECK_EQ(ep.Count(), 0);
  CHECK_ERRNO(t.Read(), EAGAIN);
}

TEST(T23_a_second_reader_gets_the_tick_after_the_one_that_was_lost) {
  TimerFd t(CLOCK_MONOTONIC, 0);
  CHECK_OK(t.Set(20 * kMs, 20 * kMs));
  CHECK_ERRNO(read(t, Wild(), 8), EFAULT);
  int got = 0;
  {
    Thread second([&] { got = static_cast<int>(t.Read()); });
    Thread poller([&] { CHECK(t.Readable(10'000) || Load(got) != 0); });
  }
  CHECK_GE(got, 1);
}

TEST(T24_old_value_of_an_expired_periodic_timer_is_the_rest_of_the_period) {
  const int64_t minute = 60'000 * kMs;
  TimerFd t;
  itimerspec old;
  CHECK_OK(t.Set(Now() - kMs, minute, TFD_TIMER_ABSTIME));
  CHECK(t.Readable(1000));
  CHECK_OK(t.Set(minute, 0, 0, &old));
  CHECK(ToNs(old.it_value) > 0 && ToNs(old.it_value) < minute);
  CHECK_EQ(ToNs(old.it_interval), minute);
  CHECK(!t.Readable());  // no tick of the old setting is left
}

TEST(T24_old_value_of_an_expired_one_shot_is_zero) {
  TimerFd t;
  itimerspec old;
  CHECK_OK(t.Set(1));
  CHECK(t.Readable(1000));
  CHECK_OK(t.Set(kMs * 60'000, 0, 0, &old));
  CHECK_EQ(ToNs(old.it_value), 0);
  CHECK_EQ(ToNs(old.it_interval), 0);
}

// A big buffer gets eight bytes; nobody tries to fill the rest.
TEST(T25_read_into_a_large_buffer_is_short_and_final) {
  TimerFd t(CLOCK_MONOTONIC, 0);
  EventFd e(3, 0);
  char buffer[256];
  CHECK_OK(t.Set(1));
  CHECK_EQ(read(t, buffer, sizeof buffer), 8);
  CHECK_EQ(read(e, buffer, sizeof buffer), 8);
  CHECK(!t.Readable() && !e.Readable());
  struct stat of_timer, of_event;
  CHECK_OK(fstat(t, &of_timer));
  CHECK_OK(fstat(e, &of_event));
  RECORD("modes %o %o", of_timer.st_mode & S_IFMT, of_event.st_mode & S_IFMT);
  CHECK(!S_ISREG(of_timer.st_mode) && !S_ISREG(of_event.st_mode));
}
