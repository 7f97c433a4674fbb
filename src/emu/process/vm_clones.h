// VmClones: processes made by clone(2) with CLONE_VM, but with neither CLONE_THREAD nor CLONE_VFORK.
//
// They run in this process's memory, so they are tasks of this kernel; an id, a parent and signal actions
// of their own make them processes to the guest. Owned by Process, which keeps their tasks too. The
// tracer of LeakSanitizer is one, so what it needs of ptrace(2) is here: a tracee is held, it
// takes no turn until it is released.
// Source: clone(2), wait(2), ptrace(2).
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "detent/ids.h"
#include "detent/result.h"

namespace detent::process {

class VmClones {
 public:
  /// What wait4(2) answers.
  struct News {
    Tid id;
    int status;
  };

  /// `exit_signal`: 0 for none; only __WALL and __WCLONE then find it (wait(2)).
  void add(Tid id, Tid parent, int exit_signal) { clones_[id] = {parent, exit_signal, {}}; }
  /// True for one that was made and has not been waited for.
  [[nodiscard]] bool contains(Tid id) const { return clones_.contains(id); }
  [[nodiscard]] Tid parent(Tid id) const { return clones_.at(id).parent; }
  /// `id` has ended with `status`, as wait4(2) shows it. Releases its tracees, for which the answer
  /// calls `release(Tid)`. Returns the signal for its parent, 0 for none.
  template <class F>
  int ended(Tid id, int status, F release) {
    clones_.at(id).status = status;
    std::erase_if(tracees_, [&](const auto& entry) {
      if (entry.second.tracer != id) return false;
      release(entry.first);
      return true;
    });
    return clones_.at(id).exit_signal;
  }

  /// PTRACE_ATTACH: EPERM if it has a tracer. The caller holds the task.
  Result<void> attach(Tid tracer, Tid tracee);
  /// True if `tracee` is held for `tracer`.
  [[nodiscard]] bool traces(Tid tracer, Tid tracee) const;
  void detach(Tid tracee) { tracees_.erase(tracee); }

  /// wait4(2) by `waiter` for `pid` (> 0, or -1 for any): takes the news of an ended clone or a stopped
  /// tracee. EAGAIN: none yet. ECHILD: there is none to wait for.
  Result<News> take(Tid waiter, int pid, int options);

 private:
  struct Clone {
    Tid parent;
    int exit_signal;
    std::optional<int> status;
  };
  struct Tracee {
    Tid tracer;
    bool reported;
  };
  std::map<Tid, Clone> clones_;
  std::map<Tid, Tracee> tracees_;
};

}  // namespace detent::process
