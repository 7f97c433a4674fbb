// Operations on descriptors of every kind: read, write, poll, epoll, dup, close, fcntl.
#include <fcntl.h>
#include <sys/ioctl.h>

#include "fuzz.h"

namespace fuzz {
namespace {

constexpr unsigned kReadable = kTimer | kEvent | kPipeIn | kSocket | kSignalFd;
constexpr unsigned kWritable = kEvent | kPipeOut | kSocket;

alignas(16) thread_local char buffer[8192];

size_t pick_size(Rng& rng, Kind kind) {
  const bool counter = kind == kTimer || kind == kEvent;
  if (counter && rng.chance(85)) return 8;
  if (kind == kSignalFd && rng.chance(70)) return rng.pick({128, 256, 1024});
  return rng.pick({0, 1, 4, 7, 8, 9, 16, 100, 127, 128, 129, 4096});
}

// The four fields of a signalfd_siginfo that time and place do not change.
void say_siginfo(Call& call, const char* data, long size) {
  for (long at = 0; at + 128 <= size; at += 128) {
    uint32_t number, value;
    int32_t code;
    memcpy(&number, data + at, 4);
    memcpy(&code, data + at + 8, 4);
    memcpy(&value, data + at + 44, 4);  // ssi_int
    call.say(" (signal %u code %d value %u)", number, code, code == SI_QUEUE ? value : 0);
  }
}

void do_read(Call& call, int fd) {
  const Kind kind = kind_of(fd);
  const size_t size = pick_size(call.rng, kind);
  call.say("(fd %d, size %zu", fd, size);
  void* const to = call.pointer(buffer, size, true);
  call.say(")");
  memset(buffer, 0, 16);
  const long n = call.result(syscall(SYS_read, fd, to, size));
  if (n <= 0 || to != buffer) return;
  if (kind == kSignalFd) {
    say_siginfo(call, buffer, n);
  } else if (n >= 8) {
    uint64_t count;
    memcpy(&count, buffer, 8);
    if (kind == kTimer) {
      say_count(call, count);
    } else {
      call.say(" %#lx", count);
    }
  } else {
    call.say(" %02x", static_cast<uint8_t>(buffer[0]));
  }
}

void read_any(Call& call) { do_read(call, call.fd(kReadable)); }

// Only if it cannot block: the main thread does it, and no other thread runs between the two calls.
void read_ready(Call& call) {
  const int fd = call.fd(kReadable);
  pollfd look = {fd, POLLIN, 0};
  const timespec zero = {0, 0};
  syscall(SYS_ppoll, &look, 1, &zero, nullptr, 8);
  const long flags = syscall(SYS_fcntl, fd, F_GETFL);
  if ((look.revents & (POLLIN | POLLHUP | POLLNVAL)) == 0 && (flags & O_NONBLOCK) == 0) {
    call.say("(fd %d) would block", fd);
    return;
  }
  do_read(call, fd);
}

void do_write(Call& call, int fd) {
  const Kind kind = kind_of(fd);
  const size_t size = kind == kEvent && call.rng.chance(90) ? 8 : pick_size(call.rng, kind);
  const uint64_t value = call.rng.chance(75)
                             ? call.rng.below(4)
                             : call.rng.pick({~0UL, ~0UL - 1, ~0UL - 2, 1UL << 63, 0xffffffffUL});
  for (size_t i = 0; i + 8 <= sizeof buffer; i += 8) memcpy(buffer + i, &value, 8);
  call.say("(fd %d, size %zu, %#lx", fd, size, value);
  void* const from = call.pointer(buffer, size, false);
  call.say(")");
  call.result(syscall(SYS_write, fd, from, size));
}

void write_any(Call& call) { do_write(call, call.fd(kWritable)); }

void write_ready(Call& call) {
  const int fd = call.fd(kWritable);
  const long flags = syscall(SYS_fcntl, fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0 && kind_of(fd) != kTimer) {
    // What is small fits unless an eventfd is near its limit, and then it is not ready.
    pollfd look = {fd, POLLOUT, 0};
    const timespec zero = {0, 0};
    syscall(SYS_ppoll, &look, 1, &zero, nullptr, 8);
    if (look.revents == 0 || kind_of(fd) != kEvent) {
      call.say("(fd %d) might block", fd);
      return;
    }
    const uint64_t one = 1;
    call.say("(fd %d, one)", fd);
    call.result(syscall(SYS_write, fd, &one, 8));
    return;
  }
  do_write(call, fd);
}

// ---- poll -----------------------------------------------------------------------------------------

short pick_poll_events(Rng& rng) {
  if (rng.chance(70)) return rng.pick<short>({POLLIN, POLLOUT, POLLIN | POLLOUT});
  return static_cast<short>(rng.next() & 0x27df);
}

void poll_with(Call& call, int timeout_ms) {
  pollfd entries[5] = {};
  const unsigned count = call.rng.below(5);
  call.say("(");
  for (unsigned i = 0; i < count; ++i) {
    entries[i] = {call.fd(), pick_poll_events(call.rng), static_cast<short>(0x5555)};
    // See is_left_out() in wait.cc.
    const bool for_anything = (entries[i].events & POLLPRI) != 0;
    if (for_anything && kind_of(entries[i].fd) == kSocket) entries[i].events |= POLLIN;
    call.say("%d:%#x ", entries[i].fd, static_cast<uint16_t>(entries[i].events));
  }
  call.say("%d ms", timeout_ms);
  void* const at = call.pointer(entries, count * sizeof entries[0], true);
  call.say(")");
  const long n = call.result(syscall(SYS_poll, at, count, timeout_ms));
  if (n < 0 || at != entries) return;
  for (unsigned i = 0; i < count; ++i) call.say(" %#x", static_cast<uint16_t>(entries[i].revents));
}

void poll_now(Call& call) { poll_with(call, call.rng.chance(97) ? 0 : 1); }
void poll_wait(Call& call) { poll_with(call, call.rng.chance(70) ? -1 : 1000000); }

// ---- epoll ----------------------------------------------------------------------------------------

void epoll_create_any(Call& call) {
  const int flags =
      call.rng.chance(95) ? call.rng.pick<int>({0, EPOLL_CLOEXEC}) : call.rng.pick({1, 0x800, -1});
  call.say("(%#x)", static_cast<unsigned>(flags));
  const long fd = call.result(syscall(SYS_epoll_create1, flags));
  if (fd >= 0) opened(fd, kEpoll);
}

uint32_t pick_epoll_events(Rng& rng) {
  uint32_t events = rng.pick<uint32_t>({EPOLLIN, EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT});
  if (rng.chance(40)) events |= EPOLLET;
  if (rng.chance(15)) events |= EPOLLONESHOT;
  if (rng.chance(10)) events |= EPOLLRDHUP;
  if (rng.chance(6)) events |= EPOLLEXCLUSIVE;
  if (rng.chance(4)) events |= EPOLLPRI;
  if (rng.chance(3)) events = 0;
  return events;
}

// Host descriptors and emulated ones in one instance are reported in an order of their own
// (docs/abi/epoll.md): a sequence has instances of one sort.
bool mixes_sorts(int fd) {
  const Kind kind = kind_of(fd);
  if (kind == kClosed || kind == kRegular) return false;
  const unsigned sort = (kind & (kPipeIn | kPipeOut | kSocket)) != 0 ? 2 : 1;
  if (world.member_sort == 0) world.member_sort = sort;
  return world.member_sort != sort;
}

void epoll_control(Call& call) {
  const int epfd = call.fd(kEpoll);
  const int fd = call.fd(call.rng.chance(85) ? kAnyKind & ~kEpoll : kAnyKind);
  const int op =
      call.rng.chance(97) ? call.rng.pick({1, 1, 1, 1, 2, 3, 3}) : call.rng.pick({0, 4, -1});
  static const char* const names[] = {"?", "ADD", "DEL", "MOD"};
  const bool known = op >= 1 && op <= 3;
  epoll_event event = {};
  event.events = pick_epoll_events(call.rng);
  event.data.u64 = call.rng.below(1000);
  call.say("(%d, %s, %d, %#x data %lu", epfd, names[known ? op : 0], fd, event.events,
           event.data.u64);
  void* const at = call.pointer(&event, sizeof event, false);
  call.say(")");
  if (op == EPOLL_CTL_ADD && mixes_sorts(fd)) {
    call.say(" left out");
    return;
  }
  call.result(syscall(SYS_epoll_ctl, epfd, op, fd, at));
}

void say_events(Call& call, const epoll_event* events, long count) {
  for (long i = 0; i < count; ++i) {
    const uint32_t what = events[i].events;
    const uint64_t data = events[i].data.u64;
    call.say(" %#x:%lu", what, data);
  }
}

void epoll_wait_with(Call& call, int timeout_ms) {
  const int epfd = call.fd(kEpoll);
  epoll_event events[8] = {};
  const int max =
      call.rng.chance(95) ? call.rng.pick({1, 2, 8, 8}) : call.rng.pick({0, -1, INT32_MAX});
  call.say("(%d, max %d, %d ms", epfd, max, timeout_ms);
  void* const at = max <= 8 ? call.pointer(events, sizeof events, true) : events;
  call.say(")");
  const long n = call.result(syscall(SYS_epoll_wait, epfd, at, max, timeout_ms));
  if (at == events) say_events(call, events, n);
}

void epoll_now(Call& call) { epoll_wait_with(call, call.rng.chance(97) ? 0 : 1); }
void epoll_block(Call& call) { epoll_wait_with(call, call.rng.chance(70) ? -1 : 1000000); }

// ---- numbers --------------------------------------------------------------------------------------

void close_any(Call& call) {
  const int fd = call.fd();
  call.say("(%d)", fd);
  if (call.result(syscall(SYS_close, fd)) == 0) closed(fd);
}

void dup_any(Call& call) {
  const int fd = call.fd();
  switch (call.rng.below(4)) {
    case 0: {
      call.say("(%d)", fd);
      const long n = call.result(syscall(SYS_dup, fd));
      if (n >= 0) duplicated(fd, n);
      break;
    }
    case 1:
    case 2: {
      const int to = kFirstFd + static_cast<int>(call.rng.below(kFds));
      const bool three = call.rng.chance(50);
      const int flags = call.rng.chance(90) ? call.rng.pick({0, O_CLOEXEC}) : O_NONBLOCK;
      call.say("%c(%d to %d, %#x)", three ? '3' : '2', fd, to, three ? flags : 0);
      const long n =
          call.result(three ? syscall(SYS_dup3, fd, to, flags) : syscall(SYS_dup2, fd, to));
      if (n >= 0) duplicated(fd, n);
      break;
    }
    default: {
      const int from = call.rng.pick({0, kFirstFd, kFirstFd + 4, kFirstFd + 9, -1});
      const int command = call.rng.pick({F_DUPFD, F_DUPFD_CLOEXEC});
      call.say("fd(%d from %d, command %d)", fd, from, command);
      const long n = call.result(syscall(SYS_fcntl, fd, command, from));
      if (n >= 0) duplicated(fd, n);
    }
  }
}

void fcntl_any(Call& call) {
  const int fd = call.fd();
  call.say("(%d, ", fd);
  switch (call.rng.below(6)) {
    case 0:
      call.say("GETFL)");
      call.result(syscall(SYS_fcntl, fd, F_GETFL));
      break;
    case 1:
      call.say("GETFD)");
      call.result(syscall(SYS_fcntl, fd, F_GETFD));
      break;
    case 2: {
      const int flags = call.rng.pick({0, O_NONBLOCK, O_NONBLOCK, O_NONBLOCK | O_APPEND, O_RDWR});
      call.say("SETFL %#x)", flags);
      call.result(syscall(SYS_fcntl, fd, F_SETFL, flags));
      break;
    }
    case 3: {
      const int flags = call.rng.pick({0, 1, 2, -1});
      call.say("SETFD %d)", flags);
      call.result(syscall(SYS_fcntl, fd, F_SETFD, flags));
      break;
    }
    case 4: {
      int on = call.rng.pick({0, 1, 7});
      call.say("FIONBIO %d", on);
      void* const at = call.pointer(&on, sizeof on, false);
      call.say(")");
      call.result(syscall(SYS_ioctl, fd, FIONBIO, at));
      break;
    }
    default: {
      const unsigned long command =
          call.rng.pick<unsigned long>({FIOCLEX, FIONCLEX, 0, 0xffffffff});
      call.say("ioctl %#lx)", command);
      call.result(syscall(SYS_ioctl, fd, command, 0));
    }
  }
}

void seek_any(Call& call) {
  const int fd = call.fd(kAnyKind & ~kRegular);
  call.say("(%d)", fd);
  call.result(syscall(SYS_lseek, fd, 0, SEEK_CUR));
}

constexpr Operation kOperations[] = {
    {"read", 8, true, read_any},
    {"read_ready", 16, false, read_ready},
    {"write", 3, true, write_any},
    {"write_ready", 10, false, write_ready},
    {"poll", 12, false, poll_now},
    {"poll_wait", 4, true, poll_wait},
    {"epoll_create1", 4, false, epoll_create_any, true},
    {"epoll_ctl", 18, false, epoll_control},
    {"epoll_wait", 14, false, epoll_now},
    {"epoll_wait_blocking", 6, true, epoll_block},
    {"close", 4, false, close_any},
    {"dup", 5, false, dup_any},
    {"fcntl", 4, false, fcntl_any},
    {"lseek", 1, false, seek_any},
};

}  // namespace

Family descriptor_operations() { return {kOperations, sizeof kOperations / sizeof kOperations[0]}; }

}  // namespace fuzz
