// Robust futexes: what happens to the locks of a thread that ends while it holds them.
#pragma once

#include "emu/task/task.h"

namespace detent::syscalls {

/// Walks the list that set_robust_list(2) registered: every lock word that names this thread gets
/// FUTEX_OWNER_DIED, and one waiter is woken. Stops at a bad pointer or after 2048 entries, as Linux.
/// Source: kernel/futex/core.c exit_robust_list(), handle_futex_death().
void release_robust_list(Task& task);

}  // namespace detent::syscalls
