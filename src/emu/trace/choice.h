// Choice: the kinds of decision that Linux leaves open. All are asked of the one door, Chooser; what
// follows from the answers (heap order, tick counts) is derived and never recorded.
//
// Option 0 is always Linux's usual answer. Every other option is one that Linux could give: a correct
// program survives all of them (docs/schedules.md tells why for each kind).
#pragma once

#include <cstdint>

namespace detent::trace {

enum class Choice : std::uint8_t {
  kReadyTask,     ///< which ready task runs next; 0: the oldest
  kSwitchEntry,   ///< before a system call: 0: go on; n: the n-th oldest ready task runs instead
  kSwitchExit,    ///< the same after a system call
  kWaiter,        ///< which of several waiters is woken; 0: the oldest
  kBatchOrder,    ///< which of several ready events is reported first; 0: in Linux's order
  kExpiry,        ///< a timer that is due at a system call: 0: fires before it; 1: after it
  kEarlyTimeout,  ///< 1: time passes up to the next timer although tasks are ready
  kSpuriousWake,  ///< 1: a futex wait ends without a wake
  kEintr,         ///< 1: a wait that may fail with EINTR without a handler does so
  kShortIo,       ///< 1: a socket moves fewer bytes than asked for
  kFault,         ///< 1: a resource is exhausted (ENOMEM, EMFILE...); only asked with --faults
  kSwitchPoint,  ///< as kSwitchEntry, before an atomic instruction; only asked with --points=atomics
};
inline constexpr unsigned kChoiceKinds = 12;

/// "kReadyTask", ...; "?" for a number that is no kind.
const char* name_of(Choice kind);
/// True for choices among tasks.
constexpr bool is_among_tasks(Choice kind) {
  return kind <= Choice::kSwitchExit || kind == Choice::kSwitchPoint;
}

}  // namespace detent::trace
