#include "syscalls/sysv.h"

#include <sys/ipc.h>
#include <sys/syscall.h>

#include <algorithm>
#include <map>
#include <vector>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/host_wait.h"

namespace detent::syscalls {
namespace {

using Operations = std::vector<sembuf>;

// More operations than any sensible SEMOPM (500); the host refuses them with E2BIG.
constexpr unsigned kMaxOperations = 1U << 16;

// Notified after every call of this process that may have changed a System V object. A fork leaves
// the queue of the parent, in which tasks wait that do not exist here, behind: it is never destroyed.
waitq::WaitQueue& changed_here(Task& task) {
  static waitq::WaitQueue* queue = nullptr;
  static Tid owner{};
  if (queue == nullptr || owner != task.process().pid()) {
    queue = new waitq::WaitQueue;
    owner = task.process().pid();
  }
  return *queue;
}

Result<long> tell_change(Task& task, const Result<long>& result) {
  if (!result.ok()) return result;
  // A completed call may let one pass that stands before it in the line: from the start again.
  while (changed_here(task).notify(waitq::kAllEvents, ~0U) != 0) {
  }
  return result;
}

std::uint64_t arg(long value) { return static_cast<std::uint64_t>(value); }

// Waits until `call`, which says `again` when it would block, comes to another answer. The object may
// be removed meanwhile: the host, asked with an id it no longer knows, then says EINVAL.
Result<long> wait_for_object(Task& task, Errno again, const sched::WaitRules& rules,
                             const HostTry& call) {
  const Result<long> result = retry_paced(task, again, rules, &changed_here(task), call);
  if (!result.ok() && result.error() == Errno{EINVAL}) return Errno{EIDRM};
  return tell_change(task, result);
}

bool valid(const timespec& span) {
  return span.tv_sec >= 0 && span.tv_nsec >= 0 && span.tv_nsec < kNanosPerSecond;
}

Duration length(const timespec& span) {
  return Duration::seconds(span.tv_sec) + Duration::nanoseconds(span.tv_nsec);
}

Result<Operations> copy_in_operations(UserPtr<sembuf> from, unsigned count) {
  if (count == 0 || count > kMaxOperations) return Errno{EINVAL};
  Operations operations(count);
  TRY(mem::copy_in_bytes(operations.data(), from.address(), count * sizeof(sembuf)));
  return operations;
}

// The first operation that cannot be done decides between waiting and EAGAIN (perform_atomic_semop()
// in ipc/sem.c). Where only some are IPC_NOWAIT, the host's EAGAIN does not tell which one it was.
bool first_obstacle_waits(int semaphores, const Operations& operations) {
  std::map<unsigned, long> values;
  for (const sembuf& operation : operations) {
    auto found = values.find(operation.sem_num);
    if (found == values.end()) {
      const Result<long> value =
          arch::host_call(SYS_semctl, semaphores, int{operation.sem_num}, GETVAL, 0);
      if (!value.ok()) return true;  // not readable, or gone: the next try tells
      found = values.emplace(operation.sem_num, value.value()).first;
    }
    const bool stops =
        operation.sem_op == 0 ? found->second != 0 : found->second + operation.sem_op < 0;
    if (stops) return (operation.sem_flg & IPC_NOWAIT) == 0;
    found->second += operation.sem_op;
  }
  return true;
}

bool may_wait(int semaphores, const Operations& operations) {
  const auto waits = [](const sembuf& operation) { return (operation.sem_flg & IPC_NOWAIT) == 0; };
  if (std::none_of(operations.begin(), operations.end(), waits)) return false;
  if (std::all_of(operations.begin(), operations.end(), waits)) return true;
  return first_obstacle_waits(semaphores, operations);
}

// semop(2) is never restarted (signal(7)): do_semtimedop() answers EINTR itself.
sched::WaitRules semaphore_rules(int semaphores) {
  sched::WaitRules rules;
  rules.what = "semop";
  rules.object = static_cast<std::uint64_t>(semaphores);
  rules.on_signal = Errno{EINTR};
  return rules;
}

Result<long> operate(Task& task, int semaphores, const Operations& operations,
                     const sched::WaitRules& rules) {
  Operations tried = operations;
  for (sembuf& operation : tried) operation.sem_flg |= IPC_NOWAIT;
  const auto call = [&] {
    return arch::host_syscall(SYS_semop, arg(semaphores), arch::host_arg(tried.data()),
                              tried.size());
  };
  const Result<long> first = arch::to_result(call());
  if (first.ok() || first.error() != Errno{EAGAIN}) return tell_change(task, first);
  if (!may_wait(semaphores, operations)) return first;
  return wait_for_object(task, Errno{EAGAIN}, rules, call);
}

// Tries once; then, unless the guest says IPC_NOWAIT, waits. Interrupted, msgsnd and msgrcv fail with
// EINTR if a handler runs, whatever SA_RESTART says: -ERESTARTNOHAND in ipc/msg.c.
Result<long> message_call(Task& task, const char* what, int queue, int flags, Errno again,
                          const HostTry& call) {
  const Result<long> first = arch::to_result(call());
  if (first.ok() || first.error() != again) return tell_change(task, first);
  if (flags & IPC_NOWAIT) return first;
  sched::WaitRules rules;
  rules.what = what;
  rules.object = static_cast<std::uint64_t>(queue);
  rules.on_signal = kRestartNoHand;
  return wait_for_object(task, again, rules, call);
}

// A POSIX queue's own O_NONBLOCK makes the host answer EAGAIN; a blocking one is asked with a time-out
// that is over, so that it answers ETIMEDOUT instead of waiting (wq_sleep() in ipc/mqueue.c).
constexpr timespec kOver{0, 0};

Result<long> posix_queue_call(Task& task, Fd queue, waitq::PollMask events, const char* what,
                              UserPtr<timespec> until, const HostTry& call) {
  sched::WaitRules rules;
  if (!until.is_null()) {
    const timespec when = TRY(mem::copy_in(until));
    if (!valid(when)) return Errno{EINVAL};
    rules.deadline = sched::Deadline{timebase::Base::kRealtime, length(when).ns()};
  }
  rules.what = what;
  rules.object = static_cast<std::uint64_t>(raw(queue));
  rules.on_timeout = Errno{ETIMEDOUT};
  return try_then_wait(
      task, {queue, events, Errno{ETIMEDOUT}}, [&] { return rules; }, call);
}

}  // namespace

Result<long> sys_semop(Task& task, int semaphores, UserPtr<sembuf> operations, unsigned count) {
  return sys_semtimedop(task, semaphores, operations, count, {});
}

// Arguments that Linux refuses go to the host as they are: it knows which errno comes first, and does
// not wait on them.
Result<long> sys_semtimedop(Task& task, int semaphores, UserPtr<sembuf> operations, unsigned count,
                            UserPtr<timespec> timeout) {
  const Result<Operations> copied = copy_in_operations(operations, count);
  const Result<timespec> span =
      timeout.is_null() ? Result<timespec>(timespec{}) : mem::copy_in(timeout);
  if (!copied.ok() || !span.ok() || !valid(span.value())) {
    return arch::to_result(arch::host_syscall(SYS_semtimedop, arg(semaphores), operations.address(),
                                              count, timeout.address()));
  }
  sched::WaitRules rules = semaphore_rules(semaphores);
  if (!timeout.is_null()) rules.deadline = deadline_after(task, length(span.value()));
  return operate(task, semaphores, copied.value(), rules);
}

Result<long> sys_semctl(Task& task, int semaphores, int index, int command,
                        std::uint64_t argument) {
  return tell_change(task, arch::to_result(arch::host_syscall(SYS_semctl, arg(semaphores),
                                                              arg(index), arg(command), argument)));
}

Result<long> sys_msgsnd(Task& task, int queue, UserPtr<void> message, std::uint64_t size,
                        int flags) {
  return message_call(task, "msgsnd", queue, flags, Errno{EAGAIN}, [&] {
    return arch::host_syscall(SYS_msgsnd, arg(queue), message.address(), size,
                              arg(flags | IPC_NOWAIT));
  });
}

Result<long> sys_msgrcv(Task& task, int queue, UserPtr<void> message, std::uint64_t size, long type,
                        int flags) {
  return message_call(task, "msgrcv", queue, flags, Errno{ENOMSG}, [&] {
    return arch::host_syscall(SYS_msgrcv, arg(queue), message.address(), size, arg(type),
                              arg(flags | IPC_NOWAIT));
  });
}

Result<long> sys_msgctl(Task& task, int queue, int command, std::uint64_t argument) {
  return tell_change(
      task, arch::to_result(arch::host_syscall(SYS_msgctl, arg(queue), arg(command), argument)));
}

Result<long> sys_mq_timedsend(Task& task, Fd queue, UserPtr<void> message, std::uint64_t size,
                              unsigned priority, UserPtr<timespec> until) {
  return posix_queue_call(task, queue, waitq::kOut, "mq_timedsend", until, [&] {
    return arch::host_syscall(SYS_mq_timedsend, arg(raw(queue)), message.address(), size, priority,
                              arch::host_arg(&kOver));
  });
}

Result<long> sys_mq_timedreceive(Task& task, Fd queue, UserPtr<void> message, std::uint64_t size,
                                 UserPtr<unsigned> priority, UserPtr<timespec> until) {
  return posix_queue_call(task, queue, waitq::kIn, "mq_timedreceive", until, [&] {
    return arch::host_syscall(SYS_mq_timedreceive, arg(raw(queue)), message.address(), size,
                              priority.address(), arch::host_arg(&kOver));
  });
}

}  // namespace detent::syscalls
