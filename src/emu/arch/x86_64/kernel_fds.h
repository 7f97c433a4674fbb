// The kernel's own host fds live above the guest's fd numbers, so that they neither use up the guest's
// lowest numbers nor count against its RLIMIT_NOFILE (an open fd above the limit stays valid).
#pragma once

#include <cstdint>

#include "detent/result.h"

namespace detent::arch {

/// While alive, descriptors can be made though the guest has used up its numbers: the host's limit is raised.
/// For those that to_kernel_fd() moves, and those that are closed before anybody sees them.
class KernelFdRoom {
 public:
  KernelFdRoom();
  ~KernelFdRoom();
  KernelFdRoom(const KernelFdRoom&) = delete;
  KernelFdRoom& operator=(const KernelFdRoom&) = delete;
};

/// Moves `fd` above the guest's numbers, close-on-exec; closes the old number. EMFILE if there is no room.
Result<int> to_kernel_fd(int fd);
/// `fd` came over execve from an earlier image of the session: from now on it is one of ours.
void adopt_kernel_fd(int fd);
/// True if `fd` is one that to_kernel_fd made.
bool is_kernel_fd(int fd);
/// `number`, one of ours, from now on means what `fd` means.
void replace_kernel_fd(int number, int fd);
/// Closes one.
void close_kernel_fd(int fd);
/// The lowest and highest number in use, or {0, -1} if there is none; for close_range.
struct KernelFdRange {
  int first;
  int last;
};
KernelFdRange kernel_fd_range();

}  // namespace detent::arch
