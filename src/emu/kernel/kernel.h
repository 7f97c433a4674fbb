// Kernel: owns the whole emulated kernel of one process, in layer order.
//
//   Kernel
//    +- ClockSource, ClockSet, TimerQueue     what time is it, what fires next
//    +- FutexTable, HostPoller                who waits for what
//    +- Chooser, Scheduler                    who runs
//    +- Process                               tasks, fds, signals
//
// run_task() is the body of every task's fiber. The composition root (src/cli) injects dispatch(), so
// that this layer need not know the system call adapters.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "detent/config.h"
#include "emu/arch/x86_64/trap.h"
#include "emu/kernel/fork_server.h"
#include "emu/kernel/points.h"
#include "emu/kernel/run_record.h"
#include "emu/kernel/time_source.h"
#include "emu/kernel/wake_latency.h"
#include "emu/process/process.h"
#include "emu/sched/block.h"
#include "emu/sched/scheduler.h"
#include "emu/sched/shared_futexes_unsafe.h"
#include "emu/sched/turns.h"
#include "timebase/clock_set.h"
#include "timebase/scenario.h"
#include "timebase/timer_queue.h"
#include "waitq/futex_table.h"

namespace detent::vdso {
class VdsoClock;
}

namespace detent::emu {

struct Stats {
  std::uint64_t traps = 0;
  std::uint64_t patched = 0;  ///< system calls by patched sites
  std::uint64_t moved = 0;    ///< jumps to instructions that a patch has moved
  std::uint64_t faults = 0;
  std::uint64_t interrupts = 0;
  std::array<std::uint64_t, 512> calls{};
};

class Kernel final : public sched::IdleOwner, public signal::FatalSink {
 public:
  /// Handles one system call of `task`: decodes, calls the adapter, encodes the result into rax. Returns
  /// the restart code of an interrupted call, which signal delivery turns into EINTR or a restart.
  using Dispatch = std::optional<Errno> (*)(Task& task, bool foreign_abi);

  Kernel(const Config& config, const ClockState& clocks, Dispatch dispatch);
  ~Kernel();

  [[nodiscard]] const Config& config() const { return config_; }
  /// The clocks and what is still to happen to them, for the next image.
  [[nodiscard]] ClockState clock_state();
  [[nodiscard]] timebase::ClockSet& clocks() { return time_.clocks(); }
  [[nodiscard]] timebase::TimerQueue& timers() { return timers_; }
  [[nodiscard]] waitq::FutexTable& futexes() { return futexes_; }
  /// The table for shared objects, once it is active().
  [[nodiscard]] sched::SharedFutexes& shared_futexes() { return shared_futexes_; }
  [[nodiscard]] sched::HostPoller& poller() { return poller_; }
  [[nodiscard]] sched::Scheduler& scheduler() { return scheduler_; }
  [[nodiscard]] trace::Chooser& chooser() { return chooser_; }
  [[nodiscard]] process::Process& process() { return process_; }
  /// True if a timer of the host's may stand in for one of the guest's.
  [[nodiscard]] bool host_keeps_time() const { return config_.time == TimeMode::kReal; }
  [[nodiscard]] bool time_is_virtual() { return time_.virtual_clock() != nullptr; }
  /// Notified when the host tells of a child (SIGCHLD), whatever the guest does with that signal.
  [[nodiscard]] waitq::WaitQueue& child_events() { return child_events_; }
  [[nodiscard]] Stats& stats() { return stats_; }
  /// Where the guest's vDSO lies, for AT_SYSINFO_EHDR; 0: it has none.
  [[nodiscard]] std::uint64_t vdso() const { return vdso_; }

  /// Makes the chooser active if the configuration asks for a strategy, a replay or a report.
  void start_recording();
  /// The first choice of the run is at hand, or its end without any. A fork server serves from here on,
  /// and this returns in its copies.
  void before_first_choice() {
    if (server_.serving()) server_.serve();
  }
  struct CopySpec {
    int report_fd = -1;
    std::int64_t time_budget_ns = 0;  ///< 0: none
    bool brief = false;  ///< no more than the head of the report where the run ends well
  };
  /// In a copy that the fork server made: runs `schedule`. Strategies go by `profile`, if it is not empty.
  void become_copy(trace::Schedule schedule, const trace::Profile& profile, const CopySpec& spec);
  /// The body of a task's fiber; `argument` is the Task.
  static void run_task(void* argument);
  /// Ends the process for the host: flushes reports, exits with `status` (0..255).
  [[noreturn]] void exit_process(int status);
  /// The same for a reason of ours; `verdict` is none of kOk and kExit.
  [[noreturn]] void give_up(Verdict verdict, int status);
  [[nodiscard]] RunRecord& record() { return record_; }
  [[nodiscard]] Points& points() { return points_; }
  /// Over choices and events of this process, and of those of the session that have ended.
  [[nodiscard]] std::uint64_t trace_hash() const;
  /// Ends one task (exit(2)); the last one ends the process with `status`.
  [[noreturn]] void exit_task(Task& task, int status);
  /// Starts the host timer that preempts a guest which makes no system calls.
  void start_ticking();
  /// Before a host fork: the child shares this process's clock, if time is virtual, and its shared
  /// futexes. EAGAIN if the session has too many processes.
  Result<void> before_fork(bool lent);
  /// After it, in the parent: `pid` is the child's, or 0 if the fork failed. `lent` (vfork, here and below):
  /// the child runs in this process's memory, and takes its turn until it calls exec or ends.
  void after_fork(int pid, bool lent);
  [[nodiscard]] const sched::Session& session() const { return session_; }
  [[nodiscard]] sched::Turns& turns() { return turns_; }
  /// After execve: goes on with the clock that the image before shared.
  struct SessionPlace {
    int fd;
    int doorbell;
    int slot;
    int turns_fd;
    std::int64_t steps_seen;
  };
  void join_session(const SessionPlace& place);
  [[nodiscard]] std::int64_t steps_seen() const { return steps_seen_; }
  /// In a forked child, on the calling task's fiber.
  void become_child(Task& survivor, bool lent);

  // sched::IdleOwner
  void on_stuck() override;
  void on_time_budget() override;
  void on_step_budget() override;
  void on_livelock() override;
  void drain_host_signals() override;
  bool outside_active() override { return children_ != 0; }
  bool on_idle() override { return scenario_.on_idle(); }
  std::uint64_t undelivered() override { return process_.fds().unsent(); }
  bool take_session_wakes() override {
    const bool stepped = session_.active() && catch_up_steps();
    return shared_futexes_.take_woken() || stepped;
  }
  bool session_waits() override { return shared_futexes_.waiting(); }
  void look_for_orphans() override;
  // signal::FatalSink
  [[noreturn]] void die_by_signal(int sig) override;
  void stop_by_signal(int sig) override;

  /// Children of ours that have not been waited for: while there are any, virtual time does not run
  /// ahead of host events.
  /// `tells`: its end sends SIGCHLD. One that does not is waited for by looking again and again.
  void child_started(bool tells) {
    ++children_;
    has_relatives_ = true;
    quiet_children_ = quiet_children_ || !tells;
  }
  [[nodiscard]] bool quiet_children() const { return quiet_children_; }
  void no_children() {
    children_ = 0;
    quiet_children_ = false;
  }
  [[nodiscard]] unsigned children() const { return children_; }
  /// True once this process has forked or been forked: memory may be shared with other processes.
  [[nodiscard]] bool has_relatives() const { return has_relatives_; }
  void set_relatives(unsigned children, bool any) {
    children_ = children;
    has_relatives_ = any;
  }
  /// Prints `text` (with its newline) for the user, past whatever the guest did to its stderr.
  void tell(std::string_view text) const;
  /// Tells the user, once per process and `what`, that an answer may differ from Linux's.
  void warn_once(const std::string& what);

  void child_reaped() {
    if (children_ != 0) --children_;
  }

 private:
  void handle(Task& task, const arch::Trap& trap);
  void note_progress(const Task& task);
  std::optional<Errno> serve_recorded(Task& task, bool foreign_abi);
  void clear_timers();
  void serve_call(Task& task, bool foreign_abi);
  void after_call(Task& task, std::optional<Errno> restart);
  void count_trap(const Task& task);
  void enable_patching();
  void provide_vdso();
  void open_session();
  void become_unrecorded();
  bool catch_up_steps();
  void leave_session();
  bool emulate_rdtsc(Task& task, const arch::Trap& trap);

  Config config_;
  Dispatch dispatch_;
  TimeSource time_;
  std::uint64_t vdso_ = 0;
  std::unique_ptr<vdso::VdsoClock> vdso_clock_;
  timebase::TimerQueue timers_;
  timebase::Scenario scenario_;
  waitq::FutexTable futexes_;
  sched::HostPoller poller_;
  trace::Chooser chooser_;
  trace::Profile profile_;
  RunRecord record_;
  WakeLatency latency_;
  ForkServer server_;
  Points points_{*this};
  sched::Session session_;
  sched::Turns turns_{session_};
  sched::SharedFutexes shared_futexes_{session_};
  sched::Scheduler scheduler_;
  process::Process process_;
  Stats stats_;
  waitq::WaitQueue child_events_;
  std::set<std::string> warned_;
  std::int64_t steps_seen_ = 0;  // of Session::steps()
  int child_slot_ = 0;           // between before_fork() and after_fork() or become_child()
  unsigned children_ = 0;
  bool has_relatives_ = false;
  bool quiet_children_ = false;
};

/// Exit codes of `detent run` that are not the guest's (docs/exit-codes.md).
inline constexpr int kExitDivergence = 3;
inline constexpr int kExitLivelock = 121;
inline constexpr int kExitDeadlock = 123;
inline constexpr int kExitTimeBudget = 124;
inline constexpr int kExitInternal = 125;

}  // namespace detent::emu
