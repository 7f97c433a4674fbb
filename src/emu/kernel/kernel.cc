#include "emu/kernel/kernel.h"

#include <sys/syscall.h>

#include <algorithm>
#include <utility>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/interrupts.h"
#include "emu/arch/x86_64/site_patcher_unsafe.h"
#include "emu/fd/timerfd.h"
#include "emu/kernel/fast_calls_unsafe.h"
#include "emu/kernel/futex.h"
#include "emu/kernel/report.h"
#include "emu/kernel/robust_list.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/process/boot.h"
#include "emu/signal/outside.h"
#include "emu/signal/task_signals.h"
#include "emu/vdso/vdso_clock_unsafe.h"
#include "timebase/scaled_clock.h"
#include "timebase/tsc_clock_unsafe.h"

namespace detent::emu {

using arch::host_call;

namespace {

constexpr int kTickMilliseconds = 4;

std::int64_t time_limit(const Config& config, timebase::ClockSet& clocks) {
  if (config.time_budget_ns == 0) return INT64_MAX;
  return saturating_add(clocks.monotonic().ns(), config.time_budget_ns);
}

// In random mode a site's fate depends on the seed and on where it is in its file: the same in every process.
bool may_patch(const Config& config, std::string_view path, std::uint64_t offset) {
  if (is_listed(config.patch_skip, path)) return false;
  if (config.patch != PatchMode::kRandom) return config.patch == PatchMode::kOn;
  const std::uint64_t mixed = (offset ^ config.seed) * 0x9e3779b97f4a7c15;
  return (mixed >> 63) != 0;
}

Tid host_pid() { return static_cast<Tid>(host_call(SYS_getpid).value()); }

}  // namespace

Kernel::Kernel(const Config& config, const ClockState& clocks, Dispatch dispatch)
    : config_(config),
      dispatch_(dispatch),
      time_(config, clocks),
      timers_(time_.clocks()),
      scenario_(time_.clocks(), timers_),
      chooser_(config.random_seed),
      record_(*this),
      latency_(*this),
      server_(*this, config.server_fd),
      scheduler_(time_.clocks(), timers_, poller_, chooser_, time_.virtual_clock(), turns_, *this,
                 {Duration::nanoseconds(config.syscall_cost_ns), Duration::milliseconds(10),
                  Duration::nanoseconds(config.io_grace_ns), time_limit(config, time_.clocks()),
                  config.livelock_entries, config.max_steps, config.idle}),
      process_(host_pid(), *this, scheduler_, *this, time_.clocks(), timers_) {
  if (latency_.active()) scheduler_.observe(&latency_);
  enable_patching();
  provide_vdso();
  poller_.set_inside_test([this](Fd fd) { return process_.fds().is_inside(fd); });
  scenario_.start(clocks.events);
  process_.timekeeping().tell_steps([this](std::int64_t by) {
    if (!session_.active()) return;
    steps_seen_ += by;
    session_.add_step(by);
  });
}

ClockState Kernel::clock_state() {
  ClockState state = time_.state();
  state.events = scenario_.pending();
  return state;
}

void Kernel::start_recording() {
  const bool recorded = config_.json_fd >= 0 || config_.schedule_fd >= 0 || config_.faults ||
                        server_.serving() || config_.hash_only;
  const trace::StrategyName strategy = trace::parse_strategy(config_.strategy).value();
  if (!recorded && strategy.kind == trace::StrategyKind::kFifo) return;
  trace::Schedule schedule;
  if (config_.schedule_fd >= 0) {
    schedule = trace::from_bytes(process::read_kept_file(config_.schedule_fd));
  }
  schedule.strategy = strategy;
  schedule.seed = config_.seed;
  schedule.build_tag = config_.build_tag;
  if (config_.profile_fd >= 0) {
    profile_ = trace::profile_from_bytes(process::read_kept_file(config_.profile_fd));
  }
  chooser_.activate(std::move(schedule), profile_, record_);
}

void Kernel::become_copy(trace::Schedule schedule, const trace::Profile& profile,
                         const CopySpec& spec) {
  const std::string strategy = trace::to_string(schedule.strategy);
  config_.strategy[strategy.copy(config_.strategy, sizeof(config_.strategy) - 1)] = '\0';
  config_.seed = schedule.seed;
  config_.json_fd = spec.report_fd;
  config_.time_budget_ns = spec.time_budget_ns;
  scheduler_.set_time_limit(time_limit(config_, clocks()));
  schedule.build_tag = config_.build_tag;
  poller_.reset_after_fork();
  arch::take_ticks();
  start_ticking();
  record_.become_copy(spec.brief);
  if (profile.turns != 0) profile_ = profile;
  chooser_.activate(std::move(schedule), profile_, record_);
}

Kernel::~Kernel() = default;

void Kernel::run_task(void* argument) {
  Task& task = *static_cast<Task*>(argument);
  Kernel& kernel = task.kernel();
  kernel.scheduler_.arrived();
  for (;;) {
    set_fast_tid(raw(task.tid()));
    kernel.points_.before_guest();
    const arch::Trap& trap = arch::enter_guest(task.user);
    kernel.handle(task, trap);
  }
}

// `trap` holds until another task enters the guest, which may be while this one is in here.
void Kernel::handle(Task& task, const arch::Trap& trap) {
  task.current_syscall = -1;
  switch (trap.kind) {
    case arch::TrapKind::kSyscall:
      scheduler_.before_trap(static_cast<long>(task.user.regs.rax));
      count_trap(task);
      return serve_call(task, trap.foreign_abi);
    case arch::TrapKind::kFault:
      ++stats_.faults;
      scheduler_.before_trap(-1);
      if (!emulate_rdtsc(task, trap)) task.signals->force_fault(trap);
      return after_call(task, std::nullopt);
    case arch::TrapKind::kPoint:
      return points_.at(task, *trap.point);
    case arch::TrapKind::kMoved:
      ++stats_.moved;
      return;
    case arch::TrapKind::kInterrupt:
      ++stats_.interrupts;
      scheduler_.after_interrupt(task);
      if (task.signal_pending) task.signals->deliver(std::nullopt, task.current_syscall);
      return;
  }
}

void Kernel::serve_call(Task& task, bool foreign_abi) {
  const std::optional<Errno> restart =
      chooser_.active() ? serve_recorded(task, foreign_abi) : dispatch_(task, foreign_abi);
  if (config_.livelock_entries != 0) note_progress(task);
  if (latency_.active()) latency_.finished(task);
  after_call(task, restart);
}

void Kernel::after_call(Task& task, std::optional<Errno> restart) {
  scheduler_.after_trap(task);
  if (restart || task.signal_pending) task.signals->deliver(restart, task.current_syscall);
}

void Kernel::note_progress(const Task& task) {
  const bool emulated =
      process_.fds().get(Fd{static_cast<int>(task.user.syscall_arg(0))}) != nullptr;
  const auto result = static_cast<long>(task.user.regs.rax);
  if (trace::is_progress(task.current_syscall, result, emulated)) scheduler_.note_progress();
}

// The task tells what it is about to do, and others may go first.
std::optional<Errno> Kernel::serve_recorded(Task& task, bool foreign_abi) {
  record_.publish(task);
  scheduler_.offer_switch(task, trace::Choice::kSwitchEntry);
  chooser_.begin(task.trace, clocks().monotonic());
  const std::optional<Errno> restart = dispatch_(task, foreign_abi);
  chooser_.finish(task.trace, static_cast<long>(task.user.regs.rax));
  record_.finished(task);
  return restart;
}

void Kernel::count_trap(const Task& task) {
  ++stats_.traps;
  const std::uint64_t return_address = task.user.regs.rip;
  if (!arch::site_patcher().on_trap(return_address)) return;
  // Tasks in the same call return to an address that is now in the middle of a jump.
  process_.for_each_task([&](Task& other) {
    if (other.user.regs.rip == return_address) other.user.require_full_restore();
  });
}

void Kernel::provide_vdso() {
  if (time_.tsc_clock() == nullptr) return;
  vdso_ = vdso::map_image();
  if (vdso_ == 0) return;
  vdso_clock_ = std::make_unique<vdso::VdsoClock>(*time_.tsc_clock(), time_.clocks());
}

void Kernel::enable_patching() {
  if (config_.patch == PatchMode::kOff && !config_.points) return;
  const auto serve = [](void* context) {
    auto& kernel = *static_cast<Kernel*>(context);
    Task& task = kernel.scheduler_.current();
    ++kernel.stats_.patched;
    task.current_syscall = -1;
    kernel.scheduler_.before_trap(static_cast<long>(task.user.regs.rax));
    kernel.serve_call(task, false);
    set_fast_tid(raw(task.tid()));
    kernel.points_.before_guest();
  };
  const std::uint32_t door = arch::install_call_handler(serve, this);
  arch::site_patcher().enable(
      [this](std::string_view path, std::uint64_t offset) {
        return may_patch(config_, path, offset);
      },
      door);
  const bool recorded = config_.json_fd >= 0 || config_.schedule_fd >= 0 || config_.strace;
  const bool plain = config_.time == TimeMode::kReal && config_.time_budget_ns == 0 && !recorded &&
                     std::string_view(config_.strategy) == "fifo";
  if (plain) enable_fast_calls(futexes_);
}

// With the TSC switched off (virtual time) RDTSC and RDTSCP fault: the guest reads the virtual clock.
bool Kernel::emulate_rdtsc(Task& task, const arch::Trap& trap) {
  if (time_.virtual_clock() == nullptr || trap.info.si_signo != SIGSEGV) return false;
  const auto code = mem::copy_in(UserPtr<const std::array<unsigned char, 2>>(task.user.regs.rip));
  if (!code.ok() || code.value()[0] != 0x0f) return false;
  int length = 2;
  if (code.value()[1] != 0x31) {
    const auto third = mem::copy_in(UserPtr<const unsigned char>(task.user.regs.rip + 2));
    if (code.value()[1] != 0x01 || !third.ok() || third.value() != 0xf9) return false;
    length = 3;
    task.user.regs.rcx = 0;  // RDTSCP's processor id: cpu 0, node 0
  }
  const auto now = static_cast<std::uint64_t>(clocks().monotonic().ns());
  task.user.regs.rax = now & 0xffffffff;
  task.user.regs.rdx = now >> 32;
  task.user.regs.rip += static_cast<std::uint64_t>(length);
  return true;
}

void Kernel::exit_process(int status) {
  release_all_futexes(*this);
  shared_futexes_.forget_process(session_.slot());
  give_up(status == 0 ? Verdict::kOk : Verdict::kExit, status);
}

void Kernel::give_up(Verdict verdict, int status) {
  before_first_choice();
  record_.write({verdict, status, 0});
  latency_.write();
  if (config_.stats) print_stats(*this);
  leave_session();
  for (;;) arch::host_syscall(SYS_exit_group, static_cast<std::uint64_t>(status));
}

void Kernel::exit_task(Task& task, int status) {
  if (process_.task_count() == 1) exit_process(status);
  record_.leave(task);
  task.signals->leave();
  scheduler_.exit_current(task, [](Task& dead) { dead.process().reap(dead); });
}

Result<void> Kernel::before_fork(bool lent) {
  if (!session_.active()) {
    session_.create(clocks().monotonic().ns());
    if (time_is_virtual()) turns_.create();
    open_session();
    export_futex_waiters(*this);
  }
  child_slot_ = TRY(session_.reserve_slot());
  shared_futexes_.forget_process(child_slot_);
  if (lent && turns_.active()) turns_.lend();
  return {};
}

void Kernel::after_fork(int pid, bool lent) {
  if (pid == 0) {
    session_.release_slot(child_slot_);
  } else if (!lent) {
    session_.name_slot(child_slot_, pid);
  }
  if (lent && turns_.active()) turns_.take_back();
}

void Kernel::open_session() {
  if (time_is_virtual()) time_.virtual_clock()->share(session_.now());
  poller_.set_doorbell(session_.doorbell());
  if (turns_.active()) turns_.add_poller(poller_.host_fd());
  shared_futexes_.open(!turns_.active());
  process_.shared_mappings().number_objects_by(
      [this](std::uint64_t next) { return session_.unique_number(next); });
}

void Kernel::join_session(const SessionPlace& place) {
  session_.attach(place.fd, place.doorbell, place.slot);
  steps_seen_ = place.steps_seen;
  if (place.turns_fd >= 0) turns_.attach(place.turns_fd);
  open_session();
  shared_futexes_.forget_process(place.slot);
  process_.number_tasks_from(place.slot);
}

// Another process has set CLOCK_REALTIME.
bool Kernel::catch_up_steps() {
  const std::int64_t steps = session_.steps();
  const std::int64_t by = steps - std::exchange(steps_seen_, steps);
  if (by != 0) clocks().step_realtime(Duration::nanoseconds(by));
  return by != 0;
}

void Kernel::look_for_orphans() { wake_orphaned_futexes(*this); }

void Kernel::become_child(Task& survivor, bool lent) {
  const int parent_slot = session_.slot();
  session_.become(child_slot_);
  if (lent) session_.name_slot(child_slot_, raw(host_pid()));
  shared_futexes_.forget_local();
  scheduler_.keep_only(survivor);
  clear_timers();
  scenario_.rearm();
  futexes_.clear();
  poller_.reset_after_fork();
  arch::take_ticks();
  process_.become_child(host_pid(), survivor);
  process_.number_tasks_from(session_.slot());
  become_unrecorded();
  latency_.become_child();
  scheduler_.observe(nullptr);
  process_.signals().drop_pending();
  survivor.signals->recompute();
  survivor.robust_list = 0;
  set_relatives(0, true);
  warned_.clear();
  stats_ = {};
  start_ticking();
  if (!turns_.active()) return;
  turns_.add_poller(poller_.host_fd());
  lent ? turns_.borrow(parent_slot) : turns_.start();
}

// The report is that of the run's first process; the others answer Linux's way, and are in its trace hash.
void Kernel::become_unrecorded() {
  config_.hash_only = chooser_.active();
  config_.json_fd = config_.schedule_fd = config_.server_fd = config_.profile_fd = -1;
  config_.latency_fd = -1;
  config_.faults = false;
  std::string_view("fifo").copy(config_.strategy, sizeof("fifo"));
  config_.strategy[4] = '\0';
  server_.forget();
  chooser_.become_child(session_.number());
  record_.become_child();
}

std::uint64_t Kernel::trace_hash() const {
  const std::uint64_t own = chooser_.carry().hash;
  return turns_.active() ? own ^ session_.hash() : own;
}

// In virtual time the order of ends is the run's.
void Kernel::leave_session() {
  if (config_.hash_only && turns_.active()) session_.add_to_hash(chooser_.carry().hash);
  turns_.leave(sched::Turns::Leaving::kEnd);
}

// A forked child inherits no timers but those of its timerfds.
void Kernel::clear_timers() {
  std::set<fd::TimerFd*> armed;
  process_.fds().for_each([&](Fd, fd::File& file) {
    auto* timer = dynamic_cast<fd::TimerFd*>(&file);
    if (timer != nullptr && timer->armed()) armed.insert(timer);
  });
  timers_.clear();
  // In the order of numbers, not of addresses.
  process_.fds().for_each([&](Fd, fd::File& file) {
    auto* timer = dynamic_cast<fd::TimerFd*>(&file);
    if (armed.erase(timer) != 0) timer->arm_again();
  });
}

void Kernel::tell(std::string_view text) const {
  static_cast<void>(host_call(SYS_write, config_.report_fd, text.data(), text.size()));
}

void Kernel::warn_once(const std::string& what) {
  if (warned_.insert(what).second) tell("detent: warning: not supported: " + what + "\n");
}

void Kernel::start_ticking() { arch::start_tick(kTickMilliseconds); }

void Kernel::on_stuck() {
  if (config_.wait_on_deadlock || anybody_waits_for_signal(*this)) return;
  // An event loop with nothing to do is no bug by itself: in real time, and where another process of the
  // session may send the signal that ends it, it waits as it would natively.
  const bool may_be_signalled = !time_is_virtual() || has_relatives_;
  if (may_be_signalled && anybody_waits_in_event_loop(*this)) return;
  before_first_choice();
  const bool lost = print_deadlock(*this);
  give_up(lost ? Verdict::kLostWakeup : Verdict::kDeadlock, kExitDeadlock);
}

void Kernel::on_livelock() {
  before_first_choice();
  print_livelock(*this);
  give_up(Verdict::kLivelock, kExitLivelock);
}

void Kernel::on_step_budget() {
  before_first_choice();
  print_step_budget(*this);
  give_up(Verdict::kStepBudget, kExitTimeBudget);
}

void Kernel::on_time_budget() {
  before_first_choice();
  print_time_budget(*this);
  give_up(Verdict::kTimeBudget, kExitTimeBudget);
}

void Kernel::drain_host_signals() {
  if (signal::drain_outside_signals(process_.signals())) child_events_.notify(waitq::kIn, ~0U);
}

void Kernel::die_by_signal(int sig) {
  before_first_choice();
  release_all_futexes(*this);
  record_.write({Verdict::kSignal, 128 + sig, sig});
  latency_.write();
  if (config_.stats) print_stats(*this);
  leave_session();
  if (sig != SIGKILL) arch::release_host_signal(sig, SIG_DFL);
  // Not process_.pid(): in a copy that the fork server made, that is still the number of the original.
  host_call(SYS_kill, raw(host_pid()), sig).value();
  // A signal whose default the host does not make fatal here (a stopped tracer, pid 1 of a namespace).
  for (;;) arch::host_syscall(SYS_exit_group, static_cast<std::uint64_t>(128 + sig));
}

void Kernel::stop_by_signal(int sig) {
  // By the host's own default action, so that the parent sees which signal it was. An orphaned process
  // group does not stop, but for SIGSTOP.
  turns_.leave(sched::Turns::Leaving::kStop);
  if (sig != SIGSTOP) arch::release_host_signal(sig, SIG_DFL);
  host_call(SYS_kill, raw(host_pid()), sig).value();
  if (sig != SIGSTOP) arch::catch_host_signal(sig);
  turns_.come_back();
}

}  // namespace detent::emu
