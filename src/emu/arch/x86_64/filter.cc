#include "emu/arch/x86_64/filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "emu/arch/x86_64/host_call.h"

namespace detent::arch {
namespace {

// libseccomp has no rule on the instruction pointer, so these instructions go in front of its program:
// allow if ip is in (begin, end]; the filter sees the address *after* the instruction.
std::vector<sock_filter> ip_prologue(TextRange allowed) {
  const auto high = static_cast<std::uint32_t>(allowed.begin >> 32);
  const auto low_begin = static_cast<std::uint32_t>(allowed.begin);
  const auto low_end = static_cast<std::uint32_t>(allowed.end);
  const std::uint32_t ip = offsetof(seccomp_data, instruction_pointer);
  return {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, low_begin, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, low_end, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
}

// Everything traps, whatever the architecture of the call; the kernel answers foreign ABIs with ENOSYS.
Result<std::vector<sock_filter>> trap_everything() {
  const std::unique_ptr<void, void (*)(void*)> context(seccomp_init(SCMP_ACT_TRAP),
                                                       [](void* c) { seccomp_release(c); });
  if (context == nullptr) return Errno{ENOMEM};
  if (const int error = seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP)) {
    return Errno{-error};
  }
  const int fd = static_cast<int>(TRY(host_call(SYS_memfd_create, "detent-filter", MFD_CLOEXEC)));
  if (const int error = seccomp_export_bpf(context.get(), fd)) return Errno{-error};
  const long size = TRY(host_call(SYS_lseek, fd, 0, SEEK_END));
  std::vector<sock_filter> program(static_cast<std::size_t>(size) / sizeof(sock_filter));
  TRY(host_call(SYS_pread64, fd, program.data(), size, 0));
  TRY(host_call(SYS_close, fd));
  return program;
}

}  // namespace

Result<void> install_filter(TextRange allowed) {
  std::vector<sock_filter> program = ip_prologue(allowed);
  const std::vector<sock_filter> rest = TRY(trap_everything());
  program.insert(program.end(), rest.begin(), rest.end());
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  TRY(host_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  TRY(host_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter));
  return {};
}

}  // namespace detent::arch
