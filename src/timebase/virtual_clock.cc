#include "timebase/virtual_clock.h"

#include <cstdlib>

#include "detent/assert.h"

namespace detent::timebase {

void VirtualClock::charge(Duration cost) {
  DETENT_ASSERT(cost >= Duration());
  std::int64_t now = now_->load(std::memory_order_relaxed);
  while (!now_->compare_exchange_weak(now, saturating_add(now, cost.ns()))) {
  }
}

// Another process may move a shared clock at the same time: whoever is further ahead wins.
void VirtualClock::advance_to(Instant<Monotonic> instant) {
  std::int64_t now = now_->load(std::memory_order_relaxed);
  while (now < instant.ns() && !now_->compare_exchange_weak(now, instant.ns())) {
  }
}

bool VirtualClock::set_frequency(Frequency frequency) {
  DETENT_ASSERT(std::abs(frequency.parts) <= Frequency::kMaxParts);
  raw_ = RateLine(raw(), now().ns(), static_cast<std::uint64_t>(Frequency::kOne + frequency.parts));
  return true;
}

}  // namespace detent::timebase
