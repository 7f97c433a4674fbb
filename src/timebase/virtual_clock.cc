#include "timebase/virtual_clock.h"

#include <algorithm>

#include "detent/assert.h"

namespace detent::timebase {

void VirtualClock::charge(Duration cost) {
  DETENT_ASSERT(cost >= Duration());
  now_ = now_ + cost;
}

void VirtualClock::advance_to(Instant<Monotonic> instant) { now_ = std::max(now_, instant); }

}  // namespace detent::timebase
