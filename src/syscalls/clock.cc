#include "syscalls/clock.h"

#include <sys/syscall.h>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/clock_id.h"
#include "syscalls/wait_args.h"

namespace detent::syscalls {
namespace {

using arch::host_call;
using Kind = ClockId::Kind;
using CpuKind = process::TimerClock::Kind;

// include/linux/time64.h TIME_SETTOD_SEC_MAX: so that 30 years of uptime do not overflow.
constexpr time_t kLatestSecond = 9'223'372'036 - 30LL * 365 * 24 * 3600;
constexpr std::int64_t kNanosPerClockTick = 10'000'000;  // USER_HZ = 100

timeval to_timeval(std::int64_t nanoseconds) {
  return {nanoseconds / kNanosPerSecond, nanoseconds % kNanosPerSecond / 1000};
}

std::int64_t read_own(Task& task, const process::TimerClock& clock) {
  const process::TimeContext context = time_context(task);
  switch (clock.kind) {
    case CpuKind::kProcessCpu:
      return process::process_cpu_time(context).ns();
    case CpuKind::kThreadCpu:
      return process::thread_cpu_time(context, clock.thread).ns();
    case CpuKind::kBase:
      break;
  }
  return context.clocks.now(clock.base);
}

// A per-process or per-thread id of our own, as the host knows such a clock: pid 0 is "myself".
int host_name(const ClockId& clock) {
  constexpr int kTypeBits = 7;
  if (clock.kind != Kind::kCpu || !clock.is_dynamic()) return clock.id;
  return (clock.id & kTypeBits) | ~kTypeBits;
}

bool is_settable(const timespec& wanted) {
  return is_valid(wanted) && wanted.tv_sec < kLatestSecond;
}

Result<long> adjust(Task& task, UserPtr<timex> user, timex request) {
  process::Timekeeping& keeping = task.process().timekeeping();
  const long state = TRY(keeping.adjust(request));
  TRY(mem::copy_out(user, request));
  return state;
}

timeval cpu_timeval(Duration used) { return to_timeval(used.ns()); }

}  // namespace

Result<long> sys_clock_gettime(Task& task, int clock_id, UserPtr<timespec> now) {
  const ClockId clock = decode_clock(task, clock_id, true);
  timespec reading{};
  switch (clock.kind) {
    case Kind::kBadCpu:
      return Errno{EINVAL};
    case Kind::kUnknown:
    case Kind::kHostCpu:
    case Kind::kDevice:
      TRY(host_call(SYS_clock_gettime, clock_id, &reading));
      break;
    case Kind::kAlarm:
      // EINVAL where the host has no real-time clock.
      TRY(host_call(SYS_clock_getres, clock_id, nullptr));
      [[fallthrough]];
    case Kind::kReading:
      if (clock_id == CLOCK_MONOTONIC_RAW) {
        reading = to_timespec(task.kernel().clocks().raw());
        break;
      }
      [[fallthrough]];
    default:
      reading = to_timespec(read_own(task, clock.clock));
  }
  TRY(mem::copy_out(now, reading));
  return 0;
}

Result<long> sys_clock_getres(Task& task, int clock_id, UserPtr<timespec> resolution) {
  const ClockId clock = decode_clock(task, clock_id);
  if (clock.kind == Kind::kBadCpu) return Errno{EINVAL};
  timespec answer{};
  TRY(host_call(SYS_clock_getres, host_name(clock), &answer));
  if (!resolution.is_null()) TRY(mem::copy_out(resolution, answer));
  return 0;
}

// Only REALTIME can be set; a fixed id that can't is refused before the time is read, a dynamic one
// after (measured; kernel/time/posix-timers.c, posix_cpu_clock_set()).
Result<long> sys_clock_settime(Task& task, int clock_id, UserPtr<const timespec> wanted) {
  const ClockId clock = decode_clock(task, clock_id);
  if (!clock.is_dynamic() && clock_id != CLOCK_REALTIME) return Errno{EINVAL};
  const timespec when = TRY(mem::copy_in(wanted));
  if (clock.kind == Kind::kCpu || clock.kind == Kind::kHostCpu) return Errno{EPERM};
  if (clock.is_dynamic()) return Errno{EINVAL};
  if (!is_settable(when)) return Errno{EINVAL};
  TRY(task.process().timekeeping().set_realtime(to_nanoseconds(when)));
  return 0;
}

Result<long> sys_gettimeofday(Task& task, UserPtr<timeval> now, UserPtr<struct timezone> zone) {
  const std::int64_t realtime = task.kernel().clocks().now(timebase::Base::kRealtime);
  if (!now.is_null()) TRY(mem::copy_out(now, to_timeval(realtime)));
  if (!zone.is_null()) TRY(mem::copy_out(zone, task.process().timekeeping().zone()));
  return 0;
}

// Order of checks: kernel/time/time.c settimeofday(), do_sys_settimeofday64().
Result<long> sys_settimeofday(Task& task, UserPtr<const timeval> wanted,
                              UserPtr<const struct timezone> zone) {
  timeval when{};
  struct timezone place {};
  if (!wanted.is_null()) {
    when = TRY(mem::copy_in(wanted));
    if (when.tv_usec < 0 || when.tv_usec > 1'000'000) return Errno{EINVAL};
  }
  if (!zone.is_null()) place = TRY(mem::copy_in(zone));
  const timespec spec{when.tv_sec, when.tv_usec * 1000};
  if (!wanted.is_null() && !is_settable(spec)) return Errno{EINVAL};
  if (!zone.is_null()) {
    constexpr int kMostMinutes = 15 * 60;
    if (place.tz_minuteswest > kMostMinutes || place.tz_minuteswest < -kMostMinutes) {
      return Errno{EINVAL};
    }
    task.process().timekeeping().set_zone(place);
  }
  if (wanted.is_null()) return 0;
  TRY(task.process().timekeeping().set_realtime(to_nanoseconds(spec)));
  return 0;
}

Result<long> sys_time(Task& task, UserPtr<time_t> now) {
  const std::int64_t realtime = task.kernel().clocks().now(timebase::Base::kRealtime);
  const time_t seconds = realtime / kNanosPerSecond;
  if (!now.is_null()) TRY(mem::copy_out(now, seconds));
  return seconds;
}

// Its value counts clock ticks from some point in the past: here, MONOTONIC's zero.
Result<long> sys_times(Task& task, UserPtr<tms> used) {
  emu::Kernel& kernel = task.kernel();
  if (!used.is_null()) {
    tms ticks{};
    if (kernel.time_is_virtual()) {
      ticks.tms_utime = process::process_cpu_time(time_context(task)).ns() / kNanosPerClockTick;
    } else {
      TRY(host_call(SYS_times, &ticks));
    }
    TRY(mem::copy_out(used, ticks));
  }
  return kernel.clocks().monotonic().ns() / kNanosPerClockTick;
}

Result<long> sys_adjtimex(Task& task, UserPtr<timex> request) {
  return adjust(task, request, TRY(mem::copy_in(request)));
}

Result<long> sys_clock_adjtime(Task& task, int clock_id, UserPtr<timex> request) {
  const timex wanted = TRY(mem::copy_in(request));
  const ClockId clock = decode_clock(task, clock_id);
  if (clock.kind == Kind::kUnknown || clock.kind == Kind::kDevice) return Errno{EINVAL};
  if (clock_id != CLOCK_REALTIME) return Errno{EOPNOTSUPP};
  return adjust(task, request, wanted);
}

// Times that are ours replace the host's: those of a thread always, those of the process and of its
// children where time is virtual (children's CPU time is then 0, since the host's would differ from
// run to run).
Result<long> sys_getrusage(Task& task, int who, UserPtr<rusage> usage) {
  rusage answer{};
  TRY(host_call(SYS_getrusage, who, &answer));
  const process::TimeContext context = time_context(task);
  if (who == RUSAGE_THREAD) {
    answer.ru_utime = cpu_timeval(process::thread_cpu_time(context, task.tid()));
    answer.ru_stime = {};
  } else if (task.kernel().time_is_virtual()) {
    answer.ru_utime =
        who == RUSAGE_SELF ? cpu_timeval(process::process_cpu_time(context)) : timeval{};
    answer.ru_stime = {};
  }
  TRY(mem::copy_out(usage, answer));
  return 0;
}

}  // namespace detent::syscalls
