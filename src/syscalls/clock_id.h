// What a clockid_t means: the table of fixed ids, and the per-process and per-thread CPU clocks that
// clock_getcpuclockid(3) and pthread_getcpuclockid(3) encode as negative ids.
// Source: clock_getres(2), include/linux/posix-timers_types.h, kernel/time/posix-timers.c
// (clockid_to_kclock()), kernel/time/posix-cpu-timers.c (pid_for_clock()).
#pragma once

#include <cstdint>

#include "detent/result.h"
#include "emu/process/clock_timer.h"
#include "emu/task/task.h"

namespace detent::syscalls {

struct ClockId {
  enum class Kind : std::uint8_t {
    kUnknown,  ///< no such fixed id, or one of ours that the host alone knows (auxiliary clocks)
    kTimer,    ///< REALTIME, MONOTONIC, BOOTTIME, TAI
    kAlarm,    ///< REALTIME_ALARM, BOOTTIME_ALARM: what they allow depends on the host's RTC
    kReading,  ///< MONOTONIC_RAW and the COARSE clocks: for reading only
    kCpu,      ///< CPU time of this process, or of one of its threads
    kBadCpu,   ///< a negative id that names no process or thread
    kHostCpu,  ///< CPU time of another process
    kDevice,   ///< an fd of a clock device (/dev/ptp0)
  };
  Kind kind = Kind::kUnknown;
  int id = 0;
  process::TimerClock clock;  ///< of kTimer, kAlarm, kReading, kCpu

  /// True for the ids that are made of a pid and a type.
  [[nodiscard]] bool is_dynamic() const { return id < 0; }
};

/// `reading`: clock_gettime(2) also takes the id of the calling thread for its process.
ClockId decode_clock(Task& task, int id, bool reading = false);

/// What timers need of the kernel that `task` runs on.
process::TimeContext time_context(Task& task);

}  // namespace detent::syscalls
