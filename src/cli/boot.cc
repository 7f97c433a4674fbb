#include "cli/boot.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

#include <cstdlib>
#include <string>

#include "emu/arch/x86_64/filter.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/interrupts.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/kernel/kernel.h"
#include "emu/kernel/report.h"
#include "emu/loader/auxv_unsafe.h"
#include "emu/loader/elf_unsafe.h"
#include "emu/mem/kernel_heap.h"
#include "emu/signal/outside.h"
#include "emu/signal/task_signals.h"
#include "syscalls/clock_id.h"
#include "syscalls/dispatch.h"
#include "syscalls/table.h"

namespace detent::cli {
namespace {

using arch::host_call;

// execve has passed its point of no return: as Linux, the process is killed rather than told.
[[noreturn]] void cannot_load(const std::string& path, Errno error) {
  const std::string text =
      fmt::format("detent: cannot load {}: {}\n", path, strerrordesc_np(error.value));
  static_cast<void>(host_call(SYS_write, 2, text.data(), text.size()));
  std::_Exit(emu::kExitInternal);
}

loader::Image load(const process::BootRecord& record, int fd, bool interpreter) {
  const Result<loader::Image> image = loader::map_image(fd, interpreter);
  if (!image.ok()) cannot_load(record.exe_path, image.error());
  host_call(SYS_close, fd).value();
  return image.value();
}

// The kernel's libc registered an area with the host at start-up. The host would write to it at every
// preemption, and a signal is delivered faster without one (../shared/PERF.md, anatomy).
void unregister_own_rseq() {
  if (__rseq_size == 0) return;
  auto* area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  constexpr int kUnregister = 1;
  constexpr std::uint32_t kSignature = 0x53053053;
  static_cast<void>(host_call(SYS_rseq, area, 32, kUnregister, kSignature));
}

void install_filter_or_explain() {
  const Result<void> installed = arch::install_filter(arch::kernel_text());
  if (installed.ok()) return;
  const std::string text = fmt::format(
      "detent: cannot install the seccomp filter: {}\n"
      "detent needs Linux 5.9 or newer with CONFIG_SECCOMP_FILTER, and a sandbox that allows "
      "seccomp(2) and prctl(PR_SET_NO_NEW_PRIVS); `detent doctor` checks\n",
      strerrordesc_np(installed.error().value));
  static_cast<void>(host_call(SYS_write, 2, text.data(), text.size()));
  std::_Exit(emu::kExitInternal);
}

void restore_interval_timers(const process::BootRecord& record, Task& task) {
  for (int which = 0; which < 3; ++which) {
    const process::BootRecord::IntervalTimer& timer = record.interval_timers[which];
    if (timer.value == 0) continue;
    task.process().itimers().set(syscalls::time_context(task), which,
                                 {timer.value, timer.interval});
  }
}

// The first program starts the run's record, those that it executes go on with it.
void resume_recording(const process::BootRecord& record, const process::Booted& booted,
                      emu::Kernel& kernel) {
  kernel.record().set_stack(booted.stack_pointer);
  kernel.start_recording();
  if (record.start_ns < 0) return;
  kernel.record().set_start(record.start_ns);
  std::vector<trace::Deviation> deviations;
  if (record.recorded_fd >= 0) {
    deviations = trace::from_bytes(process::read_kept_file(record.recorded_fd)).deviations;
    arch::close_kernel_fd(record.recorded_fd);
  }
  kernel.chooser().resume(record.trace, std::move(deviations));
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void restore_signals(const process::BootRecord& record, Task& task) {
  static_cast<void>(signal::catch_outside_signals());
  task.process().signals().inherit(record.ignored, record.pending);
  task.signals->set_blocked(record.blocked);
  // The image before may have ended in the middle of a burst.
  arch::admit_held_signals();
}

}  // namespace

void boot_guest(const process::Booted& booted) {
  const process::BootRecord& record = booted.record;
  mem::reserve_kernel_memory();
  unregister_own_rseq();
  arch::install_landing_pad();
  for (const int fd : process::kept_fds(record)) {
    if (fd > 2 && fd != record.session_fd) arch::adopt_kernel_fd(fd);
  }
  const loader::Image program = load(record, record.program_fd, false);
  loader::Image start = program;
  if (record.interpreter_fd >= 0) start = load(record, record.interpreter_fd, true);
  emu::set_syscall_names(syscalls::name_of);
  // Never destroyed: the process ends inside it.
  auto* kernel = new emu::Kernel(record.config, record.clocks, syscalls::dispatch);
  loader::patch_auxiliary_vector(booted.stack_pointer, program,
                                 record.interpreter_fd >= 0 ? start.base : 0, booted.filename,
                                 kernel->vdso());
  process::Process& process = kernel->process();
  process.exe_path = record.exe_path;
  process.brk().start = process.brk().end = (program.end + 4095) & ~std::uint64_t{4095};
  process.timekeeping().restore(record.timekeeping);
  process.read_fd_limit();
  kernel->set_relatives(record.children, record.has_relatives);
  if (record.session_fd >= 0) {
    kernel->join_session({record.session_fd, record.session_doorbell, record.session_slot,
                          record.turns_fd, record.steps_seen});
  }

  arch::UserState user;
  user.regs.rip = start.entry;
  user.regs.rsp = booted.stack_pointer;
  user.regs.rflags = 0x202;
  Task& first = process.create_task(process.pid(), user, emu::Kernel::run_task);
  kernel->record().add(first);
  first.nice = record.nice;
  first.timer_slack = record.timer_slack;
  resume_recording(record, booted, *kernel);
  first.name = base_name(loader::text_at(booted.filename)).substr(0, 15);
  static_cast<void>(host_call(SYS_prctl, PR_SET_NAME, first.name.c_str(), 0, 0, 0));
  restore_signals(record, first);
  restore_interval_timers(record, first);
  if (kernel->time_is_virtual()) {
    loader::set_random_bytes(booted.stack_pointer, kernel->chooser().random_bits(),
                             kernel->chooser().random_bits());
    arch::disable_tsc();
  }
  kernel->points().start();
  if (!record.filter_installed) install_filter_or_explain();
  kernel->start_ticking();
  kernel->scheduler().start(first);
}

}  // namespace detent::cli
