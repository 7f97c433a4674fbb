#include "syscalls/message.h"

#include <sys/syscall.h>

#include <algorithm>
#include <cstddef>

#include "emu/arch/x86_64/host_call.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/process/process.h"

namespace detent::syscalls {
namespace {

constexpr std::uint64_t kMaxCount = 0x7ffff000;  // MAX_RW_COUNT: what one call moves at most
constexpr unsigned kMaxRights = 253;             // SCM_MAX_FD

// struct cmsghdr without its flexible array.
struct ControlHeader {
  std::uint64_t length;
  int level;
  int type;
};
static_assert(sizeof(ControlHeader) == sizeof(cmsghdr));

long host_message(long nr, Fd fd, std::uint64_t message, unsigned flags) {
  return arch::host_syscall(nr, arch::host_arg(std::int64_t{raw(fd)}), message, flags);
}

template <class T>
Result<void> write_field(UserPtr<msghdr> at, std::size_t offset, const T& value) {
  return mem::copy_out(UserPtr<T>(at.address() + offset), value);
}

const char* emulated_kind(Task& task, std::uint64_t numbers, std::size_t count) {
  for (std::size_t i = 0; i < std::min<std::size_t>(count, kMaxRights); ++i) {
    const Result<int> number = mem::copy_in(UserPtr<int>(numbers).at(i));
    if (!number.ok()) return nullptr;
    const fd::File* file = task.process().fds().get(Fd{number.value()});
    if (file != nullptr && !file->shared_by_host()) return file->kind();
  }
  return nullptr;
}

}  // namespace

Message::Message(UserPtr<msghdr> at) : at_(at) {
  const Result<msghdr> header = mem::copy_in(at);
  if (!header.ok() || header.value().msg_iovlen > UIO_MAXIOV) return;
  header_ = header.value();
  vector_.resize(header_.msg_iovlen);
  const Result<void> copied = mem::copy_in_bytes(vector_.data(), arch::host_arg(header_.msg_iov),
                                                 vector_.size() * sizeof(iovec));
  if (!copied.ok()) vector_.clear();
}

std::uint64_t Message::size() const {
  std::uint64_t total = 0;
  for (const iovec& part : vector_) total += std::min<std::uint64_t>(part.iov_len, kMaxCount);
  return std::min(total, kMaxCount);
}

std::vector<iovec> Message::vector_from(std::uint64_t done) const {
  std::vector<iovec> rest;
  std::uint64_t left = size() - done;
  for (const iovec& part : vector_) {
    const std::uint64_t skipped = std::min<std::uint64_t>(part.iov_len, done);
    const std::uint64_t taken = std::min(part.iov_len - skipped, left);
    done -= skipped;
    left -= taken;
    const std::uint64_t base = arch::host_arg(part.iov_base) + skipped;
    if (taken != 0) rest.push_back({mem::guest_pointer(base), taken});
  }
  return rest;
}

long Message::send(Fd fd, std::uint64_t done, unsigned flags) const {
  if (done == 0) return host_message(SYS_sendmsg, fd, at_.address(), flags);
  std::vector<iovec> rest = vector_from(done);
  msghdr header = header_;
  header.msg_iov = rest.data();
  header.msg_iovlen = rest.size();
  header.msg_control = nullptr;
  header.msg_controllen = 0;
  return host_message(SYS_sendmsg, fd, arch::host_arg(&header), flags);
}

long Message::receive(Fd fd, std::uint64_t done, unsigned flags) const {
  if (done == 0) return host_message(SYS_recvmsg, fd, at_.address(), flags);
  std::vector<iovec> rest = vector_from(done);
  msghdr header = header_;
  header.msg_iov = rest.data();
  header.msg_iovlen = rest.size();
  header.msg_name = nullptr;  // the first try has told it
  const long moved = host_message(SYS_recvmsg, fd, arch::host_arg(&header), flags);
  if (moved < 0) return moved;
  const bool written =
      write_field(at_, offsetof(msghdr, msg_controllen), header.msg_controllen).ok() &&
      write_field(at_, offsetof(msghdr, msg_flags), header.msg_flags).ok();
  return written ? moved : -EFAULT;
}

bool Message::got_control() const {
  const Result<msghdr> now = mem::copy_in(at_);
  return !now.ok() || (header_.msg_controllen != 0 && now.value().msg_controllen != 0);
}

// Walks the control data in place; what is malformed ends the walk and is left to the host's check.
const char* Message::emulated_right(Task& task) const {
  std::uint64_t at = arch::host_arg(header_.msg_control);
  const std::uint64_t end = at + header_.msg_controllen;
  if (at == 0 || end < at) return nullptr;
  while (end - at >= sizeof(ControlHeader)) {
    const Result<ControlHeader> copied = mem::copy_in(UserPtr<ControlHeader>(at));
    if (!copied.ok()) return nullptr;
    const ControlHeader& control = copied.value();
    if (control.length < sizeof(control) || control.length > end - at) return nullptr;
    if (control.level == SOL_SOCKET && control.type == SCM_RIGHTS) {
      const std::size_t count = (control.length - sizeof(control)) / sizeof(int);
      const char* kind = emulated_kind(task, at + sizeof(control), count);
      if (kind != nullptr) return kind;
    }
    at += std::min<std::uint64_t>(CMSG_ALIGN(control.length), end - at);
  }
  return nullptr;
}

}  // namespace detent::syscalls
