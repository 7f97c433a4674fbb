// What a task that ends leaves behind in futexes. Source: set_robust_list(2); exit_robust_list()
// and handle_futex_death() in kernel/futex/core.c, mm_release() in kernel/fork.c.
#pragma once

#include "emu/task/task.h"

namespace detent::emu {

class Kernel;

/// Marks the robust futexes that `task` holds with FUTEX_OWNER_DIED and wakes a waiter of each;
/// then hands over its PI futexes. For a task that ends, or whose program is about to be replaced.
/// Never blocks, trusts nothing it reads.
void release_futexes(Task& task);

/// The same for every task of the process: it ends, or is about to be replaced.
void release_all_futexes(Kernel& kernel);

/// set_tid_address(2): clears the word and wakes one waiter, when `task` ends.
void clear_child_tid(Task& task);

}  // namespace detent::emu
