#include "timebase/clock_set.h"

#include <limits>
#include <vector>

#include "timebase/fakes.h"
#include "timebase/virtual_clock.h"

namespace detent::timebase {
namespace {

constexpr auto kForEver = std::numeric_limits<std::int64_t>::max();

struct World {
  VirtualClock source{mono(1'000)};
  ClockSet clocks{source, Instant<Realtime>::from_ns(50'000), Instant<Boottime>::from_ns(3'000)};
};

class CountingListener final : public JumpListener {
 public:
  explicit CountingListener(bool once = false) : once_(once) {}
  void on_jump() override {
    ++jumps;
    if (once_) unlink();
  }
  int jumps = 0;

 private:
  bool once_;
};

TEST_CASE("each clock starts where it was told and moves with MONOTONIC", "[clock_set]") {
  World w;
  w.source.charge(Duration::nanoseconds(5));
  CHECK(w.clocks.monotonic() == mono(1'005));
  CHECK(w.clocks.now(Base::kMonotonic) == 1'005);
  CHECK(w.clocks.now(Base::kRealtime) == 50'005);
  CHECK(w.clocks.now(Base::kBoottime) == 3'005);
  CHECK(w.clocks.now(Base::kTai) == 50'005);
}

TEST_CASE("a step moves REALTIME and TAI only", "[clock_set]") {
  World w;
  w.clocks.step_realtime(Duration::nanoseconds(-20'000));
  CHECK(w.clocks.now(Base::kMonotonic) == 1'000);
  CHECK(w.clocks.now(Base::kRealtime) == 30'000);
  CHECK(w.clocks.now(Base::kBoottime) == 3'000);
  CHECK(w.clocks.now(Base::kTai) == 30'000);
}

TEST_CASE("the TAI offset is absolute and follows steps", "[clock_set]") {
  World w;
  w.clocks.set_tai_offset(36);
  w.clocks.set_tai_offset(37);
  w.clocks.step_realtime(Duration::nanoseconds(1));
  CHECK(w.clocks.tai_offset() == 37);
  CHECK(w.clocks.now(Base::kTai) - w.clocks.now(Base::kRealtime) == 37 * kNanosPerSecond);
}

TEST_CASE("a leap second moves REALTIME against TAI, and is no setting", "[clock_set]") {
  World w;
  w.clocks.set_tai_offset(36);
  const std::int64_t tai = w.clocks.now(Base::kTai);
  const std::int64_t real = w.clocks.now(Base::kRealtime);
  const std::uint64_t settings = w.clocks.settings();
  w.clocks.leap(-1);
  CHECK(w.clocks.now(Base::kTai) == tai);
  CHECK(w.clocks.now(Base::kRealtime) == real - kNanosPerSecond);
  CHECK(w.clocks.tai_offset() == 37);
  w.clocks.suspend(Duration::nanoseconds(1));
  CHECK(w.clocks.settings() == settings);
  w.clocks.step_realtime(Duration::nanoseconds(0));
  CHECK(w.clocks.settings() == settings + 1);
}

TEST_CASE("a suspend moves all clocks past MONOTONIC", "[clock_set]") {
  World w;
  w.clocks.suspend(Duration::nanoseconds(400));
  CHECK(w.clocks.now(Base::kMonotonic) == 1'000);
  CHECK(w.clocks.now(Base::kRealtime) == 50'400);
  CHECK(w.clocks.now(Base::kBoottime) == 3'400);
  CHECK(w.clocks.now(Base::kTai) == 50'400);
}

TEST_CASE("to_monotonic inverts now, and for ever stays for ever", "[clock_set]") {
  World w;
  const Base base = GENERATE(Base::kMonotonic, Base::kRealtime, Base::kBoottime, Base::kTai);
  CHECK(w.clocks.to_monotonic(base, w.clocks.now(base)) == mono(1'000));
  CHECK(w.clocks.to_monotonic(base, w.clocks.now(base) + 7) == mono(1'007));
  CHECK(w.clocks.to_monotonic(base, kForEver) == Instant<Monotonic>::max());
}

TEST_CASE("listeners hear every change of REALTIME and nothing else", "[clock_set]") {
  World w;
  CountingListener listener;
  w.clocks.add_listener(listener);
  w.clocks.step_realtime(Duration::nanoseconds(1));
  CHECK(listener.jumps == 1);
  w.clocks.suspend(Duration::nanoseconds(1));
  CHECK(listener.jumps == 2);
  w.clocks.step_realtime(Duration());
  w.clocks.suspend(Duration());
  w.clocks.set_tai_offset(37);
  w.source.charge(Duration::seconds(1));
  CHECK(listener.jumps == 2);
}

TEST_CASE("a listener may unlink itself, and does when it dies", "[clock_set]") {
  World w;
  CountingListener before;
  CountingListener once(true);
  CountingListener after;
  w.clocks.add_listener(before);
  w.clocks.add_listener(once);
  {
    CountingListener dead;
    w.clocks.add_listener(dead);
  }
  w.clocks.add_listener(after);
  w.clocks.step_realtime(Duration::nanoseconds(1));
  w.clocks.step_realtime(Duration::nanoseconds(1));
  CHECK(before.jumps == 2);
  CHECK(once.jumps == 1);
  CHECK(after.jumps == 2);
}

TEST_CASE("a source that cannot change its frequency gets a line before it", "[clock_set]") {
  ManualClock real(1'000);
  ClockSet clocks(real, Instant<Realtime>::from_ns(50'000), Instant<Boottime>::from_ns(1'000));
  CHECK_FALSE(clocks.bent());
  clocks.set_frequency(Frequency::from_ppb(50'000'000));
  CHECK(clocks.bent());
  CHECK(clocks.monotonic() == mono(1'000));
  real.pass(2'000'000);
  CHECK(clocks.monotonic().ns() == Approx(2'101'000).margin(1));
  CHECK(clocks.raw() == 2'001'000);
  // The two add up.
  clocks.set_slew(Frequency::from_ppb(50'000'000));
  real.pass(1'000'000);
  CHECK(clocks.monotonic().ns() == Approx(3'201'000).margin(2));
  const Duration wait =
      clocks.source().host_time_until(clocks.monotonic() + Duration::nanoseconds(1'100));
  CHECK(wait.ns() == Approx(1'000).margin(1));
}

TEST_CASE("a virtual clock is MONOTONIC at every frequency, and RAW follows", "[clock_set]") {
  World w;
  w.clocks.set_frequency(Frequency::from_ppb(-50'000'000));
  w.source.charge(Duration::nanoseconds(950));
  CHECK(w.clocks.monotonic() == mono(1'950));
  CHECK(w.clocks.raw() == Approx(2'000).margin(1));
  w.clocks.set_frequency({});
  w.source.charge(Duration::nanoseconds(10));
  CHECK(w.clocks.raw() == Approx(2'010).margin(1));
  w.clocks.set_raw_offset(-7);
  CHECK(w.clocks.raw() == 1'953);
}

}  // namespace
}  // namespace detent::timebase
