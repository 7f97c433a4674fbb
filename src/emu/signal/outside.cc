#include "emu/signal/outside.h"

#include <sys/syscall.h>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/interrupts.h"
#include "emu/signal/signal_kinds.h"
#include "emu/signal/task_signals.h"

namespace detent::signal {
namespace {

using arch::host_call;

constexpr std::size_t kSetSize = sizeof(SigSet);

// The host's struct kernel_sigaction has the guest's layout: both are Linux's.
Action host_action(int sig) {
  Action action;
  host_call(SYS_rt_sigaction, sig, nullptr, &action, kSetSize).value();
  return action;
}

// With SA_NOCLDWAIT the host reaps children by itself and still sends SIGCHLD, which those who wait
// for children need to hear of; SIG_IGN would be silent (kernel/signal.c do_notify_parent()).
void mirror_child_action(const Action& guest) {
  const bool reaps = guest.handler == kIgnoreHandler || (guest.flags & SA_NOCLDWAIT) != 0;
  Action host = host_action(SIGCHLD);
  const std::uint64_t flags =
      reaps ? host.flags | SA_NOCLDWAIT : host.flags & ~std::uint64_t{SA_NOCLDWAIT};
  if (flags == host.flags) return;
  host.flags = flags;
  host_call(SYS_rt_sigaction, SIGCHLD, &host, nullptr, kSetSize).value();
}

// do_notify_parent(), do_notify_parent_cldstop(): which news of children are no signal.
bool is_unwanted_news(const siginfo_t& info, const Action& action) {
  if (info.si_signo != SIGCHLD || info.si_code <= 0) return false;
  if (action.handler == kIgnoreHandler) return true;
  const bool stop = info.si_code == CLD_STOPPED || info.si_code == CLD_CONTINUED;
  return stop && (action.flags & SA_NOCLDSTOP) != 0;
}

// The host sends these to the thread whose write failed, which for the host is always this one.
bool is_from_own_call(const siginfo_t& info) {
  if (info.si_signo != SIGPIPE && info.si_signo != SIGXFSZ) return false;
  return info.si_code == SI_USER && info.si_pid == host_call(SYS_getpid).value();
}

}  // namespace

SigSet catch_outside_signals() {
  SigSet ignored;
  for (int sig = 1; sig <= kSignalCount; ++sig) {
    if (kUnblockable.has(sig)) continue;
    if (host_action(sig).handler == kIgnoreHandler) ignored.add(sig);
    arch::catch_host_signal(sig);
  }
  return ignored;
}

SigSet take_host_mask() {
  const SigSet none;
  SigSet old;
  host_call(SYS_rt_sigprocmask, SIG_SETMASK, &none, &old, kSetSize).value();
  return old;
}

bool drain_outside_signals(ProcessSignals& signals) {
  bool child = false;
  siginfo_t info{};
  while (arch::next_host_signal(info)) {
    child |= info.si_signo == SIGCHLD;
    if (is_unwanted_news(info, signals.action(info.si_signo))) continue;
    TaskSignals* caller = is_from_own_call(info) ? signals.running() : nullptr;
    // A full queue loses the signal, as it does in the host; the sender has gone on long ago.
    static_cast<void>(caller != nullptr ? caller->send(info) : signals.send(info));
  }
  return child;
}

void mirror_disposition(int sig, const Action& action) {
  if (sig == SIGCHLD) mirror_child_action(action);
  if (sig != SIGTTIN && sig != SIGTTOU) return;
  if (action.handler == kIgnoreHandler) {
    arch::release_host_signal(sig, SIG_IGN);
  } else {
    arch::catch_host_signal(sig);
  }
}

}  // namespace detent::signal
