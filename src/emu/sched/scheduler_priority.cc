// Real-time priorities: sched(7).
#include "emu/sched/scheduler.h"

#include <algorithm>

namespace detent::sched {

// The priority whose turn it is, among those of the ready tasks and of one that runs.
int Scheduler::due_priority(const Task* running) {
  int low = (running != nullptr ? *running : ready_.front()).pi.effective();
  int high = low;
  for (const Task& task : ready_) {
    low = std::min(low, task.pi.effective());
    high = std::max(high, task.pi.effective());
  }
  return throttled(high, low) ? low : high;
}

// Real-time throttling, sched(7): after 0.95 s without the others, real-time tasks stand back for 0.05 s.
bool Scheduler::throttled(int highest, int lowest) {
  const Instant<Monotonic> now = clocks_.monotonic();
  if (now < throttled_until_) return true;
  if (highest == 0 || lowest != 0) {
    unprivileged_ran_ = now;
    return false;
  }
  if (now - unprivileged_ran_ < Duration::milliseconds(950)) return false;
  throttled_until_ = now + Duration::milliseconds(50);
  unprivileged_ran_ = throttled_until_;
  return true;
}

// True if a ready task has a higher priority than the running one.
bool Scheduler::outranked(const Task& current) {
  if (!priorities_used_ || clocks_.monotonic() < throttled_until_) return false;
  return std::any_of(ready_.begin(), ready_.end(), [&](const Task& task) {
    return task.pi.effective() > current.pi.effective();
  });
}

// sched(7): who is preempted stays the first of its priority.
bool Scheduler::give_way_realtime(Task& current, int priority) {
  const bool preempted = due_priority(&current) != priority;
  if (!preempted && !realtime_slice_over(current, priority)) return false;
  enqueue(current, preempted);
  switch_from(current);
  return true;
}

// True if it is the peers' turn.
bool Scheduler::realtime_slice_over(Task& current, int priority) {
  const Duration used = cpu_time(current);
  if (used < current.slice_end) return false;
  current.slice_end = used + kRealtimeSlice;
  return std::any_of(ready_.begin(), ready_.end(),
                     [&](const Task& task) { return task.pi.effective() == priority; });
}

}  // namespace detent::sched
