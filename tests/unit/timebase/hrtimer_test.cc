#include "detent/hrtimer.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "timebase/fakes.h"

namespace detent {
namespace {

constexpr Duration ns(std::int64_t n) { return Duration::nanoseconds(n); }
constexpr Instant<Monotonic> at(std::int64_t n) { return Instant<Monotonic>::from_ns(n); }

// Records when it was called, and goes on at `period` for `rounds`.
template <class Clock>
class Ticker {
 public:
  Ticker(TimerService& new_service, Duration new_period = {}, int new_rounds = 1)
      : service(new_service), period(new_period), rounds(new_rounds), timer(new_service, *this) {}

  HrTimerRestart on_timer(HrTimerCall<Clock>& call) {
    due.push_back(call.expires().ns());
    called.push_back(call.now().ns());
    if (body) body();
    if (static_cast<int>(due.size()) >= rounds) return HrTimerRestart::kNoRestart;
    missed += call.forward_now(period) - 1;
    return HrTimerRestart::kRestart;
  }

  TimerService& service;
  Duration period;
  int rounds;
  std::uint64_t missed = 0;
  std::vector<std::int64_t> due;
  std::vector<std::int64_t> called;
  std::function<void()> body;
  HrTimer<&Ticker::on_timer, Clock> timer;
};

using Times = std::vector<std::int64_t>;

TEST_CASE("a timer fires at its instant, once", "[hrtimer]") {
  const auto service = TimerService::with_virtual_time(at(100));
  Ticker<Monotonic> ticker(*service);
  const auto handle = ticker.timer.start(at(150));
  CHECK(handle.timer().is_armed());
  CHECK(handle.timer().remaining() == ns(50));
  CHECK(ticker.timer.expires() == at(150));
  CHECK(service->run_next());
  CHECK(ticker.called == Times{150});
  CHECK_FALSE(handle.timer().is_armed());
  CHECK_FALSE(service->run_next());
}

TEST_CASE("a periodic timer keeps its phase, and counts what it missed", "[hrtimer]") {
  const auto service = TimerService::with_virtual_time();
  Ticker<Monotonic> ticker(*service, ns(10), 5);
  const auto handle = ticker.timer.start_after(ns(10));
  ticker.body = [&] {
    // Somebody is late once: 25 ns pass with no timer run.
    if (ticker.due.size() == 2) service->step_realtime(ns(1));
  };
  service->run_until(at(200));
  CHECK(ticker.due == Times{10, 20, 30, 40, 50});
  CHECK(ticker.missed == 0);
}

TEST_CASE("the end of a handle cancels", "[hrtimer]") {
  const auto service = TimerService::with_virtual_time();
  Ticker<Monotonic> ticker(*service);
  { const auto handle = ticker.timer.start(at(10)); }
  CHECK_FALSE(ticker.timer.is_armed());
  {
    auto first = ticker.timer.start(at(10));
    auto second = std::move(first);
    CHECK(second.cancel());
    CHECK_FALSE(second.cancel());
    CHECK(second.try_cancel() == TryCancel::kInactive);
  }
  service->run_until(at(20));
  CHECK(ticker.called.empty());
}

TEST_CASE("a scoped timer is armed inside and inactive behind", "[hrtimer]") {
  const auto service = TimerService::with_virtual_time();
  Ticker<Monotonic> ticker(*service, ns(10), 1000);
  const auto seen = ticker.timer.scoped(at(10), [&] {
    service->run_until(at(35));
    return ticker.due.size();
  });
  CHECK(seen == 3);
  CHECK(service->armed() == 0);
}

TEST_CASE("a leaked handle keeps the owner until the timer is inactive", "[hrtimer]") {
  const auto service = TimerService::with_virtual_time();
  auto owner = std::make_shared<Ticker<Monotonic>>(*service, ns(10), 3);
  const std::weak_ptr<Ticker<Monotonic>> watch = owner;
  Times called;
  owner->body = [&called, &service] { called.push_back(service->now().ns()); };
  owner->timer.start_shared_after(owner, ns(10)).leak();
  owner.reset();
  service->run_until(at(25));
  CHECK_FALSE(watch.expired());
  service->run_until(at(100));
  CHECK(watch.expired());
  CHECK(called == Times{10, 20, 30});
}

TEST_CASE("a shared handle cancels as any other", "[hrtimer]") {
  const auto service = TimerService::with_virtual_time();
  auto owner = std::make_shared<Ticker<Monotonic>>(*service);
  {
    auto handle = owner->timer.start_shared(owner, at(10));
    CHECK(&handle.target() == owner.get());
    CHECK(owner.use_count() == 3);
  }
  CHECK(owner.use_count() == 1);
}

TEST_CASE("absolute REALTIME timers follow a step, relative ones do not", "[hrtimer]") {
  const auto service = TimerService::with_virtual_time(at(1'000));
  Ticker<Realtime> absolute(*service);
  Ticker<Realtime> relative(*service);
  Ticker<Boottime> boottime(*service);
  const auto a = absolute.timer.start(service->now<Realtime>() + ns(500));
  const auto r = relative.timer.start_after(ns(500));
  const auto b = boottime.timer.start_after(ns(500));
  service->step_realtime(ns(400));
  CHECK(absolute.timer.remaining() == ns(100));
  CHECK(relative.timer.remaining() == ns(500));
  CHECK(relative.timer.expires() == service->now<Realtime>() + ns(500));
  service->suspend(ns(300));
  CHECK(service->run_due() == 1);
  CHECK(boottime.timer.remaining() == ns(200));
  service->run_until(at(1'500));
  CHECK(relative.due.size() == 1);
  CHECK(boottime.due.size() == 1);
}

TEST_CASE("a timer for ever is never due", "[hrtimer]") {
  const auto service = TimerService::with_virtual_time();
  Ticker<Monotonic> ticker(*service);
  const auto handle = ticker.timer.start(Instant<Monotonic>::max());
  CHECK_FALSE(service->run_next());
}

TEST_CASE("callbacks may start and cancel other timers", "[hrtimer]") {
  const auto service = TimerService::with_virtual_time();
  Ticker<Monotonic> first(*service);
  Ticker<Monotonic> second(*service);
  Ticker<Monotonic> third(*service);
  auto doomed = second.timer.start(at(10));
  std::optional<HrTimerHandle<Ticker<Monotonic>>> started;
  first.body = [&] {
    CHECK(doomed.cancel());
    started.emplace(third.timer.start(at(5)));
    CHECK(first.timer.is_running());
    CHECK(first.timer.try_cancel() == TryCancel::kRunning);
  };
  const auto handle = first.timer.start(at(10));
  // Armed for the same instant, later.
  CHECK(doomed.cancel());
  doomed = second.timer.start(at(10));
  CHECK(service->run_next());
  CHECK(second.due.empty());
  CHECK(third.due.empty());
  CHECK(service->run_due() == 1);
  CHECK(third.called == Times{10});
}

TEST_CASE("a sleeper sleeps", "[hrtimer]") {
  const auto service = TimerService::with_virtual_time();
  HrSleeper sleeper(*service);
  sleeper.start(at(70));
  CHECK_FALSE(sleeper.fired());
  CHECK(sleeper.wait());
  CHECK(service->now() == at(70));
  sleeper.start(at(90));
  sleeper.cancel();
  CHECK_FALSE(sleeper.wait());
}

// Property: whatever is started, moved and cancelled, each timer fires at its last instant, in the order of
// (deadline, arming order), as a list that is sorted says.
TEST_CASE("timers fire as a sorted list says", "[hrtimer]") {
  std::mt19937_64 random(GENERATE(range(1, 9)));
  const auto service = TimerService::with_virtual_time();
  std::vector<int> fired;
  std::deque<Ticker<Monotonic>> tickers;
  std::map<int, HrTimerHandle<Ticker<Monotonic>>> handles;
  std::map<int, std::pair<std::int64_t, int>> model;  // -> (deadline, arming order)
  int order = 0;
  for (int i = 0; i < 40; ++i) {
    tickers.emplace_back(*service).body = [&fired, i] { fired.push_back(i); };
  }
  for (int round = 0; round < 400; ++round) {
    const int i = static_cast<int>(random() % 40);
    Ticker<Monotonic>& ticker = tickers[static_cast<std::size_t>(i)];
    if (random() % 3 != 0) {
      const auto when = static_cast<std::int64_t>(random() % 200) + service->now().ns();
      handles.erase(i);
      handles.emplace(i, ticker.timer.start(at(when)));
      model[i] = {when, order++};
    } else if (random() % 2 != 0) {
      REQUIRE((handles.erase(i) != 0) >= (model.erase(i) != 0));
    } else {
      const std::int64_t end = service->now().ns() + static_cast<std::int64_t>(random() % 50);
      std::vector<std::pair<std::pair<std::int64_t, int>, int>> due;
      for (const auto& [id, key] : model) {
        if (key.first <= end) due.push_back({key, id});
      }
      std::sort(due.begin(), due.end());
      std::vector<int> expected;
      for (const auto& [key, id] : due) {
        expected.push_back(id);
        model.erase(id);
      }
      fired.clear();
      service->run_until(at(end));
      REQUIRE(fired == expected);
    }
  }
}

// Property: forward() lands on the grid, behind now, and counts the steps.
TEST_CASE("forward keeps the phase", "[hrtimer]") {
  std::mt19937_64 random(3);
  const auto service = TimerService::with_virtual_time();
  Ticker<Monotonic> ticker(*service);
  for (int i = 0; i < 1000; ++i) {
    const auto start = static_cast<std::int64_t>(random() % 1'000'000);
    const auto now = static_cast<std::int64_t>(random() % 1'000'000);
    const auto period = static_cast<std::int64_t>(1 + random() % 5'000);
    { const auto handle = ticker.timer.start(at(start)); }
    const std::uint64_t steps = ticker.timer.forward(at(now), ns(period));
    const std::int64_t next = ticker.timer.expires().ns();
    REQUIRE(next == start + static_cast<std::int64_t>(steps) * period);
    REQUIRE((steps == 0 ? now < start : next > now && next - period <= now));
  }
}

TEST_CASE("in real time a timer is never early", "[hrtimer]") {
  const auto service = TimerService::with_real_time();
  Ticker<Monotonic> ticker(*service, Duration::microseconds(200), 20);
  const Instant<Monotonic> start = service->now();
  const auto handle = ticker.timer.start(start + Duration::milliseconds(1));
  while (service->run_next()) {
  }
  REQUIRE(ticker.due.size() == 20);
  for (std::size_t i = 0; i < ticker.due.size(); ++i) {
    CHECK(ticker.called[i] >= ticker.due[i]);
    CHECK((ticker.due[i] - start.ns() - 1'000'000) % 200'000 == 0);
  }
}

TEST_CASE("a handle's end waits for the callback on another thread", "[hrtimer]") {
  const auto service = TimerService::with_virtual_time();
  Ticker<Monotonic> ticker(*service, Duration::microseconds(50), 1'000'000);
  std::atomic<bool> ending{false};
  std::atomic<int> inside{0};
  std::atomic<int> calls{0};
  ticker.body = [&] {
    ++inside;
    ++calls;
    while (!ending) std::this_thread::yield();
    for (int i = 0; i < 100; ++i)
      std::this_thread::yield();  // a handle's end could overtake it here
    --inside;
  };
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  std::thread driver([&] {
    for (; !stop; ++rounds) service->run_until(service->now() + Duration::milliseconds(1));
  });
  for (int i = 0; i < 20; ++i) {
    ending = false;
    const int before = calls;
    {
      const auto handle = ticker.timer.start_after({});
      while (calls == before) std::this_thread::yield();
      ending = true;
    }
    CHECK(inside == 0);
    const int after = calls;
    // A whole round of the driver goes by: twenty periods of the timer.
    for (const int round = rounds; rounds < round + 2;) std::this_thread::yield();
    CHECK(calls == after);
  }
  stop = true;
  driver.join();
}

TEST_CASE("a sleeper on one thread is woken by a driver on another", "[hrtimer]") {
  const auto service = TimerService::with_real_time();
  std::atomic<bool> stop{false};
  std::thread driver([&] {
    while (!stop) service->run_until(service->now() + Duration::milliseconds(1));
  });
  HrSleeper sleeper(*service);
  const Instant<Monotonic> until = service->now() + Duration::milliseconds(5);
  sleeper.start(until);
  CHECK(sleeper.wait());
  CHECK(service->now() >= until);
  stop = true;
  driver.join();
}

}  // namespace
}  // namespace detent
