#include "syscalls/sleep.h"

#include <sys/syscall.h>

#include <optional>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/clock_id.h"
#include "syscalls/wait_args.h"

namespace detent::syscalls {
namespace {

using process::TimerClock;
using timebase::Base;
using Kind = ClockId::Kind;

// Wakes a task that sleeps on a CPU clock; lives on its kernel stack.
class CpuSleeper final : public process::ClockTimer {
 public:
  CpuSleeper(Task& task, const TimerClock& clock)
      : ClockTimer(time_context(task), clock), task_(task) {}
  void wake_at(std::int64_t when) { start(when); }

 private:
  void on_due() override { context().scheduler.make_ready(task_); }
  Task& task_;
};

// One sleep: what it waits for, and where a remainder goes (null: nowhere).
struct Sleep {
  TimerClock clock;
  std::int64_t until = 0;
  const char* what = "nanosleep";
  UserPtr<timespec> remain;
};

std::int64_t now_of(Task& task, const TimerClock& clock) { return CpuSleeper(task, clock).now(); }

sched::Wake park(Task& task, const Sleep& sleep, std::optional<sched::Deadline> deadline) {
  task.waiting = {sleep.what, 0, Instant<Monotonic>()};
  const sched::Wake wake = task.kernel().scheduler().park(task, deadline);
  task.waiting = {};
  return wake;
}

// True when the time has come, false for a signal. A wake-up before that was not meant for this sleep.
bool sleep_on_base(Task& task, const Sleep& sleep) {
  sched::Scheduler& scheduler = task.kernel().scheduler();
  // Linux gives up the processor even for a sleep that is over at once.
  if (now_of(task, sleep.clock) >= sleep.until) scheduler.yield(task);
  const sched::Deadline deadline{sleep.clock.base, sleep.until, sleep.clock.alarm};
  for (;;) {
    const sched::Wake wake = park(task, sleep, deadline);
    if (wake != sched::Wake::kWoken) return wake == sched::Wake::kTimedOut;
  }
}

bool sleep_on_cpu(Task& task, const Sleep& sleep) {
  CpuSleeper sleeper(task, sleep.clock);
  sleeper.wake_at(sleep.until);
  while (sleeper.now() < sleep.until) {
    if (park(task, sleep, std::nullopt) == sched::Wake::kInterrupted) return false;
  }
  return true;
}

bool sleep_it_out(Task& task, const Sleep& sleep) {
  return sleep.clock.kind == TimerClock::Kind::kBase ? sleep_on_base(task, sleep)
                                                     : sleep_on_cpu(task, sleep);
}

// Every continuation keeps the first deadline: interruptions do not lengthen the sleep. Source:
// kernel/time/hrtimer.c do_nanosleep(), hrtimer_nanosleep_restart().
Result<long> sleep_relative(Task& task, const Sleep& sleep) {
  if (sleep_it_out(task, sleep)) return 0;
  if (!sleep.remain.is_null()) {
    const std::int64_t left = saturating_sub(sleep.until, now_of(task, sleep.clock));
    if (left <= 0) return 0;
    TRY(mem::copy_out(sleep.remain, to_timespec(left)));
  }
  task.restart_block = [sleep](Task& again) { return sleep_relative(again, sleep); };
  return kRestartBlock;
}

Result<long> sleep_absolute(Task& task, const Sleep& sleep) {
  if (sleep_it_out(task, sleep)) return 0;
  return kRestartNoHand;
}

// The clocks that have no nsleep operation (kernel/time/posix-timers.c, posix-cpu-timers.c
// clock_thread); the dynamic id of a thread's clock has one, which refuses the caller's own.
Result<void> check_supported(const ClockId& clock) {
  if (clock.kind == Kind::kUnknown) return Errno{EINVAL};
  const bool none = clock.kind == Kind::kReading || clock.kind == Kind::kDevice ||
                    clock.id == CLOCK_THREAD_CPUTIME_ID;
  if (none) return Errno{EOPNOTSUPP};
  return {};
}

Result<void> check_permitted(Task& task, const ClockId& clock, int flags) {
  switch (clock.kind) {
    case Kind::kAlarm: {
      // Needs a real-time clock, CAP_WAKE_ALARM and known flags; a sleep that is over says whether.
      const timespec past{};
      TRY(arch::host_call(SYS_clock_nanosleep, clock.id, flags | TIMER_ABSTIME, &past, nullptr));
      return {};
    }
    case Kind::kCpu:
      if (clock.clock.kind != TimerClock::Kind::kThreadCpu) return {};
      if (clock.clock.thread == task.tid()) return Errno{EINVAL};
      return {};
    case Kind::kBadCpu:
    case Kind::kHostCpu:
      return Errno{EINVAL};
    default:
      return {};
  }
}

TimerClock relative_clock(const ClockId& clock) {
  // A relative sleep on REALTIME does not follow steps (hrtimer_setup()); an alarm's does.
  const bool on_realtime = clock.kind == Kind::kTimer && clock.clock.base == Base::kRealtime &&
                           clock.clock.kind == TimerClock::Kind::kBase;
  return on_realtime ? TimerClock{} : clock.clock;
}

}  // namespace

Result<long> sys_nanosleep(Task& task, UserPtr<const timespec> wanted, UserPtr<timespec> remain) {
  const timespec span = TRY(mem::copy_in(wanted));
  if (!is_valid(span)) return Errno{EINVAL};
  const TimerClock clock;
  const std::int64_t until = saturating_add(now_of(task, clock), to_nanoseconds(span));
  return sleep_relative(task, {clock, until, "nanosleep", remain});
}

Result<long> sys_clock_nanosleep(Task& task, int clock_id, int flags,
                                 UserPtr<const timespec> wanted, UserPtr<timespec> remain) {
  const ClockId clock = decode_clock(task, clock_id);
  TRY(check_supported(clock));
  const timespec span = TRY(mem::copy_in(wanted));
  if (!is_valid(span)) return Errno{EINVAL};
  TRY(check_permitted(task, clock, flags));
  const std::int64_t nanoseconds = to_nanoseconds(span);
  if ((flags & TIMER_ABSTIME) != 0) {
    return sleep_absolute(task, {clock.clock, nanoseconds, "clock_nanosleep", {}});
  }
  const TimerClock on = relative_clock(clock);
  const std::int64_t until = saturating_add(now_of(task, on), nanoseconds);
  return sleep_relative(task, {on, until, "clock_nanosleep", remain});
}

}  // namespace detent::syscalls
