// How far detent's real-time clock (the TSC line) is from the host's CLOCK_MONOTONIC, and whether it
// ever goes back.
//
//   clock_drift [SECONDS]     default: 600
//
// Each reading is bracketed by two of the host's clock; its error is what it lies outside of the
// bracket: so a preempted reading counts for nothing wrong. Printed: one line a minute, and the worst.
// Nonzero if the clock ever went back; drift is judged by whoever reads the report.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "timebase/tsc_clock_unsafe.h"

namespace {

std::int64_t host_now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);  // the vDSO: 30 ns
  return t.tv_sec * detent::kNanosPerSecond + t.tv_nsec;
}

struct Report {
  std::int64_t worst = 0;
  long readings = 0;
  long over_1us = 0;
  long backwards = 0;
};

void read_once(detent::timebase::ClockSource& clock, std::int64_t& last, Report& report) {
  const std::int64_t before = host_now();
  const std::int64_t shown = clock.now().ns();
  const std::int64_t after = host_now();
  const std::int64_t error =
      shown < before ? before - shown : std::max<std::int64_t>(shown - after, 0);
  report.worst = std::max(report.worst, error);
  ++report.readings;
  report.over_1us += error > 1000;
  report.backwards += shown < last;
  last = shown;
}

void print(const char* what, const Report& report) {
  std::printf("%s: %ld readings, worst error %lld ns, %ld over 1 us, %ld backwards\n", what,
              report.readings, static_cast<long long>(report.worst), report.over_1us,
              report.backwards);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 600;
  if (seconds <= 0) return 2;
  if (!detent::timebase::TscClock::available()) {
    std::printf("the TSC is not invariant here: detent reads the host's clock\n");
    return 0;
  }
  detent::timebase::TscClock clock;
  Report all;
  Report minute;
  std::int64_t last = 0;
  const std::int64_t start = host_now();
  std::int64_t next_report = start + 60 * detent::kNanosPerSecond;
  const auto end = start + static_cast<std::int64_t>(seconds * 1e9);
  for (long round = 0; host_now() < end; ++round) {
    for (int i = 0; i < 20; ++i) read_once(clock, last, minute);
    // Mostly often, sometimes seldom: gaps from 1 ms to 300 ms, longer than a resync interval.
    const timespec pause{0, round % 20 == 0 ? 300'000'000 : 1'000'000};
    nanosleep(&pause, nullptr);
    if (host_now() < next_report && host_now() < end) continue;
    print("this minute", minute);
    all = {std::max(all.worst, minute.worst), all.readings + minute.readings,
           all.over_1us + minute.over_1us, all.backwards + minute.backwards};
    minute = {};
    next_report += 60 * detent::kNanosPerSecond;
  }
  print("in all", all);
  std::printf("%d passed, %d failed\n", all.backwards == 0, all.backwards != 0);
  return all.backwards == 0 ? 0 : 1;
}
