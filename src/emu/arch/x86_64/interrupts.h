// Host signals that arrive from outside (kill, terminal, SIGCHLD, the preemption tick) are recorded here
// by a handler and drained by the kernel at its next safe point.
//
//   guest running                      kernel running                    kernel in an interruptible wait
//   handler saves the registers        handler records, returns          handler records; the wait
//   and comes back as kInterrupt       enter_guest() will not enter      answers EINTR
#pragma once

#include <csignal>

#include "detent/units.h"

namespace detent::arch {

/// Catches host signal `sig` (records it). The handler runs on the landing pad's stack.
void catch_host_signal(int sig);
/// Gives `sig` back to the host: SIG_DFL or SIG_IGN.
void release_host_signal(int sig, void (*disposition)(int));

/// True if something was recorded since the last drain.
bool interrupt_pending();
/// Asks the next enter_guest() to come back at once.
void request_interrupt();

/// Takes the oldest recorded signal into `info`; false if there is none. Clears the pending flag when
/// the last one is taken.
bool next_host_signal(siginfo_t& info);

/// True after a burst of signals has been drained: others wait in the host.
inline bool host_signals_held = false;
void admit_held_signals();
/// To be called when the guest got on, and before a wait: lets those come that were held back.
inline void admit_host_signals() {
  if (host_signals_held) admit_held_signals();
}

/// Holds back outside signals while alive, so that none is recorded on the wrong side of a fork or in
/// memory that is about to be restored. Faults of the kernel's own accesses still arrive.
class HostSignalsBlocked {
 public:
  HostSignalsBlocked();
  ~HostSignalsBlocked();
  HostSignalsBlocked(const HostSignalsBlocked&) = delete;
  HostSignalsBlocked& operator=(const HostSignalsBlocked&) = delete;
};

/// Number of preemption ticks since the last call.
unsigned take_ticks();

/// Starts the preemption tick: a host timer on this thread's CPU time, every `milliseconds`. It costs
/// nothing while the thread sleeps. Needed again after fork (timers are not inherited).
void start_tick(int milliseconds);

/// Asks for one tick after `delay` of host time, instead of any asked for before; start_tick() comes first.
/// Costs a host call.
void set_alarm(Duration delay);

}  // namespace detent::arch
