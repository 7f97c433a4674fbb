// MultiWait: one task waits in many queues at once (poll, select), or in one as an exclusive waiter
// (epoll_wait), always at their heads, as Linux's pollers do. It may park any number of times. Lives on the
// task's kernel stack; leaves all queues when it dies.
//
// It is the waiting half of block.h's loop: the caller has just found that nothing is ready, and looks
// again after park(). Nothing runs in between, so no wake-up is lost.
#pragma once

#include <deque>

#include "emu/sched/block.h"

namespace detent::sched {

class MultiWait {
 public:
  MultiWait(Scheduler& scheduler, Task& task) : scheduler_(scheduler), task_(task) {}
  MultiWait(const MultiWait&) = delete;
  MultiWait& operator=(const MultiWait&) = delete;

  /// Joins `queue`. The waiter is unlinked if the queue goes first.
  waitq::Waiter& add(waitq::WaitQueue& queue, waitq::PollMask interest, bool exclusive = false) {
    TaskWaiter& waiter = waiters_.emplace_back(scheduler_, task_, interest, exclusive);
    queue.add_first(waiter);
    return waiter;
  }

  /// Waits until a queue notifies. `rules`: deadline and report; its errnos are not used.
  Wake park(const WaitRules& rules) {
    task_.waiting = {rules.what, rules.object, Instant<Monotonic>()};
    const Wake wake = scheduler_.park(task_, rules.deadline);
    task_.waiting = {};
    return wake;
  }

 private:
  Scheduler& scheduler_;
  Task& task_;
  std::deque<TaskWaiter> waiters_;  // a deque, since waiters do not move
};

}  // namespace detent::sched
