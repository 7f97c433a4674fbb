#include "waitq/futex_table.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace detent::waitq {
namespace {

constexpr FutexKey kA{1, 0x1000};
constexpr FutexKey kB{1, 0x1004};
constexpr FutexKey kOtherSpace{2, 0x1000};
constexpr unsigned kAll = ~0U;

class TestWaiter final : public FutexWaiter {
 public:
  TestWaiter(std::vector<int>& woken, int id, FutexKey key, std::uint32_t bitset = kMatchAny,
             int priority = 0, Kind kind = Kind::kPlain)
      : FutexWaiter(key, bitset, priority, kind), woken_(woken), id_(id) {}

 private:
  void on_wake() override {
    CHECK(!queued());
    woken_.push_back(id_);
  }
  std::vector<int>& woken_;
  int id_;
};

struct World {
  FutexTable table;
  std::vector<int> woken;
  std::deque<TestWaiter> waiters;

  TestWaiter& wait(FutexKey key, std::uint32_t bitset = kMatchAny, int priority = 0,
                   FutexWaiter::Kind kind = FutexWaiter::Kind::kPlain) {
    waiters.emplace_back(woken, static_cast<int>(waiters.size()), key, bitset, priority, kind);
    table.enqueue(waiters.back());
    return waiters.back();
  }
};

TEST_CASE("a wake takes the oldest waiters of its key", "[futex_table]") {
  World w;
  for (int i = 0; i < 3; ++i) {
    w.wait(kA);
    w.wait(kB);
    w.wait(kOtherSpace);
  }
  CHECK(w.table.waiters(kA) == 3);
  CHECK(w.table.wake(kA, 2).value() == 2);
  CHECK(w.woken == std::vector{0, 3});
  CHECK(w.table.waiters(kA) == 1);
  CHECK(w.table.waiters(kB) == 3);
  CHECK(w.table.wake(kA, kAll).value() == 1);
  CHECK(w.table.wake(kA, kAll).value() == 0);
}

TEST_CASE("a waiter that is preferred comes first", "[futex_table]") {
  World w;
  for (int i = 0; i < 3; ++i) {
    w.wait(kA);
    w.wait(kB);
  }
  w.table.prefer(kA, 2);
  w.table.prefer(kA, 3);
  w.table.prefer(kOtherSpace, 1);
  CHECK(w.table.wake(kA, 2).value() == 2);
  CHECK(w.woken == std::vector{4, 0});
  CHECK(w.table.wake(kB, kAll).value() == 3);
  CHECK(w.woken == std::vector{4, 0, 1, 3, 5});
}

TEST_CASE("a wake of none wakes none", "[futex_table]") {
  World w;
  w.wait(kA);
  CHECK(w.table.wake(kA, 0).value() == 0);
  CHECK(w.table.waiters(kA) == 1);
}

TEST_CASE("bitsets choose among the waiters", "[futex_table]") {
  World w;
  w.wait(kA, 0b001);
  w.wait(kA, 0b010);
  w.wait(kA, 0b011);
  CHECK(w.table.wake(kA, kAll, 0b100).value() == 0);
  CHECK(w.table.wake(kA, 1, 0b010).value() == 1);
  CHECK(w.woken == std::vector{1});
  CHECK(w.table.wake(kA, kAll, 0b010).value() == 1);
  CHECK(w.woken == std::vector{1, 2});
}

TEST_CASE("a cancelled waiter is not woken, and cancelling twice is harmless", "[futex_table]") {
  World w;
  TestWaiter& first = w.wait(kA);
  w.wait(kA);
  FutexTable::cancel(first);
  FutexTable::cancel(first);
  CHECK(!first.queued());
  CHECK(w.table.wake(kA, kAll).value() == 1);
  CHECK(w.woken == std::vector{1});
}

TEST_CASE("a requeue wakes some and moves the rest behind those that wait there", "[futex_table]") {
  World w;
  for (int i = 0; i < 4; ++i) w.wait(kA);
  w.wait(kB);
  const auto done = w.table.requeue(kA, kB, 1, 2).value();
  CHECK(done.woken == 1);
  CHECK(done.moved == 2);
  CHECK(w.woken == std::vector{0});
  CHECK(w.waiters[1].key() == kB);
  CHECK(w.waiters[3].key() == kA);
  CHECK(w.table.wake(kB, kAll).value() == 3);
  CHECK(w.woken == std::vector{0, 4, 1, 2});
}

TEST_CASE("a requeued waiter can be cancelled where it is now", "[futex_table]") {
  World w;
  TestWaiter& waiter = w.wait(kA);
  w.table.requeue(kA, kB, 0, kAll).value();
  CHECK(w.table.waiters(kB) == 1);
  FutexTable::cancel(waiter);
  CHECK(w.table.waiters(kB) == 0);
}

TEST_CASE("a requeue to the same key counts and keeps the order", "[futex_table]") {
  World w;
  for (int i = 0; i < 4; ++i) w.wait(kA);
  const auto done = w.table.requeue(kA, kA, 1, 2).value();
  CHECK(done.woken == 1);
  CHECK(done.moved == 2);
  CHECK(w.table.wake(kA, kAll).value() == 3);
  CHECK(w.woken == std::vector{0, 1, 2, 3});
}

TEST_CASE("a waiter that dies has left its futex", "[futex_table]") {
  World w;
  w.wait(kA);
  w.waiters.clear();
  CHECK(w.table.wake(kA, kAll).value() == 0);
}

TEST_CASE("waiters are ordered by priority, then by arrival, also after a requeue",
          "[futex_table]") {
  World w;
  for (const int priority : {0, 10, 30, 0, 10, 30}) w.wait(kA, kMatchAny, priority);
  CHECK(w.table.wake(kA, 1).value() == 1);
  w.wait(kB, kMatchAny, 20);
  CHECK(w.table.requeue(kA, kB, 0, kAll).value().moved == 5);
  CHECK(w.table.wake(kB, kAll).value() == 6);
  CHECK(w.woken == std::vector{2, 5, 6, 1, 4, 0, 3});
}

TEST_CASE("a waiter of another kind is refused, those before it are served", "[futex_table]") {
  World w;
  w.wait(kA);
  w.wait(kA, kMatchAny, 0, FutexWaiter::Kind::kRequeuePi);
  CHECK(w.table.wake(kA, kAll).error() == Errno{EINVAL});
  CHECK(w.woken == std::vector{0});
  CHECK(w.table.requeue(kA, kB, 0, kAll).error() == Errno{EINVAL});
  CHECK(w.table.waiters(kA) == 1);
}

TEST_CASE("keys that differ by a power of two share few buckets", "[futex_table]") {
  // With an aliasing hash, the wake of one key would walk all of the others' waiters.
  for (unsigned shift = 2; shift < 40; ++shift) {
    World w;
    for (std::uint64_t i = 0; i < 512; ++i) w.wait({0, i << shift});
    CHECK(w.table.longest_chain_for_test() < 16);
  }
}

TEST_CASE("the table grows with its waiters, and keeps the order of each key", "[futex_table]") {
  World w;
  constexpr int kKeys = 20'000;
  for (int i = 0; i < 3 * kKeys; ++i) {
    w.wait({0, 64 * static_cast<std::uint64_t>(i % kKeys)}, kMatchAny, i / kKeys);
  }
  const std::size_t before = w.table.longest_chain_for_test();
  CHECK(w.table.wake({0, 0}, kAll).value() == 3);
  CHECK(w.table.longest_chain_for_test() < before / 4);
  for (std::uint64_t key = 1; key < kKeys; key += 997) {
    w.woken.clear();
    CHECK(w.table.wake({0, 64 * key}, kAll).value() == 3);
    // Each came with a higher priority than the one before it.
    const int id = static_cast<int>(key);
    CHECK(w.woken == std::vector{id + 2 * kKeys, id + kKeys, id});
  }
}

TEST_CASE("ten thousand waiters are woken in order, all at once and one by one", "[futex_table]") {
  World w;
  for (int i = 0; i < 10'000; ++i) w.wait(kA);
  CHECK(w.table.wake(kA, 5'000).value() == 5'000);
  for (int i = 0; i < 5'000; ++i) REQUIRE(w.table.wake(kA, 1).value() == 1);
  CHECK(w.woken.size() == 10'000);
  CHECK(std::is_sorted(w.woken.begin(), w.woken.end()));
}

// The naive model: one list per key, ids in the order of arrival.
class Model {
 public:
  struct Entry {
    int id;
    std::uint32_t bitset;
  };
  using Queue = std::deque<Entry>;

  Queue& queue(FutexKey key) { return queues_[{key.space, key.offset}]; }

  std::vector<int> wake(FutexKey key, unsigned count, std::uint32_t bitset) {
    std::vector<int> woken;
    std::erase_if(queue(key), [&](const Entry& entry) {
      if (woken.size() >= count || (entry.bitset & bitset) == 0) return false;
      woken.push_back(entry.id);
      return true;
    });
    return woken;
  }

  unsigned move(FutexKey from, FutexKey to, unsigned count) {
    if (from == to) return std::min(static_cast<unsigned>(queue(from).size()), count);
    unsigned moved = 0;
    for (; moved < count && !queue(from).empty(); ++moved) {
      queue(to).push_back(queue(from).front());
      queue(from).pop_front();
    }
    return moved;
  }

  void cancel(int id) {
    for (auto& [key, entries] : queues_) {
      std::erase_if(entries, [id](const Entry& entry) { return entry.id == id; });
    }
  }

 private:
  std::map<std::pair<std::uint64_t, std::uint64_t>, Queue> queues_;
};

class ModelTest {
 public:
  explicit ModelTest(std::uint64_t seed) : random_(seed) {}

  void step() {
    switch (random_() % 8) {
      case 0:
        return wake();
      case 1:
        return requeue();
      case 2:
        return cancel();
      default:
        return wait();
    }
  }

 private:
  // More keys than buckets, so that keys share some.
  FutexKey any_key() { return {random_() % 2, 4 * (random_() % keys_)}; }
  std::uint32_t any_bitset() { return 1 + static_cast<std::uint32_t>(random_() % 7); }
  unsigned any_count() { return random_() % 8 == 0 ? kAll : static_cast<unsigned>(random_() % 4); }

  void wait() {
    const FutexKey key = any_key();
    const std::uint32_t bitset = any_bitset();
    model_.queue(key).push_back({static_cast<int>(world_.waiters.size()), bitset});
    world_.wait(key, bitset);
    check(key);
  }

  void wake() {
    const FutexKey key = any_key();
    const unsigned count = any_count();
    const std::uint32_t bitset = any_bitset();
    world_.woken.clear();
    const unsigned woken = world_.table.wake(key, count, bitset).value();
    REQUIRE(world_.woken == model_.wake(key, count, bitset));
    REQUIRE(woken == world_.woken.size());
    check(key);
  }

  void requeue() {
    const FutexKey from = any_key();
    const FutexKey to = any_key();
    const unsigned wake_count = any_count();
    const unsigned move_count = any_count();
    world_.woken.clear();
    const auto done = world_.table.requeue(from, to, wake_count, move_count).value();
    REQUIRE(world_.woken == model_.wake(from, wake_count, kMatchAny));
    REQUIRE(done.woken == world_.woken.size());
    REQUIRE(done.moved == model_.move(from, to, move_count));
    check(from);
    check(to);
  }

  void cancel() {
    if (world_.waiters.empty()) return;
    const std::size_t id = random_() % world_.waiters.size();
    FutexTable::cancel(world_.waiters[id]);
    model_.cancel(static_cast<int>(id));
  }

  void check(FutexKey key) { REQUIRE(world_.table.waiters(key) == model_.queue(key).size()); }

  World world_;
  Model model_;
  std::mt19937_64 random_;
  std::uint64_t keys_ = random_() % 2 == 0 ? 3 : 400;
};

TEST_CASE("the futex table agrees with the naive model", "[futex_table]") {
  ModelTest test(GENERATE(range(1, 9)));
  for (int i = 0; i < 4'000; ++i) test.step();
}

}  // namespace
}  // namespace detent::waitq
