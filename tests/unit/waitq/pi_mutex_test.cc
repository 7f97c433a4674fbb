#include "waitq/pi_mutex.h"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

namespace detent::waitq {
namespace {

class TestWaiter final : public PiWaiter {
 public:
  using PiWaiter::PiWaiter;
};

// Task n+1 owns mutex n+1 and waits for mutex n.
struct Chain {
  explicit Chain(unsigned length) {
    for (unsigned i = 0; i <= length; ++i) {
      tasks.push_back(std::make_unique<PiTask>());
      mutexes.push_back(std::make_unique<PiMutex>(tasks.back().get(), i + 1));
      waiters.push_back(std::make_unique<TestWaiter>(*tasks.back()));
    }
    for (unsigned i = 1; i <= length; ++i) REQUIRE(mutexes[i - 1]->enqueue(*waiters[i]).ok());
  }
  ~Chain() {
    for (auto& waiter : waiters) {
      if (waiter->mutex() != nullptr) waiter->mutex()->dequeue(*waiter);
    }
  }
  std::vector<std::unique_ptr<PiTask>> tasks;
  std::vector<std::unique_ptr<PiMutex>> mutexes;
  std::vector<std::unique_ptr<TestWaiter>> waiters;
};

TEST_CASE("waiters come by priority, then by arrival", "[pi_mutex]") {
  PiTask owner;
  std::vector<std::unique_ptr<PiTask>> tasks;
  std::vector<std::unique_ptr<TestWaiter>> waiters;
  PiMutex mutex(&owner, 1);
  for (const int priority : {0, 10, 30, 10, 0, 30}) {
    tasks.push_back(std::make_unique<PiTask>());
    tasks.back()->set_normal(priority);
    waiters.push_back(std::make_unique<TestWaiter>(*tasks.back()));
    REQUIRE(mutex.enqueue(*waiters.back()).ok());
  }
  CHECK(owner.effective() == 30);
  std::vector<long> order;
  while (PiWaiter* next = mutex.top()) {
    for (std::size_t i = 0; i < waiters.size(); ++i) {
      if (waiters[i].get() == next) order.push_back(static_cast<long>(i));
    }
    mutex.hand_over(*next, 2);
  }
  CHECK(order == std::vector<long>{2, 5, 1, 3, 0, 4});
  CHECK(owner.effective() == 0);
}

TEST_CASE("priority is lent through a chain and taken back", "[pi_mutex]") {
  Chain chain(3);
  PiTask urgent;
  urgent.set_normal(50);
  TestWaiter waiter(urgent);
  REQUIRE(chain.mutexes[3]->enqueue(waiter).ok());
  for (const auto& task : chain.tasks) CHECK(task->effective() == 50);
  urgent.set_normal(60);
  for (const auto& task : chain.tasks) CHECK(task->effective() == 60);
  chain.mutexes[3]->dequeue(waiter);
  for (const auto& task : chain.tasks) CHECK(task->effective() == 0);
}

TEST_CASE("an owner of several mutexes keeps the highest of what is lent", "[pi_mutex]") {
  PiTask owner, low, high;
  owner.set_normal(5);
  low.set_normal(10);
  high.set_normal(20);
  PiMutex one(&owner, 1), two(&owner, 1);
  TestWaiter first(low), second(high);
  REQUIRE(one.enqueue(first).ok());
  REQUIRE(two.enqueue(second).ok());
  CHECK(owner.effective() == 20);
  two.hand_over(second, 2);
  CHECK(owner.effective() == 10);
  CHECK(high.effective() == 20);
  one.hand_over(first, 3);
  CHECK(owner.effective() == 5);
  CHECK(owner.first_owned() == nullptr);
}

TEST_CASE("a raised waiter moves forward in the queue of its mutex", "[pi_mutex]") {
  PiTask owner, a, b;
  PiMutex mutex(&owner, 1);
  TestWaiter first(a), second(b);
  REQUIRE(mutex.enqueue(first).ok());
  REQUIRE(mutex.enqueue(second).ok());
  b.set_normal(1);
  CHECK(mutex.top() == &second);
  b.set_normal(0);
  CHECK(mutex.top() == &first);
  mutex.dequeue(first);
  mutex.dequeue(second);
}

TEST_CASE("a circle is refused and changes nothing", "[pi_mutex]") {
  Chain chain(3);
  chain.tasks[0]->set_normal(7);
  TestWaiter closing(*chain.tasks[0]);
  CHECK(chain.mutexes[3]->enqueue(closing).error() == Errno{EDEADLK});
  CHECK(closing.mutex() == nullptr);
  CHECK(chain.mutexes[3]->idle());
  CHECK(chain.tasks[3]->effective() == 0);
  CHECK(chain.mutexes[0]->enqueue(closing).error() == Errno{EDEADLK});
}

TEST_CASE("a chain has at most 1024 waiting owners", "[pi_mutex]") {
  Chain chain(kMaxPiChain + 1);
  PiTask task;
  TestWaiter waiter(task);
  CHECK(chain.mutexes[kMaxPiChain + 1]->enqueue(waiter).error() == Errno{EDEADLK});
  REQUIRE(chain.mutexes[kMaxPiChain]->enqueue(waiter).ok());
  chain.mutexes[kMaxPiChain]->dequeue(waiter);
}

TEST_CASE("an owner in another process lends and borrows nothing", "[pi_mutex]") {
  PiTask task;
  task.set_normal(9);
  PiMutex mutex(nullptr, 77);
  TestWaiter waiter(task);
  REQUIRE(mutex.enqueue(waiter).ok());
  CHECK(mutex.owner_id() == 77);
  mutex.hand_over(waiter, 5);
  CHECK(mutex.owner_id() == 5);
  CHECK(task.first_owned() == &mutex);
  CHECK(mutex.idle());
}

}  // namespace
}  // namespace detent::waitq
