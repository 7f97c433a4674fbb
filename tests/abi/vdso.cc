// The vDSO (vdso(7)) against the system calls that it stands for. Where time is virtual there is none
// (docs/limitations.md); then glibc's functions, which use it if it is there, are compared.
#include <dlfcn.h>
#include <sys/auxv.h>
#include <sys/time.h>

#include "abi_test.h"

using namespace abi;

namespace {

using ClockGettime = int (*)(clockid_t, timespec*);

// The image's own function, or libc's where there is no image.
template <class Function>
Function Find(const char* name, Function otherwise) {
  if (getauxval(AT_SYSINFO_EHDR) == 0) return otherwise;
  void* image = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
  CHECK(image != nullptr);
  if (image == nullptr) return otherwise;
  void* found = dlvsym(image, name, "LINUX_2.6");
  CHECK(found != nullptr);
  return found != nullptr ? reinterpret_cast<Function>(found) : otherwise;
}

int64_t Nanoseconds(const timespec& time) { return time.tv_sec * 1000000000LL + time.tv_nsec; }

int64_t BySyscall(clockid_t id) {
  timespec time{};
  CHECK_EQ(syscall(SYS_clock_gettime, id, &time), 0L);
  return Nanoseconds(time);
}

void CompareClock(ClockGettime read, clockid_t id) {
  for (int i = 0; i < 1000; ++i) {
    timespec time{};
    const int64_t before = BySyscall(id);
    CHECK_EQ(read(id, &time), 0);
    const int64_t after = BySyscall(id);
    CHECK(before <= Nanoseconds(time) && Nanoseconds(time) <= after);
    CHECK(time.tv_nsec >= 0 && time.tv_nsec < 1000000000);
  }
}

}  // namespace

TEST(each_clock_is_between_two_system_calls) {
  const auto read = Find<ClockGettime>("__vdso_clock_gettime", clock_gettime);
  for (clockid_t id : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
                       CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID,
                       CLOCK_THREAD_CPUTIME_ID}) {
    CompareClock(read, id);
  }
}

TEST(short_names_are_there_too) {
  CompareClock(Find<ClockGettime>("clock_gettime", clock_gettime), CLOCK_MONOTONIC);
  Find<int (*)(timeval*, struct timezone*)>("gettimeofday", nullptr);
  Find<time_t (*)(time_t*)>("time", nullptr);
  Find<ClockGettime>("clock_getres", nullptr);
  Find<int (*)(unsigned*, unsigned*)>("getcpu", nullptr);
}

TEST(gettimeofday_and_time) {
  const auto read = Find<int (*)(timeval*, void*)>("__vdso_gettimeofday", gettimeofday);
  const auto seconds = Find<time_t (*)(time_t*)>("__vdso_time", time);
  for (int i = 0; i < 1000; ++i) {
    timeval before{}, now{}, after{};
    CHECK_EQ(syscall(SYS_gettimeofday, &before, nullptr), 0L);
    CHECK_EQ(read(&now, nullptr), 0);
    CHECK_EQ(syscall(SYS_gettimeofday, &after, nullptr), 0L);
    CHECK(!timercmp(&before, &now, >) && !timercmp(&now, &after, >));
    const time_t first = syscall(SYS_time, nullptr);
    time_t stored = 0;
    const time_t got = seconds(&stored);
    CHECK(got == stored && first <= got && got <= syscall(SYS_time, nullptr));
  }
  struct timezone zone = {77, 77};
  timeval now{};
  CHECK_EQ(read(&now, &zone), 0);
  CHECK(zone.tz_minuteswest != 77);
}

TEST(other_clocks_and_errors) {
  const auto read = Find<ClockGettime>("__vdso_clock_gettime", nullptr);
  const auto resolution = Find<ClockGettime>("__vdso_clock_getres", nullptr);
  timespec time{};
  if (read != nullptr) {
    CHECK_EQ(read(99, &time), -EINVAL);
    CHECK_EQ(resolution(99, &time), -EINVAL);
    CHECK_EQ(resolution(CLOCK_MONOTONIC, nullptr), 0);
    CHECK_EQ(resolution(CLOCK_MONOTONIC, &time), 0);
    CHECK_EQ(Nanoseconds(time), 1L);
  }
}

TEST(the_processor) {
  const auto get = Find<int (*)(unsigned*, unsigned*, void*)>("__vdso_getcpu", nullptr);
  if (get != nullptr) {
    unsigned cpu = 12345, node = 12345;
    CHECK_EQ(get(&cpu, &node, nullptr), 0);
    CHECK(cpu < 12345 && node < 12345);
    CHECK_EQ(get(nullptr, nullptr, nullptr), 0);
  }
}

// Longer than the kernel lets a reader go on by itself.
TEST(it_never_goes_back) {
  const auto read = Find<ClockGettime>("__vdso_clock_gettime", clock_gettime);
  const int64_t start = BySyscall(CLOCK_MONOTONIC);
  int64_t last = start;
  for (int64_t i = 0; last - start < 350000000; ++i) {
    timespec time{};
    CHECK_EQ(read(CLOCK_MONOTONIC, &time), 0);
    CHECK(Nanoseconds(time) >= last);
    last = Nanoseconds(time);
  }
  CHECK(BySyscall(CLOCK_MONOTONIC) >= last);
}

TEST(a_forked_child_and_threads_read_it) {
  const auto read = Find<ClockGettime>("__vdso_clock_gettime", clock_gettime);
  const pid_t child = fork();
  if (child == 0) {
    CompareClock(read, CLOCK_MONOTONIC);
    usleep(150000);
    CompareClock(read, CLOCK_REALTIME);
    _exit(Failures() != 0);
  }
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CompareClock(read, CLOCK_MONOTONIC);
}
