// poll(2), ppoll, select(2), pselect. Raw calls where libc hides that Linux writes the remaining
// time back.
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/timerfd.h>

#include "abi_test.h"

using namespace abi;

namespace {

long Ppoll(void* fds, unsigned count, void* timeout, const void* mask = nullptr, size_t size = 8) {
  return syscall(SYS_ppoll, fds, count, timeout, mask, size);
}
long Select(int n, void* r, void* w, void* e, void* timeout) {
  return syscall(SYS_select, n, r, w, e, timeout);
}
long Pselect(int n, void* r, void* w, void* e, void* timeout, const void* mask = nullptr) {
  return syscall(SYS_pselect6, n, r, w, e, timeout, mask);
}
struct MaskArgument {
  const void* mask;
  size_t size;
};

}  // namespace

TEST(poll_reports_each_fd) {
  int p[2];
  CHECK_OK(pipe(p));
  const int empty = eventfd(0, 0), full = eventfd(0, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
  const int ep = epoll_create1(0);
  const uint64_t most = UINT64_MAX - 1;
  CHECK_EQ(write(full, &most, 8), 8);
  const short all = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM;
  pollfd fds[] = {{p[0], all, 0},  {p[1], all, 0},
                  {empty, all, 0}, {full, all, 0},
                  {timer, all, 0}, {ep, all, 0},
                  {999, all, 77},  {-1, all, 77},
                  {-5, all, 77},   {open("/proc/self/exe", 0), all, 0}};
  const int count = poll(fds, 10, 0);
  RECORD("%d: pipe %#x %#x, eventfd empty %#x full %#x, timerfd %#x, epoll %#x", count,
         fds[0].revents, fds[1].revents, fds[2].revents, fds[3].revents, fds[4].revents,
         fds[5].revents);
  RECORD("closed %#x, -1 %#x, -5 %#x, file %#x", fds[6].revents, fds[7].revents, fds[8].revents,
         fds[9].revents);
  close(fds[9].fd);
  close(p[1]);
  poll(fds, 1, 0);
  RECORD("writer closed %#x", fds[0].revents);
  close(p[0]);
  for (int fd : {empty, full, timer, ep}) close(fd);
}

TEST(closed_fd_is_POLLNVAL_and_returns_at_once) {
  pollfd fd = {999, 0, 0};
  CHECK_EQ(poll(&fd, 1, -1), 1);
  CHECK_EQ(fd.revents, POLLNVAL);
}

TEST(same_fd_twice_counts_twice) {
  const int e = eventfd(1, 0);
  pollfd fds[] = {{e, POLLIN, 0}, {e, POLLOUT, 0}, {e, POLLIN | POLLOUT, 0}};
  CHECK_EQ(poll(fds, 3, 0), 3);
  RECORD("%#x %#x %#x", fds[0].revents, fds[1].revents, fds[2].revents);
  close(e);
}

TEST(poll_of_nothing_sleeps) {
  const int64_t start = Now();
  CHECK_EQ(poll(nullptr, 0, 20), 0);
  CHECK_GE(Now() - start, 20 * kMs);
}

TEST(poll_timeout_waits_at_least_that_long) {
  const int e = eventfd(0, 0);
  pollfd fd = {e, POLLIN, 77};
  const int64_t start = Now();
  CHECK_EQ(poll(&fd, 1, 20), 0);
  CHECK_GE(Now() - start, 20 * kMs);
  CHECK_EQ(fd.revents, 0);
  close(e);
}

TEST(poll_blocks_until_an_event) {
  int p[2];
  CHECK_OK(pipe(p));
  const int e = eventfd(0, 0);
  for (int round = 0; round < 2; ++round) {
    pollfd fds[] = {{p[0], POLLIN, 0}, {e, POLLIN, 0}};
    int count = 0;
    Thread waiter([&] { count = poll(fds, 2, -1); });
    waiter.AwaitBlocked(SYS_poll);
    const uint64_t one = 1;
    if (round == 0) CHECK_EQ(write(p[1], "x", 1), 1);
    if (round == 1) CHECK_EQ(write(e, &one, 8), 8);
    waiter.Join();
    RECORD("%d: pipe %#x eventfd %#x", count, fds[0].revents, fds[1].revents);
    char byte;
    if (round == 0) CHECK_EQ(read(p[0], &byte, 1), 1);
  }
  for (int fd : {p[0], p[1], e}) close(fd);
}

TEST(timerfd_wakes_poll) {
  const int t = timerfd_create(CLOCK_MONOTONIC, 0);
  const itimerspec spec = {{0, 0}, FromNs(15 * kMs)};
  const int64_t start = Now();
  CHECK_OK(timerfd_settime(t, 0, &spec, nullptr));
  pollfd fd = {t, POLLIN, 0};
  CHECK_EQ(poll(&fd, 1, -1), 1);
  CHECK_GE(Now() - start, 15 * kMs);
  close(t);
}

TEST(poll_errors) {
  pollfd fd = {-1, 0, 0};
  RECORD("wild %s, null %s, too many %s", Res(syscall(SYS_poll, Wild(), 1, 0)),
         Res(syscall(SYS_poll, nullptr, 1, 0)), Res(syscall(SYS_poll, &fd, UINT_MAX, 0)));
  rlimit old, small;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
  small = old;
  small.rlim_cur = 5;
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &small));
  pollfd many[6] = {{-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}};
  RECORD("limit 5: five %s, six %s, six wild %s", Res(poll(many, 5, 0)), Res(poll(many, 6, 0)),
         Res(syscall(SYS_poll, Wild(), 6, 0)));
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &old));
}

TEST(poll_is_EINTR_even_with_SA_RESTART) {
  for (int flags : {0, SA_RESTART}) {
    for (long number : {SYS_poll, SYS_ppoll, SYS_select, SYS_pselect6}) {
      Handler handler(SIGUSR1, CountSignal, flags);
      const int e = eventfd(0, 0);
      long result = 0;
      int error = 0;
      Thread waiter([&] {
        pollfd fd = {e, POLLIN, 0};
        fd_set set;
        FD_ZERO(&set);
        FD_SET(e, &set);
        if (number == SYS_poll) result = poll(&fd, 1, -1);
        if (number == SYS_ppoll) result = Ppoll(&fd, 1, nullptr);
        if (number == SYS_select) result = Select(e + 1, &set, nullptr, nullptr, nullptr);
        if (number == SYS_pselect6) result = Pselect(e + 1, &set, nullptr, nullptr, nullptr);
        error = errno;
      });
      waiter.AwaitBlocked(number);
      Tgkill(waiter.tid(), SIGUSR1);
      waiter.Join();
      CHECK(result == -1 && error == EINTR);
      close(e);
    }
  }
}

TEST(ppoll_timeouts) {
  timespec t = FromNs(10 * kMs);
  const int64_t start = Now();
  CHECK_EQ(Ppoll(nullptr, 0, &t), 0);
  CHECK_GE(Now() - start, 10 * kMs);
  RECORD("remaining %ld %ld", (long)t.tv_sec, t.tv_nsec);
  timespec bad = {0, 1000000000}, negative = {-1, 0};
  RECORD("bad %s, negative %s, wild %s", Res(Ppoll(nullptr, 0, &bad)),
         Res(Ppoll(nullptr, 0, &negative)), Res(Ppoll(nullptr, 0, Wild())));
  RECORD("wild fds: bad %s, wild %s", Res(Ppoll(Wild(), 1, &bad)), Res(Ppoll(Wild(), 1, Wild())));
}

TEST(ppoll_writes_the_remaining_time_back) {
  const int e = eventfd(1, 0);
  pollfd fd = {e, POLLIN, 0};
  timespec t = {1000, 0};
  CHECK_EQ(Ppoll(&fd, 1, &t), 1);
  CHECK(ToNs(t) > 0 && ToNs(t) <= 1000'000 * kMs);
  close(e);
}

TEST(interrupted_ppoll_writes_the_remaining_time_back) {
  Handler handler(SIGUSR1, CountSignal);
  timespec t = {1000, 0};
  const int64_t start = Now();
  Thread waiter([&] { Ppoll(nullptr, 0, &t); });
  waiter.AwaitBlocked(SYS_ppoll);
  SleepMs(10);
  Tgkill(waiter.tid(), SIGUSR1);
  waiter.Join();
  CHECK(ToNs(t) > 0 && ToNs(t) < 1000'000 * kMs);
  CHECK_GE(ToNs(t), 1000'000 * kMs - (Now() - start));
}

TEST(ppoll_mask_sizes) {
  const sigset_t mask = SigSet();
  timespec zero = {0, 0};
  for (size_t size : {size_t{0}, size_t{4}, size_t{8}, size_t{16}}) {
    RECORD("size %zu: good %s, null %s, wild %s", size, Res(Ppoll(nullptr, 0, &zero, &mask, size)),
           Res(Ppoll(nullptr, 0, &zero, nullptr, size)),
           Res(Ppoll(nullptr, 0, &zero, Wild(), size)));
  }
}

TEST(ppoll_mask_lets_a_pending_signal_in) {
  Handler handler(SIGUSR1, CountSignal);
  const sigset_t usr1 = SigSet(SIGUSR1), none = SigSet();
  sigset_t old;
  pthread_sigmask(SIG_BLOCK, &usr1, &old);
  Tgkill(Tid(), SIGUSR1);
  CHECK_ERRNO(Ppoll(nullptr, 0, nullptr, &none), EINTR);
  CHECK_EQ(g_signals, 1);
  sigset_t now;
  pthread_sigmask(SIG_SETMASK, &old, &now);
  CHECK(sigismember(&now, SIGUSR1));
}

TEST(pselect_mask_lets_a_pending_signal_in) {
  Handler handler(SIGUSR1, CountSignal);
  const sigset_t usr1 = SigSet(SIGUSR1), none = SigSet();
  sigset_t old;
  pthread_sigmask(SIG_BLOCK, &usr1, &old);
  Tgkill(Tid(), SIGUSR1);
  const MaskArgument argument = {&none, 8};
  CHECK_ERRNO(Pselect(0, nullptr, nullptr, nullptr, nullptr, &argument), EINTR);
  CHECK_EQ(g_signals, 1);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  const MaskArgument bad = {&none, 4};
  timespec zero = {0, 0};
  RECORD("size 4: %s, wild argument %s", Res(Pselect(0, nullptr, nullptr, nullptr, &zero, &bad)),
         Res(Pselect(0, nullptr, nullptr, nullptr, &zero, Wild())));
}

TEST(select_sets_and_counts) {
  int p[2];
  CHECK_OK(pipe(p));
  const int e = eventfd(1, 0);
  fd_set in, out, except;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_ZERO(&except);
  for (int fd : {p[0], e}) FD_SET(fd, &in);
  for (int fd : {p[1], e}) FD_SET(fd, &out);
  FD_SET(e, &except);
  timeval t = {1000, 0};
  const int count = select(e + 1, &in, &out, &except, &t);
  RECORD("%d: pipe in %d out %d, eventfd in %d out %d except %d", count, FD_ISSET(p[0], &in) != 0,
         FD_ISSET(p[1], &out) != 0, FD_ISSET(e, &in) != 0, FD_ISSET(e, &out) != 0,
         FD_ISSET(e, &except) != 0);
  CHECK(t.tv_sec > 0 && t.tv_sec <= 1000);
  for (int fd : {p[0], p[1], e}) close(fd);
}

TEST(select_timeout_clears_the_sets_and_the_time) {
  const int e = eventfd(0, 0);
  fd_set in;
  FD_ZERO(&in);
  FD_SET(e, &in);
  timeval t = {0, 15000};
  const int64_t start = Now();
  CHECK_EQ(Select(e + 1, &in, nullptr, nullptr, &t), 0);
  CHECK_GE(Now() - start, 15 * kMs);
  CHECK(!FD_ISSET(e, &in));
  RECORD("remaining %ld %ld", (long)t.tv_sec, (long)t.tv_usec);
  timespec raw = FromNs(5 * kMs);
  CHECK_EQ(Pselect(0, nullptr, nullptr, nullptr, &raw), 0);
  RECORD("pselect remaining %ld %ld", (long)raw.tv_sec, raw.tv_nsec);
  close(e);
}

TEST(libc_pselect_leaves_the_time_alone) {
  const timespec t = FromNs(5 * kMs);
  CHECK_EQ(pselect(0, nullptr, nullptr, nullptr, &t, nullptr), 0);
  CHECK_EQ(ToNs(t), 5 * kMs);
}

TEST(select_leaves_bits_above_nfds_alone) {
  const int e = eventfd(1, 0);
  fd_set in;
  FD_ZERO(&in);
  FD_SET(e, &in);
  FD_SET(e + 1, &in);  // the same word, at or above nfds: ignored, not EBADF
  CHECK_EQ(Select(e + 1, &in, nullptr, nullptr, nullptr), 1);
  RECORD("own bit %d, next bit %d", FD_ISSET(e, &in) != 0, FD_ISSET(e + 1, &in) != 0);
  close(e);
}

TEST(select_errors) {
  timeval zero = {0, 0}, bad = {0, 1000000}, negative = {-1, 0}, negative_us = {0, -1};
  for (int nfds : {51, 50, -1}) {
    fd_set in;
    FD_ZERO(&in);
    // A low number: select ignores those beyond the size of the process's fd table, closed or not.
    FD_SET(50, &in);
    RECORD("closed fd 50, nfds %d: %s", nfds, Res(Select(nfds, &in, nullptr, nullptr, &zero)));
  }
  RECORD("wild set %s, wild set with nfds 0 %s, wild time %s",
         Res(Select(8, Wild(), nullptr, nullptr, &zero)),
         Res(Select(0, Wild(), nullptr, nullptr, &zero)),
         Res(Select(0, nullptr, nullptr, nullptr, Wild())));
  RECORD("usec 1000000 %s, sec -1 %s, usec -1 %s", Res(Select(0, nullptr, nullptr, nullptr, &bad)),
         Res(Select(0, nullptr, nullptr, nullptr, &negative)),
         Res(Select(0, nullptr, nullptr, nullptr, &negative_us)));
  RECORD("nfds -1 and sec -1 %s, nfds -1 and wild time %s",
         Res(Select(-1, nullptr, nullptr, nullptr, &negative)),
         Res(Select(-1, nullptr, nullptr, nullptr, Wild())));
  timespec nsec = {0, 1000000000};
  RECORD("pselect nsec %s, nfds -1 %s", Res(Pselect(0, nullptr, nullptr, nullptr, &nsec)),
         Res(Pselect(-1, nullptr, nullptr, nullptr, &nsec)));
}

TEST(many_fds_of_both_kinds) {
  constexpr int kCount = 100;
  pollfd fds[2 * kCount];
  int writers[kCount];
  for (int i = 0; i < kCount; ++i) {
    int p[2];
    CHECK_OK(pipe(p));
    writers[i] = p[1];
    fds[2 * i] = {p[0], POLLIN, 0};
    fds[2 * i + 1] = {eventfd(i % 3 == 0, 0), POLLIN, 0};
    if (i % 2 == 0) CHECK_EQ(write(p[1], "x", 1), 1);
  }
  CHECK_EQ(poll(fds, 2 * kCount, -1), 50 + 34);
  for (int i = 0; i < kCount; ++i) {
    CHECK_EQ(fds[2 * i].revents, i % 2 == 0 ? POLLIN : 0);
    CHECK_EQ(fds[2 * i + 1].revents, i % 3 == 0 ? POLLIN : 0);
    close(writers[i]);
    close(fds[2 * i].fd);
    close(fds[2 * i + 1].fd);
  }
}
