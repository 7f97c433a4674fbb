// PiMutex: ownership, order of waiters and priority inheritance of PI futexes (the part that is
// rt_mutex in Linux). It knows neither futex words nor time nor the scheduler: whoever grants or
// gives up a mutex tells it so.
//
// A PiMutex exists while anybody waits for it. Waiters are ordered by priority, then by arrival. An
// owner's effective priority is the highest of its own and of all who wait for what it owns,
// through chains of any length. A wait that would close a circle is refused, and so is one behind
// more than kMaxPiChain waiting owners.
//
// Source: kernel/locking/rtmutex.c (task_blocks_on_rt_mutex, rt_mutex_adjust_prio_chain), kernel/futex/pi.c.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>

#include "detent/result.h"

namespace detent::waitq {

class PiMutex;
class PiTask;

/// How many waiting owners a chain may have (max_lock_depth).
inline constexpr unsigned kMaxPiChain = 1024;

struct PiTag;
using PiHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<PiTag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
template <class T>
using PiList = boost::intrusive::list<T, boost::intrusive::base_hook<PiHook>,
                                      boost::intrusive::constant_time_size<false>>;

/// One task's wait for one mutex; lives on the task's stack.
class PiWaiter : public PiHook {
 public:
  explicit PiWaiter(PiTask& task) : task_(task) {}
  PiWaiter(const PiWaiter&) = delete;
  PiWaiter& operator=(const PiWaiter&) = delete;

  [[nodiscard]] PiTask& task() const { return task_; }
  /// The mutex it is queued at, or null.
  [[nodiscard]] PiMutex* mutex() const { return mutex_; }

 protected:
  ~PiWaiter() = default;

 private:
  friend class PiMutex;
  friend class PiTask;
  PiTask& task_;
  PiMutex* mutex_ = nullptr;
  int priority_ = 0;
};

/// A task as its mutexes see it. Priorities are those of sched(7): 1..99 real-time, 0 everything else.
class PiTask {
 public:
  PiTask() = default;
  PiTask(const PiTask&) = delete;
  PiTask& operator=(const PiTask&) = delete;

  /// The priority that sched_setscheduler(2) gave.
  [[nodiscard]] int normal() const { return normal_; }
  void set_normal(int priority);
  /// That, or a higher one lent by a waiter.
  [[nodiscard]] int effective() const { return effective_; }
  /// A mutex that it owns and others wait for; null if there is none.
  [[nodiscard]] PiMutex* first_owned();

 private:
  friend class PiMutex;
  void adjust();

  PiList<PiMutex> owned_;
  PiWaiter* blocked_on_ = nullptr;
  int normal_ = 0;
  int effective_ = 0;
};

class PiMutex : public PiHook {
 public:
  /// Owned by `owner`, or by a task of another process (null). `owner_id` is the owner's tid.
  PiMutex(PiTask* owner, std::uint32_t owner_id);
  PiMutex(const PiMutex&) = delete;
  PiMutex& operator=(const PiMutex&) = delete;

  [[nodiscard]] std::uint32_t owner_id() const { return owner_id_; }
  [[nodiscard]] bool idle() const { return waiters_.empty(); }

  /// Queues `waiter` and lends its priority on. EDEADLK, with nothing changed, if its task would
  /// wait for itself or the chain of owners is too long.
  Result<void> enqueue(PiWaiter& waiter);
  /// Takes `waiter` out; what it lent is taken back.
  void dequeue(PiWaiter& waiter);
  /// The waiter that comes next; null if there is none.
  [[nodiscard]] PiWaiter* top();
  /// Dequeues `next` and makes its task, of tid `id`, the owner.
  void hand_over(PiWaiter& next, std::uint32_t id);
  /// In a forked child nobody waits any more.
  void forget_waiters();

 private:
  friend class PiTask;
  void insert(PiWaiter& waiter);
  void remove(PiWaiter& waiter);
  [[nodiscard]] bool would_deadlock(const PiTask& task) const;

  PiTask* owner_;
  std::uint32_t owner_id_;
  PiList<PiWaiter> waiters_;
};

}  // namespace detent::waitq
