// The send and receive families: every try is made with MSG_DONTWAIT, and what Linux does inside one
// blocking call (send all, MSG_WAITALL) is a loop of such tries here.
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

#include "emu/arch/x86_64/host_call.h"
#include "emu/fd/hand_over.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "syscalls/host_wait.h"
#include "syscalls/message.h"
#include "syscalls/socket.h"
#include "syscalls/socket_wait.h"

namespace detent::syscalls {
namespace {

constexpr std::uint64_t kMaxCount = 0x7ffff000;  // MAX_RW_COUNT

// One call of the guest, which may take several tries of the host.
struct Transfer {
  Fd fd;
  unsigned flags;
  Direction direction;
  const char* what;
  std::uint64_t wanted;  ///< bytes the guest asked for
  bool whole;            ///< a blocking stream moves all of them
  /// One host call with these flags, from the byte `done` on; a raw answer.
  std::function<long(std::uint64_t done, unsigned flags)> call;
  /// After a part: false if Linux would stop here.
  std::function<bool()> may_go_on;
};

// MSG_DONTWAIT, and two kinds of receive (tcp_recv_urg(), sock_recv_errqueue()).
bool never_waits(const Transfer& transfer) {
  const bool receive = transfer.direction == Direction::kReceive;
  return (transfer.flags & MSG_DONTWAIT) != 0 ||
         (receive && (transfer.flags & (MSG_OOB | MSG_ERRQUEUE)) != 0);
}

// An error that came after a part was moved belongs to the next call: it must stay in the socket
// (tcp_sendmsg_locked(), tcp_recvmsg_locked()). What was received before it is still to be had.
bool error_is_next(const Transfer& transfer) {
  if ((sched::HostPoller::ready_now(transfer.fd, 0) & waitq::kErr) == 0) return false;
  if (transfer.direction == Direction::kSend) return true;
  int queued = 0;
  const Result<long> asked = arch::host_call(SYS_ioctl, raw(transfer.fd), FIONREAD, &queued);
  return !asked.ok() || queued == 0;
}

bool goes_on(const Transfer& transfer, std::uint64_t done) {
  return transfer.whole && done < transfer.wanted && !never_waits(transfer) &&
         socket_option(transfer.fd, SO_TYPE) == SOCK_STREAM && !error_is_next(transfer) &&
         (!transfer.may_go_on || transfer.may_go_on());
}

// Moves what the guest asked for, or what could be moved before an error, the time-out or a signal.
Result<long> run(Task& task, const Transfer& transfer) {
  const bool receive = transfer.direction == Direction::kReceive;
  // Sockets that something was sent by are looked after: FdTable::unsent().
  if (!receive) static_cast<void>(task.process().fds().host_kind(transfer.fd));
  std::optional<sched::WaitRules> rules;  // one time-out for the whole call
  const auto choose = [&]() -> std::optional<sched::WaitRules> {
    if (never_waits(transfer) || host_nonblocking(transfer.fd)) return std::nullopt;
    if (!rules) rules = socket_rules(task, transfer.fd, transfer.direction, transfer.what);
    return rules;
  };
  std::uint64_t done = 0;
  do {
    // SIGPIPE is for a call that moved nothing; the host raises it (send(2), EPIPE).
    const unsigned quiet = !receive && done != 0 ? MSG_NOSIGNAL : 0;
    const Result<long> moved =
        try_then_wait(task, {transfer.fd, receive ? waitq::kIn : waitq::kOut}, choose,
                      [&] { return transfer.call(done, transfer.flags | MSG_DONTWAIT | quiet); });
    if (!moved.ok()) return done != 0 ? Result<long>(static_cast<long>(done)) : moved;
    done += static_cast<std::uint64_t>(moved.value());
    if (moved.value() == 0) break;
  } while (goes_on(transfer, done));
  return static_cast<long>(done);
}

// A stream's peek starts at the first byte again: what goes on behind it would be told twice.
bool waits_for_all(unsigned flags) { return (flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL; }

Errno refuse_right(Task& task, const char* kind) {
  task.kernel().warn_once(std::string("passing an emulated fd (") + kind + ") over a socket");
  return Errno{EOPNOTSUPP};
}

Result<long> send_message(Task& task, Fd fd, const Message& message, unsigned flags,
                          const char* what) {
  if (message.emulated_right(task) != nullptr) {
    fd::hand_over_files(task.process().fds(), fd::Sharing::kSocket,
                        task.kernel().host_keeps_time());
    if (const char* kind = message.emulated_right(task)) return refuse_right(task, kind);
  }
  const auto call = [&](std::uint64_t done, unsigned f) { return message.send(fd, done, f); };
  return run(task, {fd, flags, Direction::kSend, what, message.size(), true, call, {}});
}

Result<long> receive_message(Task& task, Fd fd, UserPtr<msghdr> at, unsigned flags,
                             const char* what) {
  const Message message(at);
  const auto call = [&](std::uint64_t done, unsigned f) { return message.receive(fd, done, f); };
  const auto no_control = [&] { return !message.got_control(); };
  return run(task, {fd, flags, Direction::kReceive, what, message.size(), waits_for_all(flags),
                    call, no_control});
}

UserPtr<msghdr> header_of(UserPtr<mmsghdr> entry) { return entry.as<msghdr>(); }

Result<void> set_length(UserPtr<mmsghdr> entry, long length) {
  const UserPtr<unsigned> field(entry.address() + offsetof(mmsghdr, msg_len));
  return mem::copy_out(field, static_cast<unsigned>(length));
}

// What recvmmsg(2) or sendmmsg(2) answers after `count` messages and an error of the next.
Result<long> batch_result(unsigned count, Errno error) {
  return count != 0 ? Result<long>(static_cast<long>(count)) : error;
}

// The time-out of recvmmsg(2). It is looked at after each message only and ends no wait: BUGS there.
class BatchTimeout {
 public:
  BatchTimeout(Task& task, UserPtr<timespec> at) : task_(task), at_(at) {}

  Result<void> start() {
    if (at_.is_null()) return {};
    const timespec span = TRY(mem::copy_in(at_));
    if (span.tv_sec < 0 || span.tv_nsec < 0 || span.tv_nsec >= kNanosPerSecond) {
      return Errno{EINVAL};
    }
    limited_ = true;
    end_ = now() + Duration::seconds(span.tv_sec) + Duration::nanoseconds(span.tv_nsec);
    return {};
  }
  /// After a message: true if time is over.
  bool is_over() {
    if (!limited_) return false;
    left_ = std::max(end_ - now(), Duration());
    return left_ == Duration();
  }
  /// Tells the guest what is left.
  Result<void> finish() {
    if (!limited_) return {};
    const timespec span{left_.ns() / kNanosPerSecond, left_.ns() % kNanosPerSecond};
    return mem::copy_out(at_, span);
  }

 private:
  Instant<Monotonic> now() { return task_.kernel().clocks().monotonic(); }

  Task& task_;
  UserPtr<timespec> at_;
  bool limited_ = false;
  Instant<Monotonic> end_;
  Duration left_;
};

Result<long> receive_batch(Task& task, Fd fd, UserPtr<mmsghdr> messages, unsigned count,
                           unsigned flags, BatchTimeout& timeout) {
  for (unsigned done = 0; done < count;) {
    const UserPtr<mmsghdr> entry = messages.at(done);
    const Result<long> got =
        receive_message(task, fd, header_of(entry), flags & ~unsigned{MSG_WAITFORONE}, "recvmmsg");
    if (!got.ok()) return batch_result(done, got.error());
    const Result<void> told = set_length(entry, got.value());
    if (!told.ok()) return batch_result(done, told.error());
    ++done;
    if (flags & MSG_WAITFORONE) flags |= MSG_DONTWAIT;
    const Result<msghdr> header = mem::copy_in(header_of(entry));
    const bool out_of_band = header.ok() && (header.value().msg_flags & MSG_OOB) != 0;
    if (timeout.is_over() || out_of_band) return static_cast<long>(done);
  }
  return static_cast<long>(count);
}

}  // namespace

Result<long> sys_sendto(Task& task, Fd fd, UserPtr<void> bytes, std::uint64_t size, unsigned flags,
                        UserPtr<const sockaddr> address, unsigned length) {
  const auto call = [&](std::uint64_t done, unsigned f) {
    return arch::host_syscall(SYS_sendto, arch::host_arg(std::int64_t{raw(fd)}),
                              bytes.address() + done, size - done, f, address.address(), length);
  };
  return run(task,
             {fd, flags, Direction::kSend, "sendto", std::min(size, kMaxCount), true, call, {}});
}

Result<long> sys_recvfrom(Task& task, Fd fd, UserPtr<void> bytes, std::uint64_t asked,
                          unsigned flags, UserPtr<sockaddr> address, UserPtr<unsigned> length) {
  const bool whole = waits_for_all(flags);
  const std::uint64_t size = whole ? asked : chosen_receive_size(task, fd, asked);
  const auto call = [&](std::uint64_t done, unsigned f) {
    const bool first = done == 0;
    return arch::host_syscall(SYS_recvfrom, arch::host_arg(std::int64_t{raw(fd)}),
                              bytes.address() + done, size - done, f, first ? address.address() : 0,
                              first ? length.address() : 0);
  };
  return run(
      task,
      {fd, flags, Direction::kReceive, "recvfrom", std::min(size, kMaxCount), whole, call, {}});
}

Result<long> sys_sendmsg(Task& task, Fd fd, UserPtr<msghdr> message, unsigned flags) {
  return send_message(task, fd, Message(message), flags, "sendmsg");
}

Result<long> sys_recvmsg(Task& task, Fd fd, UserPtr<msghdr> message, unsigned flags) {
  return receive_message(task, fd, message, flags, "recvmsg");
}

// An empty batch goes to the host, which checks the fd and flags and cannot block.
Result<long> sys_sendmmsg(Task& task, Fd fd, UserPtr<mmsghdr> messages, unsigned count,
                          unsigned flags) {
  if (count == 0) return arch::host_call(SYS_sendmmsg, raw(fd), nullptr, 0, std::int64_t{flags});
  count = std::min<unsigned>(count, UIO_MAXIOV);
  for (unsigned done = 0; done < count; ++done) {
    const UserPtr<mmsghdr> entry = messages.at(done);
    const Message message(header_of(entry));
    const Result<long> sent = send_message(task, fd, message, flags, "sendmmsg");
    if (!sent.ok()) return batch_result(done, sent.error());
    const Result<void> told = set_length(entry, sent.value());
    if (!told.ok()) return batch_result(done, told.error());
    if (static_cast<std::uint64_t>(sent.value()) < message.size()) return done + 1L;
  }
  return static_cast<long>(count);
}

Result<long> sys_recvmmsg(Task& task, Fd fd, UserPtr<mmsghdr> messages, unsigned count,
                          unsigned flags, UserPtr<timespec> timeout) {
  BatchTimeout limit(task, timeout);
  TRY(limit.start());
  if (count == 0) {
    return arch::host_call(SYS_recvmmsg, raw(fd), nullptr, 0, std::int64_t{flags}, nullptr);
  }
  const Result<long> done = receive_batch(task, fd, messages, count, flags, limit);
  if (done.ok()) TRY(limit.finish());
  return done;
}

}  // namespace detent::syscalls
