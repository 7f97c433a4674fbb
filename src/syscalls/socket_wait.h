// How a call on a host socket waits: SO_RCVTIMEO and SO_SNDTIMEO, and what a signal does to it.
#pragma once

#include "detent/ids.h"
#include "emu/sched/block.h"
#include "emu/task/task.h"

namespace detent::syscalls {

/// Which of a socket's two time-outs limits a wait.
enum class Direction : unsigned char { kReceive, kSend };

/// The rules of a wait on a blocking socket: its time-out, counted in guest time from now, with EAGAIN
/// at its end. Interrupted: restarted like read(2), but EINTR if there is a time-out. Source:
/// socket(7) SO_RCVTIMEO, signal(7), sock_intr_errno() in include/net/sock.h.
sched::WaitRules socket_rules(Task& task, Fd fd, Direction direction, const char* what);

/// A SOL_SOCKET option of type int; -1 if `fd` is not a socket.
int socket_option(Fd fd, int option);

/// How much of `size` bytes a read asks the host for: less where a strategy says so. tcp(7): a stream has no
/// record boundaries, so that a read may end at any byte.
std::size_t chosen_receive_size(Task& task, Fd fd, std::size_t size);

}  // namespace detent::syscalls
