// Moving bytes between fds inside the host: splice, tee, vmsplice, sendfile. Pipes, sockets and files
// are the host's; emulated files have no such operation in Linux either (EINVAL). Contract: splice(2),
// tee(2), vmsplice(2), sendfile(2).
//
// Every try is made with SPLICE_F_NONBLOCK for the pipe ends, and with O_NONBLOCK set for that moment
// on a socket or terminal, for which there is no flag. sendfile moves at most 1 MiB in one host call,
// so that signals and the other tasks get their turn. Differs from Linux: SIGPIPE from a sendfile that
// had already moved a part.
#pragma once

#include <sys/uio.h>

#include <cstdint>

#include "detent/ids.h"
#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_splice(Task& task, Fd in, UserPtr<std::int64_t> in_offset, Fd out,
                        UserPtr<std::int64_t> out_offset, std::uint64_t size, unsigned flags);
Result<long> sys_tee(Task& task, Fd in, Fd out, std::uint64_t size, unsigned flags);
Result<long> sys_vmsplice(Task& task, Fd pipe, UserPtr<iovec> vector, std::uint64_t count,
                          unsigned flags);
Result<long> sys_sendfile(Task& task, Fd out, Fd in, UserPtr<std::int64_t> offset,
                          std::uint64_t size);

}  // namespace detent::syscalls
