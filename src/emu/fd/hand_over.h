// Before other processes share descriptors with this one (fork, execve, SCM_RIGHTS), emulated objects
// become the host's, which all sides see alike: docs/adr/0008-shared-descriptors.md.
//
//   eventfd   the host's eventfd, counter and all
//   timerfd   the host's timerfd, where host time is guest time; else the child gets a copy
//   epoll     stays, over a host instance that is shared; members that became host files move into it
//   signalfd  stays: what it shows depends on who asks anyway
#pragma once

#include <cstdint>

#include "emu/fd/fd_table.h"

namespace detent::fd {

enum class Sharing : std::uint8_t {
  kFork,    ///< the child has everything
  kSocket,  ///< some process gets one of them
  kVfork,  ///< the child soon execs: what is close-on-exec and waited for or watched stays as it is
  kExec,   ///< so does what is close-on-exec, and what is waited for or watched
};

/// Called before the host call that shares. Tasks that are blocked in a handed-over file wake and go on
/// with the host's. `host_time`: the host's clocks run as the guest's do (real time).
void hand_over_files(FdTable& fds, Sharing sharing, bool host_time);

}  // namespace detent::fd
