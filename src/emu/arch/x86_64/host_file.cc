#include "emu/arch/x86_64/host_file.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <array>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"

namespace detent::arch {

std::string read_host_file(const char* path) {
  std::string text;
  const KernelFdRoom room;
  const Result<long> fd = host_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (!fd.ok()) return text;
  std::array<char, 4096> part;
  for (;;) {
    const Result<long> got = host_call(SYS_read, fd.value(), part.data(), part.size());
    if (!got.ok() || got.value() == 0) break;
    text.append(part.data(), static_cast<std::size_t>(got.value()));
  }
  host_call(SYS_close, fd.value()).value();
  return text;
}

}  // namespace detent::arch
