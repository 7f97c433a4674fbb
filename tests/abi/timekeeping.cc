// What tells the time besides the clocks, and what keeps them: adjtimex(2), settimeofday(2), times(2),
// getrusage(2), alarm(2), /proc/uptime, sysinfo(2), PR_SET_TIMERSLACK. Nothing here may set the machine's clock:
// a request that could is wrong in a way that Linux finds before it asks who wants to know.
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>

#include <string>

#include "abi_test.h"

using namespace abi;

namespace {

constexpr int64_t kTick = 10 * kMs;  // USER_HZ

void* const kPointers[] = {nullptr, Wild(), reinterpret_cast<void*>(1),
                           reinterpret_cast<void*>(0xffff888000000000)};

std::string ReadAll(const char* path) {
  char text[512] = "";
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  return std::string(text, n > 0 ? static_cast<size_t>(n) : 0);
}

int64_t UptimeNs() { return static_cast<int64_t>(atof(ReadAll("/proc/uptime").c_str()) * 1e9); }

int64_t UsageNs(int who) {
  rusage usage = {};
  CHECK_OK(syscall(SYS_getrusage, who, &usage));
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}

// Uses CPU time by a clock that counts it.
void Work(int64_t ns) {
  const int64_t end = Now(CLOCK_THREAD_CPUTIME_ID) + ns;
  while (Now(CLOCK_THREAD_CPUTIME_ID) < end) {
  }
}

}  // namespace

// ---- adjtimex ------------------------------------------------------------------------------------------------------

TEST(adjtimex_only_looks_without_modes) {
  timex a = {}, b = {};
  const long first = syscall(SYS_adjtimex, &a);
  const int64_t now = Now(CLOCK_REALTIME) / 1000000000;
  CHECK_EQ(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &b), first);
  CHECK(first >= TIME_OK && first <= TIME_ERROR);
  CHECK(now - a.time.tv_sec <= 1 && now >= a.time.tv_sec);
  CHECK_EQ(a.precision, 1);
  CHECK_EQ(a.tolerance, 500L << 16);
  CHECK_EQ(a.tick, b.tick);
  CHECK_EQ(a.freq, b.freq);
  CHECK_EQ(a.tai, b.tai);
  CHECK_EQ(a.status, b.status);
  CHECK(a.status & STA_NANO ? a.time.tv_usec < 1000000000 : a.time.tv_usec < 1000000);
}

TEST(adjtimex_pointers) {
  for (void* pointer : kPointers) {
    RECORD("adjtimex %s, clock_adjtime %s, of an unknown clock %s",
           Res(syscall(SYS_adjtimex, pointer)),
           Res(syscall(SYS_clock_adjtime, CLOCK_REALTIME, pointer)),
           Res(syscall(SYS_clock_adjtime, 1000, pointer)));
  }
}

// ADJ_ADJTIME without ADJ_OFFSET is told before who asks; and only REALTIME can be adjusted.
TEST(clock_adjtime_matrix_of_what_must_fail) {
  for (int clock = -3; clock <= 15; ++clock) {
    std::string row;
    for (const unsigned modes : {0x8000U, 0x8002U, 0xa000U, 0U}) {
      timex request = {};
      request.modes = modes;
      request.tick = 1;
      if (modes == 0 && clock == CLOCK_REALTIME) continue;
      row += std::string(" ") + Res(syscall(SYS_clock_adjtime, clock, &request));
    }
    RECORD("clock %d:%s", clock, row.c_str());
  }
}

// ---- settimeofday ---------------------------------------------------------------------------------------------------

TEST(settimeofday_matrix_of_what_must_fail) {
  const timeval bad[] = {{-1, 0}, {0, -1}, {0, 1000000}, {0, 1000001}, {INT64_MAX, 0}, {-1, -1}};
  const struct timezone zone = {0, 0}, wrong = {10000, 0};
  const void* const zones[] = {nullptr, &zone, &wrong, Wild(), reinterpret_cast<void*>(1)};
  for (const timeval& time : bad) {
    // What is exactly a million was once let through: no time to set then (kernel/time/time.c).
    if (time.tv_sec == 0 && time.tv_usec == 1000000) continue;
    std::string row;
    for (const void* place : zones)
      row += std::string(" ") + Res(syscall(SYS_settimeofday, &time, place));
    RECORD("%lld s %lld us:%s", static_cast<long long>(time.tv_sec),
           static_cast<long long>(time.tv_usec), row.c_str());
  }
  for (const void* time :
       {static_cast<const void*>(Wild()), static_cast<const void*>(kPointers[2])}) {
    std::string row;
    for (const void* place : zones)
      row += std::string(" ") + Res(syscall(SYS_settimeofday, time, place));
    RECORD("bad pointer:%s", row.c_str());
  }
}

TEST(gettimeofday_matrix) {
  timeval time;
  struct timezone zone;
  for (void* first : {static_cast<void*>(&time), kPointers[0], kPointers[1], kPointers[2]}) {
    std::string row;
    for (void* second : {static_cast<void*>(&zone), kPointers[0], kPointers[1], kPointers[2]})
      row += std::string(" ") + Res(syscall(SYS_gettimeofday, first, second));
    RECORD("%s", row.c_str());
  }
}

TEST(clock_gettime_and_getres_matrix) {
  timespec t;
  for (int clock = -8; clock <= 15; ++clock) {
    std::string row;
    for (void* pointer : {static_cast<void*>(&t), kPointers[0], kPointers[1], kPointers[3]}) {
      row += std::string(" ") + Res(syscall(SYS_clock_gettime, clock, pointer));
      row += std::string(" ") + Res(syscall(SYS_clock_getres, clock, pointer));
    }
    RECORD("clock %d:%s", clock, row.c_str());
  }
}

// ---- CPU time -------------------------------------------------------------------------------------------------------

TEST(getrusage_and_times_matrix) {
  rusage usage;
  for (const int who :
       Ints{RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD, -2, 2, 99, INT32_MAX, INT32_MIN}) {
    std::string row = Res(syscall(SYS_getrusage, who, &usage));
    for (void* pointer : kPointers)
      row += std::string(" ") + Res(syscall(SYS_getrusage, who, pointer));
    RECORD("who %d: %s", who, row.c_str());
  }
  for (void* pointer : {kPointers[1], kPointers[2], kPointers[3]})
    RECORD("times %s", Res(syscall(SYS_times, pointer)));
}

// What one thread used, all of them tell alike. Bounds only: CPU time goes on between two looks.
TEST(cpu_times_are_coherent) {
  Work(60 * kMs);
  const int64_t thread = Now(CLOCK_THREAD_CPUTIME_ID);
  CHECK_GE(thread, 60 * kMs);
  const int64_t usage_of_thread = UsageNs(RUSAGE_THREAD);
  CHECK_GE(usage_of_thread, thread - kTick);
  const int64_t process = Now(CLOCK_PROCESS_CPUTIME_ID);
  CHECK_GE(process, thread);
  const int64_t usage = UsageNs(RUSAGE_SELF);
  CHECK_GE(usage, process - kTick);
  CHECK_GE(Now(CLOCK_PROCESS_CPUTIME_ID) + kTick, usage);
  tms ticks = {};
  CHECK_OK(syscall(SYS_times, &ticks));
  CHECK_GE((ticks.tms_utime + ticks.tms_stime + 2) * kTick, usage);
  CHECK_GE(Now(CLOCK_PROCESS_CPUTIME_ID) + 2 * kTick, (ticks.tms_utime + ticks.tms_stime) * kTick);
}

TEST(a_sleep_uses_no_cpu_time_and_all_clocks_pass_it) {
  tms unused;
  const int64_t ticks = syscall(SYS_times, &unused) * kTick, boot = Now(CLOCK_BOOTTIME),
                mono = Now(), real = Now(CLOCK_REALTIME), up = UptimeNs(),
                cpu = Now(CLOCK_PROCESS_CPUTIME_ID);
  SleepMs(300);
  CHECK_GE(Now(CLOCK_BOOTTIME) - boot, 300 * kMs);
  CHECK_GE(Now() - mono, 300 * kMs);
  CHECK_GE(Now(CLOCK_REALTIME) - real, 300 * kMs);
  CHECK_GE(UptimeNs() - up, 300 * kMs - kTick);
  CHECK_GE(syscall(SYS_times, &unused) * kTick - ticks, 300 * kMs - kTick);
  CHECK(Now(CLOCK_PROCESS_CPUTIME_ID) - cpu < 200 * kMs);
}

TEST(uptime_lies_between_two_looks_at_boottime) {
  for (int i = 0; i < 20; ++i) {
    const int64_t before = Now(CLOCK_BOOTTIME), up = UptimeNs(), after = Now(CLOCK_BOOTTIME);
    CHECK_GE(up, before - kTick);
    CHECK_GE(after, up);
    struct sysinfo info = {};
    CHECK_OK(sysinfo(&info));
    // sysinfo(2) rounds up (kernel/sys.c).
    CHECK_GE(info.uptime, before / 1000000000);
    CHECK_GE(Now(CLOCK_BOOTTIME) / 1000000000 + 1, info.uptime);
    SleepMs(3);
  }
}

TEST(cpu_clock_of_another_thread_stands_while_it_sleeps) {
  clockid_t clock = 0;
  Thread sleeper([] { SleepMs(300); });
  CHECK_EQ(pthread_getcpuclockid(sleeper.handle(), &clock), 0);
  sleeper.AwaitBlocked(SYS_clock_nanosleep);
  const int64_t before = Now(clock);
  CHECK_GE(before, 0);
  Work(50 * kMs);
  CHECK(Now(clock) - before < 40 * kMs);
}

TEST(a_timer_on_another_thread_s_cpu_clock) {
  Handler handler(SIGUSR1, CountSignal);
  volatile bool stop = false;
  Thread worker([&] {
    while (!stop) Work(kMs);
  });
  clockid_t clock = 0;
  CHECK_EQ(pthread_getcpuclockid(worker.handle(), &clock), 0);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  int id = 0;
  REQUIRE(syscall(SYS_timer_create, clock, &event, &id) == 0);
  const itimerspec wanted = {{0, 0}, {0, 20 * kMs}};
  const int64_t start = Now(clock);
  CHECK_OK(syscall(SYS_timer_settime, id, 0, &wanted, nullptr));
  CHECK(Eventually([] { return g_signals == 1; }));
  CHECK_GE(Now(clock) - start, 20 * kMs);
  CHECK_OK(syscall(SYS_timer_delete, id));
  stop = true;
}

TEST(a_sleep_on_the_process_s_cpu_clock_ends_when_another_thread_used_it) {
  volatile bool stop = false;
  Thread worker([&] {
    while (!stop) Work(kMs);
  });
  const int64_t start = Now(CLOCK_PROCESS_CPUTIME_ID);
  const timespec span = {0, 50 * kMs};
  CHECK_OK(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, &span, nullptr));
  CHECK_GE(Now(CLOCK_PROCESS_CPUTIME_ID) - start, 50 * kMs);
  const timespec until = FromNs(Now(CLOCK_PROCESS_CPUTIME_ID) + 30 * kMs);
  CHECK_OK(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &until, nullptr));
  CHECK_GE(Now(CLOCK_PROCESS_CPUTIME_ID), ToNs(until));
  stop = true;
}

// ---- timer slack, alarm, SIGEV_THREAD ------------------------------------------------------------------------------

TEST(timer_slack_is_kept_and_inherited) {
  CHECK_EQ(prctl(PR_GET_TIMERSLACK), 50000);
  CHECK_OK(prctl(PR_SET_TIMERSLACK, 123L));
  CHECK_EQ(prctl(PR_GET_TIMERSLACK), 123);
  Thread([] { CHECK_EQ(prctl(PR_GET_TIMERSLACK), 123); }).Join();
  CHECK_EQ(WEXITSTATUS(ChildStatus([] { return prctl(PR_GET_TIMERSLACK) == 123 ? 42 : 1; })), 42);
  CHECK_OK(prctl(PR_SET_TIMERSLACK, 0L));
  CHECK_EQ(prctl(PR_GET_TIMERSLACK), 50000);
}

TEST(alarm_matrix) {
  for (const unsigned seconds : {1000000U, 0x7fffffffU, 0x80000000U, 0xffffffffU, 0U, 7U, 0U}) {
    const long left = syscall(SYS_alarm, seconds);
    RECORD("%u: left %s", seconds, left > 100000000 ? "much" : Res(left));
  }
}

void Notified(sigval value) {
  __atomic_add_fetch(static_cast<int*>(value.sival_ptr), 1, __ATOMIC_SEQ_CST);
}

TEST(sigev_thread_timers_of_libc_call_their_function) {
  int calls = 0;
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = Notified;
  event.sigev_value.sival_ptr = &calls;
  timer_t timer = nullptr;
  CHECK_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
  const itimerspec wanted = {{0, 2 * kMs}, {0, 2 * kMs}};
  CHECK_OK(timer_settime(timer, 0, &wanted, nullptr));
  CHECK(Eventually([&] { return __atomic_load_n(&calls, __ATOMIC_SEQ_CST) >= 3; }));
  CHECK_OK(timer_delete(timer));
  SleepMs(20);  // a call that was under way
}
