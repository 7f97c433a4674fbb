// POSIX timers and interval timers: timer_create(2), timer_settime(2), timer_getoverrun(2), setitimer(2), alarm(2).
// Raw calls: libc's timer_create wraps ids, and turns SIGEV_THREAD into something else.
#include <sys/time.h>

#include "abi_test.h"

using namespace abi;

namespace {

long Create(clockid_t clock, const void* event, void* id) {
  return syscall(SYS_timer_create, clock, event, id);
}
long Set(int id, int flags, const void* wanted, void* old) {
  return syscall(SYS_timer_settime, id, flags, wanted, old);
}
long Get(int id, void* current) { return syscall(SYS_timer_gettime, id, current); }
long Overrun(int id) { return syscall(SYS_timer_getoverrun, id); }
long Delete(int id) { return syscall(SYS_timer_delete, id); }
long SetInterval(int which, const void* wanted, void* old) {
  return syscall(SYS_setitimer, which, wanted, old);
}
long GetInterval(int which, void* current) { return syscall(SYS_getitimer, which, current); }

itimerspec Spec(int64_t value, int64_t interval = 0) { return {FromNs(interval), FromNs(value)}; }
constexpr itimerspec kDisarm = {{0, 0}, {0, 0}};

sigevent Event(int notify, int signal = 0, int value = 0) {
  sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = notify;
  event.sigev_signo = signal;
  event.sigev_value.sival_int = value;
  return event;
}

// A timer for the length of a test.
struct Timer {
  int id = -1;
  explicit Timer(const sigevent& event, clockid_t clock = CLOCK_MONOTONIC) {
    CHECK_OK(Create(clock, &event, &id));
  }
  ~Timer() { Delete(id); }
};

volatile sig_atomic_t g_code, g_value, g_overrun, g_timer, g_tid;
void Note(int, siginfo_t* info, void*) {
  g_code = info->si_code;
  g_value = info->si_value.sival_int;
  g_overrun = info->si_overrun;
  g_timer = info->si_timerid;
  g_tid = Tid();
  g_signals = g_signals + 1;
}
// Waits until `count` signals were handled; a second at most.
void AwaitSignals(int count) {
  for (int i = 0; i < 1000 && g_signals < count; ++i) SleepMs(1);
}

void Block(int signal, bool block) {
  const sigset_t set = SigSet(signal);
  pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, nullptr);
}
bool Pending(int signal) {
  sigset_t set;
  sigpending(&set);
  return sigismember(&set, signal);
}
void AwaitPending(int signal) {
  for (int i = 0; i < 1000 && !Pending(signal); ++i) SleepMs(1);
}
// Takes a pending signal without a handler.
long Take(int signal, siginfo_t* info) {
  const sigset_t set = SigSet(signal);
  const timespec zero = {0, 0};
  return syscall(SYS_rt_sigtimedwait, &set, info, &zero, 8);
}
struct Blocked {
  int signal;
  explicit Blocked(int s) : signal(s) { Block(s, true); }
  ~Blocked() { Block(signal, false); }
};

}  // namespace

// ---- timer_create --------------------------------------------------------------------------------------------------

TEST(ids_count_up_and_failures_use_them_up) {
  const int status = ChildStatus([] {
    const sigevent event = Event(SIGEV_NONE), bad = Event(77);
    int a = -1, b = -1, c = -1, d = -1;
    CHECK_OK(Create(CLOCK_MONOTONIC, &event, &a));
    CHECK_OK(Create(CLOCK_MONOTONIC, &event, &b));
    CHECK_OK(Delete(a));
    CHECK_OK(Create(CLOCK_MONOTONIC, &event, &c));
    RECORD("%d %d %d", a, b, c);
    CHECK_ERRNO(Create(99, &event, &d), EINVAL);
    CHECK_ERRNO(Create(CLOCK_MONOTONIC, &bad, &d), EINVAL);
    CHECK_ERRNO(Create(CLOCK_MONOTONIC, &event, Wild()), EFAULT);
    CHECK_OK(Create(CLOCK_MONOTONIC, &event, &d));
    RECORD("after three failures: %d", d);
    return 0;
  });
  RECORD("%s", StatusText(status));
}

TEST(create_matrix_of_clocks) {
  const sigevent good = Event(SIGEV_NONE), bad = Event(77);
  // Not the alarm clocks' success: whether the host has a real-time clock is its own affair.
  for (int clock : {0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 24, 1000, -1, -2, -5, -6}) {
    int id = -1;
    const char* made = Res(Create(clock, &good, &id));
    if (id >= 0) Delete(id);
    const char* notify = Res(Create(clock, &bad, &id));
    const char* event = Res(Create(clock, Wild(), &id));
    const char* where = Res(Create(clock, &good, Wild()));
    RECORD("clock %d: %s; bad notify %s, wild event %s, wild id %s", clock, made, notify, event,
           where);
  }
}

TEST(create_matrix_of_events) {
  for (int notify = -1; notify <= 6; ++notify) {
    char line[200];
    int n = 0;
    for (int signal : {-1, 0, 1, SIGKILL, 32, 64, 65}) {
      sigevent event = Event(notify, signal);
      event._sigev_un._tid = Tid();
      int id = -1;
      n += snprintf(line + n, sizeof line - n, " %d: %s;", signal,
                    Res(Create(CLOCK_MONOTONIC, &event, &id)));
      if (id >= 0) Delete(id);
    }
    RECORD("notify %d:%s", notify, line);
  }
  for (int tid : {0, -1, 1}) {
    sigevent event = Event(SIGEV_THREAD_ID, SIGUSR1);
    event._sigev_un._tid = tid;
    int id;
    RECORD("thread %d: %s", tid, Res(Create(CLOCK_MONOTONIC, &event, &id)));
  }
}

// ---- timer_settime, timer_gettime ----------------------------------------------------------------------------------

TEST(settime_and_gettime_errors) {
  Timer timer(Event(SIGEV_NONE));
  itimerspec old, bad_value = kDisarm, bad_interval = kDisarm, negative = kDisarm;
  const itimerspec hour = Spec(3600'000 * kMs);
  bad_value.it_value.tv_nsec = 1000000000;
  bad_interval.it_interval.tv_nsec = -1;
  negative.it_value.tv_sec = -1;
  CHECK_ERRNO(Set(timer.id, 0, nullptr, &old), EINVAL);
  CHECK_ERRNO(Set(timer.id, 0, Wild(), &old), EFAULT);
  CHECK_ERRNO(Set(timer.id, 0, &bad_value, &old), EINVAL);
  CHECK_ERRNO(Set(timer.id, 0, &bad_interval, &old), EINVAL);
  CHECK_ERRNO(Set(timer.id, 0, &negative, &old), EINVAL);
  CHECK_ERRNO(Set(9999, 0, &kDisarm, &old), EINVAL);
  CHECK_ERRNO(Set(9999, 0, Wild(), &old), EFAULT);
  CHECK_ERRNO(Set(9999, 0, nullptr, &old), EINVAL);
  CHECK_OK(Set(timer.id, -1, &kDisarm, nullptr));
  CHECK_ERRNO(Set(timer.id, 0, &hour, Wild()), EFAULT);
  CHECK_OK(Get(timer.id, &old));
  CHECK(ToNs(old.it_value) > 0);  // it was armed all the same
  CHECK_ERRNO(Get(timer.id, nullptr), EFAULT);
  CHECK_ERRNO(Get(timer.id, Wild()), EFAULT);
  CHECK_ERRNO(Get(9999, nullptr), EINVAL);
  CHECK_ERRNO(Overrun(9999), EINVAL);
  CHECK_ERRNO(Overrun(-1), EINVAL);
  CHECK_ERRNO(Delete(9999), EINVAL);
  CHECK_ERRNO(Delete(-1), EINVAL);
}

TEST(a_deleted_timer_is_gone) {
  const sigevent event = Event(SIGEV_NONE);
  int id;
  itimerspec now;
  CHECK_OK(Create(CLOCK_MONOTONIC, &event, &id));
  CHECK_OK(Delete(id));
  CHECK_ERRNO(Delete(id), EINVAL);
  CHECK_ERRNO(Get(id, &now), EINVAL);
  CHECK_ERRNO(Set(id, 0, &kDisarm, nullptr), EINVAL);
}

TEST(gettime_and_the_old_setting_tell_what_is_left) {
  Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
  itimerspec now = Spec(1, 1);
  CHECK_OK(Get(timer.id, &now));
  CHECK(ToNs(now.it_value) == 0 && ToNs(now.it_interval) == 0);
  const itimerspec wanted = Spec(1000'000 * kMs, 7 * kMs);
  CHECK_OK(Set(timer.id, 0, &wanted, nullptr));
  CHECK_OK(Get(timer.id, &now));
  CHECK(ToNs(now.it_value) > 999'000 * kMs && ToNs(now.it_value) <= 1000'000 * kMs);
  CHECK_EQ(ToNs(now.it_interval), 7 * kMs);
  CHECK_OK(Set(timer.id, 0, &kDisarm, &now));
  CHECK(ToNs(now.it_value) > 999'000 * kMs);
  CHECK_EQ(ToNs(now.it_interval), 7 * kMs);
  const itimerspec interval_only = Spec(0, 7 * kMs);
  CHECK_OK(Set(timer.id, 0, &interval_only, nullptr));
  CHECK_OK(Get(timer.id, &now));
  RECORD("interval only: %ld", now.it_interval.tv_nsec);
}

TEST(an_absolute_time_is_shown_as_what_is_left) {
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI}) {
    Timer timer(Event(SIGEV_SIGNAL, SIGUSR1), clock);
    const itimerspec wanted = Spec(Now(clock) + 1000'000 * kMs);
    itimerspec now;
    CHECK_OK(Set(timer.id, TIMER_ABSTIME, &wanted, nullptr));
    CHECK_OK(Get(timer.id, &now));
    CHECK(ToNs(now.it_value) > 990'000 * kMs && ToNs(now.it_value) <= 1000'000 * kMs);
  }
}

// ---- delivery ------------------------------------------------------------------------------------------------------

TEST(default_event_is_SIGALRM_with_the_id) {
  Handler handler(SIGALRM, Note);
  int id;
  CHECK_OK(Create(CLOCK_MONOTONIC, nullptr, &id));
  const itimerspec soon = Spec(kMs);
  CHECK_OK(Set(id, 0, &soon, nullptr));
  AwaitSignals(1);
  CHECK_EQ(g_signals, 1);
  CHECK_EQ(g_code, SI_TIMER);
  CHECK_EQ(g_value, id);
  CHECK_EQ(g_timer, id);
  CHECK_EQ(g_overrun, 0);
  CHECK_OK(Delete(id));
}

TEST(a_signal_carries_the_value_and_never_comes_early) {
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI}) {
    for (int flags : {0, TIMER_ABSTIME}) {
      Handler handler(SIGRTMIN, Note);
      g_signals = 0;
      Timer timer(Event(SIGEV_SIGNAL, SIGRTMIN, 42), clock);
      const int64_t start = Now(clock);
      const itimerspec soon = Spec((flags ? start : 0) + 10 * kMs);
      CHECK_OK(Set(timer.id, flags, &soon, nullptr));
      AwaitSignals(1);
      CHECK_GE(Now(clock) - start, 10 * kMs);
      CHECK_EQ(g_signals, 1);
      CHECK_EQ(g_value, 42);
      CHECK_EQ(g_timer, timer.id);
      itimerspec now = Spec(1, 1);
      CHECK_OK(Get(timer.id, &now));
      CHECK_EQ(ToNs(now.it_value), 0);
    }
  }
}

TEST(an_absolute_time_in_the_past_fires_at_once) {
  Handler handler(SIGUSR1, Note);
  Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
  const itimerspec past = Spec(1);
  CHECK_OK(Set(timer.id, TIMER_ABSTIME, &past, nullptr));
  AwaitSignals(1);
  CHECK_EQ(g_signals, 1);
}

TEST(a_periodic_timer_keeps_its_phase) {
  Handler handler(SIGUSR1, Note);
  Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
  const int64_t start = Now();
  const itimerspec wanted = Spec(5 * kMs, 5 * kMs);
  CHECK_OK(Set(timer.id, 0, &wanted, nullptr));
  int ticks = 0;
  for (int seen = 0; ticks < 6;) {
    AwaitSignals(seen + 1);
    Block(SIGUSR1, true);
    ticks +=
        g_signals - seen + g_overrun;  // the overruns of the last one; earlier ones are only missed
    seen = g_signals;
    Block(SIGUSR1, false);
    CHECK_GE(Now() - start, ticks * 5 * kMs);
    if (Now() - start > 1000 * kMs) break;
  }
  CHECK_GE(ticks, 6);
}

TEST(thread_id_timers_signal_that_thread) {
  Handler handler(SIGUSR1, Note);
  Block(SIGUSR1, true);
  sem_t go;
  sem_init(&go, 0, 0);
  Thread target([&] {
    Block(SIGUSR1, false);
    while (sem_wait(&go) != 0) {
    }
  });
  sigevent event = Event(SIGEV_THREAD_ID, SIGUSR1, 5);
  event._sigev_un._tid = target.tid();
  {
    Timer timer(event);
    const itimerspec soon = Spec(2 * kMs);
    CHECK_OK(Set(timer.id, 0, &soon, nullptr));
    AwaitSignals(1);
    CHECK_EQ(g_signals, 1);
    CHECK_EQ(g_tid, target.tid());
    CHECK_EQ(g_value, 5);
    CHECK(!Pending(SIGUSR1));
  }
  sem_post(&go);
  target.Join();
  Block(SIGUSR1, false);
}

TEST(a_thread_id_timer_outlives_its_thread) {
  Handler handler(SIGUSR1, Note);
  sem_t go;
  sem_init(&go, 0, 0);
  Thread target([&] {
    while (sem_wait(&go) != 0) {
    }
  });
  sigevent event = Event(SIGEV_THREAD_ID, SIGUSR1);
  event._sigev_un._tid = target.tid();
  Timer timer(event);
  sem_post(&go);
  target.Join();
  SleepMs(5);  // join may return before the thread has left the kernel
  const itimerspec soon = Spec(kMs);
  CHECK_OK(Set(timer.id, 0, &soon, nullptr));
  SleepMs(10);
  CHECK_EQ(g_signals, 0);
  int id;
  RECORD("a new one for it: %s", Res(Create(CLOCK_MONOTONIC, &event, &id)));
}

TEST(a_timer_without_notice_only_counts_down) {
  Timer timer(Event(SIGEV_NONE));
  itimerspec now;
  const itimerspec once = Spec(5 * kMs), periodic = Spec(3 * kMs, 4 * kMs);
  CHECK_OK(Set(timer.id, 0, &once, nullptr));
  CHECK_OK(Get(timer.id, &now));
  CHECK(ToNs(now.it_value) <= 5 * kMs);
  SleepMs(7);
  CHECK_OK(Get(timer.id, &now));
  CHECK_EQ(ToNs(now.it_value), 0);
  CHECK_OK(Set(timer.id, 0, &periodic, nullptr));
  SleepMs(20);
  CHECK_OK(Get(timer.id, &now));
  CHECK(ToNs(now.it_value) > 0 && ToNs(now.it_value) <= 4 * kMs);
  CHECK_EQ(ToNs(now.it_interval), 4 * kMs);
  CHECK_EQ(Overrun(timer.id), 0);
}

TEST(a_fork_inherits_no_timers) {
  Handler handler(SIGUSR1, Note);
  Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
  const int id = timer.id;
  const itimerspec far = Spec(1000'000 * kMs);
  const itimerval hour = {{0, 0}, {3600, 0}};
  CHECK_OK(Set(id, 0, &far, nullptr));
  CHECK_OK(SetInterval(ITIMER_REAL, &hour, nullptr));
  const int status = ChildStatus([&] {
    itimerspec now;
    itimerval left;
    CHECK_ERRNO(Get(id, &now), EINVAL);
    CHECK_OK(GetInterval(ITIMER_REAL, &left));
    CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0);
    return 0;
  });
  RECORD("%s", StatusText(status));
  CHECK(alarm(0) > 3000);
}

// ---- overruns, pending signals -------------------------------------------------------------------------------------

TEST(a_blocked_periodic_timer_is_one_signal_with_a_count) {
  Handler handler(SIGUSR1, Note);
  Blocked blocked(SIGUSR1);
  Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
  const itimerspec wanted = Spec(2 * kMs, 3 * kMs);
  const int64_t start = Now();
  CHECK_OK(Set(timer.id, 0, &wanted, nullptr));
  SleepMs(21);
  CHECK(Pending(SIGUSR1));
  CHECK_EQ(Overrun(timer.id), 0);  // that of the last one delivered: none yet
  siginfo_t info;
  CHECK_EQ(Take(SIGUSR1, &info), SIGUSR1);
  const int64_t most = (Now() - start - 2 * kMs) / (3 * kMs);
  CHECK(info.si_overrun >= 6 && info.si_overrun <= most);
  CHECK_EQ(Overrun(timer.id), info.si_overrun);
  itimerspec now;
  CHECK_OK(Get(timer.id, &now));
  CHECK(ToNs(now.it_value) <= 3 * kMs);
  CHECK_OK(Set(timer.id, 0, &kDisarm, nullptr));
  CHECK_EQ(Overrun(timer.id), 0);  // forgotten
  siginfo_t second;
  RECORD("a second one: %s", Res(Take(SIGUSR1, &second)));
}

TEST(gettime_of_an_expired_periodic_timer_counts_on) {
  Blocked blocked(SIGUSR1);
  Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
  const itimerspec wanted = Spec(2 * kMs, 3 * kMs);
  itimerspec now;
  CHECK_OK(Set(timer.id, 0, &wanted, nullptr));
  SleepMs(12);
  CHECK_OK(Get(timer.id, &now));
  CHECK(ToNs(now.it_value) > 0 && ToNs(now.it_value) <= 3 * kMs);
  SleepMs(9);
  siginfo_t info;
  CHECK_EQ(Take(SIGUSR1, &info), SIGUSR1);
  CHECK_GE(info.si_overrun, 6);  // looking lost none
}

TEST(the_overrun_count_ends_at_INT_MAX) {
  Blocked blocked(SIGUSR1);
  Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
  const itimerspec wanted = Spec(1, 1);
  CHECK_OK(Set(timer.id, TIMER_ABSTIME, &wanted, nullptr));  // since the machine was started
  AwaitPending(SIGUSR1);
  siginfo_t info;
  CHECK_EQ(Take(SIGUSR1, &info), SIGUSR1);
  RECORD("siginfo %d, timer_getoverrun %ld", info.si_overrun, Overrun(timer.id));
}

TEST(setting_or_deleting_makes_a_pending_signal_stale) {
  Handler handler(SIGUSR1, Note);
  const itimerspec wanted = Spec(2 * kMs, 3 * kMs), once = Spec(kMs), far = Spec(1000'000 * kMs);
  const struct {
    const char* name;
    const itimerspec* first;
    const itimerspec* then;  // null: delete
  } cases[] = {{"disarmed", &wanted, &kDisarm},
               {"set", &wanted, &far},
               {"one-shot set", &once, &far},
               {"deleted", &wanted, nullptr},
               {"one-shot deleted", &once, nullptr}};
  for (const auto& c : cases) {
    g_signals = 0;
    Block(SIGUSR1, true);
    Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
    CHECK_OK(Set(timer.id, 0, c.first, nullptr));
    AwaitPending(SIGUSR1);
    if (c.then) {
      CHECK_OK(Set(timer.id, 0, c.then, nullptr));
    } else {
      CHECK_OK(Delete(timer.id));
    }
    const bool pending = Pending(SIGUSR1);
    siginfo_t info;
    const char* taken = Res(Take(SIGUSR1, &info));
    const bool still = Pending(SIGUSR1);
    Block(SIGUSR1, false);
    RECORD("%s: pending %d, taken %s, still pending %d, handled %d", c.name, pending, taken, still,
           (int)g_signals);
  }
}

TEST(a_one_shot_set_twice_is_pending_once) {
  Handler handler(SIGUSR1, Note);
  {
    Blocked blocked(SIGUSR1);
    Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
    const itimerspec soon = Spec(kMs);
    CHECK_OK(Set(timer.id, 0, &soon, nullptr));
    SleepMs(5);
    CHECK_OK(Set(timer.id, 0, &soon, nullptr));
    SleepMs(5);
    siginfo_t info;
    CHECK_EQ(Take(SIGUSR1, &info), SIGUSR1);
    CHECK_EQ(info.si_overrun, 0);
  }
  CHECK_EQ(g_signals, 0);
}

TEST(each_timer_has_its_own_place_in_the_queue) {
  Handler handler(SIGUSR1, Note);
  {
    Blocked blocked(SIGUSR1);
    Timer a(Event(SIGEV_SIGNAL, SIGUSR1, 1)), b(Event(SIGEV_SIGNAL, SIGUSR1, 2));
    const itimerspec soon = Spec(kMs), later = Spec(3 * kMs);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_OK(Set(b.id, 0, &later, nullptr));
    CHECK_OK(Set(a.id, 0, &soon, nullptr));
    SleepMs(10);
    CHECK_OK(kill(getpid(), SIGUSR1));  // merges with the first one
    for (int i = 0; i < 4; ++i) {
      siginfo_t info;
      memset(&info, 0, sizeof info);
      const char* taken = Res(Take(SIGUSR1, &info));
      RECORD("%s code %d value %d", taken, info.si_code,
             info.si_code == SI_TIMER ? info.si_value.sival_int : 0);
    }
  }
  CHECK_EQ(g_signals, 0);
}

TEST(an_ignored_periodic_timer_goes_on_when_it_is_caught) {
  Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
  const itimerspec wanted = Spec(kMs, 3 * kMs);
  Handler ignore(SIGUSR1, SIG_IGN);
  CHECK_OK(Set(timer.id, 0, &wanted, nullptr));
  SleepMs(20);
  {
    Handler handler(SIGUSR1, Note);
    AwaitSignals(1);
    CHECK_GE(g_signals, 1);
    AwaitSignals(2);
    CHECK_GE(g_signals, 2);
  }
}

TEST(an_ignored_one_shot_is_lost) {
  Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
  const itimerspec wanted = Spec(kMs);
  Handler ignore(SIGUSR1, SIG_IGN);
  CHECK_OK(Set(timer.id, 0, &wanted, nullptr));
  SleepMs(5);
  Handler handler(SIGUSR1, Note);
  SleepMs(5);
  CHECK_EQ(g_signals, 0);
}

TEST(a_timer_interrupts_a_sleep) {
  Handler handler(SIGUSR1, Note);
  Timer timer(Event(SIGEV_SIGNAL, SIGUSR1));
  const itimerspec wanted = Spec(5 * kMs);
  const timespec hour = {3600, 0};
  timespec left = {0, 0};
  CHECK_OK(Set(timer.id, 0, &wanted, nullptr));
  CHECK_ERRNO(syscall(SYS_nanosleep, &hour, &left), EINTR);
  CHECK(left.tv_sec >= 3590 && left.tv_sec <= 3600);
}

TEST(cpu_clock_timers_fire_when_the_time_is_used) {
  for (clockid_t clock : {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID}) {
    Handler handler(SIGUSR1, Note);
    g_signals = 0;
    Timer timer(Event(SIGEV_SIGNAL, SIGUSR1), clock);
    const itimerspec wanted = Spec(10 * kMs);
    const int64_t start = Now(clock);
    CHECK_OK(Set(timer.id, 0, &wanted, nullptr));
    while (!g_signals && Now(clock) - start < 1000 * kMs) {
    }
    CHECK_GE(Now(clock) - start, 10 * kMs);
    CHECK_EQ(g_signals, 1);
  }
}

// ---- interval timers -----------------------------------------------------------------------------------------------

TEST(itimer_errors) {
  const itimerval zero = {}, bad = {{0, 0}, {0, 1000000}}, negative = {{-1, 0}, {0, 0}},
                  hour = {{0, 0}, {3600, 0}};
  itimerval now;
  CHECK_ERRNO(SetInterval(0, &bad, nullptr), EINVAL);
  CHECK_ERRNO(SetInterval(0, &negative, nullptr), EINVAL);
  CHECK_ERRNO(SetInterval(3, &zero, nullptr), EINVAL);
  CHECK_ERRNO(SetInterval(-1, &zero, nullptr), EINVAL);
  CHECK_ERRNO(SetInterval(3, Wild(), nullptr), EFAULT);
  CHECK_ERRNO(SetInterval(0, Wild(), nullptr), EFAULT);
  CHECK_ERRNO(SetInterval(0, &hour, Wild()), EFAULT);
  CHECK_OK(GetInterval(0, &now));
  CHECK_GE(now.it_value.tv_sec, 3500);  // it was set all the same
  CHECK_OK(SetInterval(0, nullptr, &now));
  CHECK_OK(GetInterval(0, &now));
  CHECK_EQ(now.it_value.tv_sec, 0);
  CHECK_ERRNO(GetInterval(3, nullptr), EINVAL);
  CHECK_ERRNO(GetInterval(0, nullptr), EFAULT);
  CHECK_ERRNO(GetInterval(0, Wild()), EFAULT);
}

TEST(itimer_real_sends_SIGALRM_again_and_again) {
  Handler handler(SIGALRM, Note);
  const itimerval wanted = {{0, 2000}, {0, 3000}}, off = {};
  itimerval old;
  const int64_t start = Now();
  CHECK_OK(SetInterval(ITIMER_REAL, &wanted, nullptr));
  AwaitSignals(3);
  CHECK_GE(Now() - start, 7 * kMs);
  CHECK_EQ(g_code, SI_KERNEL);
  CHECK_OK(SetInterval(ITIMER_REAL, &off, &old));
  CHECK_EQ(old.it_interval.tv_usec, 2000);
  CHECK(old.it_value.tv_usec > 0 && old.it_value.tv_usec <= 2000);
}

TEST(itimer_real_stands_still_while_its_signal_is_not_taken) {
  const itimerval wanted = {{0, 2000}, {0, 3000}}, off = {};
  itimerval now;
  {
    Handler handler(SIGALRM, Note);
    Block(SIGALRM, true);
    CHECK_OK(SetInterval(ITIMER_REAL, &wanted, nullptr));
    SleepMs(10);
    CHECK_OK(GetInterval(ITIMER_REAL, &now));
    RECORD("blocked: value %ld interval %ld", now.it_value.tv_usec, now.it_interval.tv_usec);
    CHECK_OK(SetInterval(ITIMER_REAL, &off, nullptr));
    RECORD("disarmed: pending %d", Pending(SIGALRM));
    Block(SIGALRM, false);
    CHECK_EQ(g_signals, 1);
  }
  Handler ignore(SIGALRM, SIG_IGN);
  CHECK_OK(SetInterval(ITIMER_REAL, &wanted, nullptr));
  SleepMs(10);
  CHECK_OK(GetInterval(ITIMER_REAL, &now));
  RECORD("ignored: value %ld interval %ld", now.it_value.tv_usec, now.it_interval.tv_usec);
  {
    Handler handler(SIGALRM, Note);
    g_signals = 0;
    SleepMs(10);
    CHECK_EQ(g_signals, 0);  // nothing re-arms it...
    CHECK_OK(kill(getpid(), SIGALRM));
    AwaitSignals(3);
    CHECK_GE(g_signals, 3);  // ...but any SIGALRM that is taken
    CHECK_OK(SetInterval(ITIMER_REAL, &off, nullptr));
  }
}

TEST(itimer_of_cpu_time) {
  const struct {
    int which, signal;
  } timers[] = {{ITIMER_VIRTUAL, SIGVTALRM}, {ITIMER_PROF, SIGPROF}};
  for (const auto& t : timers) {
    Handler handler(t.signal, Note);
    g_signals = 0;
    const itimerval wanted = {{0, 0}, {0, 20000}};
    itimerval now;
    CHECK_OK(SetInterval(t.which, &wanted, nullptr));
    CHECK_OK(GetInterval(t.which, &now));
    CHECK(now.it_value.tv_usec > 0 && now.it_value.tv_usec <= 24000);  // a tick is added
    const int64_t start = Now(CLOCK_PROCESS_CPUTIME_ID);
    for (volatile unsigned i = 0; !g_signals; i = i + 1) {
      if (i % 1024 == 0 && Now(CLOCK_PROCESS_CPUTIME_ID) - start > 2000 * kMs) break;
    }
    CHECK_EQ(g_signals, 1);
    const itimerval off = {};
    CHECK_OK(SetInterval(t.which, &off, nullptr));
  }
}

TEST(alarm_rounds_what_was_left) {
  Handler handler(SIGALRM, Note);
  const itimerval up = {{0, 0}, {10, 600000}}, down = {{0, 0}, {10, 400000}},
                  little = {{0, 0}, {0, 300000}};
  CHECK_OK(SetInterval(ITIMER_REAL, &up, nullptr));
  CHECK_EQ(syscall(SYS_alarm, 20), 11);
  CHECK_EQ(syscall(SYS_alarm, 0), 20);
  CHECK_EQ(syscall(SYS_alarm, 0), 0);
  CHECK_OK(SetInterval(ITIMER_REAL, &down, nullptr));
  CHECK_EQ(syscall(SYS_alarm, 0), 10);
  CHECK_OK(SetInterval(ITIMER_REAL, &little, nullptr));
  CHECK_EQ(syscall(SYS_alarm, 0), 1);
  CHECK_EQ(syscall(SYS_alarm, ~0U), 0);
  CHECK_EQ(syscall(SYS_alarm, 0), 0xffffffffL);
  CHECK_EQ(g_signals, 0);
}

TEST(alarm_ends_a_pause) {
  Handler handler(SIGALRM, Note);
  const itimerval soon = {{0, 0}, {0, 5000}};
  CHECK_OK(SetInterval(ITIMER_REAL, &soon, nullptr));
  CHECK_ERRNO(pause(), EINTR);
  CHECK_EQ(g_signals, 1);
}
