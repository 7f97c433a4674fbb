#include "waitq/wait_queue.h"

#include <catch2/catch.hpp>
#include <deque>
#include <random>
#include <vector>

namespace detent::waitq {
namespace {

struct Log {
  std::vector<int> woken;
  PollMask events = 0;
};

class TestWaiter final : public Waiter {
 public:
  TestWaiter(Log& log, int id, PollMask interest, bool exclusive = false)
      : Waiter(interest, exclusive), log_(log), id_(id) {}
  bool accepts = true;
  bool leaves = false;

 private:
  bool wake(PollMask events) override {
    log_.woken.push_back(id_);
    log_.events = events;
    if (leaves) unlink();
    return accepts;
  }
  Log& log_;
  int id_;
};

TEST_CASE("waiters are woken in the order in which they came", "[wait_queue]") {
  Log log;
  WaitQueue queue;
  CHECK(queue.empty());
  CHECK(queue.notify(kIn) == 0);
  TestWaiter a(log, 1, kIn);
  TestWaiter b(log, 2, kIn);
  TestWaiter c(log, 3, kIn);
  for (TestWaiter* waiter : {&c, &a, &b}) queue.add(*waiter);
  CHECK(!queue.empty());
  CHECK(queue.notify(kIn | kRdNorm) == 3);
  CHECK(log.woken == std::vector{3, 1, 2});
  CHECK(log.events == (kIn | kRdNorm));
}

TEST_CASE("only the interested are woken; errors and hang-ups interest everyone", "[wait_queue]") {
  Log log;
  WaitQueue queue;
  TestWaiter reader(log, 1, kIn);
  TestWaiter writer(log, 2, kOut);
  TestWaiter idle(log, 3, 0);
  for (TestWaiter* waiter : {&reader, &writer, &idle}) queue.add(*waiter);
  CHECK(queue.notify(kOut) == 1);
  CHECK(log.woken == std::vector{2});
  CHECK(queue.notify(kHup) == 3);
  CHECK(queue.notify(kErr) == 3);
  writer.set_interest(kIn);
  CHECK(writer.interest() == (kIn | kErr | kHup));
  CHECK(queue.notify(kOut) == 0);
  CHECK(queue.notify(kIn) == 2);
}

TEST_CASE("exclusive waiters are woken one at a time", "[wait_queue]") {
  Log log;
  WaitQueue queue;
  TestWaiter first(log, 1, kIn, true);
  TestWaiter second(log, 2, kIn, true);
  TestWaiter shared(log, 3, kIn);
  for (TestWaiter* waiter : {&first, &second}) queue.add(*waiter);
  queue.add_first(shared);
  CHECK(queue.notify(kIn) == 2);
  CHECK(log.woken == std::vector{3, 1});
  log.woken.clear();
  CHECK(queue.notify(kIn, 2) == 3);
  CHECK(log.woken == std::vector{3, 1, 2});
  CHECK(queue.notify(kIn, 0) == 3);
}

TEST_CASE("who stands behind the last exclusive wake does not hear of it", "[wait_queue]") {
  Log log;
  WaitQueue queue;
  TestWaiter exclusive(log, 1, kIn, true);
  TestWaiter sleeper(log, 2, kIn);
  queue.add(exclusive);
  queue.add(sleeper);
  CHECK(queue.notify(kIn) == 1);
  CHECK(log.woken == std::vector{1});
}

TEST_CASE("the latest at the head hears first", "[wait_queue]") {
  Log log;
  WaitQueue queue;
  TestWaiter a(log, 1, kIn);
  TestWaiter b(log, 2, kIn, true);
  TestWaiter c(log, 3, kIn, true);
  for (TestWaiter* waiter : {&a, &b, &c}) queue.add_first(*waiter);
  CHECK(queue.notify(kIn) == 1);
  CHECK(log.woken == std::vector{3});
  CHECK(queue.notify(kIn, 0) == 3);
  CHECK(log.woken == std::vector{3, 3, 2, 1});
}

TEST_CASE("an exclusive waiter that declines passes the wake on", "[wait_queue]") {
  Log log;
  WaitQueue queue;
  TestWaiter busy(log, 1, kIn, true);
  TestWaiter deaf(log, 2, kOut, true);
  TestWaiter ready(log, 3, kIn, true);
  TestWaiter last(log, 4, kIn, true);
  busy.accepts = false;
  for (TestWaiter* waiter : {&busy, &deaf, &ready, &last}) queue.add(*waiter);
  CHECK(queue.notify(kIn) == 1);
  CHECK(log.woken == std::vector{1, 3});
}

TEST_CASE("a declined shared wake is not counted and stops nothing", "[wait_queue]") {
  Log log;
  WaitQueue queue;
  TestWaiter busy(log, 1, kIn);
  TestWaiter ready(log, 2, kIn);
  busy.accepts = false;
  queue.add(busy);
  queue.add(ready);
  CHECK(queue.notify(kIn) == 1);
  CHECK(log.woken == std::vector{1, 2});
}

TEST_CASE("a waiter may leave while it is woken", "[wait_queue]") {
  Log log;
  WaitQueue queue;
  TestWaiter a(log, 1, kIn);
  TestWaiter b(log, 2, kIn);
  TestWaiter c(log, 3, kIn, true);
  for (TestWaiter* waiter : {&a, &b, &c}) {
    waiter->leaves = true;
    queue.add(*waiter);
  }
  CHECK(queue.notify(kIn) == 3);
  CHECK(queue.empty());
  queue.add(a);
  CHECK(queue.notify(kIn) == 1);
}

TEST_CASE("a waiter that dies has left its queue", "[wait_queue]") {
  Log log;
  WaitQueue queue;
  {
    TestWaiter shared(log, 1, kIn);
    TestWaiter exclusive(log, 2, kIn, true);
    queue.add(shared);
    queue.add(exclusive);
  }
  CHECK(queue.empty());
}

struct Traits {
  PollMask interest;
  bool exclusive;
  bool accepts;
};

// What __wake_up_common does.
std::vector<int> expected_wakes(const std::vector<int>& order, const std::vector<Traits>& all,
                                PollMask events, unsigned limit) {
  std::vector<int> woken;
  for (const int i : order) {
    const Traits& waiter = all[static_cast<std::size_t>(i)];
    if (((waiter.interest | kAlways) & events) == 0) continue;
    woken.push_back(i);
    if (waiter.exclusive && waiter.accepts && --limit == 0) break;
  }
  return woken;
}

TEST_CASE("the wait queue agrees with the naive model", "[wait_queue]") {
  std::mt19937_64 random(4711);
  for (int round = 0; round < 2'000; ++round) {
    Log log;
    WaitQueue queue;
    std::vector<Traits> traits;
    std::vector<int> order;
    std::deque<TestWaiter> waiters;
    for (int i = 0, count = static_cast<int>(random() % 12); i < count; ++i) {
      traits.push_back({static_cast<PollMask>(random() % 8), random() % 2 == 0, random() % 3 != 0});
      waiters.emplace_back(log, i, traits.back().interest, traits.back().exclusive);
      waiters.back().accepts = traits.back().accepts;
      if (random() % 2 == 0) {
        queue.add(waiters.back());
        order.push_back(i);
      } else {
        queue.add_first(waiters.back());
        order.insert(order.begin(), i);
      }
    }
    const auto events = static_cast<PollMask>(random() % 32);
    const auto limit = static_cast<unsigned>(random() % 4);
    queue.notify(events, limit);
    REQUIRE(log.woken == expected_wakes(order, traits, events, limit));
  }
}

}  // namespace
}  // namespace detent::waitq
