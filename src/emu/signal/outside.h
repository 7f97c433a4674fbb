// Signals from outside: what the host sends this process becomes a guest signal.
//
// Every signal that can be caught is caught, so that guest masks, queues and dispositions are the
// kernel's own. Two things the host decides by itself, and so must know of the guest's action:
//   SIGCHLD           SIG_IGN and SA_NOCLDWAIT reap children by themselves (wait(2), NOTES)
//   SIGTTIN, SIGTTOU  SIG_IGN changes what a background read or write of a terminal does
//                     (drivers/tty/tty_jobctrl.c __tty_check_change())
#pragma once

#include "emu/signal/process_signals.h"
#include "emu/signal/sigset.h"

namespace detent::signal {

/// Catches every signal but SIGKILL and SIGSTOP. Called once, at boot. Returns those that the host
/// ignored until now: a program starts with them ignored (execve(2); ProcessSignals::inherit()).
SigSet catch_outside_signals();

/// Empties this thread's host mask, which stays empty for ever. Returns what was blocked: the first
/// guest thread's mask. Called once, at boot.
SigSet take_host_mask();

/// Sends every recorded host signal to the process. SIGPIPE and SIGXFSZ, which a thread's own call
/// raises, go to the thread that runs. True if a child has changed its state.
bool drain_outside_signals(ProcessSignals& signals);

/// Makes the host's disposition of `sig` follow a new guest action, where it matters.
void mirror_disposition(int sig, const Action& action);

}  // namespace detent::signal
