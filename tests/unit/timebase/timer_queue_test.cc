#include "timebase/timer_queue.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "timebase/fakes.h"
#include "timebase/virtual_clock.h"

namespace detent::timebase {
namespace {

constexpr auto kForEver = std::numeric_limits<std::int64_t>::max();

struct World {
  VirtualClock source{mono(0)};
  ClockSet clocks{source, Instant<Realtime>::from_ns(1'000), Instant<Boottime>::from_ns(50)};
  TimerQueue queue{clocks};
  std::vector<int> fired;
};

class TestTimer final : public Timer {
 public:
  TestTimer(World& world, int id) : world_(world), id_(id) {}
  ~TestTimer() override { world_.queue.cancel(*this); }
  std::function<void()> then;

 private:
  void on_expire() override {
    CHECK(!armed());
    world_.fired.push_back(id_);
    if (then) then();
  }
  World& world_;
  int id_;
};

TEST_CASE("an empty queue has no deadline", "[timer_queue]") {
  World w;
  CHECK(!w.queue.next_deadline().has_value());
  CHECK(w.queue.expire(Instant<Monotonic>::max()) == 0);
  CHECK(w.queue.size() == 0);
}

TEST_CASE("a timer fires once, at its instant and not before", "[timer_queue]") {
  World w;
  TestTimer timer(w, 1);
  w.queue.arm(timer, Base::kMonotonic, 100);
  CHECK(timer.armed());
  CHECK(timer.expires() == 100);
  CHECK(w.queue.next_deadline() == mono(100));
  CHECK(w.queue.expire(mono(99)) == 0);
  CHECK(w.queue.expire(mono(100)) == 1);
  CHECK(!timer.armed());
  CHECK(w.queue.expire(mono(100)) == 0);
}

TEST_CASE("equal deadlines fire in the order of arming", "[timer_queue]") {
  World w;
  TestTimer first(w, 1);
  TestTimer second(w, 2);
  TestTimer third(w, 3);
  w.queue.arm(first, Base::kMonotonic, 100);
  w.queue.arm(second, Base::kRealtime, 1'100);
  w.queue.arm(third, Base::kBoottime, 150);
  w.queue.arm(first, Base::kMonotonic, 100);
  CHECK(w.queue.expire(mono(100)) == 3);
  CHECK(w.fired == std::vector{2, 3, 1});
}

TEST_CASE("a step of REALTIME moves its timers and no others", "[timer_queue]") {
  World w;
  TestTimer real(w, 1);
  TestTimer steady(w, 2);
  w.queue.arm(real, Base::kRealtime, 1'500);
  w.queue.arm(steady, Base::kMonotonic, 200);
  CHECK(w.queue.next_deadline() == mono(200));
  w.clocks.step_realtime(Duration::nanoseconds(400));
  CHECK(w.queue.next_deadline() == mono(100));
  CHECK(w.queue.expire(mono(100)) == 1);
  CHECK(w.fired == std::vector{1});
}

// A leap second, at the instant of other timers: those on REALTIME wait for that instant once more.
TEST_CASE("a timer whose clock is set back by one that is due waits again", "[timer_queue]") {
  World w;
  TestTimer real(w, 1);
  TestTimer steady(w, 2);
  TestTimer leap(w, 3);
  leap.then = [&] { w.clocks.step_realtime(Duration::nanoseconds(-100)); };
  w.queue.arm(real, Base::kRealtime, 1'200);
  w.queue.arm(steady, Base::kMonotonic, 200);
  w.queue.arm_first(leap, Base::kRealtime, 1'200);
  CHECK(w.queue.expire(mono(200)) == 2);
  CHECK(w.fired == std::vector{3, 2});
  CHECK(real.armed());
  CHECK(w.queue.next_deadline() == mono(300));
  CHECK(w.queue.expire(mono(300)) == 1);
  CHECK(w.fired == std::vector{3, 2, 1});
}

TEST_CASE("a timer armed for ever has a deadline at the end of time", "[timer_queue]") {
  World w;
  TestTimer timer(w, 1);
  w.queue.arm(timer, Base::kRealtime, kForEver);
  CHECK(w.queue.next_deadline() == Instant<Monotonic>::max());
}

TEST_CASE("a timer that re-arms itself in the past fires once a call", "[timer_queue]") {
  World w;
  TestTimer timer(w, 1);
  timer.then = [&] { w.queue.arm(timer, Base::kMonotonic, 5); };
  w.queue.arm(timer, Base::kMonotonic, 10);
  CHECK(w.queue.expire(mono(10)) == 1);
  CHECK(w.queue.expire(mono(10)) == 1);
  CHECK(w.queue.next_deadline() == mono(5));
}

TEST_CASE("a callback may cancel a timer that is due", "[timer_queue]") {
  World w;
  TestTimer victim(w, 2);
  TestTimer killer(w, 1);
  killer.then = [&] {
    CHECK(w.queue.size() == 1);
    CHECK(w.queue.next_deadline() == mono(11));
    w.queue.cancel(victim);
    CHECK(w.queue.size() == 0);
    CHECK(!w.queue.next_deadline().has_value());
  };
  w.queue.arm(killer, Base::kMonotonic, 10);
  w.queue.arm(victim, Base::kMonotonic, 11);
  CHECK(w.queue.expire(mono(20)) == 1);
  CHECK(w.fired == std::vector{1});
  CHECK(!victim.armed());
}

TEST_CASE("a due timer that a callback re-arms waits for the next call", "[timer_queue]") {
  World w;
  TestTimer other(w, 2);
  TestTimer mover(w, 1);
  mover.then = [&] { w.queue.arm(other, Base::kMonotonic, 12); };
  w.queue.arm(mover, Base::kMonotonic, 10);
  w.queue.arm(other, Base::kMonotonic, 11);
  CHECK(w.queue.expire(mono(20)) == 1);
  CHECK(other.armed());
  CHECK(w.queue.expire(mono(20)) == 1);
  CHECK(w.fired == std::vector{1, 2});
}

TEST_CASE("a callback may destroy its own timer", "[timer_queue]") {
  World w;
  std::deque<TestTimer> timers;
  timers.emplace_back(w, 1);
  timers.front().then = [&] { timers.clear(); };
  w.queue.arm(timers.front(), Base::kMonotonic, 1);
  CHECK(w.queue.expire(mono(1)) == 1);
  CHECK(timers.empty());
}

// The naive model: a list of what is armed, searched from end to end.
class Model {
 public:
  struct Entry {
    int id;
    Base base;
    std::int64_t expires;
    std::uint64_t sequence;
  };

  void arm(int id, Base base, std::int64_t expires) {
    cancel(id);
    entries_.push_back({id, base, expires, next_sequence_++});
  }
  void cancel(int id) {
    std::erase_if(entries_, [id](const Entry& entry) { return entry.id == id; });
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  [[nodiscard]] std::optional<Instant<Monotonic>> next_deadline(const ClockSet& clocks) const {
    std::optional<Instant<Monotonic>> earliest;
    for (const Entry& entry : entries_) {
      const auto deadline = clocks.to_monotonic(entry.base, entry.expires);
      if (!earliest || deadline < *earliest) earliest = deadline;
    }
    return earliest;
  }

  std::vector<int> expire(const ClockSet& clocks, Instant<Monotonic> now) {
    std::sort(entries_.begin(), entries_.end(), [&](const Entry& a, const Entry& b) {
      const auto first = clocks.to_monotonic(a.base, a.expires);
      const auto second = clocks.to_monotonic(b.base, b.expires);
      return first != second ? first < second : a.sequence < b.sequence;
    });
    std::vector<int> due;
    for (const Entry& entry : entries_) {
      if (clocks.to_monotonic(entry.base, entry.expires) <= now) due.push_back(entry.id);
    }
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(due.size()));
    return due;
  }

 private:
  std::vector<Entry> entries_;
  std::uint64_t next_sequence_ = 0;
};

class ModelTest {
 public:
  ModelTest(std::uint64_t seed, int timers) : random_(seed) {
    for (int i = 0; i < timers; ++i) timers_.emplace_back(world_, i);
  }

  void step() {
    switch (random_() % 16) {
      case 0:
        return expire();
      case 1:
        return jump();
      case 2:
      case 3:
      case 4:
        return cancel();
      default:
        return arm();
    }
  }

  void check() {
    REQUIRE(world_.queue.size() == model_.size());
    REQUIRE(world_.queue.next_deadline() == model_.next_deadline(world_.clocks));
  }

 private:
  int any_timer() { return static_cast<int>(random_() % timers_.size()); }
  TestTimer& timer(int id) { return timers_[static_cast<std::size_t>(id)]; }

  void arm() {
    const int id = any_timer();
    const auto base = static_cast<Base>(random_() % kBaseCount);
    // A narrow range, so that ties are common.
    const std::int64_t expires =
        world_.clocks.now(base) + static_cast<std::int64_t>(random_() % 64) - 8;
    world_.queue.arm(timer(id), base, expires);
    model_.arm(id, base, expires);
  }

  void cancel() {
    const int id = any_timer();
    world_.queue.cancel(timer(id));
    model_.cancel(id);
  }

  void jump() {
    const auto by = Duration::nanoseconds(static_cast<std::int64_t>(random_() % 40) - 20);
    world_.clocks.step_realtime(by);
    if (by > Duration()) world_.clocks.suspend(by);
  }

  void expire() {
    world_.source.charge(Duration::nanoseconds(static_cast<std::int64_t>(random_() % 24)));
    const auto now = world_.source.now();
    const std::vector<int> expected = model_.expire(world_.clocks, now);
    world_.fired.clear();
    REQUIRE(world_.queue.expire(now) == expected.size());
    REQUIRE(world_.fired == expected);
  }

  World world_;
  Model model_;
  std::deque<TestTimer> timers_;
  std::mt19937_64 random_;
};

TEST_CASE("the timer queue agrees with the naive model", "[timer_queue]") {
  const std::uint64_t seed = GENERATE(range(1, 9));
  ModelTest test(seed, seed % 2 == 0 ? 12 : 200);
  for (int i = 0; i < 4'000; ++i) {
    test.step();
    test.check();
  }
}

TEST_CASE("callbacks that arm and cancel at random keep the queue whole", "[timer_queue]") {
  World w;
  std::mt19937_64 random(99);
  std::deque<TestTimer> timers;
  const auto any = [&]() -> TestTimer& { return timers[random() % timers.size()]; };
  for (int i = 0; i < 50; ++i) {
    timers.emplace_back(w, i);
    timers.back().then = [&] {
      if (random() % 2 == 0) w.queue.cancel(any());
      TestTimer& timer = any();
      const auto base = static_cast<Base>(random() % kBaseCount);
      w.queue.arm(timer, base, static_cast<std::int64_t>(random() % 30) - 10);
    };
    w.queue.arm(timers.back(), Base::kMonotonic, i % 7);
  }
  for (int i = 0; i < 2'000; ++i) {
    const std::size_t armed_before = w.queue.size();
    REQUIRE(w.queue.expire(mono(10 + i)) <= armed_before);
    const auto armed = std::count_if(timers.begin(), timers.end(),
                                     [](const TestTimer& timer) { return timer.armed(); });
    REQUIRE(w.queue.size() == static_cast<std::size_t>(armed));
    w.queue.arm(any(), Base::kMonotonic, 10 + i);
  }
}

}  // namespace
}  // namespace detent::timebase
