// Config: what the command line asks for. Plain data: it travels through execve in the boot record
// (process/boot.h), so it holds no pointers.
#pragma once

#include <cstdint>

#include "detent/time_event.h"

namespace detent {

/// The clocks as one image hands them to the next over execve; `valid` is false before the first program.
struct ClockState {
  bool valid = false;
  std::int64_t monotonic_ns = 0;
  std::int64_t host_ns = 0;  ///< the host's MONOTONIC at the same instant
  bool bent = false;         ///< real time: MONOTONIC is no longer the host's, it was slewed
  std::int64_t realtime_offset_ns = 0;
  std::int64_t boottime_offset_ns = 0;
  std::int32_t tai_offset = 0;
  std::int64_t raw_offset_ns = 0;  ///< MONOTONIC_RAW minus MONOTONIC
  std::int64_t frequency = 0;      ///< timebase::Frequency::parts, of adjtimex
  std::int64_t slew = 0;           ///< the same, of a scenario
  TimeEvents events;               ///< these are given to the first program too
};

}  // namespace detent

namespace detent::emu {

enum class TimeMode : std::uint8_t { kReal, kVirtual, kScaled };

/// Which system call sites of the guest become jumps into the kernel.
enum class PatchMode : std::uint8_t { kOff, kOn, kRandom };

/// What a process does while none of its threads can run, in real time.
enum class IdleMode : std::uint8_t {
  kBlock,     ///< waits in the host
  kSpin,      ///< looks at the clock and at host fds without a pause
  kAdaptive,  ///< does so for a short while, and again shortly before a timer is due
};

struct Config {
  TimeMode time = TimeMode::kReal;
  double scale = 1.0;                    ///< guest seconds per host second, for kScaled
  std::int64_t syscall_cost_ns = 1000;   ///< virtual time charged per kernel entry
  std::int64_t io_grace_ns = 5'000'000;  ///< host time that virtual time leaves host I/O
  std::uint64_t livelock_entries = 0;    ///< without time passing; 0: never reported
  std::int64_t time_budget_ns = 0;       ///< of the guest's time, from its start; 0: without limit
  std::uint64_t max_steps = 0;           ///< kernel entries of one process; 0: without limit
  bool epoch_given = false;              ///< CLOCK_REALTIME starts at epoch_ns
  std::int64_t epoch_ns = 0;
  std::uint64_t seed = 0;         ///< of the strategy
  std::uint64_t random_seed = 0;  ///< of the guest's random bytes
  char strategy[24] = "fifo";     ///< trace/schedule.h
  bool points = false;            ///< atomic instructions are made preemption points
  std::int32_t schedule_fd = -1;  ///< what "replay" replays: Schedule in bytes (kernel fd)
  std::int32_t json_fd = -1;      ///< where the report goes at the end (kernel fd); -1: nowhere
  std::int32_t latency_fd = -1;   ///< where latencies go at the end (kernel fd); -1: nowhere
  std::int32_t server_fd = -1;    ///< the fork server's socket (kernel fd)
  std::int32_t profile_fd = -1;   ///< Profile in bytes (kernel fd)
  bool faults = false;            ///< resources may be exhausted (Choice::kFault)
  bool hash_only = false;       ///< a child of a recorded process: part of its trace hash, no more
  bool json_stacks = false;     ///< the report has pieces of the tasks' stacks
  std::uint32_t build_tag = 0;  ///< of the first program: first bytes of its build-id; 0: unknown
  char build_id[41] = "";
  PatchMode patch = PatchMode::kOn;
  char patch_skip[256] = "";  ///< files whose text is left as it is: names or paths, with commas
  IdleMode idle = IdleMode::kBlock;
  bool strace = false;
  bool strace_deterministic = false;  ///< no addresses, no pids
  bool stats = false;
  bool wait_on_deadlock = false;  ///< wait for an outside signal instead of reporting
  std::int32_t log_level = 0;     ///< 0 errors and warnings only
  std::int32_t report_fd = 2;     ///< stderr, or our own copy that the guest cannot close
  std::int32_t trace_fd = -1;     ///< where strace lines go (kernel fd); -1: report_fd
};

}  // namespace detent::emu
