#include "syscalls/eventfd.h"

#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "emu/arch/x86_64/host_call.h"
#include "emu/fd/eventfd.h"
#include "syscalls/files.h"

namespace detent::syscalls {

Result<long> sys_eventfd(Task& task, unsigned initial) { return sys_eventfd2(task, initial, 0); }

// The host judges the flags, in its own order.
Result<long> sys_eventfd2(Task& task, unsigned initial, int flags) {
  // The placeholder's own counter stays zero until a fork hands the real one over.
  const long placeholder = TRY(arch::host_call(SYS_eventfd2, 0, flags));
  fd::FileRef file(new fd::EventFd(initial, (flags & EFD_SEMAPHORE) != 0));
  return install_file(task, placeholder, std::move(file), (flags & EFD_NONBLOCK) != 0);
}

}  // namespace detent::syscalls
