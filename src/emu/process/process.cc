#include "emu/process/process.h"

#include <sys/resource.h>
#include <sys/syscall.h>

#include "emu/arch/x86_64/host_call.h"

#include "emu/signal/task_signals.h"

namespace detent::process {

// A task and its signal state, which ends first.
struct Process::Thread {
  Thread(Tid tid, Process& process, const arch::UserState& user, void (*body)(void*),
         std::unique_ptr<signal::ProcessSignals> own = nullptr)
      : task(tid, process, process.kernel_, user, body),
        own_process_signals(std::move(own)),
        signals(task, own_process_signals ? *own_process_signals : process.signals_,
                process.scheduler_) {
    task.signals = &signals;
  }
  Task task;
  std::unique_ptr<signal::ProcessSignals> own_process_signals;  // of a VM clone
  signal::TaskSignals signals;
};

Process::Process(Tid pid, emu::Kernel& kernel, sched::Scheduler& scheduler,
                 signal::FatalSink& fatal, timebase::ClockSet& clocks, timebase::TimerQueue& timers)
    : pid_(pid),
      kernel_(kernel),
      scheduler_(scheduler),
      signals_(fatal),
      timekeeping_(clocks, timers) {
  signal::set_timer_hook(this);
}

Process::~Process() { signal::set_timer_hook(nullptr); }

Task& Process::create_task(Tid tid, const arch::UserState& user, void (*body)(void*)) {
  auto thread = std::make_unique<Thread>(tid, *this, user, body);
  Task& task = threads_.emplace(tid, std::move(thread)).first->second->task;
  task.group = pid_;
  return task;
}

Task& Process::create_vm_clone(Tid id, const Task& parent, void (*body)(void*)) {
  auto own = std::make_unique<signal::ProcessSignals>(signals_.fatal(), parent.signals->process());
  auto thread = std::make_unique<Thread>(id, *this, parent.user, body, std::move(own));
  Task& task = threads_.emplace(id, std::move(thread)).first->second->task;
  task.group = id;
  return task;
}

Task* Process::find(Tid tid) {
  const auto found = threads_.find(tid);
  return found == threads_.end() ? nullptr : &found->second->task;
}

void Process::for_each_task(const std::function<void(Task&)>& f) {
  for (auto& [tid, thread] : threads_) f(thread->task);
}

void Process::reap(Task& task) {
  cpu_time_of_reaped_ = cpu_time_of_reaped_ + task.cpu_time;
  threads_.erase(task.tid());
}

bool Process::on_taken(siginfo_t& info) {
  if (const std::uint32_t setting = signal::timer_mark(info); setting != 0) {
    return posix_timers_.on_taken(info, setting);
  }
  itimers_.on_alarm_taken();
  return true;
}

void Process::read_fd_limit() {
  rlimit limit{};
  arch::host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit).value();
  nofile_soft = limit.rlim_cur;
}

bool Process::is_own_exe(std::string_view path) const {
  if (!path.starts_with("/proc/") || !path.ends_with("/exe")) return false;
  return path == "/proc/self/exe" || path == "/proc/thread-self/exe" ||
         path == "/proc/" + std::to_string(raw(pid_)) + "/exe";
}

Tid Process::next_tid() {
  ++last_tid_;
  return static_cast<Tid>(first_tid_ + last_tid_);
}

void Process::become_child(Tid pid, Task& survivor) {
  std::unique_ptr<Thread> kept = std::move(threads_.at(survivor.tid()));
  threads_.erase(survivor.tid());
  for_each_task([](Task& dropped) {
    for (task::OnStack& linked : dropped.on_stack) linked.leave();
  });
  threads_.clear();
  vm_clones_ = {};
  pid_ = pid;
  kept->task.set_tid(pid);
  threads_.emplace(pid, std::move(kept));
  fds_.become_child();
  // fork(2): timers and CPU time are not inherited.
  posix_timers_.clear_for_fork();
  itimers_.clear();
  timekeeping_.rearm();
  cpu_time_of_reaped_ = Duration();
  survivor.cpu_time = Duration();
}

}  // namespace detent::process
