// Process: what the threads of one guest process share. One per host process.
//
// Owns its tasks, the fd table, signal actions and the shared pending queue, and the break. Host
// resources (cwd, credentials, memory mappings) stay the host's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "detent/ids.h"
#include "emu/fd/fd_table.h"
#include "emu/mem/shared_mappings.h"
#include "emu/process/itimers.h"
#include "emu/process/posix_timers.h"
#include "emu/process/timekeeping.h"
#include "emu/process/vm_clones.h"
#include "emu/sched/scheduler.h"
#include "emu/signal/process_signals.h"
#include "emu/signal/timer_hook.h"
#include "emu/task/task.h"

namespace detent::process {

/// The guest's heap segment, brk(2): a region behind the program's image. The host's own break belongs
/// to the kernel's libc.
struct Break {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
};

class Process final : private signal::TimerHook {
 public:
  Process(Tid pid, emu::Kernel& kernel, sched::Scheduler& scheduler, signal::FatalSink& fatal,
          timebase::ClockSet& clocks, timebase::TimerQueue& timers);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] Tid pid() const { return pid_; }
  [[nodiscard]] fd::FdTable& fds() { return fds_; }
  [[nodiscard]] signal::ProcessSignals& signals() { return signals_; }
  [[nodiscard]] Break& brk() { return brk_; }
  [[nodiscard]] mem::SharedMappings& shared_mappings() { return shared_mappings_; }
  /// timer_create(2). execve(2) must call posix_timers().clear_for_exec().
  [[nodiscard]] PosixTimers& posix_timers() { return posix_timers_; }
  /// setitimer(2), alarm(2).
  [[nodiscard]] ITimers& itimers() { return itimers_; }
  /// adjtimex(2), settimeofday(2).
  [[nodiscard]] Timekeeping& timekeeping() { return timekeeping_; }
  /// CPU time of the threads that are gone.
  [[nodiscard]] Duration cpu_time_of_reaped() const { return cpu_time_of_reaped_; }

  /// Makes a task that will run `body` on its own fiber; not yet ready.
  Task& create_task(Tid tid, const arch::UserState& user, void (*body)(void*));
  /// The same for a VM clone of `parent`: a task with signal actions of its own.
  Task& create_vm_clone(Tid id, const Task& parent, void (*body)(void*));
  /// An id for a new thread. Above every pid of the host (PID_MAX_LIMIT is 2^22), so that it cannot be
  /// taken for another process, and the same in every run.
  Tid next_tid();
  /// Each process of a session numbers its threads from a place of its own, since futex words name
  /// owners by tid.
  void number_tasks_from(int session_slot) {
    first_tid_ = kFirstTid + session_slot * kTidsPerProcess;
  }
  /// Which process of the session numbered the task, or -1 for an id of the host.
  [[nodiscard]] static std::int32_t session_slot_of(Tid tid) {
    return raw(tid) < kFirstTid ? -1 : (raw(tid) - kFirstTid) / kTidsPerProcess;
  }
  [[nodiscard]] VmClones& vm_clones() { return vm_clones_; }
  /// Null if there is no such task.
  [[nodiscard]] Task* find(Tid tid);
  [[nodiscard]] std::size_t task_count() const { return threads_.size(); }
  /// Destroys a task that has left for ever.
  void reap(Task& task);
  /// In a forked child: only `survivor` exists, and it is the process's first task.
  void become_child(Tid pid, Task& survivor);
  /// Calls f(Task&) for every task, in the order of thread ids.
  void for_each_task(const std::function<void(Task&)>& f);

  /// Absolute path of the program, as /proc/self/exe shows it.
  std::string exe_path;
  /// True if `path` is one of the names of that link: /proc/self/exe, /proc/<pid>/exe...
  [[nodiscard]] bool is_own_exe(std::string_view path) const;
  /// The guest's RLIMIT_NOFILE (soft), read again after every prlimit.
  std::uint64_t nofile_soft = 0;
  void read_fd_limit();
  /// prctl(PR_SET_NO_NEW_PRIVS) as the guest knows it; the host's flag is always set.
  bool no_new_privs = false;

 private:
  // signal::TimerHook
  bool on_taken(siginfo_t& info) override;
  void on_unignored(int sig) override { posix_timers_.on_unignored(sig); }

  static constexpr std::int32_t kFirstTid = 1 << 22;
  static constexpr std::int32_t kTidsPerProcess = 1 << 19;  // 1,024 processes: below FUTEX_TID_MASK
  std::int32_t first_tid_ = kFirstTid;
  Tid pid_;
  std::int32_t last_tid_ = 0;
  emu::Kernel& kernel_;
  sched::Scheduler& scheduler_;
  fd::FdTable fds_;
  signal::ProcessSignals signals_;
  Break brk_;
  mem::SharedMappings shared_mappings_;
  PosixTimers posix_timers_;
  ITimers itimers_;
  Timekeeping timekeeping_;
  Duration cpu_time_of_reaped_;
  VmClones vm_clones_;
  struct Thread;
  std::map<Tid, std::unique_ptr<Thread>> threads_;
};

}  // namespace detent::process
