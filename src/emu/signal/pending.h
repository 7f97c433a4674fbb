// Pending: a queue of pending signals with Linux's rules: a standard signal is pending once, real-time
// signals queue in order with their values. Source: signal(7) "Queueing and delivery semantics for
// real-time signals"; kernel/signal.c next_signal() (synchronous ones first, then the lowest number).
#pragma once

#include <csignal>
#include <cstddef>
#include <list>
#include <optional>

#include "emu/signal/sigset.h"

namespace detent::signal {

class Pending {
 public:
  /// Adds; a standard signal that is pending already is dropped, and the answer is false. POSIX timers
  /// (SI_TIMER) have an entry each: two of them may have the same standard signal pending.
  bool add(const siginfo_t& info);
  /// Signals pending.
  [[nodiscard]] SigSet set() const { return set_; }
  /// Takes the next one that `wanted` contains, in Linux's order.
  std::optional<siginfo_t> take(SigSet wanted);
  /// Takes the oldest signal of `wanted` that an instruction raised (SIGSEGV and the like with a
  /// positive code). Linux delivers those before all others, so that the frame shows the instruction.
  std::optional<siginfo_t> take_fault(SigSet wanted);
  /// Drops every instance of the signals in `which`.
  void discard(SigSet which);
  [[nodiscard]] std::size_t size() const { return queue_.size(); }

 private:
  siginfo_t remove(std::list<siginfo_t>::iterator entry);

  std::list<siginfo_t> queue_;
  SigSet set_;
};

}  // namespace detent::signal
