// Numbers as the words a reader of --strace knows: errnos, signals, clocks, flags. Pure text; what a
// number means on x86-64 comes from the UAPI headers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "detent/result.h"

namespace detent::syscalls {

/// "-1 ENOENT (No such file or directory)", or "? ERESTARTSYS" for a restart code.
std::string error_text(Errno error);
/// "SIGUSR1", "SIGRT_3" (counted from 32, as strace does), or the number.
std::string signal_text(std::uint64_t value);
/// "CLOCK_MONOTONIC", or the number.
std::string clock_text(std::uint64_t value);
/// "FUTEX_WAIT_PRIVATE", "FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME".
std::string futex_op_text(std::uint64_t value);
/// True if the operation's fourth argument is a time-out rather than a count.
bool futex_op_has_timeout(std::uint64_t value);
std::string protection_text(std::uint64_t value);   ///< "PROT_READ|PROT_WRITE"
std::string open_flags_text(std::uint64_t value);   ///< "O_RDONLY|O_CLOEXEC"
std::string map_flags_text(std::uint64_t value);    ///< "MAP_PRIVATE|MAP_ANONYMOUS"
std::string clone_flags_text(std::uint64_t value);  ///< "CLONE_VM|CLONE_VFORK|SIGCHLD"
std::string mode_text(std::uint64_t value);         ///< "0644"
/// `bytes` in quotes with C escapes; "..." behind it if there are more.
std::string quoted(std::string_view bytes, bool more);

}  // namespace detent::syscalls
