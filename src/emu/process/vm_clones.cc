#include "emu/process/vm_clones.h"

#include <sys/wait.h>

#include <csignal>

namespace detent::process {
namespace {

constexpr int kStopped = (SIGSTOP << 8) | 0x7f;  // W_STOPCODE(SIGSTOP)

// kernel/exit.c eligible_child(): a "clone" child is one whose end sends another signal than SIGCHLD.
bool is_eligible(int exit_signal, int options) {
  if ((options & __WALL) != 0) return true;
  return (exit_signal != SIGCHLD) == ((options & __WCLONE) != 0);
}

}  // namespace

Result<void> VmClones::attach(Tid tracer, Tid tracee) {
  if (!tracees_.try_emplace(tracee, Tracee{tracer, false}).second) return Errno{EPERM};
  return {};
}

bool VmClones::traces(Tid tracer, Tid tracee) const {
  const auto found = tracees_.find(tracee);
  return found != tracees_.end() && found->second.tracer == tracer;
}

Result<VmClones::News> VmClones::take(Tid waiter, int pid, int options) {
  bool any = false;
  for (auto& [id, tracee] : tracees_) {
    if (tracee.tracer != waiter || (pid != -1 && pid != raw(id))) continue;
    any = true;
    if (!tracee.reported) {
      tracee.reported = true;
      return News{id, kStopped};
    }
  }
  for (auto& [id, clone] : clones_) {
    if (clone.parent != waiter || (pid != -1 && pid != raw(id))) continue;
    if (!is_eligible(clone.exit_signal, options)) continue;
    any = true;
    if (!clone.status) continue;
    const News news{id, *clone.status};
    clones_.erase(id);
    return news;
  }
  return Errno{any ? EAGAIN : ECHILD};
}

}  // namespace detent::process
