#include "syscalls/read_write.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <span>
#include <vector>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/sched/block.h"
#include "syscalls/files.h"
#include "syscalls/host_wait.h"
#include "syscalls/socket_wait.h"
#include "syscalls/system.h"

namespace detent::syscalls {
namespace {

using Vector = std::vector<iovec>;

constexpr std::size_t kMaxCount = 0x7ffff000;  // MAX_RW_COUNT
// The file became the host's during the wait (fd/hand_over.h). Never seen by a guest.
constexpr Errno kHandedOver{601};

iovec piece(std::uint64_t address, std::size_t size) { return {mem::guest_pointer(address), size}; }

Result<Vector> copy_in_vector(std::uint64_t address, std::uint64_t count) {
  if (count > UIO_MAXIOV) return Errno{EINVAL};
  Vector vector(count);
  TRY(mem::copy_in_bytes(vector.data(), address, count * sizeof(iovec)));
  std::size_t total = 0;
  for (iovec& part : vector) {
    if (static_cast<std::ptrdiff_t>(part.iov_len) < 0) return Errno{EINVAL};
    if (!mem::is_user_range(arch::host_arg(part.iov_base), part.iov_len)) return Errno{EFAULT};
    part.iov_len = std::min(part.iov_len, kMaxCount - total);
    total += part.iov_len;
  }
  return vector;
}

std::size_t total_size(const Vector& vector) {
  std::size_t total = 0;
  for (const iovec& part : vector) total += part.iov_len;
  return total;
}

Result<void> scatter(const Vector& vector, std::span<const std::byte> bytes) {
  for (const iovec& part : vector) {
    const std::size_t size = std::min(part.iov_len, bytes.size());
    TRY(mem::copy_out_bytes(arch::host_arg(part.iov_base), bytes.data(), size));
    bytes = bytes.subspan(size);
  }
  return {};
}

sched::WaitRules rules_for(const char* what, Fd fd) {
  sched::WaitRules rules;
  rules.what = what;
  rules.object = static_cast<std::uint64_t>(raw(fd));
  return rules;
}

// Runs one of an emulated file's operations until it does not block, unless the file was O_NONBLOCK when
// the call began: a change during the wait is not seen.
template <class Try>
Result<std::size_t> emulated_io(Task& task, Fd fd, fd::File& file, const char* what,
                                Try operation) {
  const fd::FileRef keep(&file);  // another task may close the fd meanwhile
  const bool nonblocking = file.nonblocking;
  const auto attempt = [&]() -> waitq::Attempt<std::size_t> {
    if (file.handed_over) return kHandedOver;
    waitq::Attempt<std::size_t> tried = operation();
    if (tried.blocked() && nonblocking) return Errno{EAGAIN};
    return tried;
  };
  return sched::block_until<std::size_t>(task.kernel().scheduler(), task, rules_for(what, fd),
                                         attempt);
}

// The value is consumed before it is copied out: a bad pointer loses it, as on Linux (T23).
Result<long> emulated_read(Task& task, Fd fd, fd::File& file, const Vector& vector) {
  std::vector<std::byte> bytes(std::min(total_size(vector), file.max_read()));
  const std::size_t size =
      TRY(emulated_io(task, fd, file, file.kind(), [&] { return file.read(bytes); }));
  TRY(scatter(vector, std::span(bytes).first(size)));
  return static_cast<long>(size);
}

Result<long> write_piece(Task& task, Fd fd, fd::File& file, const iovec& part) {
  TRY(file.check_write(part.iov_len));
  std::vector<std::byte> bytes(part.iov_len);
  TRY(mem::copy_in_bytes(bytes.data(), arch::host_arg(part.iov_base), bytes.size()));
  const std::size_t size =
      TRY(emulated_io(task, fd, file, file.kind(), [&] { return file.write(bytes); }));
  return static_cast<long>(size);
}

// eventfd has no vector form of write: Linux writes piece by piece (fs/read_write.c
// do_loop_readv_writev()), and an error after the first piece is not told.
Result<long> emulated_write(Task& task, Fd fd, fd::File& file, const Vector& vector) {
  long total = 0;
  for (const iovec& part : vector) {
    const Result<long> done = write_piece(task, fd, file, part);
    if (!done.ok()) return total > 0 ? Result<long>(total) : done;
    total += done.value();
    if (done.value() != static_cast<long>(part.iov_len)) break;
  }
  return total;
}

// Unlike write, writev of no bytes sends no datagram; unlike read, readv of none from an eventfd is no error.
Result<long> of_no_bytes(long nr, Fd fd, const Vector& vector) {
  return arch::host_call(nr, raw(fd), vector.data(), vector.size());
}

// readv and writev, or read and write where they do.
long host_vector_call(long nr, Fd fd, const Vector& vector) {
  if (vector.size() == 1) {
    return arch::host_syscall(nr == SYS_readv ? SYS_read : SYS_write,
                              arch::host_arg(std::int64_t{raw(fd)}),
                              arch::host_arg(vector.front().iov_base), vector.front().iov_len);
  }
  return arch::host_syscall(nr, arch::host_arg(std::int64_t{raw(fd)}),
                            arch::host_arg(vector.data()), vector.size());
}

// One non-blocking try on a pipe or socket. EAGAIN: would block; ENOSYS: this file has no such form.
// `more`: something was moved before, so that a broken connection is told by the count, not by SIGPIPE.
long try_without_blocking(long nr, Fd fd, const Vector& vector, fd::HostKind kind,
                          bool more = false) {
  const auto number = arch::host_arg(std::int64_t{raw(fd)});
  if (kind == fd::HostKind::kSocket) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(vector.data());
    message.msg_iovlen = vector.size();
    const long call = nr == SYS_readv ? SYS_recvmsg : SYS_sendmsg;
    const std::uint64_t flags = MSG_DONTWAIT | (more ? MSG_NOSIGNAL : 0);
    return arch::host_syscall(call, number, arch::host_arg(&message), flags);
  }
  const long call = nr == SYS_readv ? SYS_preadv2 : SYS_pwritev2;
  const long done = arch::host_syscall(call, number, arch::host_arg(vector.data()), vector.size(),
                                       ~0ULL, ~0ULL, RWF_NOWAIT);
  return done == -EOPNOTSUPP ? -ENOSYS : done;
}

// The bytes of /dev/urandom are those of getrandom(2).
Result<long> read_random(Task& task, const Vector& vector) {
  long total = 0;
  for (const iovec& part : vector) {
    const Result<long> got = sys_getrandom(task, arch::host_arg(part.iov_base), part.iov_len, 0);
    if (!got.ok()) return total > 0 ? Result<long>(total) : got;
    total += got.value();
  }
  return total;
}

Vector shortened(Task& task, Fd fd, const Vector& vector) {
  const std::size_t wanted = total_size(vector);
  const std::size_t size = chosen_receive_size(task, fd, wanted);
  if (size == wanted) return vector;
  return {{vector.front().iov_base, std::min(vector.front().iov_len, size)}};
}

Result<long> host_read(Task& task, Fd fd, const Vector& asked) {
  const fd::HostKind kind = task.process().fds().host_kind(fd);
  if (kind == fd::HostKind::kRandom && task.kernel().time_is_virtual()) {
    return read_random(task, asked);
  }
  const Vector vector = kind == fd::HostKind::kSocket ? shortened(task, fd, asked) : asked;
  if (total_size(vector) == 0) return arch::to_result(host_vector_call(SYS_readv, fd, vector));
  if (kind == fd::HostKind::kPipe || kind == fd::HostKind::kSocket) {
    const long done = try_without_blocking(SYS_readv, fd, vector, kind);
    if (done != -EAGAIN && done != -ENOSYS) return arch::to_result(done);
  }
  const sched::HostPin pin(task.kernel().poller(), fd);
  return wait_then_call(task, fd, waitq::kIn, "read",
                        [&] { return host_vector_call(SYS_readv, fd, vector); });
}

// Takes `size` bytes off the front.
void advance(Vector& vector, std::size_t size) {
  std::size_t first = 0;
  while (first < vector.size() && size >= vector[first].iov_len) size -= vector[first++].iov_len;
  vector.erase(vector.begin(), vector.begin() + static_cast<std::ptrdiff_t>(first));
  if (!vector.empty()) {
    vector.front() =
        piece(arch::host_arg(vector.front().iov_base) + size, vector.front().iov_len - size);
  }
}

// Never more than a pipe is sure to take when it says that it is writable (PIPE_BUF), so that the
// host's blocking write cannot block.
Vector bounded(const Vector& vector) {
  Vector front;
  std::size_t room = PIPE_BUF;
  for (const iovec& part : vector) {
    if (room == 0) break;
    front.push_back({part.iov_base, std::min(part.iov_len, room)});
    room -= front.back().iov_len;
  }
  return front;
}

// pipe(7), socket(7): a blocking write goes on until everything is written; after a signal or an error it
// returns what had been written.
Result<long> host_write_blocking(Task& task, Fd fd, Vector vector, fd::HostKind kind) {
  const sched::HostPin pin(task.kernel().poller(), fd);
  long total = 0;
  for (;;) {
    Result<long> done =
        arch::to_result(try_without_blocking(SYS_writev, fd, vector, kind, total > 0));
    if (!done.ok() && (done.error() == Errno{EAGAIN} || done.error() == Errno{ENOSYS})) {
      const Vector front = bounded(vector);
      done = wait_then_call(task, fd, waitq::kOut, "write",
                            [&] { return host_vector_call(SYS_writev, fd, front); });
    }
    if (!done.ok()) return total > 0 ? Result<long>(total) : done;
    total += done.value();
    advance(vector, static_cast<std::size_t>(done.value()));
    if (vector.empty() || done.value() == 0) return total;
  }
}

Result<long> host_write(Task& task, Fd fd, const Vector& vector) {
  const fd::HostKind kind = task.process().fds().host_kind(fd);
  const bool stream = kind == fd::HostKind::kPipe || kind == fd::HostKind::kSocket;
  if (stream && !host_nonblocking(fd)) return host_write_blocking(task, fd, vector, kind);
  const sched::HostPin pin(task.kernel().poller(), fd);
  return wait_then_call(task, fd, waitq::kOut, "write",
                        [&] { return host_vector_call(SYS_writev, fd, vector); });
}

bool handed_over(const Result<long>& done) { return !done.ok() && done.error() == kHandedOver; }

Result<long> read_file(Task& task, Fd fd, const Vector& vector) {
  const Result<long> done = emulated_read(task, fd, *TRY(usable_file(task, fd)), vector);
  return handed_over(done) ? host_read(task, fd, vector) : done;
}

Result<long> write_file(Task& task, Fd fd, const Vector& vector) {
  const Result<long> done = emulated_write(task, fd, *TRY(usable_file(task, fd)), vector);
  return handed_over(done) ? host_write(task, fd, vector) : done;
}

}  // namespace

Result<long> sys_read(Task& task, Fd fd, std::uint64_t buffer, std::uint64_t size) {
  const Vector vector{piece(buffer, std::min<std::uint64_t>(size, kMaxCount))};
  if (task.process().fds().get(fd) == nullptr) return host_read(task, fd, vector);
  if (!TRY(usable_file(task, fd))->can_read()) return Errno{EINVAL};
  if (!mem::is_user_range(buffer, size)) return Errno{EFAULT};
  return read_file(task, fd, vector);
}

Result<long> sys_write(Task& task, Fd fd, std::uint64_t buffer, std::uint64_t size) {
  const Vector vector{piece(buffer, std::min<std::uint64_t>(size, kMaxCount))};
  if (task.process().fds().get(fd) == nullptr) return host_write(task, fd, vector);
  if (!TRY(usable_file(task, fd))->can_write()) return Errno{EINVAL};
  if (!mem::is_user_range(buffer, size)) return Errno{EFAULT};
  return write_file(task, fd, vector);
}

Result<long> sys_readv(Task& task, Fd fd, std::uint64_t address, std::uint64_t count) {
  if (task.process().fds().host_kind(fd) == fd::HostKind::kBad) return Errno{EBADF};
  const Vector vector = TRY(copy_in_vector(address, count));
  fd::FdTable& fds = task.process().fds();
  if (fds.get(fd) == nullptr && total_size(vector) != 0) return host_read(task, fd, vector);
  if (fds.get(fd) == nullptr) return of_no_bytes(SYS_readv, fd, vector);
  if (total_size(vector) == 0) return 0;
  return read_file(task, fd, vector);
}

Result<long> sys_writev(Task& task, Fd fd, std::uint64_t address, std::uint64_t count) {
  if (task.process().fds().host_kind(fd) == fd::HostKind::kBad) return Errno{EBADF};
  const Vector vector = TRY(copy_in_vector(address, count));
  fd::FdTable& fds = task.process().fds();
  if (fds.get(fd) == nullptr && total_size(vector) != 0) return host_write(task, fd, vector);
  if (fds.get(fd) == nullptr) return of_no_bytes(SYS_writev, fd, vector);
  if (total_size(vector) == 0) return 0;
  return write_file(task, fd, vector);
}

}  // namespace detent::syscalls
