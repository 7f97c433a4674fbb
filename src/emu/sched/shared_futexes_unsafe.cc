#include "emu/sched/shared_futexes_unsafe.h"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <utility>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::sched {

using arch::host_call;
using waitq::FutexKey;
using waitq::FutexWaiter;

struct SharedFutexes::Table {
  static constexpr std::size_t kBuckets = 1024;
  std::atomic<std::int32_t> holder;  // session slot + 1 of the lock's holder, 0 if it is free
  std::uint32_t used;                // slots at or above this index were never used
  std::uint32_t free_from;           // no slot below this index is free
  std::uint64_t next_number;
  std::array<std::atomic<std::uint32_t>, kBuckets> waiters;      // per bucket of keys
  std::array<std::atomic<std::int32_t>, Session::kSlots> woken;  // last woken, index + 1
  std::array<Slot, kSlots> slots;
};

namespace {

std::size_t bucket_of(const FutexKey& key, std::size_t buckets) {
  std::uint64_t x = (key.space ^ (key.offset >> 2)) * 0x9e3779b97f4a7c15;
  x ^= x >> 29;
  return (x * 0xbf58476d1ce4e5b9 >> 32) % buckets;
}

bool before(const SharedFutexes::Slot* a, const SharedFutexes::Slot* b) {
  return a->priority != b->priority ? a->priority > b->priority : a->number < b->number;
}

constexpr unsigned kSpinsBeforeAsking = 1000;

}  // namespace

void SharedFutexes::open(bool rings) {
  rings_ = rings;
  static_assert(sizeof(Table) <= mem::kSessionSize - Session::kFutexOffset);
  table_ = reinterpret_cast<Table*>(mem::kSessionBase + Session::kFutexOffset);
}

void SharedFutexes::lock() {
  const std::int32_t mine = session_.slot() + 1;
  for (unsigned spins = 1;; ++spins) {
    std::int32_t holder = 0;
    if (table_->holder.compare_exchange_strong(holder, mine)) return;
    if (spins % kSpinsBeforeAsking == 0 && session_.gone(holder - 1) &&
        table_->holder.compare_exchange_strong(holder, mine)) {
      return repair();
    }
    static_cast<void>(host_call(SYS_sched_yield));
  }
}

void SharedFutexes::unlock() { table_->holder = 0; }

// The holder was killed in the middle. A slot's own fields are written before its state, so the slots are
// right; what is derived from them is made anew, and the lists of woken ones are told by their states.
void SharedFutexes::repair() {
  for (auto& count : table_->waiters) count = 0;
  for (auto& woken : table_->woken) woken = 0;
  table_->used = kSlots;
  table_->free_from = 0;
  for (Slot& slot : table_->slots) {
    if (slot.state == Slot::kFree) continue;
    if (slot.state == Slot::kWaiting) {
      ++table_->waiters[bucket_of(slot.key, Table::kBuckets)];
    } else {
      wake(slot);
    }
  }
}

std::size_t SharedFutexes::index_of(const Slot& slot) const {
  return static_cast<std::size_t>(&slot - table_->slots.data());
}

int SharedFutexes::find_free() {
  for (std::uint32_t i = table_->free_from; i < kSlots; ++i) {
    if (table_->slots[i].state != Slot::kFree) continue;
    table_->free_from = i + 1;
    table_->used = std::max(table_->used, i + 1);
    return static_cast<int>(i);
  }
  return -1;
}

void SharedFutexes::free_slot(Slot& slot) {
  if (slot.state == Slot::kWaiting) --table_->waiters[bucket_of(slot.key, Table::kBuckets)];
  slot.state = Slot::kFree;
  table_->free_from = std::min(table_->free_from, static_cast<std::uint32_t>(index_of(slot)));
}

Result<SharedFutexes::Slot*> SharedFutexes::add(FutexWaiter& waiter) {
  const int index = find_free();
  if (index < 0) return Errno{ENOMEM};
  const auto at = static_cast<std::size_t>(index);
  Slot& slot = table_->slots[at];
  slot = {Slot::kFree,
          session_.slot(),
          waiter.key(),
          {},
          table_->next_number++,
          waiter.bitset(),
          waiter.priority(),
          waiter.kind(),
          false,
          waiter.tid,
          0,
          0};
  slot.state = Slot::kWaiting;
  ++table_->waiters[bucket_of(slot.key, Table::kBuckets)];
  if (local_.size() <= at) local_.resize(at + 1);
  local_[at] = &waiter;
  ++local_waiters_;
  waiter.shared_slot = index;
  return &slot;
}

// A process that was killed waits no more.
bool SharedFutexes::present(const Slot& slot) {
  return slot.process == session_.slot() || !session_.gone(slot.process);
}

// The waiting slots of `key`, in order.
void SharedFutexes::collect(const FutexKey& key) {
  found_.clear();
  if (table_->waiters[bucket_of(key, Table::kBuckets)] == 0) return;
  for (std::size_t i = 0; i < table_->used; ++i) {
    Slot& slot = table_->slots[i];
    if (slot.state == Slot::kWaiting && slot.key == key) found_.push_back(&slot);
  }
  std::ranges::sort(found_, before);
}

SharedFutexes::Slot* SharedFutexes::first(const FutexKey& key) {
  collect(key);
  for (Slot* slot : found_) {
    if (present(*slot)) return slot;
    free_slot(*slot);
  }
  return nullptr;
}

SharedFutexes::Slot* SharedFutexes::blocked_task(std::uint32_t tid) {
  for (std::size_t i = 0; i < table_->used; ++i) {
    Slot& slot = table_->slots[i];
    const bool waits = slot.state == Slot::kWaiting && slot.kind == FutexWaiter::Kind::kPi;
    if (waits && slot.tid == tid) return &slot;
  }
  return nullptr;
}

SharedFutexes::Slot* SharedFutexes::waiter_for(std::uint32_t owner) {
  for (std::size_t i = 0; i < table_->used; ++i) {
    Slot& slot = table_->slots[i];
    const bool waits = slot.state == Slot::kWaiting && slot.kind == FutexWaiter::Kind::kPi;
    if (waits && slot.owner == owner) return &slot;
  }
  return nullptr;
}

SharedFutexes::Slot& SharedFutexes::slot_of(const FutexWaiter& waiter) {
  return table_->slots[static_cast<std::size_t>(waiter.shared_slot)];
}

void SharedFutexes::set_owner(const FutexKey& key, std::uint32_t owner) {
  collect(key);
  for (Slot* slot : found_) slot->owner = owner;
}

void SharedFutexes::move_to_pi(Slot& slot, const FutexKey& to, std::uint32_t owner) {
  --table_->waiters[bucket_of(slot.key, Table::kBuckets)];
  slot.key = to;
  slot.kind = FutexWaiter::Kind::kPi;
  slot.owner = owner;
  slot.number = table_->next_number++;
  ++table_->waiters[bucket_of(to, Table::kBuckets)];
}

void SharedFutexes::wake(Slot& slot) {
  if (slot.state == Slot::kWaiting) --table_->waiters[bucket_of(slot.key, Table::kBuckets)];
  slot.state = Slot::kWoken;
  std::atomic<std::int32_t>& woken = table_->woken[static_cast<std::size_t>(slot.process)];
  slot.next_woken = woken;
  woken = static_cast<std::int32_t>(index_of(slot)) + 1;
  if (slot.process != session_.slot()) ring_ = true;
}

Result<unsigned> SharedFutexes::wake_plain(const FutexKey& key, unsigned count,
                                           std::uint32_t bitset) {
  unsigned done = 0;
  collect(key);
  for (Slot* slot : found_) {
    if (done == count) break;
    if (slot->kind != FutexWaiter::Kind::kPlain) return Errno{EINVAL};
    if ((slot->bitset & bitset) == 0) continue;
    if (!present(*slot)) {
      free_slot(*slot);
      continue;
    }
    wake(*slot);
    ++done;
  }
  return done;
}

Result<unsigned> SharedFutexes::move_plain(const FutexKey& from, const FutexKey& to,
                                           unsigned count) {
  unsigned done = 0;
  collect(from);
  for (Slot* slot : found_) {
    if (done == count) break;
    if (slot->kind != FutexWaiter::Kind::kPlain) return Errno{EINVAL};
    if (!present(*slot)) {
      free_slot(*slot);
      continue;
    }
    ++done;
    if (from == to) continue;
    --table_->waiters[bucket_of(from, Table::kBuckets)];
    slot->key = to;
    slot->number = table_->next_number++;
    ++table_->waiters[bucket_of(to, Table::kBuckets)];
  }
  return done;
}

void SharedFutexes::ring() {
  if (!std::exchange(ring_, false) || !rings_) return;
  const std::uint64_t one = 1;
  host_call(SYS_write, session_.doorbell(), &one, sizeof(one)).value();
}

bool SharedFutexes::maybe_waiting(const FutexKey& key) const {
  // The guest's store to the word comes before this load, as the waiter's count before its load of the word.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return table_->waiters[bucket_of(key, Table::kBuckets)] != 0;
}

void SharedFutexes::withdraw(FutexWaiter& waiter) {
  free_slot(slot_of(waiter));
  local_[static_cast<std::size_t>(waiter.shared_slot)] = nullptr;
  --local_waiters_;
  waiter.shared_slot = -1;
}

FutexWaiter::Kind SharedFutexes::take_back(FutexWaiter& waiter) {
  if (waiter.shared_slot < 0) return waiter.kind();
  FutexWaiter::Kind kind = waiter.kind();
  bool woken = false;
  {
    const Lock held(*this);
    const Slot& slot = slot_of(waiter);
    kind = slot.kind;
    woken = slot.state == Slot::kWoken;
    if (!woken) withdraw(waiter);
  }
  if (woken) take_woken();
  return kind;
}

bool SharedFutexes::take_woken() {
  if (table_ == nullptr) return false;
  std::atomic<std::int32_t>& woken = table_->woken[static_cast<std::size_t>(session_.slot())];
  if (woken == 0) return false;
  std::vector<FutexWaiter*> waiters;
  {
    const Lock held(*this);
    for (std::int32_t next = woken.exchange(0); next != 0;) {
      const auto at = static_cast<std::size_t>(next - 1);
      Slot& slot = table_->slots[at];
      next = slot.next_woken;
      FutexWaiter* waiter = at < local_.size() ? std::exchange(local_[at], nullptr) : nullptr;
      if (waiter != nullptr) {
        waiter->owner_died = slot.owner_died;
        waiters.push_back(waiter);
      }
      free_slot(slot);
    }
  }
  for (auto next = waiters.rbegin(); next != waiters.rend(); ++next) {
    FutexWaiter& waiter = **next;
    --local_waiters_;
    waiter.shared_slot = -1;
    waiter.wake_shared();
  }
  return !waiters.empty();
}

void SharedFutexes::forget_process(int process) {
  if (table_ == nullptr) return;
  const Lock held(*this);
  for (std::size_t i = 0; i < table_->used; ++i) {
    Slot& slot = table_->slots[i];
    if (slot.state != Slot::kFree && slot.process == process) free_slot(slot);
  }
  table_->woken[static_cast<std::size_t>(process)] = 0;
}

}  // namespace detent::sched
