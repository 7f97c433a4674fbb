// Operations of the area time: timerfd, clocks, sleeping, POSIX timers, interval timers.
#include <sys/time.h>
#include <sys/timerfd.h>

#include "fuzz.h"

namespace fuzz {
namespace {

clockid_t pick_timerfd_clock(Rng& rng) {
  if (rng.chance(6)) return rng.pick({2, 3, 4, 8, 9, 10, 11, 12, 16, -1, -2, -6, 1000});
  return rng.pick({CLOCK_MONOTONIC, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME});
}

void timerfd_create_any(Call& call) {
  const clockid_t clock = pick_timerfd_clock(call.rng);
  int flags = call.rng.chance(70) ? TFD_NONBLOCK : 0;
  if (call.rng.chance(30)) flags |= TFD_CLOEXEC;
  if (call.rng.chance(4))
    flags |= call.rng.pick({1, 2, 0x10000, 1 << 30, static_cast<int>(1U << 31)});
  call.say("(clock %d, flags %#x)", clock, flags);
  const long fd = call.result(syscall(SYS_timerfd_create, clock, flags));
  if (fd >= 0) opened(fd, kTimer, clock);
}

void timerfd_set(Call& call) {
  const int fd = call.fd(kTimer);
  const bool known = kind_of(fd) == kTimer;
  Setting setting = pick_setting(call, known ? world.clocks[fd - kFirstFd] : CLOCK_MONOTONIC);
  int flags = setting.absolute ? TFD_TIMER_ABSTIME : 0;
  if (call.rng.chance(15)) flags |= TFD_TIMER_CANCEL_ON_SET;
  if (call.rng.chance(4)) flags |= call.rng.pick({4, 8, 0x100, static_cast<int>(1U << 31)});
  itimerspec old;
  memset(&old, 0x55, sizeof old);
  call.say("(fd %d, flags %#x, ", fd, flags);
  if (!setting.absolute) say_timespec(call, setting.value.it_value);
  call.say(" every ");
  say_timespec(call, setting.value.it_interval);
  void* const in = call.pointer(&setting.value, sizeof old, false);
  const bool wants_old = call.rng.chance(50);
  void* const out = wants_old ? call.pointer(&old, sizeof old, true) : nullptr;
  call.say(wants_old ? ", old)" : ")");
  const long done = call.result(syscall(SYS_timerfd_settime, fd, flags, in, out));
  if (done != 0 || out != &old) return;
  call.say(" old ");
  say_remaining(call, old.it_value);
  call.say(" every ");
  say_remaining(call, old.it_interval);
}

void timerfd_get(Call& call) {
  const int fd = call.fd(kTimer);
  itimerspec value;
  memset(&value, 0x55, sizeof value);
  call.say("(fd %d", fd);
  void* const out = call.pointer(&value, sizeof value, true);
  call.say(")");
  if (call.result(syscall(SYS_timerfd_gettime, fd, out)) != 0 || out != &value) return;
  call.say(" ");
  say_remaining(call, value.it_value);
  call.say(" every ");
  say_remaining(call, value.it_interval);
}

clockid_t pick_clock(Rng& rng) {
  if (rng.chance(70)) return static_cast<clockid_t>(rng.below(12));
  return rng.pick(
      {-1, -2, -6, -7, -8, -14, 12, 15, 16, 17, 23, 31, 1000, INT32_MAX, INT32_MIN, -3, -4, -5});
}

void clock_read(Call& call) {
  const clockid_t clock = pick_clock(call.rng);
  const bool resolution = call.rng.chance(40);
  timespec value = {-7, -7};
  call.say("(%s %d", resolution ? "getres" : "gettime", clock);
  void* const out = call.pointer(&value, sizeof value, true);
  call.say(")");
  const long done =
      call.result(syscall(resolution ? SYS_clock_getres : SYS_clock_gettime, clock, out));
  if (done != 0 || out != &value) return;
  if (resolution) {
    call.say(" ");
    say_timespec(call, value);
  } else {
    call.say(value.tv_sec >= 0 && value.tv_nsec >= 0 && value.tv_nsec < kSecond ? " sane" : " odd");
  }
}

// CLOCK_REALTIME and its relatives may not go back between two looks.
void clock_order(Call& call) {
  static const clockid_t clocks[] = {
      CLOCK_MONOTONIC,     CLOCK_REALTIME,           CLOCK_BOOTTIME,         CLOCK_TAI,
      CLOCK_MONOTONIC_RAW, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
  const clockid_t clock = clocks[call.rng.below(7)];
  const int64_t first = now(clock);
  const int64_t second = now(clock);
  call.say("(%d) %s", clock, first <= second ? "ascending" : "BACKWARDS");
}

// Only forms that cannot succeed: the tests run as root, and the machine's clock is not ours.
void clock_set_bad(Call& call) {
  timespec bad = call.rng.pick<timespec>({{0, kSecond}, {0, -1}, {-1, 0}, {INT64_MIN, 5}});
  clockid_t clock =
      call.rng.pick({CLOCK_REALTIME, CLOCK_REALTIME, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, -1, -6});
  call.say("(clock %d, ", clock);
  say_timespec(call, bad);
  void* const in = call.pointer(&bad, sizeof bad, false);
  call.say(")");
  // A bad pointer may point to readable zeros, which would be a valid time.
  if (in != &bad && in != nullptr && reinterpret_cast<intptr_t>(in) > 1) return;
  call.result(syscall(SYS_clock_settime, clock, in));
}

void sleep_short(Call& call) {
  timespec value = call.rng.chance(60)
                       ? timespec{0, call.rng.pick({0L, 1L, 20000L})}
                       : call.rng.pick<timespec>({{0, kSecond}, {-1, 0}, {0, -1}, {-1, -1}});
  clockid_t clock = pick_clock(call.rng);
  if (clock == -14) clock = -6;  // that of process 1: docs/limitations.md
  // A sleeping process uses no CPU time: such a sleep would never end.
  if (clock == CLOCK_PROCESS_CPUTIME_ID || clock < 0) value.tv_nsec = value.tv_sec = 0;
  const int flags = call.rng.chance(30)
                        ? call.rng.pick({TIMER_ABSTIME, TIMER_ABSTIME, 2, -1 & ~TIMER_ABSTIME})
                        : 0;
  timespec rest = {-7, -7};
  const bool simple = call.rng.chance(30);
  call.say("(");
  if (!simple) call.say("clock %d, flags %#x, ", clock, static_cast<unsigned>(flags));
  say_timespec(call, value);
  void* const in = call.pointer(&value, sizeof value, false);
  void* const out = call.pointer(&rest, sizeof rest, true);
  call.say(")");
  call.result(simple ? syscall(SYS_nanosleep, in, out)
                     : syscall(SYS_clock_nanosleep, clock, flags, in, out));
  if (rest.tv_sec != -7) call.say(" wrote the rest");
}

void sleep_long(Call& call) {
  timespec value = {100L * (1 + call.rng.below(30)), 0};
  const clockid_t clock =
      call.rng.pick({CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI});
  const bool absolute = call.rng.chance(40);
  call.say("(clock %d, %ld s%s)", clock, value.tv_sec, absolute ? " absolute" : "");
  if (absolute) value.tv_sec += now(clock) / kSecond;
  timespec rest = {-7, -7};
  call.result(syscall(SYS_clock_nanosleep, clock, absolute ? TIMER_ABSTIME : 0, &value, &rest));
  if (rest.tv_sec == -7) return;
  call.say(" rest ");
  say_remaining(call, rest);
}

// ---- POSIX timers ---------------------------------------------------------------------------------

int relative_id(int id, clockid_t clock) {
  if (world.first_timer_id < 0) world.first_timer_id = id;
  world.timer_clocks[(id - world.first_timer_id) % 64] = clock;
  if (id > world.last_timer_id) world.last_timer_id = id;
  return id - world.first_timer_id;
}

int pick_timer(Call& call) {
  if (world.first_timer_id < 0 || call.rng.chance(5))
    return call.rng.pick({-1, 1 << 29, INT32_MAX, INT32_MIN});
  const int known = world.last_timer_id - world.first_timer_id + 1;
  return world.first_timer_id + static_cast<int>(call.rng.below(static_cast<unsigned>(known)));
}

void say_timer(Call& call, int id) {
  const bool known =
      world.first_timer_id >= 0 && id >= world.first_timer_id && id <= world.last_timer_id;
  call.say("(timer %d", known ? id - world.first_timer_id : id);
}

void timer_create_any(Call& call) {
  Rng& rng = call.rng;
  world.timers_used = true;
  const clockid_t clock =
      rng.chance(75) ? rng.pick({CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI})
                     : rng.pick({2, 3, 4, 5, 6, 10, 12, 1000, -2, -6, -100});
  sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = rng.pick<int>({SIGEV_SIGNAL, SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID});
  if (rng.chance(5)) event.sigev_notify = rng.pick<int>({SIGEV_THREAD, 3, 5, 6, 8, -1, 1 << 20});
  event.sigev_signo = rng.pick({SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1, SIGALRM, SIGHUP});
  if (rng.chance(5)) event.sigev_signo = rng.pick({0, -1, 65, 1000});
  event.sigev_value.sival_int = static_cast<int>(rng.below(1000));
  const int target = static_cast<int>(rng.below(kWorkers + 1));
  event._sigev_un._tid = rng.chance(95) ? thread_id(target) : rng.pick({0, -1, 1});
  const bool with_event = rng.chance(85);
  int id = -7;
  call.say("(clock %d", clock);
  if (with_event) {
    call.say(", notify %d, signal %d, thread %d", event.sigev_notify, event.sigev_signo, target);
  }
  void* const in = with_event ? call.pointer(&event, sizeof event, false) : nullptr;
  void* const out = call.pointer(&id, sizeof id, true);
  call.say(")");
  if (call.result(syscall(SYS_timer_create, clock, in, out)) == 0 && out == &id) {
    call.say(" id %d", relative_id(id, clock));
  }
}

void timer_set(Call& call) {
  world.timers_used = true;
  const int id = pick_timer(call);
  const bool known = id >= world.first_timer_id && id <= world.last_timer_id;
  const clockid_t clock =
      known ? world.timer_clocks[(id - world.first_timer_id) % 64] : CLOCK_MONOTONIC;
  Setting setting = pick_setting(call, clock);
  // A handler run every nanosecond would leave nothing else to run.
  if (setting.value.it_interval.tv_sec == 0) setting.value.it_interval.tv_nsec = 0;
  const int flags = (setting.absolute ? TIMER_ABSTIME : 0) | (call.rng.chance(4) ? 6 : 0);
  itimerspec old;
  memset(&old, 0x55, sizeof old);
  say_timer(call, id);
  call.say(", flags %#x, ", flags);
  if (!setting.absolute) say_timespec(call, setting.value.it_value);
  call.say(" every ");
  say_timespec(call, setting.value.it_interval);
  void* const in = call.pointer(&setting.value, sizeof old, false);
  void* const out = call.rng.chance(50) ? call.pointer(&old, sizeof old, true) : nullptr;
  call.say(")");
  const long done = syscall(SYS_timer_settime, id, flags, in, out);
  const int error = errno;
  expire_short_timers();  // its signal belongs to this operation
  errno = error;
  call.result(done);
  if (done != 0 || out != &old) return;
  call.say(" old ");
  say_remaining(call, old.it_value);
  call.say(" every ");
  say_remaining(call, old.it_interval);
}

void timer_get(Call& call) {
  const int id = pick_timer(call);
  itimerspec value;
  memset(&value, 0x55, sizeof value);
  say_timer(call, id);
  void* const out = call.pointer(&value, sizeof value, true);
  call.say(")");
  if (call.result(syscall(SYS_timer_gettime, id, out)) != 0 || out != &value) return;
  call.say(" ");
  say_remaining(call, value.it_value);
  call.say(" every ");
  say_remaining(call, value.it_interval);
}

void timer_overrun(Call& call) {
  const int id = pick_timer(call);
  say_timer(call, id);
  call.say(")");
  const long overrun = syscall(SYS_timer_getoverrun, id);
  if (overrun > 900) {
    call.say(" = many");
  } else {
    call.result(overrun);
  }
}

void timer_remove(Call& call) {
  const int id = pick_timer(call);
  say_timer(call, id);
  call.say(")");
  call.result(syscall(SYS_timer_delete, id));
}

// ---- interval timers ------------------------------------------------------------------------------

void say_remaining_us(Call& call, const timeval& value) {
  say_remaining(call, {value.tv_sec, value.tv_usec * 1000});
}

int pick_which(Rng& rng) {
  if (rng.chance(8)) return rng.pick({3, -1, 100, INT32_MIN});
  return rng.pick<int>({ITIMER_REAL, ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF});
}

timeval pick_timeval(Rng& rng) {
  const unsigned kind = rng.below(100);
  if (kind < 35) return {0, 0};
  if (kind < 85) return {100L * (1 + rng.below(40)), 0};
  return rng.pick<timeval>({{0, 1000000},
                            {0, -1},
                            {-1, 0},
                            {5, INT64_MAX},
                            {INT64_MIN, 0},
                            {9223372036, 0},
                            {9223372037, 999999},
                            {INT64_MAX, 999999}});
}

void itimer_set(Call& call) {
  world.timers_used = true;
  const int which = pick_which(call.rng);
  itimerval value = {pick_timeval(call.rng), pick_timeval(call.rng)};
  // Linux's sum of the present CPU time and what is near KTIME_MAX overflows: docs/abi/posix_timer.md.
  if (which != ITIMER_REAL && value.it_value.tv_sec > 9000000000) value.it_value.tv_sec = 100;
  itimerval old;
  memset(&old, 0x55, sizeof old);
  call.say("(%d, %ld.%06ld every %ld.%06ld", which, value.it_value.tv_sec, value.it_value.tv_usec,
           value.it_interval.tv_sec, value.it_interval.tv_usec);
  void* const in = call.pointer(&value, sizeof value, false);
  void* const out = call.rng.chance(50) ? call.pointer(&old, sizeof old, true) : nullptr;
  call.say(")");
  if (call.result(syscall(SYS_setitimer, which, in, out)) != 0 || out != &old) return;
  call.say(" old ");
  say_remaining_us(call, old.it_value);
  call.say(" every ");
  say_remaining_us(call, old.it_interval);
}

void itimer_get(Call& call) {
  const int which = pick_which(call.rng);
  itimerval value;
  memset(&value, 0x55, sizeof value);
  call.say("(%d", which);
  void* const out = call.pointer(&value, sizeof value, true);
  call.say(")");
  if (call.result(syscall(SYS_getitimer, which, out)) != 0 || out != &value) return;
  call.say(" ");
  say_remaining_us(call, value.it_value);
  call.say(" every ");
  say_remaining_us(call, value.it_interval);
}

void alarm_any(Call& call) {
  world.timers_used = true;
  const unsigned seconds = call.rng.chance(30) ? 0
                           : call.rng.chance(90)
                               ? 100 * (1 + call.rng.below(40))
                               : call.rng.pick({0xffffffffU, 0x7fffffffU, 0x80000000U});
  const long left = syscall(SYS_alarm, seconds);
  call.say("(%u) left ", seconds);
  if (left > 100000000) {
    call.say("huge");  // cut to 32 bits after the uptime was taken off
  } else {
    say_remaining(call, {left, 0});
  }
}

constexpr Operation kOperations[] = {
    {"timerfd_create", 12, false, timerfd_create_any, true},
    {"timerfd_settime", 22, false, timerfd_set},
    {"timerfd_gettime", 10, false, timerfd_get},
    {"clock", 6, false, clock_read},
    {"clock_order", 2, false, clock_order},
    {"clock_settime", 2, false, clock_set_bad},
    {"sleep", 4, false, sleep_short},
    {"sleep_long", 3, true, sleep_long},
    {"timer_create", 6, false, timer_create_any, true},
    {"timer_settime", 8, false, timer_set},
    {"timer_gettime", 5, false, timer_get},
    {"timer_getoverrun", 3, false, timer_overrun},
    {"timer_delete", 2, false, timer_remove},
    {"setitimer", 3, false, itimer_set},
    {"getitimer", 2, false, itimer_get},
    {"alarm", 2, false, alarm_any},
};

}  // namespace

Family time_operations() { return {kOperations, sizeof kOperations / sizeof kOperations[0]}; }

}  // namespace fuzz
