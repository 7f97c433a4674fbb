#include "waitq/wait_queue.h"

#include "detent/assert.h"

namespace detent::waitq {

void WaitQueue::add(Waiter& waiter) {
  DETENT_ASSERT(!waiter.is_linked());
  (waiter.exclusive_ ? exclusive_ : shared_).push_back(waiter);
}

unsigned WaitQueue::notify(PollMask events, unsigned exclusive) {
  unsigned accepted = 0;
  for (auto next = shared_.begin(); next != shared_.end();) {
    // Stepped first: a woken waiter may unlink itself, and its memory may be gone after wake().
    Waiter& waiter = *next++;
    if ((waiter.interest_ & events) != 0 && waiter.wake(events)) ++accepted;
  }
  for (auto next = exclusive_.begin(); next != exclusive_.end();) {
    Waiter& waiter = *next++;
    if ((waiter.interest_ & events) == 0 || !waiter.wake(events)) continue;
    ++accepted;
    if (--exclusive == 0) break;
  }
  return accepted;
}

}  // namespace detent::waitq
