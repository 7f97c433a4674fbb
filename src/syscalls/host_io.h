// Calls on host fds that may block: the scheduler waits for readiness, then the host's call is made. One
// task's wait never stops the others.
#pragma once

#include <cstdint>
#include <functional>

#include "detent/ids.h"
#include "detent/result.h"
#include "emu/task/task.h"
#include "waitq/poll_mask.h"

namespace detent::syscalls {

/// Makes `call` (a host call on `fd` that returns a raw answer, -errno on failure) once `fd` reports
/// one of `events`, unless the description is O_NONBLOCK or the fd never blocks: then at once. `call`
/// must not block when `fd` is ready. `what` names the call for reports. Answers kRestartSys when a
/// signal interrupts the wait. `on_timeout`/`timeout_ns` (-1: none): SO_RCVTIMEO and friends.
Result<long> host_io(Task& task, Fd fd, waitq::PollMask events, const char* what,
                     const std::function<long()>& call);

/// True if the host description behind `fd` has O_NONBLOCK.
bool host_nonblocking(Fd fd);

/// For host calls that block without readiness to poll (flock, semop, mq_*): calls `attempt` (which must
/// not block) until it answers something else than `again`, with pauses of up to 1 ms of host time.
Result<long> host_retry(Task& task, Errno again, const char* what,
                        const std::function<long()>& attempt);

}  // namespace detent::syscalls
