// Clocks: clock_gettime(2), clock_getres, gettimeofday(2), time(2), times(2). Raw calls, and libc's
// (which may use the vDSO): both must agree.
#include <sys/time.h>
#include <sys/times.h>

#include "abi_test.h"

using namespace abi;

namespace {

int64_t RawNow(clockid_t clock) {
  timespec t;
  return syscall(SYS_clock_gettime, clock, &t) == 0 ? ToNs(t) : -1;
}

}  // namespace

TEST(every_clock_id) {
  for (int clock = -3; clock <= 20; ++clock) {
    timespec t;
    RECORD(
        "clock %d: gettime %s, getres %s, getres of null %s, gettime into null %s, getres into "
        "wild %s",
        clock, Res(syscall(SYS_clock_gettime, clock, &t)),
        Res(syscall(SYS_clock_getres, clock, &t)), Res(syscall(SYS_clock_getres, clock, nullptr)),
        Res(syscall(SYS_clock_gettime, clock, nullptr)),
        Res(syscall(SYS_clock_getres, clock, Wild())));
  }
}

TEST(libc_and_raw_calls_fail_alike) {
  // Not 16..23: there the vDSO of 6.18 (auxiliary clocks) answers getres with 0 where the system
  // call has EINVAL.
  for (int clock : {-1, 10, 12, 15, 24, 1000}) {
    timespec t;
    RECORD("clock %d: gettime %s, getres %s", clock, Res(clock_gettime(clock, &t)),
           Res(clock_getres(clock, &t)));
  }
}

TEST(libc_and_raw_calls_tell_one_time) {
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI}) {
    for (int i = 0; i < 100; ++i) {
      const int64_t a = Now(clock), b = RawNow(clock), c = Now(clock);
      CHECK_GE(b, a);
      CHECK_GE(c, b);
    }
  }
}

TEST(monotonic_never_goes_back) {
  int64_t last = 0;
  for (int i = 0; i < 10000; ++i) {
    const int64_t now = Now();
    CHECK_GE(now, last);
    last = now;
  }
}

TEST(clocks_advance_over_a_sleep) {
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI}) {
    const int64_t start = Now(clock);
    SleepMs(10);
    CHECK_GE(Now(clock) - start, 10 * kMs);
  }
  for (clockid_t clock : {CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW}) {
    const int64_t start = Now(clock);
    SleepMs(20);
    CHECK(Now(clock) > start);
  }
}

TEST(coarse_clock_is_never_ahead_of_the_fine_one) {
  for (int i = 0; i < 100; ++i) {
    const int64_t coarse = Now(CLOCK_MONOTONIC_COARSE);
    CHECK_GE(Now(CLOCK_MONOTONIC), coarse);
    const int64_t coarse_real = Now(CLOCK_REALTIME_COARSE);
    CHECK_GE(Now(CLOCK_REALTIME), coarse_real);
  }
}

TEST(nanoseconds_are_in_range) {
  for (int clock = 0; clock <= 11; ++clock) {
    timespec t = {0, -1};
    if (clock_gettime(clock, &t) == 0) CHECK(t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
  }
}

TEST(resolutions) {
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                          CLOCK_TAI, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
                          CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID}) {
    timespec raw = {9, 9}, libc = {8, 8};
    CHECK_OK(syscall(SYS_clock_getres, clock, &raw));
    CHECK_OK(clock_getres(clock, &libc));
    CHECK_EQ(ToNs(raw), ToNs(libc));
    RECORD("clock %d: %lld ns", clock, (long long)ToNs(raw));
  }
}

TEST(gettimeofday_agrees_with_realtime) {
  timeval raw, libc;
  const int64_t before = Now(CLOCK_REALTIME) / 1000;
  CHECK_OK(syscall(SYS_gettimeofday, &raw, nullptr));
  CHECK_OK(gettimeofday(&libc, nullptr));
  const int64_t after = Now(CLOCK_REALTIME) / 1000;
  const int64_t raw_us = raw.tv_sec * 1000000LL + raw.tv_usec,
                libc_us = libc.tv_sec * 1000000LL + libc.tv_usec;
  CHECK(before <= raw_us && raw_us <= libc_us && libc_us <= after);
}

TEST(gettimeofday_errors) {
  struct timezone zone = {77, 77};
  timeval t;
  RECORD("both null %s", Res(syscall(SYS_gettimeofday, nullptr, nullptr)));
  RECORD("wild time %s", Res(syscall(SYS_gettimeofday, Wild(), nullptr)));
  RECORD("wild zone %s", Res(syscall(SYS_gettimeofday, &t, Wild())));
  const char* result = Res(syscall(SYS_gettimeofday, nullptr, &zone));
  RECORD("zone only %s: %d %d", result, zone.tz_minuteswest, zone.tz_dsttime);
}

TEST(time_is_the_second_of_the_coarse_clock) {
  const time_t before = Now(CLOCK_REALTIME_COARSE) / 1000000000;
  time_t stored = 0;
  const long raw = syscall(SYS_time, &stored);
  CHECK_EQ(raw, stored);
  CHECK_GE(raw, before);
  CHECK_GE(time(nullptr), raw);
  CHECK_ERRNO(syscall(SYS_time, Wild()), EFAULT);
}

TEST(times_counts_on_and_checks_its_pointer) {
  tms buffer;
  const clock_t start = times(&buffer);
  SleepMs(30);
  CHECK_GE(times(&buffer), start + 2);
  CHECK_OK(syscall(SYS_times, nullptr));
  CHECK_ERRNO(syscall(SYS_times, Wild()), EFAULT);
}

TEST(cpu_clocks_grow_with_work) {
  const int64_t process = Now(CLOCK_PROCESS_CPUTIME_ID), thread = Now(CLOCK_THREAD_CPUTIME_ID);
  volatile unsigned sum = 0;
  for (unsigned i = 0; i < 3000000; ++i) sum = sum + i;
  CHECK(Now(CLOCK_PROCESS_CPUTIME_ID) > process);
  CHECK(Now(CLOCK_THREAD_CPUTIME_ID) > thread);
}

TEST(cpu_clock_of_a_thread_and_of_a_process_by_id) {
  clockid_t clock;
  CHECK_EQ(pthread_getcpuclockid(pthread_self(), &clock), 0);
  CHECK_GE(Now(clock), 0);
  CHECK_EQ(clock_getcpuclockid(getpid(), &clock), 0);
  CHECK_GE(Now(clock), 0);
  CHECK_EQ(clock_getcpuclockid(0, &clock), 0);
}

TEST(settime_errors_come_before_any_step) {  // nothing here may change the host's clock
  const timespec bad = {0, 1000000000};
  for (int clock = -3; clock <= 16; ++clock) {
    RECORD("clock %d: bad %s, null %s", clock, Res(syscall(SYS_clock_settime, clock, &bad)),
           Res(syscall(SYS_clock_settime, clock, nullptr)));
  }
}
