// RunObserver: told when blocked tasks become ready and when they then run. For measurements.
#pragma once

#include "detent/units.h"
#include "emu/task/task.h"

namespace detent::sched {

class RunObserver {
 public:
  /// `task` was blocked and is ready now; Task::waiting still says what it waited for. Called in the
  /// context of whoever woke it, or of an expiring timer.
  virtual void on_ready(Task& task) = 0;
  /// The same task runs on, `latency` after it was woken or, if a timer woke it, after the timer's instant.
  virtual void on_run(Task& task, Duration latency) = 0;

 protected:
  ~RunObserver() = default;
};

}  // namespace detent::sched
