// What operations are written with: text, results, file descriptors, pointers, times.
#include <sys/mman.h>

#include "fuzz.h"

namespace fuzz {

void Call::say(const char* format, ...) {
  va_list args;
  va_start(args, format);
  const int n = vsnprintf(text + length, sizeof text - length, format, args);
  va_end(args);
  length += static_cast<size_t>(n);
  if (length >= sizeof text) length = sizeof text - 1;
}

const char* errno_name(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "E?";
}

long Call::result(long result) {
  const int error = errno;
  if (result == -1) {
    say(" = %s", errno_name(error));
  } else {
    say(" = %ld", result);
  }
  return result;
}

void opened(long fd, Kind kind, clockid_t clock) {
  if (fd < kFirstFd || fd >= kFirstFd + kFds) return;
  world.kinds[fd - kFirstFd] = kind;
  world.clocks[fd - kFirstFd] = clock;
}
void duplicated(int from, long to) {
  const bool known = from >= kFirstFd && from < kFirstFd + kFds;
  opened(to, kind_of(from), known ? world.clocks[from - kFirstFd] : CLOCK_MONOTONIC);
}
void closed(int fd) { opened(fd, kClosed); }
Kind kind_of(int fd) {
  return fd >= kFirstFd && fd < kFirstFd + kFds ? world.kinds[fd - kFirstFd] : kClosed;
}

int Call::fd(unsigned wanted) {
  if (rng.chance(2)) return rng.pick({-1, kFirstFd + kFds + 5, 100000, -100});
  if (rng.chance(90)) {
    int found[kFds];
    unsigned count = 0;
    for (int i = 0; i < kFds; ++i) {
      if ((world.kinds[i] & wanted) != 0) found[count++] = kFirstFd + i;
    }
    if (count != 0) return found[rng.below(count)];
  }
  return kFirstFd + static_cast<int>(rng.below(rng.chance(90) ? 6 : kFds));
}

namespace {

// Three pages: one that can be written, one that can only be read, one with no access.
char* pages() {
  static char* const base = [] {
    void* at = mmap(nullptr, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) abort();
    mprotect(static_cast<char*>(at) + 4096, 4096, PROT_READ);
    mprotect(static_cast<char*>(at) + 8192, 4096, PROT_NONE);
    return static_cast<char*>(at);
  }();
  return base;
}

}  // namespace

void* Call::pointer(void* good, size_t size, bool for_output) {
  if (!rng.chance(5)) return good;
  switch (rng.below(for_output ? 7 : 6)) {
    case 0:
      say(" NULL");
      return nullptr;
    case 1:
      say(" ONE");
      return reinterpret_cast<void*>(1);
    case 2:
      say(" KERNEL");
      return reinterpret_cast<void*>(0xffff888000000000);
    case 3:
      say(" NONCANONICAL");
      return reinterpret_cast<void*>(0x8000000000000000);
    case 4:
      say(" NOACCESS");
      return pages() + 8192;
    case 5: {  // the first half can be read
      say(" STRADDLES");
      char* const at = pages() + 8192 - (size / 2);
      return at;
    }
    default:
      say(" READONLY");
      return pages() + 4096;
  }
}

int64_t now(clockid_t clock) {
  if (clock == CLOCK_REALTIME_ALARM) clock = CLOCK_REALTIME;  // cannot be read without an RTC
  if (clock == CLOCK_BOOTTIME_ALARM) clock = CLOCK_BOOTTIME;
  timespec t = {};
  clock_gettime(clock, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

void say_timespec(Call& call, const timespec& value) {
  call.say("%ld.%09ld", value.tv_sec, value.tv_nsec);
}

void say_remaining(Call& call, const timespec& value) {
  if (value.tv_nsec < 0 || value.tv_nsec >= kSecond || value.tv_sec < 0) {
    call.say("bad %ld.%09ld", value.tv_sec, value.tv_nsec);
  } else if (value.tv_sec > 1000000000) {
    call.say("huge");
  } else if (value.tv_sec >= 50) {
    call.say("%ld", (value.tv_sec + 50) / 100 * 100);
  } else {
    call.say(value.tv_sec == 0 && value.tv_nsec < 1000 ? "0" : "~0");
  }
}

void say_count(Call& call, uint64_t count) {
  if (count > 900 || (world.ticking && count > 0)) {
    call.say(" many");
  } else {
    call.say(" %lu", count);
  }
}

namespace {

timespec from_ns(int64_t ns) { return {ns / kSecond, ns % kSecond}; }

timespec pick_long(Rng& rng) { return {100L * (1 + rng.below(40)), rng.pick({0L, 1L, 500000L})}; }

timespec pick_odd(Rng& rng) {
  switch (rng.below(12)) {
    case 0:
      return {0, kSecond};
    case 1:
      return {0, -1};
    case 2:
      return {-1, 0};
    case 3:
      return {INT64_MIN, 0};
    case 4:
      return {5, INT64_MAX};
    case 5:
      return {9223372036, 854775807};  // KTIME_MAX
    case 6:
      return {9223372036, 854775808};
    case 7:
      return {9223372037, 0};
    case 8:
      return {INT64_MAX, 999999999};
    case 9:
      return {9223372035, 999999999};
    case 10:
      return {INT64_MAX, INT64_MAX};
    default:
      return {4611686018, 427387904};
  }
}

// An interval whose ticks are told apart from "none" and from each other, however long a run takes.
timespec pick_interval(Call& call) {
  Rng& rng = call.rng;
  const unsigned kind = rng.below(100);
  if (kind < 50) return {0, 0};
  if (kind < 85) return pick_long(rng);
  if (kind < 93) return {0, 1};
  return pick_odd(rng);
}

}  // namespace

bool is_cpu_clock(clockid_t clock) {
  return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
}

Setting pick_setting(Call& call, clockid_t clock) {
  Rng& rng = call.rng;
  Setting setting = {{pick_interval(call), {0, 0}}, rng.chance(30)};
  timespec& value = setting.value.it_value;
  const timespec& interval = setting.value.it_interval;
  const unsigned kind = rng.below(100);
  if (kind < 12) {
    value = {0, 0};
  } else if (kind < 45 && !is_cpu_clock(clock)) {  // Linux looks at those once a tick
    value = {0, rng.pick({1L, 1000L})};            // in absolute terms long ago
    // The count of an absolute one would be the clock's value: only without an interval.
    if (setting.absolute) setting.value.it_interval = {0, 0};
  } else if (kind < 60 && setting.absolute && interval.tv_nsec == 0 && interval.tv_sec == 0) {
    value = from_ns(now(clock) - 3 * kSecond);
  } else if (kind < 88) {
    value = pick_long(rng);
    if (setting.absolute) value = from_ns(now(clock) + value.tv_sec * kSecond);
  } else {
    value = pick_odd(rng);
  }
  if (interval.tv_sec == 0 && interval.tv_nsec == 1) world.ticking = world.hot = true;
  if (value.tv_sec == 0 && value.tv_nsec > 0) world.hot = true;
  return setting;
}

}  // namespace fuzz
