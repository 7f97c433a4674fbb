// Waiting for the host by trying first: the call is made in a form that cannot block, and only if it
// would block does the task wait. host_io.h waits first; it is for calls without such a form.
//
// In both functions `call` returns a raw host answer (-errno on failure), never blocks, and may be
// made any number of times.
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

/// What a call that would block waits for.
struct HostEvent {
  Fd fd;
  waitq::PollMask events;
  Errno again{EAGAIN};  ///< the errno by which `call` says that it would block
};

/// Calls until the answer is not `event.again`, waiting for readiness of the fd in between. Where the
/// fd claims to be ready and the call still would block (a full AF_UNIX datagram peer, an unread
/// error queue), goes over to retry_paced().
Result<long> try_then_wait(Task& task, const HostEvent& event, const WaitChoice& choose,
                           const HostTry& call);

/// For calls with no readiness to poll (semop, msgrcv): calls until the answer is not `again`, waiting
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
