#include "syscalls/system.h"

#include <asm/prctl.h>
#include <linux/random.h>
#include <linux/seccomp.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/address_limit.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::syscalls {
namespace {

using arch::host_call;

constexpr std::size_t kNameSize = 16;  // TASK_COMM_LEN
constexpr std::uint64_t kUserEnd = 0x7ffffffff000;

Result<long> set_name(Task& task, std::uint64_t address) {
  std::string name;
  while (name.size() < kNameSize - 1) {
    const char c = TRY(mem::copy_in(UserPtr<const char>(address + name.size())));
    if (c == '\0') break;
    name.push_back(c);
  }
  set_thread_name(task, name);
  return 0;
}
Result<long> get_name(const Task& task, std::uint64_t address) {
  std::array<char, kNameSize> name{};
  task.name.copy(name.data(), kNameSize - 1);
  TRY(mem::copy_out_bytes(address, name.data(), name.size()));
  return 0;
}

// The slack of emulated waits is zero; the value is kept because programs read it back.
Result<long> set_timer_slack(Task& task, std::uint64_t slack) {
  task.timer_slack = slack == 0 ? 50'000 : slack;
  return 0;
}

// What depends on the host's other work would differ in each run: an idle machine with half its memory free.
void make_quiet(struct sysinfo& info) {
  std::ranges::fill(info.loads, 0UL);
  info.freeram = info.totalram / 2;
  info.sharedram = info.bufferram = info.freehigh = 0;
  info.freeswap = info.totalswap;
  info.procs = 1;
}

void fill_from_seed(Task& task, std::byte* to, std::size_t size) {
  while (size > 0) {
    const std::uint64_t bits = task.kernel().chooser().random_bits();
    const std::size_t part = std::min(size, sizeof(bits));
    std::memcpy(to, &bits, part);
    to += part;
    size -= part;
  }
}

}  // namespace

void set_thread_name(Task& thread, const std::string& name) {
  thread.name = name;
  // The host shows one name, the process's: the first task's.
  if (thread.tid() == thread.process().pid()) {
    static_cast<void>(host_call(SYS_prctl, PR_SET_NAME, name.c_str(), 0, 0, 0));
  }
}

Result<long> sys_prctl(Task& task, int option, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                       std::uint64_t d) {
  switch (option) {
    case PR_SET_NAME:
      return set_name(task, a);
    case PR_GET_NAME:
      return get_name(task, a);
    case PR_SET_TIMERSLACK:
      return set_timer_slack(task, a);
    case PR_GET_TIMERSLACK:
      return static_cast<long>(task.timer_slack);
    case PR_GET_SECCOMP:
      return 0;  // our own filter is none of the guest's business
    case PR_SET_SECCOMP:
      task.kernel().warn_once("a guest's own seccomp filter (prctl)");
      return Errno{EINVAL};
    case PR_GET_NO_NEW_PRIVS:
      return task.process().no_new_privs ? 1 : 0;
    case PR_SET_NO_NEW_PRIVS:
      if (a != 1 || b != 0 || c != 0 || d != 0) return Errno{EINVAL};
      task.process().no_new_privs = true;
      return 0;
    case PR_SET_TSC:
      task.kernel().warn_once("prctl(PR_SET_TSC)");
      return Errno{EINVAL};
    default:
      return arch::to_result(
          arch::host_syscall(SYS_prctl, static_cast<std::uint64_t>(option), a, b, c, d));
  }
}

// arch/x86/kernel/process_64.c do_arch_prctl_64().
Result<long> sys_arch_prctl(Task& task, int code, std::uint64_t address) {
  arch::UserRegs& regs = task.user.regs;
  switch (code) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
      if (address >= kUserEnd) return Errno{EPERM};
      (code == ARCH_SET_FS ? regs.fs_base : regs.gs_base) = address;
      return 0;
    case ARCH_GET_FS:
    case ARCH_GET_GS:
      TRY(mem::copy_out(UserPtr<std::uint64_t>(address),
                        code == ARCH_GET_FS ? regs.fs_base : regs.gs_base));
      return 0;
    default:
      return host_call(SYS_arch_prctl, code, static_cast<std::int64_t>(address));
  }
}

// ADDR_NO_RANDOMIZE is ours; the guest sees and sets the rest.
Result<long> sys_personality(Task&, std::uint32_t persona) {
  constexpr std::uint32_t kQuery = 0xffffffff;
  const std::uint32_t wanted = persona == kQuery ? kQuery : persona | ADDR_NO_RANDOMIZE;
  const long old = TRY(host_call(SYS_personality, wanted));
  return old & ~static_cast<long>(ADDR_NO_RANDOMIZE);
}

Result<long> sys_getrlimit(Task& task, int resource, std::uint64_t limit) {
  if (!mem::is_shifted_limit(resource)) {
    return host_call(SYS_getrlimit, resource, static_cast<std::int64_t>(limit));
  }
  rlimit found{};
  TRY(host_call(SYS_getrlimit, resource, &found));
  TRY(mem::copy_out(UserPtr<rlimit>(limit), mem::to_guest_limit(resource, found)));
  return 0;
}

Result<long> sys_setrlimit(Task& task, int resource, std::uint64_t limit) {
  return sys_prlimit64(task, 0, resource, limit, 0);
}

// kernel/sys.c: the new limit is read before anything else, the old one written at the end.
static Result<long> shifted_prlimit(int pid, int resource, std::uint64_t new_limit,
                                    std::uint64_t old_limit) {
  rlimit wanted{};
  rlimit found{};
  if (new_limit != 0) {
    wanted = mem::to_host_limit(resource, TRY(mem::copy_in(UserPtr<const rlimit>(new_limit))));
  }
  TRY(host_call(SYS_prlimit64, pid, resource, new_limit != 0 ? &wanted : nullptr, &found));
  if (old_limit != 0) {
    TRY(mem::copy_out(UserPtr<rlimit>(old_limit), mem::to_guest_limit(resource, found)));
  }
  return 0;
}

// The host holds the limits: the kernel's own fds lie above RLIMIT_NOFILE without moving it.
Result<long> sys_prlimit64(Task& task, int pid, int resource, std::uint64_t new_limit,
                           std::uint64_t old_limit) {
  if (mem::is_shifted_limit(resource)) return shifted_prlimit(pid, resource, new_limit, old_limit);
  const long done =
      TRY(host_call(SYS_prlimit64, pid, resource, static_cast<std::int64_t>(new_limit),
                    static_cast<std::int64_t>(old_limit)));
  if (resource == RLIMIT_NOFILE && new_limit != 0) task.process().read_fd_limit();
  return done;
}

// Virtual time means a run that can be repeated: the bytes come from the seed.
Result<long> sys_getrandom(Task& task, std::uint64_t buffer, std::uint64_t size,
                           std::uint32_t flags) {
  if (!task.kernel().time_is_virtual()) {
    return host_call(SYS_getrandom, static_cast<std::int64_t>(buffer),
                     static_cast<std::int64_t>(size), flags);
  }
  if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) return Errno{EINVAL};
  if ((flags & GRND_RANDOM) && (flags & GRND_INSECURE)) return Errno{EINVAL};
  std::array<std::byte, 256> chunk{};
  std::uint64_t done = 0;
  size = std::min<std::uint64_t>(size, 0x7ffff000);
  while (done < size) {
    // Never over a page's end: what lies before a hole is filled and counted, as on Linux.
    const std::uint64_t page_left = 4096 - (buffer + done) % 4096;
    const std::size_t part = std::min<std::uint64_t>({size - done, chunk.size(), page_left});
    fill_from_seed(task, chunk.data(), part);
    const Result<void> copied = mem::copy_out_bytes(buffer + done, chunk.data(), part);
    if (!copied.ok()) return done > 0 ? Result<long>(static_cast<long>(done)) : copied.error();
    done += part;
  }
  return static_cast<long>(done);
}

Result<long> sys_sysinfo(Task& task, std::uint64_t info) {
  struct sysinfo found {};
  TRY(host_call(SYS_sysinfo, &found));
  if (task.kernel().time_is_virtual()) make_quiet(found);
  found.uptime = task.kernel().clocks().now(timebase::Base::kBoottime) / kNanosPerSecond;
  TRY(mem::copy_out(UserPtr<struct sysinfo>(info), found));
  return 0;
}

// All tasks share one host thread, so every barrier is there already; the host checks the arguments.
Result<long> sys_membarrier(Task&, int command, std::uint32_t flags, int cpu) {
  return host_call(SYS_membarrier, command, flags, cpu);
}

// seccomp(2): a guest's filter would also judge the kernel's own calls.
Result<long> sys_seccomp(Task& task, std::uint32_t operation, std::uint32_t flags,
                         std::uint64_t argument) {
  if (operation == SECCOMP_GET_ACTION_AVAIL || operation == SECCOMP_GET_NOTIF_SIZES) {
    return host_call(SYS_seccomp, operation, flags, static_cast<std::int64_t>(argument));
  }
  task.kernel().warn_once("a guest's own seccomp filter");
  return Errno{EINVAL};
}

}  // namespace detent::syscalls
