#include "waitq/pi_mutex.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "detent/assert.h"

namespace detent::waitq {

void PiTask::set_normal(int priority) {
  normal_ = priority;
  adjust();
}

PiMutex* PiTask::first_owned() { return owned_.empty() ? nullptr : &owned_.front(); }

// Goes up the chain of owners for as long as somebody's priority changes. It ends: enqueue() lets no circle
// come about.
void PiTask::adjust() {
  for (PiTask* task = this; task != nullptr;) {
    int priority = task->normal_;
    for (PiMutex& mutex : task->owned_) {
      if (const PiWaiter* top = mutex.top()) priority = std::max(priority, top->priority_);
    }
    PiWaiter* waiter = task->blocked_on_;
    const bool queued_right = waiter == nullptr || waiter->priority_ == priority;
    if (priority == task->effective_ && queued_right) return;
    task->effective_ = priority;
    if (waiter == nullptr) return;
    waiter->unlink();
    waiter->mutex_->insert(*waiter);
    task = waiter->mutex_->owner_;
  }
}

PiMutex::PiMutex(PiTask* owner, std::uint32_t owner_id) : owner_(owner), owner_id_(owner_id) {
  if (owner_ != nullptr) owner_->owned_.push_back(*this);
}

// From the back: who comes with the priority of the others is placed at once.
void PiMutex::insert(PiWaiter& waiter) {
  waiter.priority_ = waiter.task_.effective_;
  auto at = waiters_.end();
  while (at != waiters_.begin() && std::prev(at)->priority_ < waiter.priority_) --at;
  waiters_.insert(at, waiter);
}

bool PiMutex::would_deadlock(const PiTask& task) const {
  unsigned depth = 0;
  for (const PiTask* owner = owner_; owner != nullptr;) {
    if (owner == &task) return true;
    if (owner->blocked_on_ == nullptr) return false;
    if (++depth > kMaxPiChain) return true;
    owner = owner->blocked_on_->mutex_->owner_;
  }
  return false;
}

Result<void> PiMutex::enqueue(PiWaiter& waiter) {
  DETENT_ASSERT(waiter.mutex_ == nullptr && waiter.task_.blocked_on_ == nullptr);
  if (would_deadlock(waiter.task_)) return Errno{EDEADLK};
  waiter.mutex_ = this;
  waiter.task_.blocked_on_ = &waiter;
  insert(waiter);
  if (owner_ != nullptr) owner_->adjust();
  return {};
}

void PiMutex::remove(PiWaiter& waiter) {
  DETENT_ASSERT(waiter.mutex_ == this);
  waiter.unlink();
  waiter.mutex_ = nullptr;
  waiter.task_.blocked_on_ = nullptr;
}

void PiMutex::dequeue(PiWaiter& waiter) {
  remove(waiter);
  if (owner_ != nullptr) owner_->adjust();
}

PiWaiter* PiMutex::top() { return waiters_.empty() ? nullptr : &waiters_.front(); }

void PiMutex::hand_over(PiWaiter& next, std::uint32_t id) {
  remove(next);
  PiTask* former = std::exchange(owner_, &next.task_);
  owner_id_ = id;
  if (former != nullptr) unlink();
  next.task_.owned_.push_back(*this);
  if (former != nullptr) former->adjust();
  next.task_.adjust();
}

void PiMutex::forget_waiters() {
  while (!waiters_.empty()) remove(waiters_.front());
  if (owner_ != nullptr) owner_->adjust();
}

}  // namespace detent::waitq
