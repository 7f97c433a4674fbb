// SharedFutexes: the waiters of a session's processes at futexes in shared memory, in one table
// that all of them map.
//
// A waiter has a slot, with its key and a number that tells who came first. Every operation is done
// under one lock, so that a count is exact and no wake is lost:
//
//   A: wait                                  B: wake
//   lock; word as expected? slot := waiting  word changed before the call
//   unlock                                   lock; slots of the key: first ones := woken; unlock
//   parks                                    rings the doorbell
//   doorbell ends the host wait: take_woken()
//
// The doorbell is one eventfd in the epoll set of every process, which it wakes at an edge and
// which is never read. A process that was killed leaves slots behind; they are passed over, since
// Session::gone() knows at once, and are freed by whoever meets them. A process killed while it
// held the lock loses it to the next one that asks. Exists from the first fork on.
//
// PI waiters are here too, with the owner's tid instead of a waitq::PiMutex: order and deadlocks are right,
// but priority is not lent to another process. docs/adr has the decision.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "detent/result.h"
#include "emu/sched/session_unsafe.h"
#include "waitq/futex_table.h"

namespace detent::sched {

class SharedFutexes {
 public:
  /// One waiter, in shared memory; valid only while the lock is held.
  struct Slot {
    enum State : std::uint32_t { kFree, kWaiting, kWoken };
    std::uint32_t state;
    std::int32_t process;  ///< its session slot
    waitq::FutexKey key;
    waitq::FutexKey target;  ///< of a kRequeuePi waiter: the PI futex
    std::uint64_t number;    ///< order of arrival
    std::uint32_t bitset;
    std::int32_t priority;
    waitq::FutexWaiter::Kind kind;
    bool owner_died;          ///< how a PI futex came to a woken waiter
    std::uint32_t tid;        ///< of a PI waiter
    std::uint32_t owner;      ///< tid of the PI futex's owner
    std::int32_t next_woken;  ///< index + 1 of the one woken before, in the same process
  };
  static constexpr std::size_t kSlots = 16384;

  explicit SharedFutexes(Session& session) : session_(session) {}
  SharedFutexes(const SharedFutexes&) = delete;
  SharedFutexes& operator=(const SharedFutexes&) = delete;

  /// True once there may be other processes, and waiters at shared objects belong here.
  [[nodiscard]] bool active() const { return table_ != nullptr; }
  /// True if the task of that tid lives in another process of the session (Process::number_tasks_from).
  [[nodiscard]] bool other_process_has(std::int32_t session_slot) const {
    return active() && session_slot < Session::kSlots && !session_.gone(session_slot);
  }
  /// Starts to use the session's table: after create() or attach() of the session. `rings`: those who are
  /// woken must be told; not where they take turns and look anyway.
  void open(bool rings);
  /// In a forked child: the waiters were the parent's.
  void forget_local() {
    local_.clear();
    local_waiters_ = 0;
  }
  /// Frees the slots of session slot `process`, which is gone, or about to be given to a new process.
  void forget_process(int process);

  class Lock {
   public:
    explicit Lock(SharedFutexes& futexes) : futexes_(futexes) { futexes_.lock(); }
    ~Lock() { futexes_.unlock(); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    SharedFutexes& futexes_;
  };

  // With the lock held:
  /// Queues `waiter`, which calls take_back() or is woken before it dies. ENOMEM: no slot is left.
  Result<Slot*> add(waitq::FutexWaiter& waiter);
  /// Takes a waiter out that was just added.
  void withdraw(waitq::FutexWaiter& waiter);
  /// The waiting slot of `key` that comes first, by priority and arrival; null if there is none.
  [[nodiscard]] Slot* first(const waitq::FutexKey& key);
  /// The slot in which a task waits for a PI futex; null if it does not.
  [[nodiscard]] Slot* blocked_task(std::uint32_t tid);
  /// Moves a kRequeuePi waiter to the PI futex of `owner`.
  void move_to_pi(Slot& slot, const waitq::FutexKey& to, std::uint32_t owner);
  /// Wakes a waiter; its process hears of it at ring().
  void wake(Slot& slot);
  /// The slot of a waiter of this process, and whether it still waits.
  [[nodiscard]] Slot& slot_of(const waitq::FutexWaiter& waiter);
  [[nodiscard]] bool is_waiting(const waitq::FutexWaiter& waiter) {
    return waiter.shared_slot >= 0 && slot_of(waiter).state == Slot::kWaiting;
  }
  /// All PI waiters of `key` now wait for `owner`.
  void set_owner(const waitq::FutexKey& key, std::uint32_t owner);
  /// A PI waiter of a futex that `owner` owns; null if there is none.
  [[nodiscard]] Slot* waiter_for(std::uint32_t owner);
  /// Wakes and moves as FutexTable does.
  Result<unsigned> wake_plain(const waitq::FutexKey& key, unsigned count, std::uint32_t bitset);
  Result<unsigned> move_plain(const waitq::FutexKey& from, const waitq::FutexKey& to,
                              unsigned count);

  // Without it:
  /// Tells the processes whose waiters were woken.
  void ring();
  /// False if nobody can be waiting at `key`: saves the lock.
  [[nodiscard]] bool maybe_waiting(const waitq::FutexKey& key) const;
  /// Ends a wait: takes `waiter` out unless it was woken; then its on_wake() has been called. The
  /// kind it had become.
  waitq::FutexWaiter::Kind take_back(waitq::FutexWaiter& waiter);
  /// Calls on_wake() of every waiter of this process that was woken, in the order of wakes. Cheap
  /// if there is none.
  bool take_woken();
  /// True while tasks of this process have slots.
  [[nodiscard]] bool waiting() const { return local_waiters_ != 0; }
  /// Calls f(FutexWaiter&) for each of them; f may wake or take back only the one it is given.
  template <class F>
  void for_each_local(F f) {
    for (std::size_t i = 0; i < local_.size(); ++i) {
      if (local_[i] != nullptr) f(*local_[i]);
    }
  }

 private:
  struct Table;

  void lock();
  void unlock();
  void repair();
  [[nodiscard]] bool present(const Slot& slot);
  void free_slot(Slot& slot);
  int find_free();
  void collect(const waitq::FutexKey& key);
  [[nodiscard]] std::size_t index_of(const Slot& slot) const;

  Session& session_;
  Table* table_ = nullptr;
  std::vector<waitq::FutexWaiter*> local_;  // by slot
  std::size_t local_waiters_ = 0;
  std::vector<Slot*> found_;
  bool ring_ = false;
  bool rings_ = true;
};

}  // namespace detent::sched
