#include "syscalls/path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/host_wait.h"
#include "syscalls/proc_files.h"

namespace detent::syscalls {
namespace {

using arch::host_call;

// The path to hand to the host: the guest's own pointer, or another name if the host's /proc would show
// the kernel (/proc/self/exe) or does not know the thread. A bad pointer is left to the host's own EFAULT.
class HostPath {
 public:
  HostPath(Task& task, UserPtr<const char> path) : address_(path.address()) {
    Result<std::string> name = mem::copy_in_string(path);
    if (!name.ok() || !name.value().starts_with("/proc/")) return;
    proc_name_ = std::move(name).value();
    is_exe_ = task.process().is_own_exe(proc_name_);
    if (is_exe_) {
      address_ = arch::host_arg(task.process().exe_path.c_str());
    } else if (std::optional<std::string> other = host_proc_path(task, proc_name_)) {
      host_name_ = std::move(*other);
      address_ = arch::host_arg(host_name_.c_str());
    }
  }
  HostPath(const HostPath&) = delete;
  HostPath& operator=(const HostPath&) = delete;
  [[nodiscard]] std::int64_t address() const { return static_cast<std::int64_t>(address_); }
  [[nodiscard]] bool is_exe() const { return is_exe_; }
  /// The guest's name for it if it lies below /proc, else empty.
  [[nodiscard]] const std::string& proc_name() const { return proc_name_; }

 private:
  std::uint64_t address_;
  std::string proc_name_;
  std::string host_name_;
  bool is_exe_ = false;
};

bool is_fifo(Fd dir, std::int64_t path) {
  struct stat status {};
  return host_call(SYS_newfstatat, raw(dir), path, &status, 0).ok() && S_ISFIFO(status.st_mode);
}

// What read(2) says of a FIFO, taking nothing: 0 if it is empty and has no writer, EAGAIN if it has one,
// EFAULT if there is data, since the byte for it lies in read-only memory.
bool has_writer_or_data(Fd fd) {
  static constexpr char kReadOnly = 0;
  return arch::host_syscall(SYS_read, arch::host_arg(std::int64_t{raw(fd)}),
                            arch::host_arg(&kReadOnly), 1) != 0;
}

// A reader's open waits for a writer, who need not write. One who has left again shows as a hang-up.
Result<void> wait_for_writer(Task& task, Fd fd) {
  const auto look = [&]() -> long {
    const bool was_opened = sched::HostPoller::ready_now(fd, waitq::kIn) != 0;
    return was_opened || has_writer_or_data(fd) ? 0 : -EAGAIN;
  };
  TRY(retry_paced(task, Errno{EAGAIN}, {.what = "open"}, nullptr, look));
  return {};
}

// fifo(7): a blocking open waits for the other end. With O_NONBLOCK a writer gets ENXIO until there is a
// reader, so it tries again; a reader opens at once and looks for a writer again and again.
Result<long> open_fifo(Task& task, Fd dir, std::int64_t path, int flags, std::uint32_t mode) {
  const auto open_now = [&] {
    return arch::host_syscall(SYS_openat, arch::host_arg(std::int64_t{raw(dir)}),
                              static_cast<std::uint64_t>(path),
                              static_cast<std::uint64_t>(flags | O_NONBLOCK), mode);
  };
  const long opened = TRY(retry_paced(task, Errno{ENXIO}, {.what = "open"}, nullptr, open_now));
  const Fd fd{static_cast<std::int32_t>(opened)};
  const bool reads = (flags & O_ACCMODE) == O_RDONLY;
  const Result<void> met = reads ? wait_for_writer(task, fd) : Result<void>();
  if (!met.ok()) {
    host_call(SYS_close, raw(fd)).value();
    return met.error();
  }
  host_call(SYS_fcntl, raw(fd), F_SETFL, flags & ~O_NONBLOCK).value();
  return opened;
}

Result<long> open_at(Task& task, Fd dir, UserPtr<const char> path, int flags, std::uint32_t mode) {
  const HostPath host(task, path);
  if (!host.proc_name().empty()) {
    if (const auto opened = open_proc_file(task, host.proc_name(), flags)) return *opened;
  }
  const int access = flags & O_ACCMODE;
  const bool may_block = (flags & (O_NONBLOCK | O_PATH)) == 0 && access != O_RDWR;
  if (may_block && is_fifo(dir, host.address())) {
    return open_fifo(task, dir, host.address(), flags, mode);
  }
  return host_call(SYS_openat, raw(dir), host.address(), flags, mode);
}

Result<long> readlink_at(Task& task, Fd dir, UserPtr<const char> path, std::uint64_t buffer,
                         int size) {
  const HostPath host(task, path);
  if (!host.is_exe()) {
    return host_call(SYS_readlinkat, raw(dir), host.address(), static_cast<std::int64_t>(buffer),
                     size);
  }
  if (size <= 0) return Errno{EINVAL};
  const std::string& exe = task.process().exe_path;
  const std::size_t length = std::min(exe.size(), static_cast<std::size_t>(size));
  TRY(mem::copy_out_bytes(buffer, exe.data(), length));
  return static_cast<long>(length);
}

enum class Listing { kOther, kFds, kThreads };

// What `fd` lists: /proc/<own pid>/fd and fdinfo, or task, or something else.
Listing what_is_listed(Task& task, Fd fd) {
  const std::string link = "/proc/self/fd/" + std::to_string(raw(fd));
  std::array<char, 64> target;
  const Result<long> length =
      host_call(SYS_readlinkat, AT_FDCWD, link.c_str(), target.data(), target.size());
  if (!length.ok()) return Listing::kOther;
  const std::string_view name(target.data(), static_cast<std::size_t>(length.value()));
  const std::string own = "/proc/" + std::to_string(raw(task.process().pid()));
  if (!name.starts_with(own)) return Listing::kOther;
  if (name == own + "/task") return Listing::kThreads;
  return name.ends_with("/fd") || name.ends_with("/fdinfo") ? Listing::kFds : Listing::kOther;
}

bool names_kernel_fd(const char* entry_name) {
  int number = -1;
  const char* end = entry_name + std::strlen(entry_name);
  return std::from_chars(entry_name, end, number).ptr == end && arch::is_kernel_fd(number);
}

// Closes up the records of `bytes` (ino 8, off 8, reclen 2, then as `format` says).
void drop_kernel_fds(std::vector<char>& bytes, const DirectoryFormat& format) {
  std::vector<char> kept;
  std::uint16_t length = 0;
  for (std::size_t at = 0; at < bytes.size(); at += length) {
    std::memcpy(&length, &bytes[at + 16], sizeof(length));
    if (names_kernel_fd(&bytes[at + format.name])) continue;
    kept.insert(kept.end(), &bytes[at], &bytes[at] + length);
  }
  bytes = std::move(kept);
}

Result<long> list_directory(Task& task, Fd fd, std::uint64_t buffer, std::uint32_t size,
                            const DirectoryFormat& format) {
  const Listing listing = what_is_listed(task, fd);
  if (listing == Listing::kThreads) return list_threads(task, fd, buffer, size, format);
  const long got = TRY(host_call(format.call, raw(fd), static_cast<std::int64_t>(buffer), size));
  if (got == 0 || listing == Listing::kOther) return got;
  std::vector<char> bytes(static_cast<std::size_t>(got));
  TRY(mem::copy_in_bytes(bytes.data(), buffer, bytes.size()));
  drop_kernel_fds(bytes, format);
  // Nothing left of this part does not mean the end of the directory.
  if (bytes.empty()) return list_directory(task, fd, buffer, size, format);
  TRY(mem::copy_out_bytes(buffer, bytes.data(), bytes.size()));
  return static_cast<long>(bytes.size());
}

}  // namespace

Result<long> sys_getdents64(Task& task, Fd fd, std::uint64_t buffer, std::uint32_t size) {
  return list_directory(task, fd, buffer, size, {SYS_getdents64, 19, false});
}

Result<long> sys_getdents(Task& task, Fd fd, std::uint64_t buffer, std::uint32_t size) {
  return list_directory(task, fd, buffer, size, {SYS_getdents, 18, true});
}

Result<long> sys_open(Task& task, UserPtr<const char> path, int flags, std::uint32_t mode) {
  return open_at(task, Fd{AT_FDCWD}, path, flags, mode);
}

Result<long> sys_openat(Task& task, Fd dir, UserPtr<const char> path, int flags,
                        std::uint32_t mode) {
  return open_at(task, dir, path, flags, mode);
}

Result<long> sys_stat(Task& task, UserPtr<const char> path, std::uint64_t status) {
  const HostPath host(task, path);
  return host_call(SYS_stat, host.address(), static_cast<std::int64_t>(status));
}

Result<long> sys_newfstatat(Task& task, Fd dir, UserPtr<const char> path, std::uint64_t status,
                            int flags) {
  const HostPath host(task, path);
  const bool follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
  const auto name = follow ? host.address() : static_cast<std::int64_t>(path.address());
  return host_call(SYS_newfstatat, raw(dir), name, static_cast<std::int64_t>(status), flags);
}

Result<long> sys_access(Task& task, UserPtr<const char> path, int mode) {
  const HostPath host(task, path);
  return host_call(SYS_access, host.address(), mode);
}

Result<long> sys_faccessat(Task& task, Fd dir, UserPtr<const char> path, int mode) {
  const HostPath host(task, path);
  return host_call(SYS_faccessat, raw(dir), host.address(), mode);
}

Result<long> sys_faccessat2(Task& task, Fd dir, UserPtr<const char> path, int mode, int flags) {
  const HostPath host(task, path);
  return host_call(SYS_faccessat2, raw(dir), host.address(), mode, flags);
}

Result<long> sys_statx(Task& task, Fd dir, UserPtr<const char> path, int flags, std::uint32_t mask,
                       std::uint64_t status) {
  const HostPath host(task, path);
  const bool follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
  const auto name = follow ? host.address() : static_cast<std::int64_t>(path.address());
  return host_call(SYS_statx, raw(dir), name, flags, mask, static_cast<std::int64_t>(status));
}

Result<long> sys_readlink(Task& task, UserPtr<const char> path, std::uint64_t buffer, int size) {
  return readlink_at(task, Fd{AT_FDCWD}, path, buffer, size);
}

Result<long> sys_readlinkat(Task& task, Fd dir, UserPtr<const char> path, std::uint64_t buffer,
                            int size) {
  return readlink_at(task, dir, path, buffer, size);
}

}  // namespace detent::syscalls
