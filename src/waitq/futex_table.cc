#include "waitq/futex_table.h"

#include <algorithm>

#include "detent/assert.h"

namespace detent::waitq {
namespace {

constexpr std::size_t kBuckets = 256;

// The finalizer of MurmurHash3: every input bit reaches every output bit.
constexpr std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccd;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53;
  return x ^ (x >> 33);
}

constexpr std::size_t bucket_index(FutexKey key) {
  return mix(mix(key.space) + key.offset) % kBuckets;
}

}  // namespace

FutexTable::FutexTable() : buckets_(kBuckets) {}

void FutexTable::enqueue(FutexWaiter& waiter) {
  DETENT_ASSERT(!waiter.queued());
  bucket_of(waiter.key_).push_back(waiter);
}

void FutexTable::cancel(FutexWaiter& waiter) {
  if (waiter.queued()) waiter.unlink();
}

void FutexTable::clear() {
  for (Bucket& bucket : buckets_) bucket.clear();
}

unsigned FutexTable::wake(FutexKey key, unsigned count, std::uint32_t bitset) {
  Bucket& bucket = bucket_of(key);
  unsigned woken = 0;
  for (auto next = bucket.begin(); next != bucket.end() && woken < count;) {
    FutexWaiter& waiter = *next++;
    if (waiter.key_ != key || (waiter.bitset_ & bitset) == 0) continue;
    waiter.unlink();
    ++woken;
    waiter.on_wake();
  }
  return woken;
}

FutexTable::Requeued FutexTable::requeue(FutexKey from, FutexKey to, unsigned wake_count,
                                         unsigned move_count) {
  const unsigned woken = wake(from, wake_count);
  if (from == to) return {woken, std::min(waiters(from), move_count)};
  return {woken, move(from, to, move_count)};
}

unsigned FutexTable::waiters(FutexKey key) const {
  const Bucket& bucket = bucket_of(key);
  return static_cast<unsigned>(
      std::count_if(bucket.begin(), bucket.end(),
                    [key](const FutexWaiter& waiter) { return waiter.key_ == key; }));
}

// Both keys may share a bucket; the moved waiters are then met again at its end, but their key is
// no longer `from`.
unsigned FutexTable::move(FutexKey from, FutexKey to, unsigned count) {
  Bucket& source = bucket_of(from);
  Bucket& target = bucket_of(to);
  unsigned moved = 0;
  for (auto next = source.begin(); next != source.end() && moved < count;) {
    FutexWaiter& waiter = *next++;
    if (waiter.key_ != from) continue;
    waiter.unlink();
    waiter.key_ = to;
    target.push_back(waiter);
    ++moved;
  }
  return moved;
}

FutexTable::Bucket& FutexTable::bucket_of(FutexKey key) { return buckets_[bucket_index(key)]; }

const FutexTable::Bucket& FutexTable::bucket_of(FutexKey key) const {
  return buckets_[bucket_index(key)];
}

}  // namespace detent::waitq
