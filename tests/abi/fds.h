// Fds that close themselves, for guests: what the races_*.cc share.
#ifndef DETENT_TESTS_ABI_FDS_H_
#define DETENT_TESTS_ABI_FDS_H_

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "abi_test.h"

namespace abi {

class OwnFd {
 public:
  explicit OwnFd(int n) : number_(n) {}
  ~OwnFd() { Close(); }
  OwnFd(const OwnFd&) = delete;
  OwnFd& operator=(const OwnFd&) = delete;
  operator int() const { return number_; }
  void Close() {
    if (number_ >= 0) close(number_);
    number_ = -1;
  }
  bool Readable(int timeout_ms = 0) const {
    pollfd p = {number_, POLLIN, 0};
    return poll(&p, 1, timeout_ms) == 1 && p.revents == POLLIN;
  }
  /// The 8-byte value read, or -1 with errno.
  long Read() const {
    uint64_t value = 0;
    return read(number_, &value, sizeof value) == 8 ? static_cast<long>(value) : -1;
  }

 private:
  int number_;
};

struct EventFd : OwnFd {
  explicit EventFd(unsigned initial = 0, int flags = EFD_NONBLOCK)
      : OwnFd(eventfd(initial, flags)) {}
  long Write(uint64_t value) const { return write(*this, &value, sizeof value); }
};

struct TimerFd : OwnFd {
  explicit TimerFd(int clock = CLOCK_MONOTONIC, int flags = TFD_NONBLOCK)
      : OwnFd(timerfd_create(clock, flags)) {}
  int Set(int64_t value_ns, int64_t interval_ns = 0, int flags = 0,
          itimerspec* old = nullptr) const {
    const itimerspec spec = {FromNs(interval_ns), FromNs(value_ns)};
    return timerfd_settime(*this, flags, &spec, old);
  }
  int64_t Remaining() const {
    itimerspec now;
    return timerfd_gettime(*this, &now) == 0 ? ToNs(now.it_value) : -1;
  }
};

struct EpollFd : OwnFd {
  explicit EpollFd(int flags = 0) : OwnFd(epoll_create1(flags)) {}
  int Ctl(int op, int fd, uint32_t events, uint64_t data = 0) const {
    epoll_event e = {events, {}};
    e.data.u64 = data;
    return epoll_ctl(*this, op, fd, &e);
  }
  int Add(int fd, uint32_t events, uint64_t data = 0) const {
    return Ctl(EPOLL_CTL_ADD, fd, events, data);
  }
  int Mod(int fd, uint32_t events, uint64_t data = 0) const {
    return Ctl(EPOLL_CTL_MOD, fd, events, data);
  }
  int Del(int fd) const { return Ctl(EPOLL_CTL_DEL, fd, 0); }
  /// How many events there were. Safe to call from several threads.
  int Count(int timeout_ms = 0, int max = 16) const {
    epoll_event events[16];
    return epoll_wait(*this, events, max, timeout_ms);
  }
  /// The data of the first event, or -1.
  long First(int timeout_ms = 0) const {
    epoll_event event;
    return epoll_wait(*this, &event, 1, timeout_ms) == 1 ? static_cast<long>(event.data.u64) : -1;
  }
  /// "count data:events ..." in the order reported.
  const char* Text(int timeout_ms = 0, int max = 16) const {
    static thread_local char text[512];
    epoll_event events[16];
    const int count = epoll_wait(*this, events, max, timeout_ms);
    int n = snprintf(text, sizeof text, "%d", count);
    for (int i = 0; i < count; ++i) {
      n += snprintf(text + n, sizeof text - n, " %llu:%#x", (unsigned long long)events[i].data.u64,
                    events[i].events);
    }
    return text;
  }
};

inline int Load(const int& value) { return __atomic_load_n(&value, __ATOMIC_SEQ_CST); }
inline void Store(int& value, int to) { __atomic_store_n(&value, to, __ATOMIC_SEQ_CST); }
inline int Increment(int& value) { return __atomic_add_fetch(&value, 1, __ATOMIC_SEQ_CST); }

}  // namespace abi

#endif  // DETENT_TESTS_ABI_FDS_H_
