#include "emu/task/task.h"

namespace detent::task {

Task::Task(Tid tid, process::Process& process, emu::Kernel& kernel, const arch::UserState& initial,
           void (*run)(void*))
    : group(tid),
      user(initial),
      tid_(tid),
      process_(process),
      kernel_(kernel),
      fiber_(stack_.top(), run, this) {}

}  // namespace detent::task
