// epoll: epoll(7), epoll_ctl(2), epoll_wait(2), and the measured facts F10, F12, F14 of RACES.md,
// appendix 1.
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "abi_test.h"

using namespace abi;

namespace {

struct Fd {
  explicit Fd(int n) : number(n) {}
  ~Fd() {
    if (number >= 0) close(number);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  operator int() const { return number; }
  int number;
};
struct EventFd : Fd {
  explicit EventFd(unsigned initial = 0) : Fd(eventfd(initial, EFD_NONBLOCK)) {}
  void Add(uint64_t value) const { CHECK_EQ(write(number, &value, 8), 8); }
  void Drain() const {
    uint64_t value;
    CHECK_EQ(read(number, &value, 8), 8);
  }
};
struct Pipe {
  Pipe() { CHECK_OK(pipe2(fds, O_NONBLOCK)); }
  ~Pipe() {
    CloseReader();
    CloseWriter();
  }
  void CloseReader() { Close(fds[0]); }
  void CloseWriter() { Close(fds[1]); }
  static void Close(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  int fds[2];
};
struct Epoll : Fd {
  Epoll() : Fd(epoll_create1(0)) {}
  int Ctl(int op, int fd, uint32_t events, uint64_t data = 0) const {
    epoll_event e = {events, {}};
    e.data.u64 = data;
    return epoll_ctl(number, op, fd, &e);
  }
  int Add(int fd, uint32_t events, uint64_t data = 0) const {
    return Ctl(EPOLL_CTL_ADD, fd, events, data);
  }
  int Mod(int fd, uint32_t events, uint64_t data = 0) const {
    return Ctl(EPOLL_CTL_MOD, fd, events, data);
  }
  int Del(int fd) const { return Ctl(EPOLL_CTL_DEL, fd, 0); }
  int Wait(int timeout_ms = 0, int max = 16) const {
    last_count = epoll_wait(number, last, max, timeout_ms);
    return last_count;
  }
  // "data:events" of the last wait, in the order reported.
  const char* Text() const {
    static thread_local char text[512];
    int n = snprintf(text, sizeof text, "%d", last_count);
    for (int i = 0; i < last_count; ++i) {
      n += snprintf(text + n, sizeof text - n, " %llu:%#x", (unsigned long long)last[i].data.u64,
                    last[i].events);
    }
    return text;
  }
  bool Has(uint64_t data, uint32_t events) const {
    for (int i = 0; i < last_count; ++i) {
      if (last[i].data.u64 == data) return last[i].events == events;
    }
    return false;
  }
  mutable epoll_event last[16];
  mutable int last_count = 0;
};

}  // namespace

TEST(level_triggered_reports_until_drained) {
  EventFd e;
  Epoll ep;
  CHECK_OK(ep.Add(e, EPOLLIN, 7));
  CHECK_EQ(ep.Wait(), 0);
  e.Add(1);
  for (int i = 0; i < 3; ++i) {
    CHECK_EQ(ep.Wait(), 1);
    CHECK(ep.Has(7, EPOLLIN));
  }
  e.Drain();
  CHECK_EQ(ep.Wait(), 0);
}

TEST(edge_triggered_reports_once_an_edge) {
  EventFd e;
  Epoll ep;
  CHECK_OK(ep.Add(e, EPOLLIN | EPOLLET));
  e.Add(1);
  CHECK_EQ(ep.Wait(), 1);
  CHECK_EQ(ep.Wait(), 0);
  e.Add(1);
  CHECK_EQ(ep.Wait(), 1);
  CHECK_EQ(ep.Wait(), 0);
}

TEST(add_of_a_ready_fd_reports_at_once) {
  EventFd e(1);
  Epoll ep;
  CHECK_OK(ep.Add(e, EPOLLIN | EPOLLET));
  CHECK_EQ(ep.Wait(), 1);
}

TEST(F10_mod_of_a_ready_edge_reports_it_again) {
  EventFd e(1);
  Epoll ep;
  CHECK_OK(ep.Add(e, EPOLLIN | EPOLLET, 1));
  CHECK_EQ(ep.Wait(), 1);
  CHECK_EQ(ep.Wait(), 0);
  CHECK_OK(ep.Mod(e, EPOLLIN | EPOLLET, 2));
  CHECK_EQ(ep.Wait(), 1);
  CHECK(ep.Has(2, EPOLLIN));
}

TEST(F12_closed_but_duplicated_fd_is_still_reported_and_cannot_be_removed) {
  Epoll ep;
  const int number = eventfd(1, EFD_NONBLOCK);
  CHECK_OK(ep.Add(number, EPOLLIN, 42));
  Fd copy(dup(number));
  close(number);
  EventFd other;  // takes the number
  CHECK_EQ(other.number, number);
  CHECK_EQ(ep.Wait(), 1);
  CHECK(ep.Has(42, EPOLLIN));
  CHECK_ERRNO(ep.Del(number), ENOENT);
  CHECK_ERRNO(ep.Mod(number, EPOLLIN), ENOENT);
  CHECK_ERRNO(ep.Del(copy), ENOENT);
  CHECK_OK(ep.Add(number, EPOLLIN, 43));  // another file under the same number
  CHECK_EQ(ep.Wait(), 1);
}

TEST(last_close_removes_the_member) {
  Epoll ep;
  const int number = eventfd(1, 0);
  CHECK_OK(ep.Add(number, EPOLLIN));
  CHECK_EQ(ep.Wait(), 1);
  close(number);
  CHECK_EQ(ep.Wait(), 0);
}

TEST(one_file_under_two_numbers_is_two_members) {
  Epoll ep;
  EventFd e(1);
  Fd copy(dup(e));
  CHECK_OK(ep.Add(e, EPOLLIN, 1));
  CHECK_OK(ep.Add(copy, EPOLLIN, 2));
  CHECK_EQ(ep.Wait(), 2);
}

TEST(F14_oneshot_reports_once_until_mod) {
  EventFd e(1);
  Epoll ep;
  CHECK_OK(ep.Add(e, EPOLLIN | EPOLLONESHOT));
  CHECK_EQ(ep.Wait(), 1);
  e.Add(1);
  CHECK_EQ(ep.Wait(), 0);
  CHECK_ERRNO(ep.Add(e, EPOLLIN), EEXIST);
  CHECK_OK(ep.Mod(e, EPOLLIN | EPOLLONESHOT));
  CHECK_EQ(ep.Wait(), 1);
  CHECK_EQ(ep.Wait(), 0);
}

TEST(spent_oneshot_does_not_report_hangup_either) {
  Pipe p;
  Epoll ep;
  CHECK_OK(ep.Add(p.fds[0], EPOLLIN | EPOLLONESHOT));
  CHECK_EQ(write(p.fds[1], "x", 1), 1);
  CHECK_EQ(ep.Wait(), 1);
  p.CloseWriter();
  CHECK_EQ(ep.Wait(), 0);
}

TEST(mod_to_no_events_silences) {
  EventFd e(1);
  Epoll ep;
  CHECK_OK(ep.Add(e, EPOLLIN));
  CHECK_OK(ep.Mod(e, 0));
  CHECK_EQ(ep.Wait(), 0);
  CHECK_OK(ep.Mod(e, EPOLLOUT));
  CHECK_EQ(ep.Wait(), 1);
}

TEST(ready_list_order_and_rotation) {
  EventFd a, b, c;
  Epoll ep;
  CHECK_OK(ep.Add(a, EPOLLIN, 1));
  CHECK_OK(ep.Add(b, EPOLLIN, 2));
  CHECK_OK(ep.Add(c, EPOLLIN, 3));
  b.Add(1);
  c.Add(1);
  a.Add(1);
  ep.Wait(0, 16);
  RECORD("all: %s", ep.Text());
  for (int i = 0; i < 5; ++i) {
    ep.Wait(0, 1);
    RECORD("one: %s", ep.Text());
  }
  for (int i = 0; i < 3; ++i) {
    ep.Wait(0, 2);
    RECORD("two: %s", ep.Text());
  }
}

TEST(edges_left_over_by_maxevents_come_next) {
  EventFd a(1), b(1), c(1);
  Epoll ep;
  CHECK_OK(ep.Add(a, EPOLLIN | EPOLLET, 1));
  CHECK_OK(ep.Add(b, EPOLLIN | EPOLLET, 2));
  CHECK_OK(ep.Add(c, EPOLLIN | EPOLLET, 3));
  ep.Wait(0, 2);
  RECORD("%s", ep.Text());
  ep.Wait(0, 2);
  RECORD("%s", ep.Text());
  CHECK_EQ(ep.Wait(), 0);
}

TEST(wait_blocks_until_another_thread_makes_an_event) {
  EventFd e;
  Epoll ep;
  CHECK_OK(ep.Add(e, EPOLLIN, 5));
  int count = 0;
  Thread waiter([&] { count = ep.Wait(-1); });
  waiter.AwaitBlocked(SYS_epoll_wait);
  e.Add(1);
  waiter.Join();
  CHECK_EQ(count, 1);
}

TEST(add_while_another_thread_waits_wakes_it) {
  EventFd e(1);
  Epoll ep;
  int count = 0;
  Thread waiter([&] { count = ep.Wait(-1); });
  waiter.AwaitBlocked(SYS_epoll_wait);
  CHECK_OK(ep.Add(e, EPOLLIN));
  waiter.Join();
  CHECK_EQ(count, 1);
}

TEST(mod_while_another_thread_waits_wakes_it) {
  EventFd e(1);
  Epoll ep;
  CHECK_OK(ep.Add(e, 0));
  int count = 0;
  Thread waiter([&] { count = ep.Wait(-1); });
  waiter.AwaitBlocked(SYS_epoll_wait);
  CHECK_OK(ep.Mod(e, EPOLLIN));
  waiter.Join();
  CHECK_EQ(count, 1);
}

TEST(one_edge_wakes_one_of_two_waiters) {
  EventFd e;
  Epoll ep;
  CHECK_OK(ep.Add(e, EPOLLIN | EPOLLET));
  int total = 0;
  const auto wait = [&] {
    epoll_event event;
    if (epoll_wait(ep, &event, 1, -1) == 1) __atomic_add_fetch(&total, 1, __ATOMIC_SEQ_CST);
  };
  Thread first(wait);
  first.AwaitBlocked(SYS_epoll_wait);
  Thread second(wait);
  second.AwaitBlocked(SYS_epoll_wait);
  e.Add(1);
  CHECK(Eventually([&] { return __atomic_load_n(&total, __ATOMIC_SEQ_CST) != 0; }));
  SleepMs(5);
  CHECK_EQ(__atomic_load_n(&total, __ATOMIC_SEQ_CST), 1);
  e.Add(1);
  first.Join();
  second.Join();
  CHECK_EQ(total, 2);
}

TEST(timeout_waits_at_least_that_long) {
  Epoll ep;
  const int64_t start = Now();
  CHECK_EQ(ep.Wait(20), 0);
  CHECK_GE(Now() - start, 20 * kMs);
}

TEST(timerfd_in_epoll) {
  Fd t(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  Epoll ep;
  CHECK_OK(ep.Add(t, EPOLLIN, 3));
  const itimerspec spec = {{0, 0}, FromNs(10 * kMs)};
  const int64_t start = Now();
  CHECK_OK(timerfd_settime(t, 0, &spec, nullptr));
  CHECK_EQ(ep.Wait(-1), 1);
  CHECK_GE(Now() - start, 10 * kMs);
  CHECK(ep.Has(3, EPOLLIN));
}

TEST(host_pipe_and_emulated_fds_in_one_wait) {
  Pipe p;
  EventFd e;
  Fd t(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  Epoll ep;
  CHECK_OK(ep.Add(p.fds[0], EPOLLIN, 1));
  CHECK_OK(ep.Add(e, EPOLLIN, 2));
  CHECK_OK(ep.Add(t, EPOLLIN, 3));
  CHECK_EQ(ep.Wait(), 0);
  {
    Thread writer([&] {
      SleepMs(10);
      CHECK_EQ(write(p.fds[1], "x", 1), 1);
    });
    CHECK_EQ(ep.Wait(-1), 1);
    CHECK(ep.Has(1, EPOLLIN));
  }
  e.Add(1);
  const itimerspec spec = {{0, 0}, {0, 1}};
  CHECK_OK(timerfd_settime(t, 0, &spec, nullptr));
  SleepMs(10);
  CHECK_EQ(ep.Wait(-1), 3);
  CHECK(ep.Has(1, EPOLLIN) && ep.Has(2, EPOLLIN) && ep.Has(3, EPOLLIN));
  char byte;
  CHECK_EQ(read(p.fds[0], &byte, 1), 1);
  CHECK_EQ(ep.Wait(-1), 2);
  CHECK_OK(ep.Del(e));
  CHECK_EQ(ep.Wait(-1), 1);
  CHECK(ep.Has(3, EPOLLIN));
}

TEST(emulated_event_wakes_a_wait_that_also_has_host_fds) {
  Pipe p;
  EventFd e;
  Epoll ep;
  CHECK_OK(ep.Add(p.fds[0], EPOLLIN, 1));
  CHECK_OK(ep.Add(e, EPOLLIN, 2));
  Thread waker([&] {
    SleepMs(10);
    e.Add(1);
  });
  CHECK_EQ(ep.Wait(-1), 1);
  CHECK(ep.Has(2, EPOLLIN));
}

TEST(pipe_hangup_and_error_are_reported_unasked) {
  Pipe p, q;
  Epoll ep;
  CHECK_OK(ep.Add(p.fds[0], 0, 1));
  CHECK_OK(ep.Add(q.fds[1], 0, 2));
  CHECK_EQ(ep.Wait(), 0);
  p.CloseWriter();
  ep.Wait();
  RECORD("writer closed: %s", ep.Text());
  q.CloseReader();
  CHECK_EQ(ep.Wait(), 2);
  CHECK(ep.Has(1, EPOLLHUP) && ep.Has(2, EPOLLERR));
}

TEST(socket_pair_events) {
  int fds[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
  Epoll ep;
  CHECK_OK(ep.Add(fds[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 1));
  ep.Wait();
  RECORD("fresh: %s", ep.Text());
  CHECK_EQ(write(fds[1], "x", 1), 1);
  ep.Wait();
  RECORD("written: %s", ep.Text());
  shutdown(fds[1], SHUT_WR);
  ep.Wait();
  RECORD("shut down: %s", ep.Text());
  close(fds[1]);
  ep.Wait();
  RECORD("closed: %s", ep.Text());
  close(fds[0]);
}

TEST(nested_epoll_becomes_readable) {
  EventFd e;
  Epoll inner, outer;
  CHECK_OK(inner.Add(e, EPOLLIN, 1));
  CHECK_OK(outer.Add(inner, EPOLLIN, 2));
  CHECK_EQ(outer.Wait(), 0);
  pollfd p = {inner, POLLIN, 0};
  CHECK_EQ(poll(&p, 1, 0), 0);
  e.Add(1);
  CHECK_EQ(outer.Wait(), 1);
  CHECK(outer.Has(2, EPOLLIN));
  CHECK_EQ(poll(&p, 1, 0), 1);
  CHECK_EQ(p.revents, POLLIN);
  e.Drain();
  CHECK_EQ(outer.Wait(), 0);
}

TEST(nested_epoll_wakes_a_blocked_outer_wait) {
  EventFd e;
  Epoll inner, outer;
  CHECK_OK(inner.Add(e, EPOLLIN, 1));
  CHECK_OK(outer.Add(inner, EPOLLIN, 2));
  int count = 0;
  Thread waiter([&] { count = outer.Wait(-1); });
  waiter.AwaitBlocked(SYS_epoll_wait);
  e.Add(1);
  waiter.Join();
  CHECK_EQ(count, 1);
}

TEST(nested_edge) {
  EventFd e;
  Epoll inner, outer;
  CHECK_OK(inner.Add(e, EPOLLIN, 1));
  CHECK_OK(outer.Add(inner, EPOLLIN | EPOLLET, 2));
  e.Add(1);
  RECORD("first write %d", outer.Wait());
  RECORD("again %d", outer.Wait());
  e.Add(1);
  RECORD("second write, inner not asked %d", outer.Wait());
  RECORD("inner %d", inner.Wait());
  e.Add(1);
  RECORD("third write %d", outer.Wait());
}

TEST(nested_epoll_over_a_host_pipe) {
  Pipe p;
  Epoll inner, outer;
  CHECK_OK(inner.Add(p.fds[0], EPOLLIN, 1));
  CHECK_OK(outer.Add(inner, EPOLLIN, 2));
  Thread writer([&] {
    SleepMs(10);
    CHECK_EQ(write(p.fds[1], "x", 1), 1);
  });
  CHECK_EQ(outer.Wait(-1), 1);
  CHECK_EQ(inner.Wait(), 1);
}

TEST(loops_and_deep_nesting_are_ELOOP) {
  Epoll ep[8];
  CHECK_ERRNO(ep[0].Add(ep[0], EPOLLIN), EINVAL);
  CHECK_OK(ep[0].Add(ep[1], EPOLLIN));
  CHECK_ERRNO(ep[1].Add(ep[0], EPOLLIN), ELOOP);
  CHECK_OK(ep[1].Add(ep[2], EPOLLIN));
  CHECK_ERRNO(ep[2].Add(ep[0], EPOLLIN), ELOOP);
  for (int i = 2; i < 7; ++i) RECORD("depth %d: %s", i + 1, Res(ep[i].Add(ep[i + 1], EPOLLIN)));
}

TEST(exclusive_rules) {
  EventFd e;
  Epoll ep, inner;
  RECORD("add %s", Res(ep.Add(e, EPOLLIN | EPOLLEXCLUSIVE)));
  RECORD("mod of exclusive %s", Res(ep.Mod(e, EPOLLIN)));
  ep.Del(e);
  ep.Add(e, EPOLLIN);
  RECORD("mod to exclusive %s", Res(ep.Mod(e, EPOLLIN | EPOLLEXCLUSIVE)));
  ep.Del(e);
  RECORD("with oneshot %s", Res(ep.Add(e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT)));
  RECORD("with rdhup %s", Res(ep.Add(e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP)));
  RECORD("with et %s", Res(ep.Add(e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET)));
  RECORD("of an epoll %s", Res(ep.Add(inner, EPOLLIN | EPOLLEXCLUSIVE)));
}

TEST(create_errors) {
  for (int size : {1, 100, 0, -1}) {
    const int fd = epoll_create(size);
    RECORD("size %d: %s", size, fd < 0 ? ErrnoName(errno) : "ok");
    if (fd >= 0) close(fd);
  }
  for (int flags : Ints{0, EPOLL_CLOEXEC, O_NONBLOCK, 1, -1}) {
    const int fd = epoll_create1(flags);
    RECORD("flags %#x: %s, FD %d, FL %#x", flags, fd < 0 ? ErrnoName(errno) : "ok",
           fd < 0 ? 0 : fcntl(fd, F_GETFD), fd < 0 ? 0 : fcntl(fd, F_GETFL));
    if (fd >= 0) close(fd);
  }
}

TEST(ctl_matrix) {
  Epoll ep;
  EventFd in, out;
  Pipe p;
  Fd file(open("/proc/self/exe", O_RDONLY)), directory(open("/", O_RDONLY)),
      null(open("/dev/null", O_RDWR));
  ep.Add(in, EPOLLIN);
  epoll_event event = {EPOLLIN, {}};
  const struct {
    const char* name;
    int fd;
  } epolls[] = {{"-1", -1}, {"closed", 999}, {"eventfd", in}, {"epoll", ep}},
    targets[] = {
        {"-1", -1},     {"closed", 999},          {"self", ep},     {"member", in}, {"other", out},
        {"file", file}, {"directory", directory}, {"devnull", null}};
  for (const auto& e : epolls) {
    for (int op : {EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL, 0, 4, -1}) {
      char line[500];
      int n = 0;
      for (const auto& t : targets) {
        const char* good = Res(epoll_ctl(e.fd, op, t.fd, &event));
        ep.Del(out);
        ep.Add(in, EPOLLIN);
        n += snprintf(line + n, sizeof line - n, " %s=%s/%s", t.name, good,
                      Res(epoll_ctl(e.fd, op, t.fd, static_cast<epoll_event*>(Wild()))));
        ep.Del(out);
        ep.Add(in, EPOLLIN);
      }
      RECORD("%s op %d:%s", e.name, op, line);
    }
  }
}

TEST(wait_matrix) {
  Epoll ready, idle;
  EventFd e(1), quiet;
  ready.Add(e, EPOLLIN);
  epoll_event events[4];
  const struct {
    const char* name;
    int fd;
  } epolls[] = {{"-1", -1}, {"closed", 999}, {"eventfd", e}, {"ready", ready}, {"idle", idle}};
  const struct {
    const char* name;
    void* p;
  } buffers[] = {
      {"good", events}, {"null", nullptr}, {"wild", Wild()}, {"kernel", (void*)0xffff888000000000}};
  for (const auto& ep : epolls) {
    for (const auto& b : buffers) {
      char line[300];
      int n = 0;
      for (int max : {4, 0, -1, INT_MAX}) {
        n += snprintf(line + n, sizeof line - n, " %d=%s", max,
                      Res(syscall(SYS_epoll_wait, ep.fd, b.p, max, 0)));
      }
      RECORD("%s into %s:%s", ep.name, b.name, line);
    }
  }
}

TEST(pwait_errors_and_mask) {
  Epoll ep;
  EventFd e(1);
  ep.Add(e, EPOLLIN);
  epoll_event event;
  sigset_t mask = SigSet();
  for (size_t size : {size_t{0}, size_t{4}, size_t{8}, size_t{16}}) {
    RECORD("size %zu: good %s, null %s, wild %s, bad epoll %s", size,
           Res(syscall(SYS_epoll_pwait, ep.number, &event, 1, 0, &mask, size)),
           Res(syscall(SYS_epoll_pwait, ep.number, &event, 1, 0, nullptr, size)),
           Res(syscall(SYS_epoll_pwait, ep.number, &event, 1, 0, Wild(), size)),
           Res(syscall(SYS_epoll_pwait, -1, &event, 1, 0, &mask, size)));
  }
}

TEST(pwait2_timeouts) {
  Epoll ep;
  epoll_event event;
  const timespec good = FromNs(10 * kMs), zero = {0, 0}, bad = {0, 1000000000}, negative = {-1, 0};
  const auto wait = [&](int fd, const void* t) {
    return Res(syscall(SYS_epoll_pwait2, fd, &event, 1, t, nullptr, 0));
  };
  const int64_t start = Now();
  CHECK_EQ(syscall(SYS_epoll_pwait2, ep.number, &event, 1, &good, nullptr, 0), 0);
  CHECK_GE(Now() - start, 10 * kMs);
  RECORD("zero %s, bad %s, negative %s, wild %s", wait(ep, &zero), wait(ep, &bad),
         wait(ep, &negative), wait(ep, Wild()));
  RECORD("on -1: zero %s, bad %s, negative %s, wild %s", wait(-1, &zero), wait(-1, &bad),
         wait(-1, &negative), wait(-1, Wild()));
}

TEST(pwait_mask_lets_a_pending_signal_in) {
  Handler handler(SIGUSR1, CountSignal);
  Epoll ep;
  epoll_event event;
  const sigset_t usr1 = SigSet(SIGUSR1), none = SigSet();
  sigset_t old;
  pthread_sigmask(SIG_BLOCK, &usr1, &old);
  Tgkill(Tid(), SIGUSR1);
  CHECK_EQ(g_signals, 0);
  CHECK_ERRNO(epoll_pwait(ep, &event, 1, -1, &none), EINTR);
  CHECK_EQ(g_signals, 1);
  sigset_t now;
  pthread_sigmask(SIG_SETMASK, &old, &now);
  CHECK(sigismember(&now, SIGUSR1));
}

TEST(pwait_with_a_ready_event_and_a_pending_signal) {
  Handler handler(SIGUSR1, CountSignal);
  Epoll ep;
  EventFd e(1);
  ep.Add(e, EPOLLIN);
  epoll_event event;
  const sigset_t usr1 = SigSet(SIGUSR1), none = SigSet();
  sigset_t old;
  pthread_sigmask(SIG_BLOCK, &usr1, &old);
  Tgkill(Tid(), SIGUSR1);
  const char* result = Res(epoll_pwait(ep, &event, 1, -1, &none));
  RECORD("%s, handler ran %d times", result, (int)g_signals);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  RECORD("after unblocking %d", (int)g_signals);
}

TEST(interrupted_wait_is_EINTR_even_with_SA_RESTART) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    Epoll ep;
    int count = 0, error = 0;
    Thread waiter([&] {
      count = ep.Wait(-1);
      error = errno;
    });
    waiter.AwaitBlocked(SYS_epoll_wait);
    Tgkill(waiter.tid(), SIGUSR1);
    waiter.Join();
    CHECK(count == -1 && error == EINTR);
  }
}

TEST(data_is_returned_untouched) {
  EventFd e(1);
  Epoll ep;
  CHECK_OK(ep.Add(e, EPOLLIN, 0xfedcba9876543210));
  CHECK_EQ(ep.Wait(), 1);
  CHECK(ep.last[0].data.u64 == 0xfedcba9876543210);
}

TEST(eventfd_at_its_maximum_is_not_writable) {
  EventFd e;
  Epoll ep;
  CHECK_OK(ep.Add(e, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP, 1));
  ep.Wait();
  RECORD("empty %s", ep.Text());
  e.Add(UINT64_MAX - 1);
  ep.Wait();
  RECORD("full %s", ep.Text());
}

TEST(unknown_event_bits_are_kept_out) {
  EventFd e(1);
  Epoll ep;
  for (uint32_t bits : {EPOLLIN | EPOLLRDNORM | EPOLLPRI | EPOLLRDBAND | EPOLLMSG,
                        EPOLLOUT | EPOLLWRNORM, 1u << 20, EPOLLIN | EPOLLWAKEUP}) {
    RECORD("%#x: add %s", bits, Res(ep.Add(e, bits)));
    ep.Wait();
    RECORD("got %s", ep.Text());
    ep.Del(e);
  }
}

TEST(read_and_write_on_an_epoll_fd) {
  Epoll ep;
  char c;
  RECORD("read %s, write %s, lseek %s", Res(read(ep, &c, 1)), Res(write(ep, &c, 1)),
         Res(lseek(ep, 0, SEEK_SET)));
}
