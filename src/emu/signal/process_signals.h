// ProcessSignals: what the threads of a process share about signals: actions and the process-wide
// pending queue. TaskSignals (task_signals.h) is each thread's own part.
//
//   send() --> ignored? dropped
//          \-> queued --> a target that takes it is woken --> TaskSignals::deliver(), sigtimedwait(2)
//                     \-> arrivals() is notified          --> signalfd(2)
//
// Guest signal state is the kernel's own data, never the host's: host masks stay empty.
// Source: signal(7), sigaction(2), kernel/signal.c.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "detent/result.h"
#include "emu/signal/pending.h"
#include "emu/signal/sigset.h"
#include "waitq/wait_queue.h"

namespace detent::signal {

class TaskSignals;

/// Values of Action::handler that are no address.
inline constexpr std::uint64_t kDefaultHandler = 0;  ///< SIG_DFL
inline constexpr std::uint64_t kIgnoreHandler = 1;   ///< SIG_IGN

/// struct kernel_sigaction of x86-64.
struct Action {
  std::uint64_t handler = kDefaultHandler;  ///< or a guest address
  std::uint64_t flags = 0;
  std::uint64_t restorer = 0;
  SigSet mask;
};

/// Ends or stops the whole process on behalf of a default action. Implemented by the kernel.
class FatalSink {
 public:
  [[noreturn]] virtual void die_by_signal(int sig) = 0;
  virtual void stop_by_signal(int sig) = 0;

 protected:
  ~FatalSink() = default;
};

class ProcessSignals {
 public:
  explicit ProcessSignals(FatalSink& fatal) : fatal_(fatal) {}
  /// The signals of a VM clone (process/vm_clones.h): actions as `parent` has them, nothing pending. The
  /// host's dispositions stay the parent's.
  ProcessSignals(FatalSink& fatal, const ProcessSignals& parent)
      : fatal_(fatal), actions_(parent.actions_), has_host_process_(false) {}
  ProcessSignals(const ProcessSignals&) = delete;
  ProcessSignals& operator=(const ProcessSignals&) = delete;

  [[nodiscard]] const Action& action(int sig) const { return actions_[index(sig)]; }
  /// sigaction(2): sets the action; SIG_IGN (or a default of "ignore") drops pending instances. Keeps
  /// the host's disposition right (outside.h).
  void set_action(int sig, const Action& action);
  /// The handler becomes SIG_DFL and nothing else changes: SA_RESETHAND, forced signals.
  void make_default(int sig) { actions_[index(sig)].handler = kDefaultHandler; }

  /// execve(2): handlers become SIG_DFL, ignored stay ignored. Pending signals stay.
  void reset_for_exec();
  /// What execve hands on: the signals whose action is SIG_IGN.
  [[nodiscard]] SigSet explicitly_ignored() const;
  /// What a new program starts with: `ignored` get SIG_IGN, `pending` are pending for the process.
  void inherit(SigSet ignored, SigSet pending);
  /// In a forked child: nothing is pending (fork(2)).
  void drop_pending() { discard(SigSet::all()); }

  /// Queues a process-directed signal and interrupts a task that takes it. Ignored signals vanish; a
  /// fatal one ends the process here. EAGAIN if a real-time queue is full (RLIMIT_SIGPENDING).
  Result<void> send(const siginfo_t& info) { return post(info, nullptr); }
  [[nodiscard]] Pending& pending() { return shared_; }
  /// Notified (kIn) whenever a signal was queued, for the process or any of its threads: signalfds.
  [[nodiscard]] waitq::WaitQueue& arrivals() { return arrivals_; }
  [[nodiscard]] FatalSink& fatal() { return fatal_; }
  /// The signals of the task that runs; null before the first one.
  [[nodiscard]] TaskSignals* running() const;

  /// True if the action is SIG_IGN, or SIG_DFL with a default of "ignore".
  [[nodiscard]] bool ignored(int sig) const;

  /// Recomputes every task's signal_pending flag.
  void recompute_all();

 private:
  friend class TaskSignals;
  static std::size_t index(int sig) { return static_cast<std::size_t>(sig - 1); }

  // TaskSignals adds itself when it is made; leaves when its task exits or it is destroyed.
  void attach(TaskSignals& task) { tasks_.push_back(&task); }
  void detach(TaskSignals& task);

  /// Sends to thread `only`, or to the process if that is null.
  Result<void> post(const siginfo_t& info, TaskSignals* only);
  Result<bool> enqueue(Pending& pending, const siginfo_t& info);
  [[nodiscard]] bool queues_full() const;
  void discard(SigSet which);
  TaskSignals* choose_target(int sig);
  [[nodiscard]] bool kills_at_once(int sig) const;
  /// `from` will not take the shared pending signals in `which` any more: somebody else should.
  void retarget(const TaskSignals* from, SigSet which);

  FatalSink& fatal_;
  std::array<Action, kSignalCount> actions_{};
  Pending shared_;
  waitq::WaitQueue arrivals_;
  bool has_host_process_ = true;
  std::deque<TaskSignals*> tasks_;  // the main thread first
  std::size_t last_target_ = 0;     // index in tasks_: signal_struct::curr_target
};

}  // namespace detent::signal
