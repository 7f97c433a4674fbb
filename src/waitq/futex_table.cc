#include "waitq/futex_table.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "detent/assert.h"

namespace detent::waitq {
namespace {

constexpr std::size_t kFewestBuckets = 256;
constexpr std::size_t kMostBuckets = 1 << 20;
// Passing so many waiters of other keys tells a wake that the table may be too small.
constexpr unsigned kLongWalk = 16;

// The finalizer of MurmurHash3: every input bit reaches every output bit.
constexpr std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccd;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53;
  return x ^ (x >> 33);
}

}  // namespace

FutexTable::FutexTable() : buckets_(kFewestBuckets) {}

// Most waiters have no real-time priority, and are placed at once.
void FutexTable::enqueue(FutexWaiter& waiter) {
  DETENT_ASSERT(!waiter.queued());
  Bucket& bucket = bucket_of(waiter.key_);
  auto at = bucket.end();
  while (at != bucket.begin() && std::prev(at)->priority_ < waiter.priority_) --at;
  bucket.insert(at, waiter);
}

void FutexTable::cancel(FutexWaiter& waiter) {
  if (waiter.queued()) waiter.unlink();
}

void FutexTable::clear() {
  for_each([](FutexWaiter& waiter) {
    waiter.unlink();
    if (waiter.mutex != nullptr) waiter.mutex->forget_waiters();
    waiter.mutex.reset();
  });
}

Result<unsigned> FutexTable::wake(FutexKey key, unsigned count, std::uint32_t bitset) {
  Bucket& bucket = bucket_of(key);
  unsigned woken = 0;
  unsigned passed = 0;
  for (auto next = bucket.begin(); next != bucket.end() && woken < count;) {
    FutexWaiter& waiter = *next++;
    if (waiter.key_ != key) {
      ++passed;
      continue;
    }
    if (waiter.kind_ != FutexWaiter::Kind::kPlain) return Errno{EINVAL};
    if ((waiter.bitset_ & bitset) == 0) continue;
    waiter.unlink();
    ++woken;
    waiter.on_wake();
  }
  if (passed > kLongWalk) grow_if_full();
  return woken;
}

// Waiters of one key come from one bucket, in order, and enqueue() keeps that order.
void FutexTable::grow_if_full() {
  std::size_t waiters = 0;
  for (const Bucket& bucket : buckets_) waiters += bucket.size();
  if (waiters <= buckets_.size() || buckets_.size() >= kMostBuckets) return;
  std::vector<Bucket> old(std::min(kMostBuckets, std::bit_ceil(waiters) * 2));
  old.swap(buckets_);
  for (Bucket& bucket : old) {
    while (!bucket.empty()) {
      FutexWaiter& waiter = bucket.front();
      waiter.unlink();
      enqueue(waiter);
    }
  }
}

Result<FutexTable::Requeued> FutexTable::requeue(FutexKey from, FutexKey to, unsigned wake_count,
                                                 unsigned move_count) {
  const unsigned woken = TRY(wake(from, wake_count));
  return Requeued{woken, TRY(move(from, to, move_count))};
}

FutexWaiter* FutexTable::first(FutexKey key) {
  Bucket& bucket = bucket_of(key);
  const auto found = std::find_if(bucket.begin(), bucket.end(),
                                  [key](const FutexWaiter& waiter) { return waiter.key_ == key; });
  return found == bucket.end() ? nullptr : &*found;
}

void FutexTable::move_to_pi(FutexWaiter& waiter, FutexKey to, std::shared_ptr<PiMutex> mutex) {
  DETENT_ASSERT(waiter.kind_ == FutexWaiter::Kind::kRequeuePi);
  waiter.unlink();
  waiter.key_ = to;
  waiter.kind_ = FutexWaiter::Kind::kPi;
  waiter.mutex = std::move(mutex);
  enqueue(waiter);
}

void FutexTable::prefer(FutexKey key, unsigned n) {
  Bucket& bucket = bucket_of(key);
  const auto is_of_key = [key](const FutexWaiter& waiter) { return waiter.key_ == key; };
  const auto first = std::find_if(bucket.begin(), bucket.end(), is_of_key);
  auto chosen = first;
  for (; n != 0 && chosen != bucket.end(); --n) {
    chosen = std::find_if(std::next(chosen), bucket.end(), is_of_key);
  }
  if (chosen == first || chosen == bucket.end()) return;
  FutexWaiter& waiter = *chosen;
  waiter.unlink();
  bucket.insert(first, waiter);
}

unsigned FutexTable::waiters(FutexKey key) const {
  const Bucket& bucket = bucket_of(key);
  return static_cast<unsigned>(
      std::count_if(bucket.begin(), bucket.end(),
                    [key](const FutexWaiter& waiter) { return waiter.key_ == key; }));
}

std::size_t FutexTable::longest_chain_for_test() const {
  std::size_t longest = 0;
  for (const Bucket& bucket : buckets_) longest = std::max(longest, bucket.size());
  return longest;
}

// Both keys may share a bucket; the moved waiters may be met again, but their key is no longer `from`.
Result<unsigned> FutexTable::move(FutexKey from, FutexKey to, unsigned count) {
  Bucket& source = bucket_of(from);
  unsigned moved = 0;
  for (auto next = source.begin(); next != source.end() && moved < count;) {
    FutexWaiter& waiter = *next++;
    if (waiter.key_ != from) continue;
    if (waiter.kind_ != FutexWaiter::Kind::kPlain) return Errno{EINVAL};
    ++moved;
    if (from == to) continue;
    waiter.unlink();
    waiter.key_ = to;
    enqueue(waiter);
  }
  return moved;
}

std::size_t FutexTable::index_of(FutexKey key) const {
  return mix(mix(key.space) + key.offset) & (buckets_.size() - 1);
}

FutexTable::Bucket& FutexTable::bucket_of(FutexKey key) { return buckets_[index_of(key)]; }

const FutexTable::Bucket& FutexTable::bucket_of(FutexKey key) const {
  return buckets_[index_of(key)];
}

}  // namespace detent::waitq
