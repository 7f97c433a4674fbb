// FutexTable: from a futex key to the tasks that wait on it. It knows neither guest memory nor
// time: the caller compares the futex word before it calls, and nothing can run in between (one
// task at a time; no switch happens inside a kernel operation).
//
// Source: futex(2), kernel/futex/{core,waitwake,requeue}.c. Order: FIFO per key.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace detent::waitq {

/// Names a futex: private ones by (address space, address), shared ones by (object, offset).
struct FutexKey {
  std::uint64_t space;
  std::uint64_t offset;
  friend bool operator==(const FutexKey&, const FutexKey&) = default;
};

inline constexpr std::uint32_t kMatchAny = 0xffffffff;

/// One waiting task; lives on its stack. Linked from FutexTable::enqueue until woken, cancelled or
/// destroyed.
class FutexWaiter : public boost::intrusive::list_base_hook<
                        boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  FutexWaiter(FutexKey key, std::uint32_t bitset) : key_(key), bitset_(bitset) {}
  FutexWaiter(const FutexWaiter&) = delete;
  FutexWaiter& operator=(const FutexWaiter&) = delete;

  /// The key it waits on now; a requeue changes it.
  [[nodiscard]] FutexKey key() const { return key_; }
  [[nodiscard]] bool queued() const { return is_linked(); }

 protected:
  virtual ~FutexWaiter() = default;
  /// Called once, after unlinking, when a wake chose this waiter. Marks only; never switches.
  virtual void on_wake() = 0;

 private:
  friend class FutexTable;
  FutexKey key_;
  std::uint32_t bitset_;
};

class FutexTable {
 public:
  FutexTable();
  FutexTable(const FutexTable&) = delete;
  FutexTable& operator=(const FutexTable&) = delete;

  /// Appends `waiter` to the queue of its key.
  void enqueue(FutexWaiter& waiter);
  /// Unlinks; nothing happens if it was woken already.
  static void cancel(FutexWaiter& waiter);

  /// Unlinks every waiter without waking it: in a forked child the other tasks do not exist.
  void clear();

  /// Wakes up to `count` waiters of `key` whose bitset meets `bitset`, oldest first. Returns how
  /// many. A count of 0 wakes nobody: that FUTEX_WAKE takes 0 for 1 is its adapter's affair.
  unsigned wake(FutexKey key, unsigned count, std::uint32_t bitset = kMatchAny);

  struct Requeued {
    unsigned woken = 0;
    unsigned moved = 0;
  };
  /// Wakes up to `wake_count` waiters of `from`, then moves up to `move_count` of the rest to the
  /// end of `to`, keeping their order. Bitsets do not matter. Where both keys are the same, those
  /// that would be moved are counted and stay where they are (requeue_futex in
  /// kernel/futex/requeue.c).
  Requeued requeue(FutexKey from, FutexKey to, unsigned wake_count, unsigned move_count);

  /// Number of waiters on `key`; for reports and tests, O(bucket).
  [[nodiscard]] unsigned waiters(FutexKey key) const;

 private:
  using Bucket = boost::intrusive::list<FutexWaiter, boost::intrusive::constant_time_size<false>>;

  [[nodiscard]] Bucket& bucket_of(FutexKey key);
  [[nodiscard]] const Bucket& bucket_of(FutexKey key) const;
  unsigned move(FutexKey from, FutexKey to, unsigned count);

  // A fixed number of buckets and a mixing hash: keys that differ by any power of two spread
  // evenly, and nothing grows or stays behind when waiters leave.
  std::vector<Bucket> buckets_;
};

}  // namespace detent::waitq
