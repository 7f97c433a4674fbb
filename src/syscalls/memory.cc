#include "syscalls/memory.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/site_patcher_unsafe.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/address_limit.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/process/process.h"

namespace detent::syscalls {
namespace {

using arch::host_syscall;
using arch::to_result;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t page_up(std::uint64_t address) {
  return (address + kPage - 1) & ~(kPage - 1);
}

// What shared futexes in [at, at + size) are keyed by from now on.
void note_mapping(Task& task, std::uint64_t at, std::uint64_t size, int flags, Fd fd,
                  std::uint64_t offset) {
  mem::SharedMappings& mappings = task.process().shared_mappings();
  const int type = flags & MAP_TYPE;
  if (type != MAP_SHARED && type != MAP_SHARED_VALIDATE) {
    mappings.remove(at, size);
  } else if (flags & MAP_ANONYMOUS) {
    mappings.add(at, size, {mappings.new_anonymous_object(), 0});
  } else {
    struct stat status {};
    if (!arch::host_call(SYS_fstat, raw(fd), &status).ok()) return;
    // Each mapping of /dev/zero is an object of its own.
    if (S_ISCHR(status.st_mode))
      return mappings.add(at, size, {mappings.new_anonymous_object(), 0});
    mappings.add(at, size,
                 {mem::SharedMappings::file_object(status.st_dev, status.st_ino), offset});
  }
}

// A program that is going to change its text finds it as it was.
void restore_if_writable(std::uint64_t address, std::uint64_t size, int prot) {
  if (prot & PROT_WRITE) arch::site_patcher().restore(address, address + size);
}

}  // namespace

// A fixed mapping over the kernel fails as if the range were beyond the address space.
Result<long> sys_mmap(Task& task, std::uint64_t address, std::uint64_t size, int prot, int flags,
                      Fd fd, std::uint64_t offset) {
  const bool fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
  if (fixed && mem::is_kernel_range(address, size)) {
    return Errno{(flags & MAP_FIXED_NOREPLACE) ? EEXIST : ENOMEM};
  }
  const long at = TRY(to_result(host_syscall(
      SYS_mmap, address, size, arch::host_arg(std::int64_t{prot}),
      arch::host_arg(std::int64_t{flags}), arch::host_arg(std::int64_t{raw(fd)}), offset)));
  note_mapping(task, static_cast<std::uint64_t>(at), page_up(size), flags, fd, offset);
  if (fixed) arch::site_patcher().forget(address, address + page_up(size));
  task.kernel().points().on_map(static_cast<std::uint64_t>(at), page_up(size), prot, flags, raw(fd),
                                offset);
  return at;
}

Result<long> sys_mprotect(Task&, std::uint64_t address, std::uint64_t size, int prot) {
  if (mem::is_kernel_range(address, size)) return Errno{ENOMEM};
  restore_if_writable(address, size, prot);
  return to_result(host_syscall(SYS_mprotect, address, size, static_cast<std::uint64_t>(prot)));
}

Result<long> sys_pkey_mprotect(Task&, std::uint64_t address, std::uint64_t size, int prot,
                               int key) {
  if (mem::is_kernel_range(address, size)) return Errno{ENOMEM};
  restore_if_writable(address, size, prot);
  return to_result(host_syscall(SYS_pkey_mprotect, address, size, static_cast<std::uint64_t>(prot),
                                arch::host_arg(std::int64_t{key})));
}

// The kernel's heap is mapped as a whole, and touching every page of it would take all memory there is:
// present mappings are locked as they come into use.
Result<long> sys_mlockall(Task&, int flags) {
  const int on_fault = (flags & MCL_CURRENT) ? MCL_ONFAULT : 0;
  return arch::host_call(SYS_mlockall, flags | on_fault);
}

// munmap(2): unmapping what is not mapped succeeds, and that is what the kernel's range looks like. A
// range that reaches into it is unmapped around it.
Result<long> sys_munmap(Task& task, std::uint64_t address, std::uint64_t size) {
  if (!mem::is_kernel_range(address, size)) {
    const long done = TRY(to_result(host_syscall(SYS_munmap, address, size)));
    task.process().shared_mappings().remove(address, page_up(size));
    arch::site_patcher().forget(address, address + page_up(size));
    return done;
  }
  if (address % kPage != 0 || size == 0) return Errno{EINVAL};
  for (const mem::Range& range : mem::kernel_ranges()) {
    const std::uint64_t end = address + size;
    if (address < range.begin) {
      arch::site_patcher().forget(address, std::min(end, range.begin));
      TRY(to_result(host_syscall(SYS_munmap, address, std::min(end, range.begin) - address)));
    }
    if (end <= range.end) return 0;
    if (address < range.end) {
      size = end - range.end;
      address = range.end;
    }
  }
  arch::site_patcher().forget(address, address + size);
  return to_result(host_syscall(SYS_munmap, address, size));
}

Result<long> sys_mremap(Task& task, std::uint64_t address, std::uint64_t old_size,
                        std::uint64_t new_size, int flags, std::uint64_t new_address) {
  if (mem::is_kernel_range(address, old_size)) return Errno{EFAULT};
  if ((flags & MREMAP_FIXED) && mem::is_kernel_range(new_address, new_size)) return Errno{ENOMEM};
  // Jumps are relative: text that moves must be the original one.
  arch::site_patcher().restore(address, address + old_size);
  if (flags & MREMAP_FIXED) arch::site_patcher().forget(new_address, new_address + new_size);
  const long at = TRY(to_result(host_syscall(SYS_mremap, address, old_size, new_size,
                                             static_cast<std::uint64_t>(flags), new_address)));
  task.process().shared_mappings().move(address, page_up(old_size), static_cast<std::uint64_t>(at),
                                        page_up(new_size), (flags & MREMAP_DONTUNMAP) != 0);
  return at;
}

Result<long> sys_madvise(Task&, std::uint64_t address, std::uint64_t size, int advice) {
  if (mem::is_kernel_range(address, size)) return Errno{ENOMEM};
  return to_result(host_syscall(SYS_madvise, address, size, static_cast<std::uint64_t>(advice)));
}

// brk(2): failure is told by returning the old end. Growing must not replace a mapping that stands in
// the way (mm/mmap.c checks the same).
Result<long> sys_brk(Task& task, std::uint64_t end) {
  process::Break& brk = task.process().brk();
  const auto present = [&] { return static_cast<long>(brk.end); };
  if (end < brk.start) return present();
  rlimit limit{};
  TRY(arch::host_call(SYS_prlimit64, 0, RLIMIT_DATA, nullptr, &limit));
  limit = mem::to_guest_limit(RLIMIT_DATA, limit);
  if (limit.rlim_cur != RLIM_INFINITY && end - brk.start > limit.rlim_cur) return present();
  const std::uint64_t old_page = page_up(brk.end);
  const std::uint64_t new_page = page_up(end);
  if (new_page < old_page) {
    TRY(to_result(host_syscall(SYS_munmap, new_page, old_page - new_page)));
  } else if (new_page > old_page) {
    const Result<long> grown =
        to_result(host_syscall(SYS_mmap, old_page, new_page - old_page, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~0ULL, 0));
    if (!grown.ok()) return present();
  }
  brk.end = end;
  return present();
}

}  // namespace detent::syscalls
