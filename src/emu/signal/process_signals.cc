#include "emu/signal/process_signals.h"

#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>

#include "emu/arch/x86_64/host_call.h"
#include "emu/signal/outside.h"
#include "emu/signal/signal_kinds.h"
#include "emu/signal/task_signals.h"
#include "emu/signal/timer_hook.h"

namespace detent::signal {

void ProcessSignals::set_action(int sig, const Action& action) {
  const bool was_ignored = ignored(sig);
  actions_[index(sig)] = action;
  // POSIX 3.3.1.3, kernel/signal.c do_sigaction(): also where the signal is blocked.
  if (ignored(sig)) discard(SigSet::of(sig));
  if (has_host_process_) mirror_disposition(sig, action);
  if (was_ignored && !ignored(sig)) on_unignored(sig);
}

void ProcessSignals::reset_for_exec() {
  for (int sig = 1; sig <= kSignalCount; ++sig) {
    Action& action = actions_[index(sig)];
    const std::uint64_t handler =
        action.handler == kIgnoreHandler ? kIgnoreHandler : kDefaultHandler;
    action = Action{};
    action.handler = handler;
    mirror_disposition(sig, action);
  }
}

SigSet ProcessSignals::explicitly_ignored() const {
  SigSet set;
  for (int sig = 1; sig <= kSignalCount; ++sig) {
    if (action(sig).handler == kIgnoreHandler) set.add(sig);
  }
  return set;
}

void ProcessSignals::inherit(SigSet ignored, SigSet pending) {
  for (int sig = 1; sig <= kSignalCount; ++sig) {
    if (kUnblockable.has(sig)) continue;
    if (ignored.has(sig)) {
      Action action;
      action.handler = kIgnoreHandler;
      set_action(sig, action);
    }
    if (!pending.has(sig)) continue;
    siginfo_t info{};
    info.si_signo = sig;
    shared_.add(info);
  }
}

bool ProcessSignals::ignored(int sig) const {
  const std::uint64_t handler = action(sig).handler;
  if (handler == kIgnoreHandler) return true;
  return handler == kDefaultHandler && kIgnoredByDefault.has(sig);
}

TaskSignals* ProcessSignals::running() const {
  for (TaskSignals* task : tasks_) {
    if (task->is_current()) return task;
  }
  return nullptr;
}

void ProcessSignals::detach(TaskSignals& task) {
  const auto found = std::find(tasks_.begin(), tasks_.end(), &task);
  if (found == tasks_.end()) return;
  if (static_cast<std::size_t>(found - tasks_.begin()) < last_target_) --last_target_;
  tasks_.erase(found);
  if (last_target_ >= tasks_.size()) last_target_ = 0;
  // kernel/signal.c exit_signals(): what the leaving task was woken for is somebody else's now.
  retarget(nullptr, SigSet::all());
}

void ProcessSignals::recompute_all() {
  for (TaskSignals* task : tasks_) task->recompute();
}

Result<void> ProcessSignals::post(const siginfo_t& info, TaskSignals* only) {
  const int sig = info.si_signo;
  if (sig == SIGKILL) fatal_.die_by_signal(sig);
  // A stop signal and SIGCONT cancel each other when sent, even if ignored (prepare_signal()).
  if (sig == SIGCONT) discard(kStops);
  if (kStops.has(sig)) discard(SigSet::of(SIGCONT));
  // Blocked signals are never dropped: the action may change before they are unblocked. For a signal
  // to the process it is the main thread's mask that counts (sig_ignored()).
  const TaskSignals* judge = only != nullptr ? only : (tasks_.empty() ? nullptr : tasks_.front());
  if (ignored(sig) && (judge == nullptr || !judge->blocked().has(sig))) return {};
  if (!TRY(enqueue(only != nullptr ? only->pending_ : shared_, info))) return {};
  arrivals_.notify(waitq::kUntold);
  TaskSignals* target = only == nullptr ? choose_target(sig) : (only->wants(sig) ? only : nullptr);
  if (target == nullptr) return {};
  if (kills_at_once(sig) && !target->blocked().has(sig)) fatal_.die_by_signal(sig);
  target->nudge(SigSet::of(sig));
  return {};
}

Result<bool> ProcessSignals::enqueue(Pending& pending, const siginfo_t& info) {
  // A POSIX timer's entry was paid for at timer_create(2).
  if (info.si_signo >= kFirstRealtime && info.si_code != SI_TIMER && queues_full()) {
    // kernel/signal.c __send_signal_locked(): kill(2) may lose the count, but not the signal.
    if (info.si_code != SI_USER) return Errno{EAGAIN};
    if (pending.set().has(info.si_signo)) return false;
  }
  return pending.add(info);
}

bool ProcessSignals::queues_full() const {
  rlimit limit{};
  if (!arch::host_call(SYS_prlimit64, 0, RLIMIT_SIGPENDING, nullptr, &limit).ok()) return false;
  std::size_t used = shared_.size();
  for (const TaskSignals* task : tasks_) used += task->pending_.size();
  return used >= limit.rlim_cur;
}

void ProcessSignals::discard(SigSet which) {
  shared_.discard(which);
  for (TaskSignals* task : tasks_) task->pending_.discard(which);
}

// kernel/signal.c complete_signal(): the main thread if it wants the signal, else the first that does,
// beginning with the one chosen last.
TaskSignals* ProcessSignals::choose_target(int sig) {
  if (tasks_.empty()) return nullptr;
  if (tasks_.front()->wants(sig)) return tasks_.front();
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    const std::size_t candidate = (last_target_ + i) % tasks_.size();
    if (!tasks_[candidate]->wants(sig)) continue;
    last_target_ = candidate;
    return tasks_[candidate];
  }
  return nullptr;
}

// complete_signal(): a fatal signal without a core dump ends every thread as soon as it is sent.
bool ProcessSignals::kills_at_once(int sig) const {
  return action(sig).handler == kDefaultHandler && !ignored(sig) && !kStops.has(sig) &&
         !kCoreDump.has(sig);
}

// kernel/signal.c retarget_shared_pending().
void ProcessSignals::retarget(const TaskSignals* from, SigSet which) {
  SigSet left = shared_.set() & which;
  for (TaskSignals* task : tasks_) {
    if (left.empty()) return;
    if (task == from) continue;
    const SigSet taken = left & task->open();
    left = left & ~taken;
    if (!taken.empty()) task->nudge(taken);
  }
}

}  // namespace detent::signal
