#include "timebase/virtual_clock.h"

#include "timebase/fakes.h"

namespace detent::timebase {
namespace {

TEST_CASE("a virtual clock moves only when it is moved", "[virtual_clock]") {
  VirtualClock clock(mono(100));
  CHECK(clock.is_virtual());
  CHECK(clock.now() == mono(100));
  CHECK(clock.now() == mono(100));
  clock.charge(Duration::nanoseconds(7));
  CHECK(clock.now() == mono(107));
  clock.advance_to(mono(1000));
  CHECK(clock.now() == mono(1000));
}

TEST_CASE("a virtual clock never goes back", "[virtual_clock]") {
  VirtualClock clock(mono(100));
  clock.advance_to(mono(99));
  CHECK(clock.now() == mono(100));
  clock.charge(Duration());
  CHECK(clock.now() == mono(100));
}

TEST_CASE("a virtual clock stops at the end of time", "[virtual_clock]") {
  VirtualClock clock(mono(100));
  clock.charge(Duration::max());
  CHECK(clock.now() == Instant<Monotonic>::max());
}

}  // namespace
}  // namespace detent::timebase
