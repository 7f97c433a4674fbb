// --strace: one line a call, printed from the argument types in table.def.
//
// The deterministic form has task indexes instead of ids, and no addresses, so that the traces of two
// runs of one seed can be compared byte for byte.
#pragma once

#include <string>

#include "detent/result.h"
#include "detent/units.h"
#include "emu/task/task.h"

namespace detent::syscalls {

struct StraceEntry {
  bool enabled = false;
  long number = -1;
  Instant<Monotonic> at;
  Duration cpu;           ///< CPU time of the task at entry: what passes besides was spent blocked
  std::string arguments;  ///< decoded at entry: the call may overwrite its inputs
};

/// Before the call: decodes the arguments if --strace is on.
StraceEntry strace_enter(Task& task, long number);
/// After it: prints the line with the result and the time spent blocked.
void strace_exit(Task& task, const StraceEntry& entry, const Result<long>& result);
/// For calls that do not return (exit, exec): prints the line with "= ?".
void strace_no_return(Task& task);

}  // namespace detent::syscalls
