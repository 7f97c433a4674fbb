#include "emu/sched/host_process.h"

#include <poll.h>
#include <sys/syscall.h>

#include <ctime>
#include <string>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/host_file.h"
#include "emu/arch/x86_64/kernel_fds.h"

namespace detent::sched {
namespace {

using arch::host_call;

constexpr long kPatience = 100'000'000;  // ns
constexpr int kLongestEnd = 300;         // times that: a core may have to be dumped
// Looks, with a millisecond in between, before what was expected is given up.
constexpr int kLooks = 2000;

// True once `pid` has been switched off a processor: the host waits for that (proc(5), /proc/pid/syscall).
bool is_off_processor(int pid) {
  const std::string text =
      arch::read_host_file(("/proc/" + std::to_string(pid) + "/syscall").c_str());
  return !text.starts_with("running");
}

void pause_briefly() {
  const timespec span{0, 1'000'000};
  static_cast<void>(host_call(SYS_nanosleep, &span, nullptr));
}

template <class Test>
void look_until(Test test) {
  for (int looks = 0; looks < kLooks && !test(); ++looks) pause_briefly();
}

}  // namespace

Life life_of(int pid) {
  const std::string line = arch::read_host_file(("/proc/" + std::to_string(pid) + "/stat").c_str());
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= line.size()) return Life::kGone;
  switch (line[name_end + 2]) {
    case 'Z':
    case 'X':
      return Life::kGone;
    case 'T':
    case 't':
      return Life::kStopped;
    case 'S':
      return Life::kSleeping;
    default:
      return Life::kRunning;
  }
}

// The host marks the process as ended, wakes who polls, and then sends SIGCHLD, all while it holds the lock
// on its list of processes (exit_notify()). kill(2) of a group takes that lock, too: after it all is done.
void await_end(int pid) {
  const arch::KernelFdRoom room;
  const Result<long> fd = host_call(SYS_pidfd_open, pid, 0);
  if (!fd.ok()) return;
  pollfd entry{static_cast<int>(fd.value()), POLLIN, 0};
  const timespec span{0, kPatience};
  // Bounded, since the number may mean another process by now if the end was long ago.
  for (int waits = 0; waits < kLongestEnd;) {
    const Result<long> done = host_call(SYS_ppoll, &entry, 1, &span, nullptr, 8);
    if (done.ok() && done.value() != 0) break;
    if (!done.ok()) continue;  // a signal
    if (life_of(pid) == Life::kStopped) break;
    ++waits;
  }
  host_call(SYS_close, fd.value()).value();
  static_cast<void>(host_call(SYS_kill, 0, 0));
}

void await_stop(int pid, const std::atomic<std::uint32_t>& stops) {
  look_until([&] {
    if (stops == 0) return true;
    const Life life = life_of(pid);
    return life == Life::kGone || (life == Life::kStopped && is_off_processor(pid));
  });
}

void await_sleep(int pid) {
  look_until([&] {
    const Life life = life_of(pid);
    return life == Life::kGone || (life == Life::kSleeping && is_off_processor(pid));
  });
}

}  // namespace detent::sched
