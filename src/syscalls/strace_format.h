// A call's arguments and result as --strace prints them, from the type words in table.def. In the
// deterministic form nothing depends on where memory lies, on ids that the host gives, or on real time.
#pragma once

#include <cstdint>
#include <string>

#include "detent/result.h"
#include "emu/task/task.h"

namespace detent::syscalls {

/// The arguments of call `number`, which `task` is about to make, separated by commas. Reads the
/// guest's memory.
std::string arguments_text(Task& task, long number);
/// The result of the call: a number, an address, or an error.
std::string result_text(Task& task, long number, const Result<long>& result);
/// The task's number in the traces: 1 for the first, the others in the order of their creation. Unlike
/// its id it is the same in every run.
int task_index(const Task& task);

}  // namespace detent::syscalls
