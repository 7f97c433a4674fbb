#include "waitq/wait_queue.h"

#include "detent/assert.h"

namespace detent::waitq {

void WaitQueue::add(Waiter& waiter) {
  DETENT_ASSERT(!waiter.is_linked());
  waiters_.push_back(waiter);
}

void WaitQueue::add_first(Waiter& waiter) {
  DETENT_ASSERT(!waiter.is_linked());
  waiters_.push_front(waiter);
}

unsigned WaitQueue::notify(PollMask events, unsigned exclusive) {
  unsigned accepted = 0;
  for (auto next = waiters_.begin(); next != waiters_.end();) {
    // Read first: a woken waiter may unlink itself, and its memory may be gone after wake().
    Waiter& waiter = *next++;
    const bool is_exclusive = waiter.exclusive_;
    if ((waiter.interest_ & events) == 0 || !waiter.wake(events)) continue;
    ++accepted;
    if (is_exclusive && --exclusive == 0) break;
  }
  return accepted;
}

}  // namespace detent::waitq
