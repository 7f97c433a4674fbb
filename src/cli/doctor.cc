#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>

#include "cli/options.h"
#include "cli/run.h"
#include "timebase/tsc_clock_unsafe.h"

namespace detent::cli {
namespace {

constexpr int kOldestMajor = 5;
constexpr int kOldestMinor = 9;

bool kernel_is_new_enough(const utsname& names) {
  int major = 0;
  int minor = 0;
  if (std::sscanf(names.release, "%d.%d", &major, &minor) != 2) return false;
  return major > kOldestMajor || (major == kOldestMajor && minor >= kOldestMinor);
}

bool seccomp_traps() {
  unsigned action = SECCOMP_RET_TRAP;
  return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

bool line(bool ok, const char* what, const char* otherwise) {
  fmt::print("{:<4} {}{}{}\n", ok ? "ok" : "no", what, ok ? "" : ": ", ok ? "" : otherwise);
  return ok;
}

}  // namespace

int doctor() {
  utsname names{};
  uname(&names);
  fmt::print("host: {} {} {}\n", names.sysname, names.release, names.machine);
  bool usable = line(kernel_is_new_enough(names), "Linux 5.9 or newer", "update the host's kernel");
  usable &= line(seccomp_traps(), "seccomp with RET_TRAP",
                 "the kernel needs CONFIG_SECCOMP_FILTER, the sandbox must allow seccomp(2)");
  line((getauxval(AT_HWCAP2) & 2) != 0, "FSGSBASE instructions",
       "every trap costs two system calls more");
  line(timebase::TscClock::available(), "invariant TSC", "clock reads are host calls");
  return usable ? 0 : kExitCannotRun;
}

}  // namespace detent::cli
