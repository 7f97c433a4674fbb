// FutexTable: from a futex key to the tasks that wait on it. It knows neither guest memory nor
// time: the caller compares the futex word before it calls, and nothing can run in between (one
// task at a time; no switch happens inside a kernel operation).
//
// Three kinds of waiters share it, as in Linux: plain ones (FUTEX_WAIT), those that want to be
// moved to a PI futex (FUTEX_WAIT_REQUEUE_PI), and those of a PI futex, whose order and owner a
// PiMutex knows. An operation that meets a kind it is not made for answers EINVAL.
//
// Source: futex(2), kernel/futex/{core,waitwake,requeue}.c. Order: by real-time priority at the
// time of queueing, then FIFO per key.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "detent/result.h"
#include "waitq/pi_mutex.h"

namespace detent::waitq {

/// Names a futex: private ones by (address space, address), shared ones by (object, offset).
struct FutexKey {
  std::uint64_t space;
  std::uint64_t offset;
  friend bool operator==(const FutexKey&, const FutexKey&) = default;
};

/// FutexKey::space of private futexes.
inline constexpr std::uint64_t kPrivateSpace = 0;

inline constexpr std::uint32_t kMatchAny = 0xffffffff;

/// One waiting task; lives on its stack. Linked from FutexTable::enqueue until woken, cancelled or
/// destroyed.
class FutexWaiter : public boost::intrusive::list_base_hook<
                        boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  enum class Kind : std::uint8_t { kPlain, kRequeuePi, kPi };

  FutexWaiter(FutexKey key, std::uint32_t bitset, int priority = 0, Kind kind = Kind::kPlain)
      : key_(key), bitset_(bitset), priority_(priority), kind_(kind) {}
  FutexWaiter(const FutexWaiter&) = delete;
  FutexWaiter& operator=(const FutexWaiter&) = delete;

  /// The key it waits on now; a requeue changes it.
  [[nodiscard]] FutexKey key() const { return key_; }
  [[nodiscard]] std::uint32_t bitset() const { return bitset_; }
  [[nodiscard]] int priority() const { return priority_; }
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool queued() const { return is_linked(); }
  /// Called by the table that a session's processes share (emu/sched/shared_futexes_unsafe.h).
  void wake_shared() { on_wake(); }
  /// What that table keeps of it: its slot, or -1; the tid of a PI waiter; where its own process
  /// sees the word, and what value it waits with; whether a PI futex came to it because the owner
  /// died.
  std::int32_t shared_slot = -1;
  std::uint32_t tid = 0;
  std::uint64_t uaddr = 0;
  std::uint32_t expected = 0;
  bool owner_died = false;
  /// Called when that table takes over a waiter that is queued already.
  virtual void on_export() {}
  /// What a waiter of kind kPi waits for; null otherwise. All waiters of one key share it, and the
  /// last one to leave destroys it.
  std::shared_ptr<PiMutex> mutex;

 protected:
  virtual ~FutexWaiter() = default;
  /// Called once, after unlinking, when a wake chose this waiter. Marks only; never switches.
  virtual void on_wake() = 0;

 private:
  friend class FutexTable;
  FutexKey key_;
  std::uint32_t bitset_;
  int priority_;
  Kind kind_;
};

class FutexTable {
 public:
  FutexTable();
  FutexTable(const FutexTable&) = delete;
  FutexTable& operator=(const FutexTable&) = delete;

  /// Puts `waiter` behind all those of its key that have its priority or a higher one.
  void enqueue(FutexWaiter& waiter);
  /// Unlinks; nothing happens if it was woken already.
  static void cancel(FutexWaiter& waiter);

  /// Unlinks every waiter without waking it: in a forked child the other tasks do not exist.
  void clear();

  /// Wakes up to `count` waiters of `key` whose bitset meets `bitset`, oldest first. Returns how
  /// many. A count of 0 wakes nobody: that FUTEX_WAKE takes 0 for 1 is its adapter's affair. EINVAL
  /// on meeting a waiter that is not plain; those before it are woken all the same.
  Result<unsigned> wake(FutexKey key, unsigned count, std::uint32_t bitset = kMatchAny);

  struct Requeued {
    unsigned woken = 0;
    unsigned moved = 0;
  };
  /// Wakes up to `wake_count` waiters of `from`, then moves up to `move_count` of the rest to the
  /// end of `to`, keeping their order. Bitsets do not matter. Where both keys are the same, those
  /// that would be moved are counted and stay where they are (requeue_futex in
  /// kernel/futex/requeue.c). EINVAL as above.
  Result<Requeued> requeue(FutexKey from, FutexKey to, unsigned wake_count, unsigned move_count);

  /// The waiter of `key` that a wake would meet first; null if there is none.
  [[nodiscard]] FutexWaiter* first(FutexKey key);
  /// Moves one waiter of kind kRequeuePi to the PI futex `to`, whose mutex it waits for from now on.
  void move_to_pi(FutexWaiter& waiter, FutexKey to, std::shared_ptr<PiMutex> mutex);

  /// Puts the `n`-th waiter of `key` in front of the others: who waits longest is for a strategy to say.
  void prefer(FutexKey key, unsigned n);

  /// Number of waiters on `key`; for reports and tests, O(bucket).
  [[nodiscard]] unsigned waiters(FutexKey key) const;
  [[nodiscard]] std::size_t longest_chain_for_test() const;
  /// Calls f(FutexWaiter&) for every waiter; f may unlink the one it is given.
  template <class F>
  void for_each(F f) {
    for (Bucket& bucket : buckets_) {
      for (auto next = bucket.begin(); next != bucket.end();) f(*next++);
    }
  }

 private:
  using Bucket = boost::intrusive::list<FutexWaiter, boost::intrusive::constant_time_size<false>>;

  [[nodiscard]] std::size_t index_of(FutexKey key) const;
  [[nodiscard]] Bucket& bucket_of(FutexKey key);
  [[nodiscard]] const Bucket& bucket_of(FutexKey key) const;
  Result<unsigned> move(FutexKey from, FutexKey to, unsigned count);
  void grow_if_full();

  // A power of two, and a mixing hash: keys that differ by any power of two spread evenly. Only the
  // number of buckets stays behind when waiters leave.
  std::vector<Bucket> buckets_;
};

}  // namespace detent::waitq
