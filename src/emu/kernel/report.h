// What the kernel tells a person on stderr: the deadlock report and --stats.
#pragma once

namespace detent::task {
class Task;
}

namespace detent::emu {

class Kernel;
using task::Task;

/// Who holds the lock that a blocked task waits for, as far as the lock tells; null if it does not.
const Task* lock_owner(Kernel& kernel, const Task& task);
/// True if a blocked task waits for a signal, which the outside world may send at any time.
bool anybody_waits_for_signal(Kernel& kernel);
/// True if a task waits in poll, select or epoll_wait.
bool anybody_waits_in_event_loop(Kernel& kernel);
/// Every task: its call, the object it waits for, and since when.
/// Before them every lost wake-up; true if there is one.
bool print_deadlock(Kernel& kernel);
/// The same after --livelock.
void print_livelock(Kernel& kernel);
/// The same after --time-budget.
void print_time_budget(Kernel& kernel);
/// The same after --max-steps.
void print_step_budget(Kernel& kernel);
/// Calls by door and by number, switches, timers.
void print_stats(Kernel& kernel);

/// Names of system calls for reports; set by the composition root. `name` may answer null.
void set_syscall_names(const char* (*name)(long));
const char* syscall_name(long number);

}  // namespace detent::emu
