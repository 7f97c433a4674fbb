// The boot record: what one detent image hands to the next over a host execve.
//
// exec is a host exec of detent itself (docs/adr/0002): the image has a fixed address, so the seccomp
// filter that stays in force still lets its calls pass, and the host builds a fresh address space, stack
// and auxiliary vector. The record travels in a memfd that the variable DETENT_BOOT names; the kernel
// removes the variable before the guest sees its environment.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "detent/config.h"
#include "detent/result.h"
#include "emu/loader/program.h"
#include "emu/process/timekeeping.h"
#include "emu/signal/sigset.h"
#include "emu/trace/chooser.h"

namespace detent::process {

struct BootRecord {
  static constexpr std::uint64_t kMagic = 0x313045544e544544;  // "DETNTE01"
  std::uint64_t magic = kMagic;
  emu::Config config;
  bool filter_installed = false;
  std::int32_t program_fd = -1;
  std::int32_t interpreter_fd = -1;
  ClockState clocks;  ///< of the session so far; not valid before the first program
  // What execve keeps of the signal state.
  signal::SigSet blocked;
  signal::SigSet ignored;
  signal::SigSet pending;
  /// getpriority(2) and prctl(PR_GET_TIMERSLACK) go on over execve; the first program has the host's.
  std::int32_t nice = 0;
  std::uint64_t timer_slack = 50'000;
  /// setitimer(2) timers go on over execve: time left and period, ns.
  struct IntervalTimer {
    std::int64_t value = 0;
    std::int64_t interval = 0;
  };
  IntervalTimer interval_timers[3];
  Timekeeping::State timekeeping;
  /// The page of a session (sched/session_unsafe.h), or -1, and this process's slot.
  std::int32_t session_fd = -1;
  std::int32_t session_doorbell = -1;
  std::int32_t session_slot = 0;
  std::int64_t steps_seen = 0;  ///< of sched::Session::steps()
  std::int32_t turns_fd = -1;   ///< sched::Turns::fd()
  std::uint32_t children = 0;
  /// The run so far (trace/chooser.h): counters, the deviations as a Schedule in bytes (a memfd, or -1),
  /// and the instant at which it began.
  trace::Carry trace;
  std::int32_t recorded_fd = -1;
  std::int64_t start_ns = -1;
  bool has_relatives = false;  ///< processes of the session besides this one
  char exe_path[4096] = {};
};

/// The kernel fds that the next image goes on with; -1 where there is none.
constexpr std::array<std::int32_t, 11> kept_fds(const BootRecord& record) {
  return {record.config.report_fd,  record.config.trace_fd,  record.session_fd,
          record.session_doorbell,  record.config.json_fd,   record.config.schedule_fd,
          record.recorded_fd,       record.config.server_fd, record.config.profile_fd,
          record.config.latency_fd, record.turns_fd};
}
/// A memfd with `bytes`, as a kernel fd. EMFILE, ENOMEM.
Result<int> make_kept_file(const char* name, const std::vector<std::uint8_t>& bytes);
/// What it holds.
std::vector<std::uint8_t> read_kept_file(int fd);

/// Replaces this host process's image by detent with `program` as its guest. `arguments` and
/// `environment` are null-terminated arrays of host-readable strings. Returns only on failure, with
/// nothing changed: the errno of execve(2) (E2BIG, EFAULT, ENOMEM...).
Errno host_exec(BootRecord record, loader::Program program, const std::string& filename,
                std::vector<const char*> arguments, std::vector<const char*> environment);

/// The record that this image was started with, or null-like magic 0 if it was started by a person.
/// Takes DETENT_BOOT (and the variable that pads it) out of the vector at `stack` in place: argc and
/// argv move up by two words. `filename` gets the address of the path that execve was called with.
struct Booted {
  BootRecord record;
  std::uint64_t stack_pointer = 0;  ///< where argc now lies
  std::uint64_t filename = 0;
};
bool take_boot_record(char** argv, Booted& booted);

}  // namespace detent::process
