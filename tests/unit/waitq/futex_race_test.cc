// All interleavings of three tasks at one futex: a wake that races with a time-out or a requeue is
// neither lost nor counted twice.
#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "waitq/futex_table.h"

namespace detent::waitq {
namespace {

constexpr FutexKey kFirst{0, 0x1000};
constexpr FutexKey kSecond{0, 0x2000};

class RacingWaiter final : public FutexWaiter {
 public:
  RacingWaiter() : FutexWaiter(kFirst, kMatchAny) {}
  unsigned wakes = 0;

 private:
  void on_wake() override { ++wakes; }
};

// What the steps of a task do to the table. A waiter's second step is its time-out or signal: it
// leaves wherever it is queued by then.
struct World {
  FutexTable table;
  std::vector<std::unique_ptr<RacingWaiter>> waiters;
  std::vector<bool> timed_out;
  unsigned counted = 0;

  explicit World(std::size_t n) : timed_out(n) {
    for (std::size_t i = 0; i < n; ++i) waiters.push_back(std::make_unique<RacingWaiter>());
  }
  void enqueue(std::size_t i) { table.enqueue(*waiters[i]); }
  void time_out(std::size_t i) {
    if (waiters[i]->wakes != 0) return;  // woken before: that counts
    FutexTable::cancel(*waiters[i]);
    timed_out[i] = true;
  }
  void wake(FutexKey key) { counted += table.wake(key, 1).value(); }
  void requeue() { counted += table.requeue(kFirst, kSecond, 1, 9).value().woken; }

  void check() const {
    unsigned woken = 0;
    unsigned queued = 0;
    for (std::size_t i = 0; i < waiters.size(); ++i) {
      REQUIRE(waiters[i]->wakes <= 1);
      REQUIRE(!(timed_out[i] && waiters[i]->wakes != 0));
      REQUIRE(!(waiters[i]->queued() && (timed_out[i] || waiters[i]->wakes != 0)));
      woken += waiters[i]->wakes;
      queued += waiters[i]->queued() ? 1 : 0;
    }
    REQUIRE(woken == counted);
    REQUIRE(table.waiters(kFirst) + table.waiters(kSecond) == queued);
  }
};

using Step = void (*)(World&);
using Script = std::vector<Step>;

// Runs every order of the scripts' steps that keeps each script's own order; calls `check` after each step.
unsigned run_all(std::size_t waiters, const std::vector<Script>& scripts,
                 const std::vector<std::size_t>& order = {}) {
  std::vector<std::size_t> done(scripts.size());
  for (const std::size_t task : order) ++done[task];
  unsigned runs = 0;
  for (std::size_t task = 0; task < scripts.size(); ++task) {
    if (done[task] == scripts[task].size()) continue;
    std::vector<std::size_t> longer = order;
    longer.push_back(task);
    runs += run_all(waiters, scripts, longer);
  }
  if (runs != 0) return runs;
  World world(waiters);
  std::vector<std::size_t> next(scripts.size());
  for (const std::size_t task : order) {
    scripts[task][next[task]++](world);
    world.check();
  }
  return 1;
}

template <std::size_t I>
Script waiter() {
  return {[](World& w) { w.enqueue(I); }, [](World& w) { w.time_out(I); }};
}

TEST_CASE("a wake and a time-out at the same time, in every order", "[futex_race]") {
  const Script waker{[](World& w) { w.wake(kFirst); }, [](World& w) { w.wake(kFirst); }};
  CHECK(run_all(2, {waiter<0>(), waiter<1>(), waker}) == 90);
}

TEST_CASE("a requeue, wakes on both words and a time-out, in every order", "[futex_race]") {
  const Script requeuer{[](World& w) { w.requeue(); }, [](World& w) { w.wake(kFirst); },
                        [](World& w) { w.wake(kSecond); }};
  CHECK(run_all(2, {waiter<0>(), waiter<1>(), requeuer}) == 210);
}

TEST_CASE("one waiter, a waker and a requeuer, in every order", "[futex_race]") {
  const Script waker{[](World& w) { w.wake(kSecond); }, [](World& w) { w.wake(kFirst); },
                     [](World& w) { w.wake(kSecond); }};
  const Script requeuer{[](World& w) { w.requeue(); }, [](World& w) { w.requeue(); }};
  CHECK(run_all(1, {waiter<0>(), waker, requeuer}) == 210);
}

}  // namespace
}  // namespace detent::waitq
