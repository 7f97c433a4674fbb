// timerfd: timerfd_create(2), and the measured facts F1..F8b of RACES.md, appendix 1.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "abi_test.h"

using namespace abi;

namespace {

class Timer {
 public:
  explicit Timer(int clock = CLOCK_MONOTONIC, int flags = TFD_NONBLOCK)
      : fd_(timerfd_create(clock, flags)) {}
  ~Timer() { close(fd_); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  int fd() const { return fd_; }
  int Set(int64_t value_ns, int64_t interval_ns = 0, int flags = 0,
          itimerspec* old = nullptr) const {
    const itimerspec spec = {FromNs(interval_ns), FromNs(value_ns)};
    return timerfd_settime(fd_, flags, &spec, old);
  }
  // The expiration count, or -1 with errno.
  int64_t Read() const {
    uint64_t count = 0;
    return read(fd_, &count, sizeof count) == 8 ? static_cast<int64_t>(count) : -1;
  }
  int64_t Remaining() const {
    itimerspec now;
    return timerfd_gettime(fd_, &now) == 0 ? ToNs(now.it_value) : -1;
  }
  bool Readable(int timeout_ms = 0) const {
    pollfd p = {fd_, POLLIN, 0};
    return poll(&p, 1, timeout_ms) == 1 && p.revents == POLLIN;
  }

 private:
  int fd_;
};

class Epoll {
 public:
  Epoll() : fd_(epoll_create1(0)) {}
  ~Epoll() { close(fd_); }
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;
  int Add(int fd, uint32_t events) const {
    epoll_event e = {events, {}};
    return epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &e);
  }
  int Wait(int timeout_ms) const {
    epoll_event e;
    return epoll_wait(fd_, &e, 1, timeout_ms);
  }

 private:
  int fd_;
};

}  // namespace

TEST(F1_settime_of_an_expired_timer_zeroes_its_count) {
  Timer t;
  CHECK_OK(t.Set(10 * kMs));
  CHECK(t.Readable(1000));
  CHECK_OK(t.Set(3600'000 * kMs));
  CHECK(!t.Readable());
  CHECK_ERRNO(t.Read(), EAGAIN);
}

TEST(F2_disarming_an_expired_timer_zeroes_its_count) {
  Timer t;
  CHECK_OK(t.Set(10 * kMs));
  CHECK(t.Readable(1000));
  CHECK_OK(t.Set(0));
  CHECK(!t.Readable());
  CHECK_ERRNO(t.Read(), EAGAIN);
}

TEST(F3_short_read_is_EINVAL_and_consumes_nothing) {
  Timer t;
  CHECK_OK(t.Set(10 * kMs));
  CHECK(t.Readable(1000));
  char buffer[16];
  CHECK_ERRNO(read(t.fd(), buffer, 4), EINVAL);
  CHECK_ERRNO(read(t.fd(), buffer, 7), EINVAL);
  CHECK_ERRNO(read(t.fd(), buffer, 0), EINVAL);
  CHECK(t.Readable());
  CHECK_EQ(read(t.fd(), buffer, 16), 8);
}

TEST(F4_unread_periodic_timer_gives_one_edge) {
  Timer t;
  Epoll ep;
  CHECK_OK(ep.Add(t.fd(), EPOLLIN | EPOLLET));
  CHECK_OK(t.Set(10 * kMs, 10 * kMs));
  int events = 0;
  const int64_t end = Now() + 120 * kMs;
  while (Now() < end) events += ep.Wait(20);
  CHECK_EQ(events, 1);
  CHECK_GE(t.Read(), 11);
  CHECK_EQ(ep.Wait(1000), 1);
  CHECK_EQ(ep.Wait(40), 0);
}

TEST(F5_gettime_of_an_unread_periodic_timer_shows_the_current_period) {
  Timer t;
  CHECK_OK(t.Set(10 * kMs, 10 * kMs));
  SleepMs(105);
  const int64_t left = t.Remaining();
  CHECK(left > 0 && left <= 10 * kMs);
  CHECK(t.Readable());
  CHECK_GE(t.Read(), 10);
}

TEST(F5b_gettime_of_an_expired_one_shot_is_zero_and_keeps_it_readable) {
  Timer t;
  CHECK_OK(t.Set(10 * kMs));
  CHECK(t.Readable(1000));
  CHECK_EQ(t.Remaining(), 0);
  CHECK(t.Readable());
  CHECK_EQ(t.Read(), 1);
  CHECK_EQ(t.Remaining(), 0);
}

TEST(F5c_gettime_rearms_an_expired_periodic_timer) {
  Timer t;
  Epoll ep;
  CHECK_OK(ep.Add(t.fd(), EPOLLIN | EPOLLET));
  CHECK_OK(t.Set(10 * kMs, 10 * kMs));
  for (int round = 0; round < 6; ++round) {
    CHECK_EQ(ep.Wait(1000), 1);
    CHECK(t.Remaining() > 0);
  }
  CHECK_GE(t.Read(), 6);
}

TEST(F6_zero_value_disarms_whatever_the_interval) {
  Timer t;
  CHECK_OK(t.Set(0, 10 * kMs));
  SleepMs(30);
  CHECK(!t.Readable());
  itimerspec now;
  CHECK_OK(timerfd_gettime(t.fd(), &now));
  RECORD("disarmed: value %lld, interval %lld", (long long)ToNs(now.it_value),
         (long long)ToNs(now.it_interval));
}

TEST(F7_nanoseconds_out_of_range_are_EINVAL) {
  Timer t;
  for (long nsec : {-1L, 999999999L, 1000000000L, -1000000000L}) {
    itimerspec value = {{0, 0}, {1, nsec}}, interval = {{1, nsec}, {1, 0}};
    RECORD("nsec %ld: value %s, interval %s", nsec,
           Res(timerfd_settime(t.fd(), 0, &value, nullptr)),
           Res(timerfd_settime(t.fd(), 0, &interval, nullptr)));
  }
  for (long sec : {-1L, INT64_MAX, INT64_MIN}) {
    itimerspec value = {{0, 0}, {sec, 5}}, interval = {{sec, 0}, {1000, 0}},
               zero = {{sec, 0}, {0, 0}};
    RECORD("sec %ld: value %s, interval %s, disarm %s", sec,
           Res(timerfd_settime(t.fd(), 0, &value, nullptr)),
           Res(timerfd_settime(t.fd(), 0, &interval, nullptr)),
           Res(timerfd_settime(t.fd(), 0, &zero, nullptr)));
  }
}

TEST(failed_settime_changes_nothing) {
  Timer t;
  CHECK_OK(t.Set(3600'000 * kMs));
  itimerspec bad = {{0, 0}, {1, 1000000000}};
  CHECK_ERRNO(timerfd_settime(t.fd(), 0, &bad, nullptr), EINVAL);
  CHECK_ERRNO(t.Set(0, 0, 8), EINVAL);
  CHECK(t.Remaining() > 0);
}

TEST(F8_absolute_time_in_the_past_is_ready_at_once) {
  for (int clock : {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME}) {
    Timer t(clock);
    CHECK_OK(t.Set(Now(clock) - 1, 0, TFD_TIMER_ABSTIME));
    CHECK(t.Readable(1000));
    CHECK_EQ(t.Read(), 1);
    CHECK_ERRNO(t.Read(), EAGAIN);
  }
}

TEST(F8b_absolute_past_with_an_interval_counts_every_missed_period) {
  Timer t;
  const int64_t before = Now();
  CHECK_OK(t.Set(1, 10 * kMs, TFD_TIMER_ABSTIME));
  CHECK(t.Readable(1000));
  CHECK_GE(t.Read(), before / (10 * kMs));
}

TEST(absolute_time_fires_not_before_it) {
  for (int clock : {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME}) {
    Timer t(clock, 0);
    const int64_t at = Now(clock) + 15 * kMs;
    CHECK_OK(t.Set(at, 0, TFD_TIMER_ABSTIME));
    CHECK_EQ(t.Read(), 1);
    CHECK_GE(Now(clock), at);
  }
}

TEST(blocking_reads_of_a_periodic_timer_keep_the_phase) {
  Timer t(CLOCK_MONOTONIC, 0);
  const int64_t start = Now();
  CHECK_OK(t.Set(10 * kMs, 10 * kMs));
  int64_t ticks = 0;
  for (int i = 0; i < 5; ++i) {
    const int64_t count = t.Read();
    CHECK_GE(count, 1);
    ticks += count;
    CHECK_GE(Now(), start + ticks * 10 * kMs);
  }
}

TEST(settime_returns_the_old_setting) {
  Timer t;
  itimerspec old;
  memset(&old, 0xff, sizeof old);
  CHECK_OK(t.Set(100'000 * kMs, 7 * kMs, 0, &old));
  CHECK_EQ(ToNs(old.it_value), 0);
  CHECK_EQ(ToNs(old.it_interval), 0);
  CHECK_OK(t.Set(0, 0, 0, &old));
  CHECK(ToNs(old.it_value) > 0 && ToNs(old.it_value) <= 100'000 * kMs);
  CHECK_EQ(ToNs(old.it_interval), 7 * kMs);
  CHECK_EQ(t.Remaining(), 0);
}

TEST(gettime_of_an_absolute_timer_is_relative) {
  Timer t;
  CHECK_OK(t.Set(Now() + 100'000 * kMs, 0, TFD_TIMER_ABSTIME));
  const int64_t left = t.Remaining();
  CHECK(left > 0 && left <= 100'000 * kMs);
}

TEST(settime_with_a_bad_old_pointer_is_EFAULT_after_arming) {
  Timer t;
  const itimerspec spec = {{0, 0}, {1000, 0}};
  CHECK_ERRNO(syscall(SYS_timerfd_settime, t.fd(), 0, &spec, Wild()), EFAULT);
  CHECK(t.Remaining() > 0);
}

TEST(read_into_a_bad_pointer_consumes_the_expirations) {
  Timer t;
  CHECK_OK(t.Set(5 * kMs));
  CHECK(t.Readable(1000));
  RECORD("wild read %s", Res(read(t.fd(), Wild(), 8)));
  const bool readable = t.Readable();
  RECORD("then readable %d, read %s", readable, Res(t.Read()));
}

TEST(period_of_one_nanosecond_does_not_hang) {
  Timer t(CLOCK_MONOTONIC, 0);
  CHECK_OK(t.Set(1, 1));
  for (int i = 0; i < 3; ++i) CHECK_GE(t.Read(), 1);
  CHECK_OK(t.Set(0));
}

TEST(huge_values_saturate_and_stay_armed) {
  Timer t;
  const itimerspec spec = {{INT64_MAX, 999999999}, {INT64_MAX, 999999999}};
  CHECK_OK(timerfd_settime(t.fd(), 0, &spec, nullptr));
  CHECK(t.Remaining() > 0);
  CHECK(!t.Readable());
  itimerspec now;
  CHECK_OK(timerfd_gettime(t.fd(), &now));
  RECORD("interval %lld s", (long long)now.it_interval.tv_sec);
}

TEST(settime_wakes_a_blocked_reader_only_by_expiring) {
  Timer t(CLOCK_MONOTONIC, 0);
  int64_t count = 0;
  Thread reader([&] { count = t.Read(); });
  reader.AwaitBlocked(SYS_read);
  CHECK_OK(t.Set(3600'000 * kMs));
  CHECK_OK(t.Set(10 * kMs));
  reader.Join();
  CHECK_EQ(count, 1);
}

TEST(one_expiry_serves_one_of_two_blocked_readers) {
  Timer t(CLOCK_MONOTONIC, 0);
  int64_t a = 0, b = 0;
  Thread first([&] { a = t.Read(); });
  first.AwaitBlocked(SYS_read);
  Thread second([&] { b = t.Read(); });
  second.AwaitBlocked(SYS_read);
  CHECK_OK(t.Set(10 * kMs));
  CHECK(Eventually([&] {
    return __atomic_load_n(&a, __ATOMIC_SEQ_CST) + __atomic_load_n(&b, __ATOMIC_SEQ_CST) != 0;
  }));
  SleepMs(5);
  CHECK_EQ(__atomic_load_n(&a, __ATOMIC_SEQ_CST) + __atomic_load_n(&b, __ATOMIC_SEQ_CST), 1);
  CHECK_OK(t.Set(10 * kMs));
  first.Join();
  second.Join();
  CHECK_EQ(a + b, 2);
}

TEST(read_restarts_with_SA_RESTART_and_is_EINTR_without) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    g_signals = 0;
    Timer t(CLOCK_MONOTONIC, 0);
    int64_t count = 0;
    int error = 0;
    Thread reader([&] {
      count = t.Read();
      error = errno;
    });
    reader.AwaitBlocked(SYS_read);
    Tgkill(reader.tid(), SIGUSR1);
    CHECK(Eventually([] { return g_signals != 0; }));
    CHECK_OK(t.Set(1));
    reader.Join();
    RECORD("%s: count %lld %s", flags ? "SA_RESTART" : "plain", (long long)count,
           count < 0 ? ErrnoName(error) : "");
  }
}

TEST(timers_of_equal_deadline_are_all_ready_at_once) {
  Timer a, b, c;
  const int64_t at = Now() + 15 * kMs;
  for (Timer* t : {&a, &b, &c}) CHECK_OK(t->Set(at, 0, TFD_TIMER_ABSTIME));
  CHECK(a.Readable(1000));
  CHECK(b.Readable(1000) && c.Readable(1000));
  CHECK_GE(Now(), at);
}

TEST(timers_fire_in_deadline_order_not_arming_order) {
  Timer late, early, middle;
  const int ep = epoll_create1(0);
  const int64_t now = Now();
  struct {
    Timer* timer;
    int ms;
  } timers[] = {{&late, 45}, {&early, 15}, {&middle, 30}};
  for (int i = 0; i < 3; ++i) {
    epoll_event e = {EPOLLIN | EPOLLET, {}};
    e.data.u32 = i;
    CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, timers[i].timer->fd(), &e));
    CHECK_OK(timers[i].timer->Set(now + timers[i].ms * kMs, 0, TFD_TIMER_ABSTIME));
  }
  for (int i = 0; i < 3; ++i) {
    epoll_event e;
    CHECK_EQ(epoll_wait(ep, &e, 1, 1000), 1);
    RECORD("fired %u", e.data.u32);
  }
  close(ep);
}

TEST(dup_shares_the_timer) {
  Timer t;
  const int copy = dup(t.fd());
  CHECK_OK(t.Set(5 * kMs));
  CHECK(t.Readable(1000));
  uint64_t count = 0;
  CHECK_EQ(read(copy, &count, 8), 8);
  CHECK_EQ(count, 1);
  CHECK_ERRNO(t.Read(), EAGAIN);
  close(copy);
}

TEST(nonblocking_flag_can_be_set_later) {
  Timer t(CLOCK_MONOTONIC, 0);
  CHECK_EQ(fcntl(t.fd(), F_GETFL), O_RDWR);
  CHECK_OK(fcntl(t.fd(), F_SETFL, O_NONBLOCK));
  CHECK_ERRNO(t.Read(), EAGAIN);
}

TEST(write_and_vector_io) {
  Timer t;
  uint64_t value = 1;
  RECORD("write %s, pread %s, pwrite %s", Res(write(t.fd(), &value, 8)),
         Res(pread(t.fd(), &value, 8, 0)), Res(pwrite(t.fd(), &value, 8, 0)));
  CHECK_OK(t.Set(1));
  CHECK(t.Readable(1000));
  uint32_t halves[2] = {~0u, ~0u};
  iovec iov[2] = {{&halves[0], 4}, {&halves[1], 4}};
  RECORD("readv of 1 half %s", Res(readv(t.fd(), iov, 1)));
  const char* both = Res(readv(t.fd(), iov, 2));
  RECORD("readv of 2 halves %s: %u %u", both, halves[0], halves[1]);
}

TEST(create_matrix) {
  for (int clock = -3; clock <= 16; ++clock) {
    char line[256];
    int n = 0;
    for (int flags :
         Ints{0, TFD_NONBLOCK, TFD_CLOEXEC, TFD_NONBLOCK | TFD_CLOEXEC, 1, 2, O_APPEND, -1}) {
      const int fd = timerfd_create(clock, flags);
      n += snprintf(line + n, sizeof line - n, " %s", fd >= 0 ? "ok" : ErrnoName(errno));
      if (fd >= 0) close(fd);
    }
    RECORD("clock %d:%s", clock, line);
  }
}

TEST(settime_matrix) {
  Timer timer;
  const int event = eventfd(0, 0);
  const itimerspec good = {{0, 0}, {1000, 0}}, nsec = {{0, 0}, {0, 1000000000}},
                   negative = {{0, 0}, {-1, 0}};
  const struct {
    const char* name;
    int fd;
  } fds[] = {{"-1", -1}, {"closed", 999}, {"eventfd", event}, {"timerfd", timer.fd()}};
  const struct {
    const char* name;
    const void* p;
  } values[] = {{"good", &good},
                {"nsec", &nsec},
                {"negative", &negative},
                {"null", nullptr},
                {"wild", Wild()}};
  for (const auto& fd : fds) {
    for (int flags : Ints{0, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET, 3, 4, -1}) {
      char line[400];
      int n = 0;
      for (const auto& value : values) {
        for (void* old : {static_cast<void*>(nullptr), Wild()}) {
          n += snprintf(line + n, sizeof line - n, " %s/%s=%s", value.name, old ? "wild" : "null",
                        Res(syscall(SYS_timerfd_settime, fd.fd, flags, value.p, old)));
        }
      }
      RECORD("fd %s flags %d:%s", fd.name, flags, line);
    }
  }
  close(event);
}

TEST(gettime_matrix) {
  Timer timer;
  const int event = eventfd(0, 0);
  itimerspec out;
  for (int fd : {-1, 999, event, timer.fd()}) {
    RECORD("good %s, null %s, wild %s", Res(syscall(SYS_timerfd_gettime, fd, &out)),
           Res(syscall(SYS_timerfd_gettime, fd, nullptr)),
           Res(syscall(SYS_timerfd_gettime, fd, Wild())));
  }
  close(event);
}

TEST(read_matrix) {
  for (bool expired : {false, true}) {
    for (size_t size : {size_t{0}, size_t{4}, size_t{8}, size_t{9}}) {
      Timer t;
      uint64_t buffer[2];
      if (expired) {
        CHECK_OK(t.Set(1));
        CHECK(t.Readable(1000));
      }
      const char* null = Res(syscall(SYS_read, t.fd(), nullptr, size));
      const char* still = Res(t.Readable());
      if (expired) {
        CHECK_OK(t.Set(1));
        CHECK(t.Readable(1000));
      }
      const char* kernel = Res(syscall(SYS_read, t.fd(), 0xffff888000000000, size));
      const char* good = Res(read(t.fd(), buffer, size));
      RECORD("%s size %zu: null %s (then readable %s), kernel %s (then good %s)",
             expired ? "expired" : "idle", size, null, still, kernel, good);
    }
  }
}

TEST(set_ticks_ioctl) {
  Timer t;
  const unsigned long set_ticks = _IOW('T', 0, uint64_t);  // TFD_IOC_SET_TICKS
  uint64_t zero = 0, five = 5;
  RECORD("zero %s", Res(ioctl(t.fd(), set_ticks, &zero)));
  RECORD("wild %s", Res(ioctl(t.fd(), set_ticks, Wild())));
  RECORD("five %s", Res(ioctl(t.fd(), set_ticks, &five)));
  RECORD("then read %s", Res(t.Read()));
}
