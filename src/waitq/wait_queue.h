// WaitQueue and Waiter: who waits for what. They know neither time, nor memory, nor fds.
//
// Rules:
//  - A Waiter lives on the stack of a blocked task, or inside an epoll item, and is in one queue at
//    most. It unlinks itself when it dies.
//  - wake() only marks (a task becomes ready, an epoll item enters a ready list). It never switches
//    tasks and never changes the queue it is called from, except by unlinking the very waiter that
//    is being woken. So an object may notify in the middle of its own operation, and no list of
//    collected wakes is needed (docs/adr/0003).
//  - Whoever waits joins at the tail or at the head, as Linux's code in that place does: sleepers of
//    read and write and exclusive epoll members at the tail; pollers and epoll_wait at the head, so that
//    the latest hears first. A notification goes from head to tail and stops once `exclusive` exclusive
//    waiters have accepted it: those behind do not hear of it, exclusive or not. Source:
//    add_wait_queue, __wake_up_common in kernel/sched/wait.c.
#pragma once

#include <boost/intrusive/list.hpp>

#include "waitq/poll_mask.h"

namespace detent::waitq {

class WaitQueue;

class Waiter : public boost::intrusive::list_base_hook<
                   boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  /// Interested in any of the events of `interest`; kErr and kHup always count.
  explicit Waiter(PollMask interest, bool exclusive = false)
      : interest_(interest | kAlways), exclusive_(exclusive) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  [[nodiscard]] PollMask interest() const { return interest_; }
  void set_interest(PollMask interest) { interest_ = interest | kAlways; }
  [[nodiscard]] bool exclusive() const { return exclusive_; }

 protected:
  virtual ~Waiter() = default;
  /// `events` happened, of which at least one is of interest. Returns true if the wake was used, so
  /// that an exclusive waiter uses up one of the notification's exclusive wakes.
  virtual bool wake(PollMask events) = 0;

 private:
  friend class WaitQueue;
  PollMask interest_;
  bool exclusive_;
};

class WaitQueue {
 public:
  WaitQueue() = default;
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;
  /// The owner sees to it that nobody waits any more: blocked tasks hold a reference to the object.
  ~WaitQueue() = default;

  /// Links `waiter`, which is in no queue, at the tail.
  void add(Waiter& waiter);
  /// Links it at the head.
  void add_first(Waiter& waiter);
  /// Wakes the waiters interested in `events`, in order, until `exclusive` exclusive ones have
  /// accepted; 0 means all, as in Linux (wake_up_all). Returns how many accepted, of both kinds.
  unsigned notify(PollMask events, unsigned exclusive = 1);
  [[nodiscard]] bool empty() const { return waiters_.empty(); }

 private:
  using List = boost::intrusive::list<Waiter, boost::intrusive::constant_time_size<false>>;

  List waiters_;
};

}  // namespace detent::waitq
