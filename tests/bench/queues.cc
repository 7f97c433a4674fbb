// The kernel's queues by size, as a library: what an operation costs with so and so many timers armed, or
// futexes waited for. Prints figures as the guests do.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "timebase/clock_set.h"
#include "timebase/timer_queue.h"
#include "timebase/virtual_clock.h"
#include "waitq/futex_table.h"

namespace {

using namespace detent;

constexpr int kBatch = 100;

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNanosPerSecond + now.tv_nsec;
}

// Calls `operation` `count` times; a sample is the mean of a batch.
template <class Operation>
void measure(const std::string& name, long count, Operation operation) {
  Histogram all;
  for (long done = 0; done < count; done += kBatch) {
    const std::int64_t start = now_ns();
    for (int i = 0; i < kBatch; ++i) operation();
    all.add(static_cast<double>(now_ns() - start) / kBatch);
  }
  std::printf("%s", name.c_str());
  all.for_each([](double ns, std::uint64_t times) {
    std::printf(" %.3f:%llu", ns, static_cast<unsigned long long>(times));
  });
  std::printf("\n");
}

class QuietTimer final : public timebase::Timer {
 private:
  void on_expire() override {}
};

void measure_timers(const std::string& size_name, std::size_t size, long count) {
  timebase::VirtualClock source{Instant<Monotonic>::from_ns(0)};
  timebase::ClockSet clocks{source, Instant<Realtime>::from_ns(0), Instant<Boottime>::from_ns(0)};
  timebase::TimerQueue queue{clocks};
  std::deque<QuietTimer> timers(size);
  std::mt19937_64 random(1);
  const auto arm = [&](timebase::Timer& timer) {
    queue.arm(timer, timebase::Base::kMonotonic, static_cast<std::int64_t>(random() >> 2));
  };
  for (QuietTimer& timer : timers) arm(timer);
  measure("timer_rearm_" + size_name, count, [&] { arm(timers[random() % size]); });
  // Takes the earliest and arms it anew, so that the queue keeps its size.
  measure("timer_expire_" + size_name, count, [&] {
    const Instant<Monotonic> next = *queue.next_deadline();
    queue.expire(next);
    for (int i = 0; i < 4; ++i) {
      QuietTimer& timer = timers[random() % size];
      if (!timer.armed()) arm(timer);
    }
  });
  queue.clear();
}

class QuietWaiter final : public waitq::FutexWaiter {
 public:
  explicit QuietWaiter(std::uint64_t address)
      : FutexWaiter({waitq::kPrivateSpace, address}, waitq::kMatchAny) {}

 private:
  void on_wake() override {}
};

void measure_futexes(const std::string& size_name, std::size_t size, long count) {
  waitq::FutexTable table;
  std::deque<QuietWaiter> waiters;
  for (std::size_t i = 0; i < size; ++i) table.enqueue(waiters.emplace_back(0x10000 + 64 * i));
  std::mt19937_64 random(2);
  measure("futex_wake_" + size_name, count, [&] {
    QuietWaiter& waiter = waiters[random() % size];
    if (table.wake(waiter.key(), 1).value() != 1) std::abort();
    table.enqueue(waiter);
  });
  table.clear();
}

}  // namespace

int main(int argc, char** argv) {
  const long count = argc > 1 ? std::atol(argv[1]) : 100'000;
  const bool quick = count < 1000;
  const std::pair<const char*, std::size_t> sizes[] = {
      {"1", 1}, {"1k", 1'000}, {"1m", quick ? 10'000 : 1'000'000}};
  for (const auto& [name, size] : sizes) {
    measure_timers(name, size, count);
    measure_futexes(name, size, count);
  }
  return 0;
}
