// Operations of the area wait that make and wait for descriptors: eventfd, pipe, socketpair, signalfd,
// select, ppoll, epoll_pwait.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "fuzz.h"

namespace fuzz {
namespace {

void eventfd_any(Call& call) {
  const unsigned initial =
      call.rng.chance(85) ? call.rng.below(4) : call.rng.pick({0x7fffffffU, ~0U});
  int flags = call.rng.chance(60) ? EFD_NONBLOCK : 0;
  if (call.rng.chance(30)) flags |= EFD_SEMAPHORE;
  if (call.rng.chance(20)) flags |= EFD_CLOEXEC;
  if (call.rng.chance(3)) flags |= call.rng.pick({2, 0x1000, 1 << 30});
  call.say("(%u, %#x)", initial, flags);
  const long fd = call.result(syscall(SYS_eventfd2, initial, flags));
  if (fd >= 0) opened(fd, kEvent);
}

void say_pair(Call& call, const int* pair, Kind first, Kind second) {
  call.say(" %d %d", pair[0], pair[1]);
  opened(pair[0], first);
  opened(pair[1], second);
}

void pipe_any(Call& call) {
  int pair[2] = {-7, -7};
  int flags = call.rng.chance(60) ? O_NONBLOCK : 0;
  if (call.rng.chance(10)) flags |= O_CLOEXEC;
  if (call.rng.chance(3)) flags |= call.rng.pick({1, 2, O_APPEND, 1 << 30});
  call.say("(%#x", flags);
  void* const to = call.pointer(pair, sizeof pair, true);
  call.say(")");
  if (call.result(syscall(SYS_pipe2, to, flags)) == 0 && to == pair) {
    say_pair(call, pair, kPipeIn, kPipeOut);
  }
}

void socketpair_any(Call& call) {
  int pair[2] = {-7, -7};
  int type = call.rng.pick<int>({SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET});
  if (call.rng.chance(60)) type |= SOCK_NONBLOCK;
  call.say("(%#x)", type);
  if (call.result(syscall(SYS_socketpair, AF_UNIX, type, 0, pair)) == 0) {
    say_pair(call, pair, kSocket, kSocket);
  }
}

void shutdown_any(Call& call) {
  const int fd = call.fd(kSocket);
  const int how = call.rng.pick<int>({SHUT_RD, SHUT_WR, SHUT_RDWR, 7});
  call.say("(%d, %d)", fd, how);
  call.result(syscall(SYS_shutdown, fd, how));
}

// Disarmed, expired or far away: what a waiter needs of a timer.
void timerfd_simple(Call& call) {
  const int flags = call.rng.chance(60) ? TFD_NONBLOCK : 0;
  call.say("(%#x)", flags);
  const long fd = call.result(syscall(SYS_timerfd_create, CLOCK_MONOTONIC, flags));
  if (fd < 0) return;
  opened(fd, kTimer);
  const itimerspec value = {{0, 0}, {call.rng.pick({0L, 1000L}), call.rng.pick({0L, 1L})}};
  call.say(" set %ld.%09ld", value.it_value.tv_sec, value.it_value.tv_nsec);
  syscall(SYS_timerfd_settime, fd, 0, &value, nullptr);
  expire_short_timers();
}

void timerfd_change(Call& call) {
  const int fd = call.fd(kTimer);
  const itimerspec value = {{0, 0}, {call.rng.pick({0L, 0L, 1000L}), call.rng.pick({0L, 1L, 1L})}};
  call.say("(%d, %ld.%09ld)", fd, value.it_value.tv_sec, value.it_value.tv_nsec);
  const long done = syscall(SYS_timerfd_settime, fd, 0, &value, nullptr);
  const int error = errno;
  expire_short_timers();
  errno = error;
  call.result(done);
}

void signalfd_any(Call& call) {
  const int fd = call.rng.chance(60) ? -1 : call.fd(kSignalFd);
  int flags = call.rng.chance(60) ? SFD_NONBLOCK : 0;
  if (call.rng.chance(3)) flags |= call.rng.pick({1, 0x1000});
  const size_t size = call.rng.chance(97) ? 8 : call.rng.pick({0, 4, 16});
  call.say("(%d, %#x, size %zu, ", fd, flags, size);
  sigset_t set = pick_sigset(call);
  void* const at = call.pointer(&set, 8, false);
  call.say(")");
  const long made = call.result(syscall(SYS_signalfd4, fd, at, size, flags));
  if (made >= 0) opened(made, kSignalFd);
}

void regular_any(Call& call) {
  const long fd = call.result(syscall(SYS_memfd_create, "fuzz", 0));
  if (fd >= 0) opened(fd, kRegular);
}

// ---- waits with masks -----------------------------------------------------------------------------

struct Mask {
  sigset_t set;
  void* pointer = nullptr;
  size_t size = 8;
};

void pick_mask(Call& call, Mask& mask) {
  if (call.rng.chance(40)) return;
  mask.set = pick_sigset(call);
  mask.pointer = call.pointer(&mask.set, 8, false);
  if (call.rng.chance(4)) mask.size = call.rng.pick({0, 4, 16});
  call.say(" size %zu", mask.size);
}

struct Timeout {
  timespec value = {0, 0};
  void* pointer = nullptr;
  bool given = false;
};

// For the main thread: nothing that lasts. For a worker: nothing that ends by itself.
void pick_timeout(Call& call, Timeout& timeout) {
  const bool infinite = call.thread != 0 && call.rng.chance(60);
  call.say(", timeout ");
  if (infinite) {
    call.say("none");
    return;
  }
  timeout.given = true;
  if (call.thread != 0) timeout.value.tv_sec = 100L * (1 + call.rng.below(30));
  if (call.rng.chance(4)) timeout.value = call.rng.pick<timespec>({{-1, 0}, {0, -1}, {0, kSecond}});
  say_timespec(call, timeout.value);
  timeout.pointer = call.pointer(&timeout.value, sizeof timeout.value, true);
  if (timeout.pointer == nullptr && call.thread == 0) timeout.pointer = &timeout.value;
}

void say_timeout(Call& call, const Timeout& timeout) {
  if (!timeout.given || timeout.pointer != &timeout.value) return;
  call.say(" left ");
  say_remaining(call, timeout.value);
}

void ppoll_any(Call& call) {
  pollfd entries[4] = {};
  const unsigned count = call.rng.below(4);
  call.say("(");
  for (unsigned i = 0; i < count; ++i) {
    entries[i] = {call.fd(), call.rng.pick<short>({POLLIN, POLLOUT, POLLIN | POLLOUT, POLLPRI}), 0};
    if (kind_of(entries[i].fd) == kSocket && entries[i].events == POLLPRI)
      entries[i].events |= POLLIN;
    call.say("%d:%#x ", entries[i].fd, static_cast<uint16_t>(entries[i].events));
  }
  Timeout timeout;
  Mask mask;
  pick_timeout(call, timeout);
  pick_mask(call, mask);
  call.say(")");
  const long n =
      call.result(syscall(SYS_ppoll, entries, count, timeout.pointer, mask.pointer, mask.size));
  if (n >= 0) {
    for (unsigned i = 0; i < count; ++i)
      call.say(" %#x", static_cast<uint16_t>(entries[i].revents));
  }
  say_timeout(call, timeout);
}

// What comes to a socket wakes who waits for exceptional events, too, though it is none: docs/abi/poll.md.
// So who waits for a socket waits for reading.
bool is_left_out(const Call& call, int fd, bool for_reading) {
  return fd < 0 || fd >= 64 || (kind_of(fd) == kSocket && call.thread != 0 && !for_reading);
}

void pick_fds(Call& call, fd_set& set, bool for_reading) {
  FD_ZERO(&set);
  for (unsigned i = call.rng.below(4); i > 0; --i) {
    const int fd = call.fd();
    if (is_left_out(call, fd, for_reading)) continue;
    FD_SET(fd, &set);
    call.say(" %d", fd);
  }
  call.say(";");
}

void say_fds(Call& call, const fd_set& set) {
  call.say(" {");
  for (int fd = 0; fd < 64; ++fd) {
    if (FD_ISSET(fd, &set)) call.say("%d ", fd);
  }
  call.say("}");
}

void select_any(Call& call) {
  fd_set sets[3];
  call.say("(");
  for (fd_set& set : sets) pick_fds(call, set, &set == &sets[0]);
  Timeout timeout;
  Mask mask;
  pick_timeout(call, timeout);
  pick_mask(call, mask);
  const struct {
    void* set;
    size_t size;
  } packed = {mask.pointer, mask.size};
  const int count = call.rng.chance(90) ? 64 : call.rng.pick({-1, 0, 12, 13});
  call.say(" nfds %d)", count);
  const long n = call.result(
      syscall(SYS_pselect6, count, &sets[0], &sets[1], &sets[2], timeout.pointer, &packed));
  if (n >= 0) {
    for (const fd_set& set : sets) say_fds(call, set);
  }
  say_timeout(call, timeout);
}

void epoll_pwait_any(Call& call) {
  const int epfd = call.fd(kEpoll);
  epoll_event events[8] = {};
  const int max = call.rng.pick({1, 3, 8});
  call.say("(%d, max %d", epfd, max);
  Timeout timeout;
  Mask mask;
  pick_timeout(call, timeout);
  pick_mask(call, mask);
  call.say(")");
  const long n = call.result(
      syscall(SYS_epoll_pwait2, epfd, events, max, timeout.pointer, mask.pointer, mask.size));
  for (long i = 0; i < n; ++i) {
    const uint32_t what = events[i].events;
    const uint64_t data = events[i].data.u64;
    call.say(" %#x:%lu", what, data);
  }
}

constexpr Operation kOperations[] = {
    {"eventfd2", 12, false, eventfd_any, true},
    {"pipe2", 4, false, pipe_any, true},
    {"socketpair", 4, false, socketpair_any, true},
    {"shutdown", 1, false, shutdown_any},
    {"timerfd_create+settime", 3, false, timerfd_simple, true},
    {"timerfd_settime", 3, false, timerfd_change},
    {"signalfd4", 4, false, signalfd_any, true},
    {"memfd_create", 1, false, regular_any},
    {"ppoll", 4, false, ppoll_any},
    {"ppoll_wait", 3, true, ppoll_any},
    {"pselect6", 4, false, select_any},
    {"pselect6_wait", 3, true, select_any},
    {"epoll_pwait2", 4, false, epoll_pwait_any},
    {"epoll_pwait2_wait", 3, true, epoll_pwait_any},
};

}  // namespace

Family wait_operations() { return {kOperations, sizeof kOperations / sizeof kOperations[0]}; }

}  // namespace fuzz
