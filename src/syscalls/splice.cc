#include "syscalls/splice.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <optional>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/kernel/kernel.h"
#include "syscalls/host_wait.h"

namespace detent::syscalls {
namespace {

constexpr std::uint64_t kChunk = 1U << 20;

std::uint64_t arg(Fd fd) { return arch::host_arg(std::int64_t{raw(fd)}); }

// One side of a transfer.
struct End {
  Fd fd;
  waitq::PollMask events;  ///< kIn where bytes come from, kOut where they go
  bool nonblocking;        ///< as the guest sees it, read once at the start
};

struct Ends {
  End in;
  End out;
};

bool is_pipe(Task& task, Fd fd) {
  return task.process().fds().host_kind(fd) == fd::HostKind::kPipe;
}

// SPLICE_F_NONBLOCK is for the pipes; between two pipes one's O_NONBLOCK counts for both (do_splice()
// and do_tee() in fs/splice.c).
Ends ends_of(Task& task, Fd in, Fd out, unsigned flags) {
  Ends ends{{in, waitq::kIn, host_nonblocking(in)}, {out, waitq::kOut, host_nonblocking(out)}};
  const bool asked = (flags & SPLICE_F_NONBLOCK) != 0;
  if (is_pipe(task, in) && is_pipe(task, out)) {
    ends.in.nonblocking = ends.out.nonblocking =
        asked || ends.in.nonblocking || ends.out.nonblocking;
  } else if (asked) {
    ends.in.nonblocking |= is_pipe(task, in);
    ends.out.nonblocking |= is_pipe(task, out);
  }
  return ends;
}

bool pollable(Task& task, Fd fd) {
  const fd::HostKind kind = task.process().fds().host_kind(fd);
  return kind != fd::HostKind::kNeverBlocks && kind != fd::HostKind::kBad;
}

// SPLICE_F_NONBLOCK takes care of pipes.
bool needs_flag(Task& task, Fd fd) { return pollable(task, fd) && !is_pipe(task, fd); }

// Makes a try on which no end can block.
long call_nonblocking(Task& task, Fd in, Fd out, const HostTry& call) {
  std::optional<NonblockScope> in_scope;
  std::optional<NonblockScope> out_scope;
  if (needs_flag(task, in)) in_scope.emplace(in);
  if (needs_flag(task, out)) out_scope.emplace(out);
  return call();
}

bool ready(const End& end) {
  return (sched::HostPoller::ready_now(end.fd, end.events) & (end.events | waitq::kAlways)) != 0;
}

sched::WaitRules rules_for(Fd fd, const char* what) {
  sched::WaitRules rules;
  rules.what = what;
  rules.object = static_cast<std::uint64_t>(raw(fd));
  return rules;
}

// Tries; while the call would block, waits for the end that is not ready. One non-blocking end that is
// not ready makes the answer EAGAIN, as in Linux.
Result<long> move(Task& task, const Ends& ends, const char* what, const HostTry& call) {
  const auto& [in, out] = ends;
  const HostTry attempt = [&] { return call_nonblocking(task, ends.in.fd, ends.out.fd, call); };
  for (;;) {
    const Result<long> moved = arch::to_result(attempt());
    if (moved.ok() || moved.error() != Errno{EAGAIN}) return moved;
    const End* late = !ready(in) ? &in : !ready(out) ? &out : nullptr;
    // Neither: a race, or a pipe whose few slots are taken. Let a moment pass and try again.
    if (late == nullptr) {
      if (in.nonblocking || out.nonblocking) return moved;
      return retry_paced(task, Errno{EAGAIN}, rules_for(out.fd, what), nullptr, attempt);
    }
    if (late->nonblocking) return moved;
    // Any answer but EAGAIN ends this wait; what it means is found out by the next try.
    const auto until_ready = [&]() -> long { return ready(*late) ? 0 : -EAGAIN; };
    const auto rules = [&] { return rules_for(late->fd, what); };
    TRY(try_then_wait(task, {late->fd, late->events}, rules, until_ready));
  }
}

bool emulated(Task& task, Fd fd) { return task.process().fds().get(fd) != nullptr; }

bool is_open(Fd fd) {
  return !arch::is_kernel_fd(raw(fd)) && arch::host_call(SYS_fcntl, raw(fd), F_GETFD).ok();
}

// EBADF comes before EINVAL (do_splice() and its callers in fs/splice.c).
Result<void> check_ends(Task& task, Fd in, Fd out) {
  if (!is_open(in) || !is_open(out)) return Errno{EBADF};
  if (emulated(task, in) || emulated(task, out)) return Errno{EINVAL};
  return {};
}

// One host call's worth of sendfile, which minds even a pipe's own flag (do_sendfile() in
// fs/read_write.c).
Result<long> send_piece(Task& task, const Ends& ends, UserPtr<std::int64_t> offset,
                        std::uint64_t size) {
  return move(task, ends, "sendfile", [&] {
    std::optional<NonblockScope> scope;
    if (is_pipe(task, ends.out.fd)) scope.emplace(ends.out.fd);
    return arch::host_syscall(SYS_sendfile, arg(ends.out.fd), arg(ends.in.fd), offset.address(),
                              size);
  });
}

// To a socket Linux goes on until all is sent, to a pipe it does not (splice_file_to_pipe()).
Result<long> send_all(Task& task, const Ends& ends, UserPtr<std::int64_t> offset,
                      std::uint64_t size) {
  std::uint64_t done = 0;
  do {
    const Result<long> moved = send_piece(task, ends, offset, std::min(size - done, kChunk));
    if (!moved.ok()) return done != 0 ? Result<long>(static_cast<long>(done)) : moved;
    done += static_cast<std::uint64_t>(moved.value());
    if (moved.value() == 0) break;
  } while (done < size && !is_pipe(task, ends.out.fd) && !task.signal_pending);
  return static_cast<long>(done);
}

}  // namespace

Result<long> sys_splice(Task& task, Fd in, UserPtr<std::int64_t> in_offset, Fd out,
                        UserPtr<std::int64_t> out_offset, std::uint64_t size, unsigned flags) {
  const auto call = [&] {
    return arch::host_syscall(SYS_splice, arg(in), in_offset.address(), arg(out),
                              out_offset.address(), size, flags | SPLICE_F_NONBLOCK);
  };
  if (size == 0) return arch::to_result(call());
  TRY(check_ends(task, in, out));
  return move(task, ends_of(task, in, out, flags), "splice", call);
}

Result<long> sys_tee(Task& task, Fd in, Fd out, std::uint64_t size, unsigned flags) {
  const auto call = [&] {
    return arch::host_syscall(SYS_tee, arg(in), arg(out), size, flags | SPLICE_F_NONBLOCK);
  };
  if (size == 0) return arch::to_result(call());
  TRY(check_ends(task, in, out));
  return move(task, ends_of(task, in, out, flags), "tee", call);
}

// The end of the pipe that is open decides the direction. vmsplice minds its own flag only, not the
// pipe's O_NONBLOCK (wait_for_space(), fs/splice.c).
Result<long> sys_vmsplice(Task& task, Fd pipe, UserPtr<iovec> vector, std::uint64_t count,
                          unsigned flags) {
  const auto call = [&] {
    return arch::host_syscall(SYS_vmsplice, arg(pipe), vector.address(), count,
                              flags | SPLICE_F_NONBLOCK);
  };
  TRY(check_ends(task, pipe, pipe));
  const Result<long> mode = arch::host_call(SYS_fcntl, raw(pipe), F_GETFL);
  const bool writes = mode.ok() && (mode.value() & O_ACCMODE) != O_RDONLY;
  const auto rules = [&]() -> std::optional<sched::WaitRules> {
    if (flags & SPLICE_F_NONBLOCK) return std::nullopt;
    return rules_for(pipe, "vmsplice");
  };
  return try_then_wait(task, {pipe, writes ? waitq::kOut : waitq::kIn}, rules, call);
}

Result<long> sys_sendfile(Task& task, Fd out, Fd in, UserPtr<std::int64_t> offset,
                          std::uint64_t size) {
  TRY(check_ends(task, in, out));
  const Ends ends = ends_of(task, in, out, 0);
  return size == 0 ? send_piece(task, ends, offset, 0) : send_all(task, ends, offset, size);
}

}  // namespace detent::syscalls
