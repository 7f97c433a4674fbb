#include "emu/fd/timerfd.h"

#include <sys/timerfd.h>

#include <catch2/catch.hpp>
#include <ctime>
#include <limits>

#include "recorder.h"
#include "timebase/virtual_clock.h"

namespace detent::fd {
namespace {

using timebase::Base;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = kNanosPerSecond;
constexpr std::int64_t kStart = 1000 * kSecond;
constexpr std::int64_t kEpoch = 1'700'000'000 * kSecond;
constexpr unsigned kCancelOnSet = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;

// A world whose time passes only when told to; due timers fire on the way, one instant at a time.
struct World {
  timebase::VirtualClock source{Instant<Monotonic>::from_ns(kStart)};
  timebase::ClockSet clocks{source, Instant<Realtime>::from_ns(kEpoch),
                            Instant<Boottime>::from_ns(kStart + 7 * kSecond)};
  timebase::TimerQueue timers{clocks};

  void pass(std::int64_t ns) {
    const Instant<Monotonic> end = source.now() + Duration::nanoseconds(ns);
    for (auto next = timers.next_deadline(); next && *next <= end; next = timers.next_deadline()) {
      source.advance_to(*next);
      timers.expire(source.now());
    }
    source.advance_to(end);
  }
};

bool readable(File& file) { return file.poll() == waitq::kIn; }

struct Fixture : World {
  TimerFd timer{timers, clocks, CLOCK_MONOTONIC};
  TimerFd::Times set(std::int64_t value, std::int64_t interval = 0, unsigned flags = 0) {
    return timer.set({value, interval}, flags).value();
  }
};

TEST_CASE_METHOD(Fixture, "a one-shot expires once, at its instant", "[timerfd]") {
  set(10 * kMs);
  pass(10 * kMs - 1);
  CHECK(!readable(timer));
  CHECK(timer.get().value == 1);
  CHECK(is_blocked(timer, waitq::kIn));
  pass(1);
  CHECK(readable(timer));
  CHECK(read_count(timer) == 1);
  CHECK(!readable(timer));
  CHECK(timers.size() == 0);
}

TEST_CASE_METHOD(Fixture, "F1, F2: a new setting drops unread expirations", "[timerfd]") {
  for (const std::int64_t value : {kSecond, std::int64_t{0}}) {
    set(10 * kMs);
    pass(20 * kMs);
    CHECK(readable(timer));
    set(value);
    CHECK(!readable(timer));
    CHECK(is_blocked(timer, waitq::kIn));
  }
}

TEST_CASE_METHOD(Fixture, "F3: a short read is EINVAL and consumes nothing", "[timerfd]") {
  set(1);
  pass(1);
  std::byte buffer[4];
  CHECK(timer.read(buffer).result().error() == Errno{EINVAL});
  CHECK(read_count(timer) == 1);
}

TEST_CASE_METHOD(Fixture, "F4: an unread periodic timer notifies once", "[timerfd]") {
  Recorder pollers(timer, waitq::kIn);
  set(10 * kMs, 10 * kMs);
  pass(120 * kMs);
  CHECK(pollers.wakes == 1);
  CHECK(timers.size() == 0);
  CHECK(read_count(timer) == 12);
  pass(10 * kMs);
  CHECK(pollers.wakes == 2);
  CHECK(read_count(timer) == 1);
}

TEST_CASE_METHOD(Fixture, "F5: gettime shows the rest of the current period", "[timerfd]") {
  set(10 * kMs, 10 * kMs);
  pass(105 * kMs);
  CHECK(timer.get().value == 5 * kMs);
  CHECK(timer.get().interval == 10 * kMs);
  CHECK(readable(timer));
  CHECK(read_count(timer) == 10);
}

TEST_CASE_METHOD(Fixture, "F5b: an expired one-shot has no time left and stays readable",
                 "[timerfd]") {
  set(10 * kMs);
  pass(20 * kMs);
  CHECK(timer.get().value == 0);
  CHECK(readable(timer));
}

TEST_CASE_METHOD(Fixture, "F5c: gettime re-arms an expired periodic timer", "[timerfd]") {
  Recorder pollers(timer, waitq::kIn);
  set(10 * kMs, 10 * kMs);
  for (int round = 1; round <= 6; ++round) {
    pass(10 * kMs);
    CHECK(pollers.wakes == round);
    CHECK(timer.get().value == 10 * kMs);
  }
  CHECK(read_count(timer) == 6);
}

TEST_CASE_METHOD(Fixture, "F6: a value of 0 disarms whatever the interval", "[timerfd]") {
  set(0, 10 * kMs);
  pass(kSecond);
  CHECK(!readable(timer));
  CHECK(timer.get().value == 0);
  CHECK(timer.get().interval == 10 * kMs);
}

TEST_CASE_METHOD(Fixture, "F8: an absolute time in the past expires at once, counting periods",
                 "[timerfd]") {
  set(1, 0, TFD_TIMER_ABSTIME);
  pass(0);
  CHECK(read_count(timer) == 1);
  set(1, 10 * kMs, TFD_TIMER_ABSTIME);
  pass(0);
  CHECK(read_count(timer) == kStart / (10 * kMs));
}

TEST_CASE_METHOD(Fixture, "the phase never drifts, however late the reads", "[timerfd]") {
  set(10 * kMs, 10 * kMs);
  std::int64_t ticks = 0;
  for (const std::int64_t late : {3, 17, 1, 95, 40}) {
    pass(10 * kMs + late * kMs);
    ticks += read_count(timer);
    const std::int64_t elapsed = source.now().ns() - kStart;
    CHECK(ticks == elapsed / (10 * kMs));
    CHECK(timer.get().value == 10 * kMs - elapsed % (10 * kMs));
  }
}

TEST_CASE_METHOD(Fixture, "a period of 1 ns costs nothing while nobody reads", "[timerfd]") {
  set(1, 1);
  pass(kSecond);
  CHECK(read_count(timer) == kSecond);
}

TEST_CASE_METHOD(Fixture, "set returns the setting that was in force", "[timerfd]") {
  const TimerFd::Times never = set(100 * kMs, 30 * kMs);
  CHECK(never.value == 0);
  CHECK(never.interval == 0);
  pass(110 * kMs);
  const TimerFd::Times old = set(0);
  CHECK(old.value == 20 * kMs);
  CHECK(old.interval == 30 * kMs);
}

TEST_CASE_METHOD(Fixture, "a timer for ever stays so", "[timerfd]") {
  set(std::numeric_limits<std::int64_t>::max());
  CHECK(timers.next_deadline() == Instant<Monotonic>::max());
  CHECK(timer.get().value == std::numeric_limits<std::int64_t>::max() - kStart);
}

TEST_CASE_METHOD(Fixture, "set_ticks makes expirations readable", "[timerfd]") {
  Recorder pollers(timer, waitq::kIn);
  CHECK(timer.set_ticks(0).error() == Errno{EINVAL});
  CHECK(timer.set_ticks(3).ok());
  CHECK(pollers.wakes == 1);
  CHECK(read_count(timer) == 3);
}

TEST_CASE_METHOD(World, "an armed timer may be destroyed", "[timerfd]") {
  {
    TimerFd timer(timers, clocks, CLOCK_REALTIME);
    CHECK(timer.set({clocks.now(Base::kRealtime) + kSecond, 0}, kCancelOnSet).ok());
    CHECK(timers.size() == 1);
  }
  CHECK(timers.size() == 0);
  clocks.step_realtime(Duration::seconds(1));
}

TEST_CASE_METHOD(World, "a step moves absolute REALTIME timers, not relative ones", "[timerfd]") {
  TimerFd absolute(timers, clocks, CLOCK_REALTIME);
  TimerFd relative(timers, clocks, CLOCK_REALTIME);
  CHECK(absolute.set({kEpoch + 10 * kSecond, 0}, TFD_TIMER_ABSTIME).ok());
  CHECK(relative.set({10 * kSecond, 0}, 0).ok());
  clocks.step_realtime(Duration::seconds(9));
  CHECK(absolute.get().value == kSecond);
  CHECK(relative.get().value == 10 * kSecond);
  pass(kSecond);
  CHECK(readable(absolute));
  CHECK(!readable(relative));
  pass(9 * kSecond);
  CHECK(readable(relative));
}

TEST_CASE_METHOD(World, "a relative REALTIME_ALARM timer follows the clock", "[timerfd]") {
  TimerFd timer(timers, clocks, CLOCK_REALTIME_ALARM);
  CHECK(timer.is_alarm());
  CHECK(timer.set({10 * kSecond, 0}, 0).ok());
  clocks.step_realtime(Duration::seconds(9));
  CHECK(timer.get().value == kSecond);
  CHECK(timer.set({0, 0}, 0).value().value == kSecond);
  CHECK(timer.get().value == kSecond);  // Linux: the expiry of a disarmed alarm timer is kept
  pass(kSecond);
  CHECK(!readable(timer));
}

TEST_CASE_METHOD(World, "BOOTTIME goes on while suspended", "[timerfd]") {
  TimerFd timer(timers, clocks, CLOCK_BOOTTIME);
  CHECK(timer.set({60 * kSecond, 0}, 0).ok());
  clocks.suspend(Duration::seconds(50));
  CHECK(timer.get().value == 10 * kSecond);
}

TEST_CASE_METHOD(World, "CANCEL_ON_SET: one ECANCELED for each change of the clock", "[timerfd]") {
  TimerFd timer(timers, clocks, CLOCK_REALTIME);
  CHECK(timer.set({kEpoch + 3600 * kSecond, 0}, kCancelOnSet).ok());
  Recorder pollers(timer, waitq::kIn);
  clocks.step_realtime(Duration::seconds(5));
  CHECK(pollers.wakes == 1);
  CHECK(readable(timer));
  CHECK(read_count(timer) == -ECANCELED);
  CHECK(!readable(timer));
  CHECK(is_blocked(timer, waitq::kIn));
  CHECK(timer.get().value == 3595 * kSecond);  // still armed
  clocks.step_realtime(Duration::seconds(-5));
  CHECK(read_count(timer) == -ECANCELED);
}

TEST_CASE_METHOD(World, "a setting after a cancellation is ECANCELED and armed", "[timerfd]") {
  TimerFd timer(timers, clocks, CLOCK_REALTIME);
  CHECK(timer.set({kEpoch + kSecond, 0}, kCancelOnSet).ok());
  clocks.step_realtime(Duration::seconds(-100));
  const TimerFd::Times again{kEpoch - 90 * kSecond, 0};
  CHECK(timer.set(again, kCancelOnSet).error() == Errno{ECANCELED});
  CHECK(!readable(timer));
  CHECK(timer.get().value == 10 * kSecond);
  CHECK(timer.set(again, kCancelOnSet).ok());
  pass(10 * kSecond);
  CHECK(read_count(timer) == 1);
}

TEST_CASE_METHOD(World, "CANCEL_ON_SET compares with the clock as it was at creation",
                 "[timerfd]") {
  TimerFd timer(timers, clocks, CLOCK_REALTIME);
  clocks.step_realtime(Duration::seconds(5));
  CHECK(timer.set({kEpoch + 3600 * kSecond, 0}, kCancelOnSet).ok());
  clocks.step_realtime(Duration::seconds(-5));
  CHECK(!readable(timer));
  clocks.step_realtime(Duration::seconds(1));
  CHECK(read_count(timer) == -ECANCELED);
}

TEST_CASE_METHOD(World, "CANCEL_ON_SET needs REALTIME and ABSTIME", "[timerfd]") {
  TimerFd monotonic(timers, clocks, CLOCK_MONOTONIC);
  TimerFd relative(timers, clocks, CLOCK_REALTIME);
  TimerFd alarm(timers, clocks, CLOCK_REALTIME_ALARM);
  CHECK(monotonic.set({kStart + kSecond, 0}, kCancelOnSet).ok());
  CHECK(relative.set({kSecond, 0}, TFD_TIMER_CANCEL_ON_SET).ok());
  CHECK(alarm.set({kEpoch + kSecond, 0}, kCancelOnSet).ok());
  clocks.step_realtime(Duration::seconds(-5));
  CHECK(!readable(monotonic));
  CHECK(!readable(relative));
  CHECK(readable(alarm));
}

TEST_CASE_METHOD(World, "a clock set back behind an unread expiry gives a read of nothing",
                 "[timerfd]") {
  TimerFd timer(timers, clocks, CLOCK_REALTIME);
  const auto arm_and_step_back = [&] {
    const std::int64_t soon = clocks.now(Base::kRealtime) + kSecond;
    CHECK(timer.set({soon, kSecond}, TFD_TIMER_ABSTIME).ok());
    pass(kSecond);
    CHECK(readable(timer));
    clocks.step_realtime(Duration::seconds(-100));
  };
  arm_and_step_back();
  CHECK(read_count(timer) == 0);
  timer.nonblocking = true;
  arm_and_step_back();
  CHECK(read_count(timer) == -EAGAIN);
}

}  // namespace
}  // namespace detent::fd
