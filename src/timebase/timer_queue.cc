#include "timebase/timer_queue.h"

#include <algorithm>

#include "detent/assert.h"

namespace detent::timebase {
namespace {

// Four children a node: half the depth of a binary heap, and siblings share cache lines.
constexpr std::size_t kArity = 4;

}  // namespace

Timer::~Timer() { DETENT_ASSERT(!armed()); }

void TimerQueue::arm(Timer& timer, Base base, std::int64_t expires) {
  cancel(timer);
  timer.base_ = base;
  timer.expires_ = expires;
  timer.sequence_ = next_sequence_++;
  push(timer);
}

void TimerQueue::arm_first(Timer& timer, Base base, std::int64_t expires) {
  cancel(timer);
  timer.base_ = base;
  timer.expires_ = expires;
  timer.sequence_ = 0;
  push(timer);
}

void TimerQueue::push(Timer& timer) {
  Heap& heap = heap_of(timer);
  DETENT_ASSERT(heap.size() < Timer::kNotArmed);
  heap.push_back({timer.expires_, timer.sequence_, &timer});
  sift_up(heap, heap.size() - 1);
}

void TimerQueue::cancel(Timer& timer) {
  if (!timer.armed()) return;
  if (timer.due_) {
    due_[timer.index_] = nullptr;
  } else {
    remove_from_heap(timer);
  }
  timer.due_ = false;
  timer.index_ = Timer::kNotArmed;
}

void TimerQueue::clear() {
  for (Heap& heap : heaps_) {
    while (!heap.empty()) cancel(*heap.back().timer);
  }
}

std::optional<Instant<Monotonic>> TimerQueue::next_deadline() const {
  std::optional<Instant<Monotonic>> earliest;
  if (const Timer* timer = earliest_in_heaps()) earliest = deadline_of(*timer);
  for (const Timer* timer : due_) {
    if (timer == nullptr) continue;
    earliest = std::min(earliest.value_or(Instant<Monotonic>::max()), deadline_of(*timer));
  }
  return earliest;
}

std::optional<Instant<Monotonic>> TimerQueue::next_alarm() const {
  std::optional<Instant<Monotonic>> earliest;
  const auto consider = [&](const Timer* timer) {
    if (timer == nullptr || !timer->wakes_machine()) return;
    earliest = std::min(earliest.value_or(Instant<Monotonic>::max()), deadline_of(*timer));
  };
  for (const Heap& heap : heaps_) {
    for (const Slot& slot : heap) consider(slot.timer);
  }
  for (const Timer* timer : due_) consider(timer);
  return earliest;
}

std::size_t TimerQueue::expire(Instant<Monotonic> now) {
  DETENT_ASSERT(due_.empty());
  collect_due(now);
  std::size_t fired = 0;
  for (Timer* timer : due_) {
    if (timer == nullptr) continue;
    cancel(*timer);
    if (deadline_of(*timer) > now) {
      push(*timer);
      continue;
    }
    expiring_ = deadline_of(*timer);
    ++fired;
    timer->on_expire();
  }
  expiring_.reset();
  due_.clear();
  return fired;
}

std::size_t TimerQueue::size() const {
  auto total = static_cast<std::size_t>(
      std::count_if(due_.begin(), due_.end(), [](const Timer* timer) { return timer != nullptr; }));
  for (const Heap& heap : heaps_) total += heap.size();
  return total;
}

bool TimerQueue::fires_before(const Timer& a, const Timer& b) const {
  const Instant<Monotonic> first = deadline_of(a);
  const Instant<Monotonic> second = deadline_of(b);
  return first != second ? first < second : a.sequence_ < b.sequence_;
}

Timer* TimerQueue::earliest_in_heaps() const {
  Timer* earliest = nullptr;
  for (const Heap& heap : heaps_) {
    if (heap.empty()) continue;
    Timer* candidate = heap.front().timer;
    if (earliest == nullptr || fires_before(*candidate, *earliest)) earliest = candidate;
  }
  return earliest;
}

// Taken out of the heaps before the first callback runs, so that what callbacks arm cannot get in
// between, and stay armed (cancellable) until their turn.
void TimerQueue::collect_due(Instant<Monotonic> now) {
  for (Timer* timer = earliest_in_heaps(); timer != nullptr && deadline_of(*timer) <= now;
       timer = earliest_in_heaps()) {
    remove_from_heap(*timer);
    timer->due_ = true;
    timer->index_ = static_cast<std::uint32_t>(due_.size());
    due_.push_back(timer);
  }
}

void TimerQueue::remove_from_heap(Timer& timer) {
  Heap& heap = heap_of(timer);
  const std::size_t hole = timer.index_;
  DETENT_ASSERT(hole < heap.size() && heap[hole].timer == &timer);
  const Slot last = heap.back();
  heap.pop_back();
  if (hole == heap.size()) return;
  // The last slot may belong above the hole: it comes from another branch of the tree.
  place(heap, hole, last);
  sift_up(heap, hole);
  sift_down(heap, last.timer->index_);
}

void TimerQueue::place(Heap& heap, std::size_t index, Slot slot) {
  heap[index] = slot;
  slot.timer->index_ = static_cast<std::uint32_t>(index);
}

void TimerQueue::sift_up(Heap& heap, std::size_t index) {
  const Slot slot = heap[index];
  while (index > 0) {
    const std::size_t parent = (index - 1) / kArity;
    if (!slot.before(heap[parent])) break;
    place(heap, index, heap[parent]);
    index = parent;
  }
  place(heap, index, slot);
}

void TimerQueue::sift_down(Heap& heap, std::size_t index) {
  const Slot slot = heap[index];
  const auto first_to_fire = [](const Slot& a, const Slot& b) { return a.before(b); };
  for (std::size_t child = index * kArity + 1; child < heap.size(); child = index * kArity + 1) {
    const auto first = heap.begin() + static_cast<std::ptrdiff_t>(child);
    const auto last =
        heap.begin() + static_cast<std::ptrdiff_t>(std::min(child + kArity, heap.size()));
    const auto smallest = std::min_element(first, last, first_to_fire);
    if (!smallest->before(slot)) break;
    const auto from = static_cast<std::size_t>(smallest - heap.begin());
    place(heap, index, *smallest);
    index = from;
  }
  place(heap, index, slot);
}

}  // namespace detent::timebase
