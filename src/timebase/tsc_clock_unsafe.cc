#include "timebase/tsc_clock_unsafe.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include <algorithm>
#include <ctime>

#include "base/raw_syscall_unsafe.h"
#include "detent/assert.h"

namespace detent::timebase {
namespace {

constexpr std::int64_t kCalibrationTime = 200'000;
constexpr int kCalibrationTries = 8;
constexpr int kResyncTries = 3;

std::int64_t read_host_clock(clockid_t clock) {
  timespec time{};
  const long answer = base::raw_syscall(SYS_clock_gettime, static_cast<std::uint64_t>(clock),
                                        reinterpret_cast<std::uint64_t>(&time));
  DETENT_ASSERT(answer == 0);
  return time.tv_sec * kNanosPerSecond + time.tv_nsec;
}

// The fence keeps the counter from being read before the loads that precede it in the program.
std::uint64_t read_tsc() {
  _mm_lfence();
  return __rdtsc();
}

struct Bracket {
  TscSample sample;
  std::uint64_t width;
};

Bracket bracket_host_clock() {
  const std::uint64_t before = read_tsc();
  const std::int64_t ns = read_host_clock(CLOCK_MONOTONIC);
  const std::uint64_t width = read_tsc() - before;
  return {{before + width / 2, ns}, width};
}

// The narrowest of some tries: the others were interrupted between the readings.
TscSample sample_host_clock(int tries) {
  Bracket best = bracket_host_clock();
  for (int i = 1; i < tries; ++i) {
    const Bracket next = bracket_host_clock();
    if (next.width < best.width) best = next;
  }
  return best.sample;
}

TscLine calibrate() {
  const TscSample first = sample_host_clock(kCalibrationTries);
  TscSample second = sample_host_clock(kCalibrationTries);
  while (second.ns - first.ns < kCalibrationTime) second = sample_host_clock(kCalibrationTries);
  return {first, second};
}

}  // namespace

Instant<Monotonic> host_monotonic() {
  return Instant<Monotonic>::from_ns(read_host_clock(CLOCK_MONOTONIC));
}

Instant<Realtime> host_realtime() {
  return Instant<Realtime>::from_ns(read_host_clock(CLOCK_REALTIME));
}

Instant<Boottime> host_boottime() {
  return Instant<Boottime>::from_ns(read_host_clock(CLOCK_BOOTTIME));
}

bool TscClock::available() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  constexpr unsigned kPowerManagementLeaf = 0x80000007;
  constexpr unsigned kInvariantTsc = 1U << 8;
  return __get_cpuid(kPowerManagementLeaf, &eax, &ebx, &ecx, &edx) != 0 &&
         (edx & kInvariantTsc) != 0;
}

TscClock::TscClock(Instant<Monotonic> not_before) : line_(calibrate()), last_(not_before.ns()) {}

Instant<Monotonic> TscClock::now() {
  std::uint64_t tsc = read_tsc();
  if (!line_.covers(tsc)) {
    line_.resync(sample_host_clock(kResyncTries));
    if (hook_ != nullptr) hook_(hook_context_);
    tsc = read_tsc();
  }
  last_ = std::max(last_, line_.at(tsc));
  return Instant<Monotonic>::from_ns(last_);
}

}  // namespace detent::timebase
