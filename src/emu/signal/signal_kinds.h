// Which signals are of which kind. Source: signal(7) "Standard signals"; include/linux/signal.h
// (SIG_KERNEL_COREDUMP_MASK, SIG_KERNEL_IGNORE_MASK, SIG_KERNEL_STOP_MASK), kernel/signal.c
// (SYNCHRONOUS_MASK).
#pragma once

#include <csignal>
#include <initializer_list>

#include "emu/signal/sigset.h"

namespace detent::signal {

/// The kernel's SIGRTMIN. libc's is 34: it keeps two for itself.
inline constexpr int kFirstRealtime = 32;

constexpr SigSet set_of(std::initializer_list<int> signals) {
  SigSet set;
  for (int sig : signals) set.add(sig);
  return set;
}

/// Neither blocked, nor caught, nor ignored.
inline constexpr SigSet kUnblockable = set_of({SIGKILL, SIGSTOP});
/// Raised by an instruction of the thread itself.
inline constexpr SigSet kSynchronous = set_of({SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS});
/// Default action: stop the process.
inline constexpr SigSet kStops = set_of({SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU});
/// Default action: nothing.
inline constexpr SigSet kIgnoredByDefault = set_of({SIGCONT, SIGCHLD, SIGWINCH, SIGURG});
/// Default action: end with a core dump. Those act when the target takes them, not when they are sent.
inline constexpr SigSet kCoreDump =
    set_of({SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGXCPU, SIGXFSZ});

constexpr bool valid_signal(int sig) { return sig >= 1 && sig <= kSignalCount; }

}  // namespace detent::signal
