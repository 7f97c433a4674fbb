// Sockets: socketpair, connect, accept, and the send and receive families. Sockets are the host's; here
// is only how a task waits for them without stopping the others. The rest (socket, bind, listen,
// options, shutdown) goes to the host as it is. Contract: socket(7), send(2), recv(2), connect(2),
// accept(2), recvmmsg(2).
//
// What differs from Linux:
//  - MSG_PEEK | MSG_WAITALL answers with what is there, without waiting for the rest.
//  - MSG_FASTOPEN on a blocking socket answers EINPROGRESS where Linux waits for the handshake.
//  - recvmmsg after some messages loses an error of the next, which Linux keeps for the next call.
//  - SCM_RIGHTS with an emulated fd is EOPNOTSUPP, with a message on stderr.
#pragma once

#include <sys/socket.h>

#include <ctime>

#include "detent/ids.h"
#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_socketpair(Task& task, int domain, int type, int protocol,
                            UserPtr<std::int32_t> fds);
Result<long> sys_connect(Task& task, Fd fd, UserPtr<const sockaddr> address, unsigned length);
Result<long> sys_accept(Task& task, Fd fd, UserPtr<sockaddr> address, UserPtr<unsigned> length);
Result<long> sys_accept4(Task& task, Fd fd, UserPtr<sockaddr> address, UserPtr<unsigned> length,
                         int flags);

Result<long> sys_sendto(Task& task, Fd fd, UserPtr<void> bytes, std::uint64_t size, unsigned flags,
                        UserPtr<const sockaddr> address, unsigned length);
Result<long> sys_recvfrom(Task& task, Fd fd, UserPtr<void> bytes, std::uint64_t size,
                          unsigned flags, UserPtr<sockaddr> address, UserPtr<unsigned> length);
Result<long> sys_sendmsg(Task& task, Fd fd, UserPtr<msghdr> message, unsigned flags);
Result<long> sys_recvmsg(Task& task, Fd fd, UserPtr<msghdr> message, unsigned flags);
Result<long> sys_sendmmsg(Task& task, Fd fd, UserPtr<mmsghdr> messages, unsigned count,
                          unsigned flags);
Result<long> sys_recvmmsg(Task& task, Fd fd, UserPtr<mmsghdr> messages, unsigned count,
                          unsigned flags, UserPtr<timespec> timeout);

}  // namespace detent::syscalls
