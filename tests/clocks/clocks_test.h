// What the guests of this directory share. They may set clocks, so they run under detent only:
// run_clocks.py sets DETENT_CLOCKS for that, and nothing else does.
#ifndef DETENT_TESTS_CLOCKS_CLOCKS_TEST_H_
#define DETENT_TESTS_CLOCKS_CLOCKS_TEST_H_

#include <poll.h>
#include <sys/timerfd.h>
#include <sys/timex.h>

#include "abi_test.h"

namespace clocks {

constexpr int64_t kSecond = 1000 * abi::kMs;
constexpr int64_t kHour = 3600 * kSecond;

// True where detent is the kernel: its image lies at a fixed address (docs/adr/0004). A variable alone
// would not be enough to keep a native run from setting the machine's clock.
inline bool UnderDetent() {
  if (getenv("DETENT_CLOCKS") == nullptr) return false;
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[512];
  bool found = false;
  while (maps != nullptr && fgets(line, sizeof line, maps) != nullptr)
    found |= strncmp(line, "70000000-", 9) == 0;
  if (maps != nullptr) fclose(maps);
  return found;
}

__attribute__((constructor)) inline void RefuseToRunNatively(int argc, char** argv, char**) {
  if (argc == 2 && strcmp(argv[1], "--list") == 0) return;
  if (UnderDetent()) return;
  fputs("this guest sets clocks: only run_clocks.py may start it, under detent\n", stderr);
  _exit(3);
}

// The clocks, read in a fixed order. In virtual time each reading comes 1 us after the one before, so
// that the differences of two sets are exact.
struct Clocks {
  int64_t raw = abi::Now(CLOCK_MONOTONIC_RAW);
  int64_t monotonic = abi::Now(CLOCK_MONOTONIC);
  int64_t realtime = abi::Now(CLOCK_REALTIME);
  int64_t boottime = abi::Now(CLOCK_BOOTTIME);
  int64_t tai = abi::Now(CLOCK_TAI);

  Clocks operator-(const Clocks& earlier) const {
    Clocks d = *this;
    d.raw -= earlier.raw;
    d.monotonic -= earlier.monotonic;
    d.realtime -= earlier.realtime;
    d.boottime -= earlier.boottime;
    d.tai -= earlier.tai;
    return d;
  }
};

inline void Sleep(int64_t ns) {
  const timespec span = abi::FromNs(ns);
  CHECK_OK(clock_nanosleep(CLOCK_MONOTONIC, 0, &span, nullptr));
}

class TimerFd {
 public:
  explicit TimerFd(int clock, int flags = TFD_NONBLOCK) : fd_(timerfd_create(clock, flags)) {
    CHECK_OK(fd_);
  }
  ~TimerFd() { close(fd_); }
  TimerFd(const TimerFd&) = delete;
  TimerFd& operator=(const TimerFd&) = delete;
  int fd() const { return fd_; }
  long Set(int64_t value, int flags = 0, int64_t interval = 0) const {
    const itimerspec spec = {abi::FromNs(interval), abi::FromNs(value)};
    return timerfd_settime(fd_, flags, &spec, nullptr);
  }
  // The count, or minus the errno; 0 for a read of 0 bytes.
  int64_t Read() const {
    uint64_t ticks = 0;
    const ssize_t n = read(fd_, &ticks, sizeof ticks);
    return n < 0 ? -errno : n == 0 ? 0 : static_cast<int64_t>(ticks);
  }
  bool Readable(int timeout_ms = 0) const {
    pollfd p = {fd_, POLLIN, 0};
    return poll(&p, 1, timeout_ms) == 1;
  }

 private:
  int fd_;
};

}  // namespace clocks

#endif  // DETENT_TESTS_CLOCKS_CLOCKS_TEST_H_
