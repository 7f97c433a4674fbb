#include "syscalls/clock_id.h"

#include <sys/syscall.h>

#include <ctime>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"

namespace detent::syscalls {
namespace {

using process::TimerClock;
using timebase::Base;
using Kind = ClockId::Kind;

// The low bits of a negative id.
constexpr int kTypeMask = 3;  // CPUCLOCK_PROF, VIRT, SCHED; 3 is none
constexpr int kPerThread = 4;
constexpr int kDeviceBits = 3;  // CLOCKFD, with kPerThread clear

ClockId on_base(int id, Kind kind, Base base) {
  return {kind, id, {TimerClock::Kind::kBase, base, Tid{}, kind == Kind::kAlarm}};
}

ClockId on_cpu(int id, TimerClock::Kind kind, Tid thread) {
  return {Kind::kCpu, id, {kind, Base::kMonotonic, thread, false}};
}

ClockId decode_fixed(Task& task, int id) {
  switch (id) {
    case CLOCK_REALTIME:
      return on_base(id, Kind::kTimer, Base::kRealtime);
    case CLOCK_MONOTONIC:
      return on_base(id, Kind::kTimer, Base::kMonotonic);
    case CLOCK_PROCESS_CPUTIME_ID:
      return on_cpu(id, TimerClock::Kind::kProcessCpu, Tid{});
    case CLOCK_THREAD_CPUTIME_ID:
      return on_cpu(id, TimerClock::Kind::kThreadCpu, task.tid());
    case CLOCK_MONOTONIC_RAW:
      return on_base(id, Kind::kReading, Base::kMonotonic);
    case CLOCK_REALTIME_COARSE:
      return on_base(id, Kind::kReading, Base::kRealtime);
    case CLOCK_MONOTONIC_COARSE:
      return on_base(id, Kind::kReading, Base::kMonotonic);
    case CLOCK_BOOTTIME:
      return on_base(id, Kind::kTimer, Base::kBoottime);
    case CLOCK_REALTIME_ALARM:
      return on_base(id, Kind::kAlarm, Base::kRealtime);
    case CLOCK_BOOTTIME_ALARM:
      return on_base(id, Kind::kAlarm, Base::kBoottime);
    case CLOCK_TAI:
      return on_base(id, Kind::kTimer, Base::kTai);
    default:
      return {Kind::kUnknown, id, {}};
  }
}

ClockId decode_thread(Task& task, int id, Tid thread) {
  if (thread == Tid{}) thread = task.tid();
  if (task.process().find(thread) == nullptr) return {Kind::kBadCpu, id, {}};
  return on_cpu(id, TimerClock::Kind::kThreadCpu, thread);
}

ClockId decode_process(Task& task, int id, Tid pid, bool reading) {
  const bool own = pid == Tid{} || pid == task.process().pid() || (reading && pid == task.tid());
  if (own) return on_cpu(id, TimerClock::Kind::kProcessCpu, Tid{});
  // A thread of ours is no process, and the host does not know it.
  if (task.process().find(pid) != nullptr) return {Kind::kBadCpu, id, {}};
  const bool exists = arch::host_call(SYS_clock_getres, id, nullptr).ok();
  return {exists ? Kind::kHostCpu : Kind::kBadCpu, id, {}};
}

}  // namespace

ClockId decode_clock(Task& task, int id, bool reading) {
  if (id >= 0) return decode_fixed(task, id);
  if ((id & (kTypeMask | kPerThread)) == kDeviceBits) return {Kind::kDevice, id, {}};
  if ((id & kTypeMask) == kTypeMask) return {Kind::kBadCpu, id, {}};
  const auto named = static_cast<Tid>(~(id >> 3));
  if ((id & kPerThread) != 0) return decode_thread(task, id, named);
  return decode_process(task, id, named, reading);
}

process::TimeContext time_context(Task& task) {
  emu::Kernel& kernel = task.kernel();
  return {kernel.clocks(), kernel.timers(), kernel.scheduler(), task.process()};
}

}  // namespace detent::syscalls
