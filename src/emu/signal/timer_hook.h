// timer_hook: how the signal code tells the timers of the process that one of their signals was taken.
//
// Linux re-arms periodic timers when their signal is dequeued, not when they expire: so a blocked
// signal is queued once, what was missed is a count (si_overrun), and a period of 1 ns cannot pin time.
// Source: kernel/time/posix-timers.c posixtimer_deliver_signal(), kernel/signal.c dequeue_signal().
//
//   PosixTimer::on_expire -> send(info with a mark) -> ... -> take() -> on_dequeue() -> re-armed
#pragma once

#include <csignal>
#include <cstdint>

namespace detent::signal {

/// Implemented by the owner of the process's timers.
class TimerHook {
 public:
  /// A signal of a POSIX timer (its mark says which setting of the timer sent it), or any SIGALRM that
  /// was pending for the process, is about to be handed out. May complete `info` (si_overrun). False if
  /// the timer was set anew or deleted since: the signal must vanish.
  virtual bool on_taken(siginfo_t& info) = 0;
  /// The action of `sig` was "ignore" and is that no more.
  virtual void on_unignored(int sig) = 0;

 protected:
  ~TimerHook() = default;
};

/// There is one guest process per host process, and one hook. Null takes it away.
void set_timer_hook(TimerHook* hook);

/// For the signal code, with every signal taken out of a queue (deliver, sigtimedwait, signalfd);
/// `process_directed` tells the shared queue from a thread's own. False: drop it and take the next.
bool on_dequeue(siginfo_t& info, bool process_directed);
/// For the signal code, after an action that ignored `sig` was replaced by one that does not.
void on_unignored(int sig);

/// Marks a timer's siginfo with the number of the setting that sends it (not 0). The mark lies behind
/// the fields that a guest sees (where Linux keeps si_sys_private); on_dequeue() removes it.
void mark_timer_signal(siginfo_t& info, std::uint32_t setting);
/// The mark, or 0: not a POSIX timer's (SI_TIMER can be forged with sigqueue(3)).
std::uint32_t timer_mark(const siginfo_t& info);

}  // namespace detent::signal
