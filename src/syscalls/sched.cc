#include "syscalls/sched.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"

namespace detent::syscalls {
namespace {

using arch::host_call;

constexpr int kResetOnFork = 0x40000000;
constexpr int kDeadline = 6;  // SCHED_DEADLINE

// struct sched_attr of linux/sched/types.h, which cannot be included beside libc's <sched.h>.
struct SchedAttr {
  std::uint32_t size;
  std::uint32_t policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime;
  std::uint64_t deadline;
  std::uint64_t period;
  std::uint32_t util_min;
  std::uint32_t util_max;
};

// The first 64 CPUs that the host lets this process use, as bits.
std::uint64_t host_cpus() {
  std::array<std::uint64_t, 128> set{};
  host_call(SYS_sched_getaffinity, 0, sizeof(set), set.data()).value();
  return set.front();
}

// A thread of ours (0 means the caller), or null: then it is a process for the host to know.
Task* find(Task& task, int tid) {
  return tid == 0 ? &task : task.process().find(static_cast<Tid>(tid));
}

bool is_realtime(int policy) { return policy == SCHED_FIFO || policy == SCHED_RR; }

// kernel/sched/core.c __sched_setscheduler(): priorities 1..99 for real-time policies, else 0. The host
// decides whether this user may have the policy at all: asked by a process of no consequence (ours),
// then set back.
Result<void> check_policy(int policy, int priority) {
  const bool known =
      is_realtime(policy) || policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE;
  if (!known) return Errno{EINVAL};
  if (is_realtime(policy) ? priority < 1 || priority > 99 : priority != 0) return Errno{EINVAL};
  if (!is_realtime(policy)) return {};
  const int old_priority = 0;
  TRY(host_call(SYS_sched_setscheduler, 0, policy, &priority));
  TRY(host_call(SYS_sched_setscheduler, 0, SCHED_OTHER, &old_priority));
  return {};
}

Result<long> set_policy(Task& task, int tid, int policy, int priority) {
  if (tid < 0) return Errno{EINVAL};
  Task* target = find(task, tid);
  if (target == nullptr) return Errno{ESRCH};
  TRY(check_policy(policy & ~kResetOnFork, priority));
  target->policy = policy;
  target->priority = priority;
  target->pi.set_normal(priority);
  if (priority != 0) task.kernel().scheduler().use_priority(*target);
  return 0;
}

// Whether this process may have a higher priority, the host knows. It is not to keep it.
Result<void> ask_for_priority(int nice) {
  const long before = 20 - TRY(host_call(SYS_getpriority, PRIO_PROCESS, 0));
  TRY(host_call(SYS_setpriority, PRIO_PROCESS, 0, nice));
  static_cast<void>(host_call(SYS_setpriority, PRIO_PROCESS, 0, before));
  return {};
}

}  // namespace

Result<long> sys_sched_yield(Task& task) {
  task.kernel().scheduler().yield(task);
  return 0;
}

Result<long> sys_sched_getaffinity(Task& task, int tid, std::uint32_t size, std::uint64_t mask) {
  const Task* target = find(task, tid);
  if (target == nullptr) {
    return host_call(SYS_sched_getaffinity, tid, size, static_cast<std::int64_t>(mask));
  }
  if (size < 8 || size % 8 != 0) return Errno{EINVAL};
  TRY(mem::copy_out_bytes(mask, &target->affinity, sizeof(target->affinity)));
  return 8;
}

// A guest begins with CPU 0, where all its tasks run and stay. It may name any of the host's, which it
// sees in /sys: a program that pins its threads is none the worse for it.
Result<long> sys_sched_setaffinity(Task& task, int tid, std::uint32_t size, std::uint64_t mask) {
  std::uint64_t bits = 0;
  TRY(mem::copy_in_bytes(&bits, mask, std::min<std::size_t>(size, sizeof(bits))));
  Task* const target = find(task, tid);
  if (target == nullptr) return Errno{ESRCH};
  bits &= host_cpus();
  if (bits == 0) return Errno{EINVAL};
  target->affinity = bits;
  return 0;
}

Result<long> sys_sched_setparam(Task& task, int tid, UserPtr<const int> priority) {
  if (priority.is_null() || tid < 0) return Errno{EINVAL};
  const int value = TRY(mem::copy_in(priority));
  const Task* target = find(task, tid);
  if (target == nullptr) return Errno{ESRCH};
  return set_policy(task, tid, target->policy, value);
}

Result<long> sys_sched_getparam(Task& task, int tid, UserPtr<int> priority) {
  if (priority.is_null() || tid < 0) return Errno{EINVAL};
  const Task* target = find(task, tid);
  if (target == nullptr) return Errno{ESRCH};
  TRY(mem::copy_out(priority, target->priority));
  return 0;
}

Result<long> sys_sched_setscheduler(Task& task, int tid, int policy, UserPtr<const int> priority) {
  if (policy < 0 || priority.is_null() || tid < 0) return Errno{EINVAL};
  return set_policy(task, tid, policy, TRY(mem::copy_in(priority)));
}

Result<long> sys_sched_getscheduler(Task& task, int tid) {
  if (tid < 0) return Errno{EINVAL};
  const Task* target = find(task, tid);
  if (target == nullptr) return Errno{ESRCH};
  return target->policy;
}

Result<long> sys_sched_rr_get_interval(Task& task, int tid, std::uint64_t interval) {
  const Task* target = find(task, tid);
  if (target == nullptr) return Errno{ESRCH};
  // 100 ms for SCHED_RR (RR_TIMESLICE), nothing for SCHED_FIFO, the host's slice otherwise.
  timespec slice{0, target->policy == SCHED_RR ? 100'000'000 : 0};
  if (!is_realtime(target->policy)) TRY(host_call(SYS_sched_rr_get_interval, 0, &slice));
  TRY(mem::copy_out(UserPtr<timespec>(interval), slice));
  return 0;
}

Result<long> sys_sched_setattr(Task& task, int tid, std::uint64_t attributes, std::uint32_t flags) {
  if (attributes == 0 || tid < 0 || flags != 0) return Errno{EINVAL};
  SchedAttr wanted{};
  const auto size = TRY(mem::copy_in(UserPtr<const std::uint32_t>(attributes)));
  const std::size_t known = size == 0 ? 48 : std::min<std::size_t>(size, sizeof(wanted));
  if (known < 48) return Errno{E2BIG};
  TRY(mem::copy_in_bytes(&wanted, attributes, known));
  const auto policy = static_cast<int>(wanted.policy);
  if (policy == kDeadline) return Errno{EPERM};
  TRY(set_policy(task, tid, policy, static_cast<int>(wanted.priority)));
  if (!is_realtime(policy)) find(task, tid)->nice = wanted.nice;
  return 0;
}

Result<long> sys_sched_getattr(Task& task, int tid, std::uint64_t attributes, std::uint32_t size,
                               std::uint32_t flags) {
  if (attributes == 0 || tid < 0 || size < 48 || size > 4096 || flags != 0) return Errno{EINVAL};
  const Task* target = find(task, tid);
  if (target == nullptr) return Errno{ESRCH};
  SchedAttr found{};
  found.size = static_cast<std::uint32_t>(std::min<std::size_t>(size, sizeof(found)));
  found.policy = static_cast<std::uint32_t>(target->policy & ~kResetOnFork);
  found.priority = static_cast<std::uint32_t>(target->priority);
  found.nice = target->nice;
  TRY(mem::copy_out_bytes(attributes, &found, found.size));
  return 0;
}

// The system call answers 20 - nice, so that no error looks like a priority: getpriority(2).
Result<long> sys_getpriority(Task& task, int which, int who) {
  const Task* target = which == PRIO_PROCESS ? find(task, who) : nullptr;
  if (target == nullptr) return host_call(SYS_getpriority, which, who);
  return 20 - target->nice;
}

Result<long> sys_setpriority(Task& task, int which, int who, int nice) {
  Task* target = which == PRIO_PROCESS ? find(task, who) : nullptr;
  if (target == nullptr) return host_call(SYS_setpriority, which, who, nice);
  const int wanted = std::clamp(nice, -20, 19);
  if (wanted < target->nice) TRY(ask_for_priority(wanted));
  target->nice = wanted;
  return 0;
}

Result<long> sys_getcpu(Task&, UserPtr<std::uint32_t> cpu, UserPtr<std::uint32_t> node,
                        std::uint64_t) {
  if (!cpu.is_null()) TRY(mem::copy_out(cpu, std::uint32_t{0}));
  if (!node.is_null()) TRY(mem::copy_out(node, std::uint32_t{0}));
  return 0;
}

}  // namespace detent::syscalls
