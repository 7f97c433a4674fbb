// Host calls that may block: the scheduler waits, and the host's call is made when it cannot block. One
// task's wait never stops the others.
//
// In all functions `call` returns a raw host answer (-errno on failure) and may be made any number of
// times. A signal that ends the wait answers kRestartSys unless the rules say otherwise.
#pragma once

#include <functional>
#include <optional>

#include "detent/ids.h"
#include "detent/result.h"
#include "emu/sched/block.h"
#include "emu/task/task.h"
#include "waitq/poll_mask.h"

namespace detent::syscalls {

using HostTry = std::function<long()>;
/// Asked once, when a call would block: how to wait, or nullopt to answer the errno instead.
using WaitChoice = std::function<std::optional<sched::WaitRules>()>;

/// What a call that would block waits for. A call that is to go on with its file when another task closes
/// the number holds a HostPin of the variable that `fd` refers to and `call` uses.
struct HostEvent {
  const Fd& fd;
  waitq::PollMask events;
  Errno again{EAGAIN};  ///< the errno by which `call` says that it would block
};

/// True if the host description behind `fd` has O_NONBLOCK.
bool host_nonblocking(Fd fd);

/// For calls without a form that cannot block (read, write): waits until `fd` reports one of `events`,
/// then calls; at once if the description is O_NONBLOCK or the fd never blocks. `call` must not block
/// when `fd` is ready. `what` names the call for reports. `fd` may be pinned, as above.
Result<long> wait_then_call(Task& task, const Fd& fd, waitq::PollMask events, const char* what,
                            const HostTry& call);

/// For calls with a form that cannot block: calls until the answer is not `event.again`, waiting for
/// readiness of the fd in between. Where the fd claims to be ready and the call still would block (a full
/// AF_UNIX datagram peer, an unread error queue), goes over to retry_paced().
Result<long> try_then_wait(Task& task, const HostEvent& event, const WaitChoice& choose,
                           const HostTry& call);

/// For calls with no readiness to poll (flock, semop, msgrcv): calls until the answer is not `again`, waiting
/// for a notification of `changed` (null: there is none) and, since other processes notify nobody
/// here, for short pauses that host time paces. A notification makes the call right there, in the order
/// of waiting, and reports how many calls it completed.
Result<long> retry_paced(Task& task, Errno again, const sched::WaitRules& rules,
                         waitq::WaitQueue* changed, const HostTry& call);

/// The guest-time deadline `timeout` from now.
sched::Deadline deadline_after(Task& task, Duration timeout);

/// While alive, the description behind `fd` is O_NONBLOCK: for host calls that take no flag for it.
/// Lives for one host call and never across a wait, so that no other task sees it; other processes
/// that share the description may, for a microsecond.
class NonblockScope {
 public:
  explicit NonblockScope(Fd fd);
  ~NonblockScope();
  NonblockScope(const NonblockScope&) = delete;
  NonblockScope& operator=(const NonblockScope&) = delete;

 private:
  int fd_;
  long flags_ = -1;  ///< to be restored; -1: nothing was changed
};

}  // namespace detent::syscalls
