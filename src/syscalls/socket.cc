#include "syscalls/socket.h"

#include <sys/syscall.h>

#include <array>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/host_wait.h"
#include "syscalls/socket_wait.h"

namespace detent::syscalls {
namespace {

long number(Fd fd) { return raw(fd); }

// One connect(2) of a blocking socket, cut into tries that do not block. The host keeps the socket's
// state (connecting, connected, failed), so that trying again after readiness gives what Linux's
// blocking connect returns in the end, a call restarted after a signal included
// (__inet_stream_connect() in net/ipv4/af_inet.c).
class Connect {
 public:
  /// How a try says that the connection is not there yet.
  static constexpr Errno kPending{EINPROGRESS};

  Connect(Fd fd, UserPtr<const sockaddr> address, unsigned length)
      : fd_(fd), address_(address), length_(length) {}

  long attempt() {
    const long answer = host_connect();
    if (would_block(answer)) {
      if (pending_ == 0) pending_ = static_cast<int>(-answer);
      return -kPending.value;
    }
    // Where the first connect already made the connection final (vsock), asking again says so.
    return answer == -EISCONN && pending_ != 0 ? 0 : answer;
  }
  /// The errno of a connect that ran into SO_SNDTIMEO: that of the first try.
  [[nodiscard]] Errno on_timeout() const { return Errno{pending_}; }

 private:
  long host_connect() const {
    const NonblockScope nonblocking(fd_);
    return arch::host_syscall(SYS_connect, arch::host_arg(number(fd_)), address_.address(),
                              length_);
  }
  // EAGAIN is a full backlog in AF_UNIX (unix_stream_connect()), and final elsewhere.
  [[nodiscard]] bool would_block(long answer) const {
    if (answer == -EAGAIN) return socket_option(fd_, SO_DOMAIN) == AF_UNIX;
    return answer == -EINPROGRESS || answer == -EALREADY;
  }

  Fd fd_;
  UserPtr<const sockaddr> address_;
  unsigned length_;
  int pending_ = 0;
};

}  // namespace

Result<long> sys_socketpair(Task& task, int domain, int type, int protocol,
                            UserPtr<std::int32_t> fds) {
  std::array<std::int32_t, 2> pair{};
  TRY(arch::host_call(SYS_socketpair, domain, type, protocol, pair.data()));
  const Result<void> copied = mem::copy_out_bytes(fds.address(), pair.data(), sizeof(pair));
  if (!copied.ok()) {
    for (const std::int32_t fd : pair) arch::host_call(SYS_close, fd).value();
    return copied.error();
  }
  for (const std::int32_t fd : pair) task.process().fds().set_inside(Fd{fd}, true);
  return 0;
}

Result<long> sys_connect(Task& task, Fd fd, UserPtr<const sockaddr> address, unsigned length) {
  if (host_nonblocking(fd)) {
    return arch::to_result(
        arch::host_syscall(SYS_connect, arch::host_arg(number(fd)), address.address(), length));
  }
  Connect connect(fd, address, length);
  const auto rules = [&]() -> std::optional<sched::WaitRules> {
    sched::WaitRules chosen = socket_rules(task, fd, Direction::kSend, "connect");
    chosen.on_timeout = connect.on_timeout();
    return chosen;
  };
  return try_then_wait(task, {fd, waitq::kOut, Connect::kPending}, rules,
                       [&] { return connect.attempt(); });
}

Result<long> sys_accept(Task& task, Fd fd, UserPtr<sockaddr> address, UserPtr<unsigned> length) {
  return sys_accept4(task, fd, address, length, 0);
}

// accept(2) has no MSG_DONTWAIT, and readiness is no promise: another process that shares the socket
// may take the connection first, and a blocking call would then stop every task. So each try is made
// with O_NONBLOCK set, while what the guest sees as that flag is read once, at the start, as Linux
// does: after a wake-up a sibling process may be in the middle of such a try.
Result<long> sys_accept4(Task& task, Fd fd, UserPtr<sockaddr> address, UserPtr<unsigned> length,
                         int flags) {
  const sched::HostPin pin(task.kernel().poller(), fd);
  const bool nonblocking = host_nonblocking(fd);
  const auto call = [&] {
    const NonblockScope scope(fd);
    return arch::host_syscall(SYS_accept4, arch::host_arg(number(fd)), address.address(),
                              length.address(), arch::host_arg(std::int64_t{flags}));
  };
  const auto rules = [&]() -> std::optional<sched::WaitRules> {
    if (nonblocking) return std::nullopt;
    return socket_rules(task, fd, Direction::kReceive, "accept");
  };
  return try_then_wait(task, {fd, waitq::kIn}, rules, call);
}

}  // namespace detent::syscalls
