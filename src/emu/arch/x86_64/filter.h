// The seccomp filter: every system call from outside the kernel image becomes a SIGSYS.
#pragma once

#include <string>

#include "detent/result.h"
#include "emu/arch/x86_64/trap.h"

namespace detent::arch {

/// Installs the filter for this thread and everything it forks or execs; it can't be taken back.
/// `allowed`: the text whose own calls pass. An error is an errno of prctl/seccomp: EINVAL or ENOSYS
/// where the host was built without CONFIG_SECCOMP_FILTER, EACCES or EPERM where a sandbox forbids it.
Result<void> install_filter(TextRange allowed);

}  // namespace detent::arch
