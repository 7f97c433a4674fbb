// A periodic interval in virtual time: a job that is sometimes too slow, under each policy for missed
// ticks. Built by Meson as `example-metronome`; runs as a test.
#include <cstdio>
#include <cstdlib>

#include "detent/periodic_interval.h"

using detent::Duration;
using detent::MissedTicks;
using detent::PeriodicInterval;

namespace {

// Prints when each of some awaits returned and for how many ticks; the job after the second one takes
// 34 ms. Returns the ticks told in all.
std::uint64_t play(const char* name, MissedTicks policy) {
  const auto service = detent::TimerService::with_virtual_time();
  auto interval = PeriodicInterval::create(*service, Duration::milliseconds(10), policy).value();
  std::uint64_t total = 0;
  std::printf("%-6s", name);
  for (int i = 0; i < 7; ++i) {
    const std::uint64_t ticks = interval.await();
    total += ticks;
    std::printf("  %lld ms: %llu", static_cast<long long>(service->now().ns() / 1'000'000),
                static_cast<unsigned long long>(ticks));
    if (i == 1) service->run_until(service->now() + Duration::milliseconds(34));
  }
  std::printf("\n");
  return total;
}

}  // namespace

int main() {
  const bool refused =
      !PeriodicInterval::create(*detent::TimerService::with_virtual_time(), Duration()).ok();
  const bool right = play("burst", MissedTicks::kBurst) == 7 &&
                     play("skip", MissedTicks::kSkip) == 9 &&
                     play("delay", MissedTicks::kDelay) == 9;
  return refused && right ? EXIT_SUCCESS : EXIT_FAILURE;
}
