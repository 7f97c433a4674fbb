// Wild pointers to every call that the kernel under test serves itself: which error, and nothing
// else than an error. One row a pointer argument; each row is called with each bad pointer, all its
// other arguments being good.
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "abi_test.h"

using namespace abi;

namespace {

constexpr long kPointer = 0x7e57ab1e;  // stands for the pointer under test

struct World {
  World() {
    event = eventfd(3, EFD_NONBLOCK);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    ep = epoll_create1(0);
    CHECK_OK(pipe2(ends, O_NONBLOCK));
    CHECK_EQ(write(ends[1], "0123456789abcdef0123456789abcdef", 32), 32);
    epoll_event e = {EPOLLIN, {}};
    CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, event, &e));
  }
  ~World() {
    for (int fd : {event, timer, ep, ends[0], ends[1]}) close(fd);
  }
  int event, timer, ep, ends[2];
};

long At(const void* p) { return reinterpret_cast<long>(p); }

// Calls with each bad pointer, and with a page's last byte (the rest of the object lies beyond) and
// a read-only page.
void Try(const char* name, long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
         long f = 0) {
  static char* const pages = [] {
    auto* p = static_cast<char*>(
        mmap(nullptr, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    munmap(p + 4096, 4096);  // a hole after the first page
    mprotect(p + 2 * 4096, 4096, PROT_READ);
    return p;
  }();
  const struct {
    const char* name;
    long value;
  } pointers[] = {{"null", 0},
                  {"one", 1},
                  {"hole", 0x10000000000},
                  {"kernel", static_cast<long>(0xffff888000000000)},
                  {"noncanonical", static_cast<long>(0x8000000000000000)},
                  {"minus-one", -1},
                  {"page-end", At(pages + 4095)},
                  {"read-only", At(pages + 2 * 4096)}};
  char line[400];
  int n = 0;
  for (const auto& p : pointers) {
    const long args[] = {a, b, c, d, e, f};
    long call[6];
    for (int i = 0; i < 6; ++i) call[i] = args[i] == kPointer ? p.value : args[i];
    const long result = syscall(number, call[0], call[1], call[2], call[3], call[4], call[5]);
    n += snprintf(line + n, sizeof line - n, " %s=%s", p.name, result < 0 ? Res(result) : "ok");
  }
  RECORD("%s:%s", name, line);
}

constexpr long P = kPointer;

}  // namespace

TEST(time_calls) {
  const timespec soon = {0, 1};
  Try("clock_gettime", SYS_clock_gettime, CLOCK_MONOTONIC, P);
  Try("clock_gettime of a bad clock", SYS_clock_gettime, 77, P);
  Try("clock_getres", SYS_clock_getres, CLOCK_MONOTONIC, P);
  Try("gettimeofday", SYS_gettimeofday, P, 0);
  Try("gettimeofday zone", SYS_gettimeofday, 0, P);
  Try("time", SYS_time, P);
  Try("times", SYS_times, P);
  Try("nanosleep request", SYS_nanosleep, P, 0);
  Try("nanosleep remainder", SYS_nanosleep, At(&soon), P);
  Try("clock_nanosleep request", SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, P, 0);
  Try("clock_nanosleep on a bad clock", SYS_clock_nanosleep, 77, 0, P, 0);
  Try("getitimer", SYS_getitimer, 0, P);
  Try("getitimer of a bad timer", SYS_getitimer, 9, P);
  Try("setitimer new", SYS_setitimer, 0, P, 0);
  const long zero[4] = {};
  Try("setitimer old", SYS_setitimer, 0, At(zero), P);
}

TEST(timerfd_calls) {
  const World w;
  const itimerspec zero = {};
  Try("timerfd_settime new", SYS_timerfd_settime, w.timer, 0, P, 0);
  Try("timerfd_settime old", SYS_timerfd_settime, w.timer, 0, At(&zero), P);
  Try("timerfd_settime of a closed fd", SYS_timerfd_settime, 999, 0, P, 0);
  Try("timerfd_settime with bad flags", SYS_timerfd_settime, w.timer, 99, P, 0);
  Try("timerfd_gettime", SYS_timerfd_gettime, w.timer, P);
  Try("timerfd_gettime of a closed fd", SYS_timerfd_gettime, 999, P);
  Try("timerfd_gettime of an eventfd", SYS_timerfd_gettime, w.event, P);
  Try("read of an idle timerfd", SYS_read, w.timer, P, 8);
}

TEST(eventfd_calls) {
  const World w;
  Try("write", SYS_write, w.event, P, 8);
  const uint64_t many = 100;
  CHECK_EQ(write(w.event, &many, 8), 8);
  Try("read", SYS_read, w.event, P, 8);
  const int semaphore = eventfd(100, EFD_NONBLOCK | EFD_SEMAPHORE);
  Try("read of a semaphore", SYS_read, semaphore, P, 8);
  Try("readv vector", SYS_readv, semaphore, P, 1);
  Try("writev vector", SYS_writev, semaphore, P, 1);
  Try("writev vector of 0", SYS_writev, semaphore, P, 0);
  Try("read of 0 bytes", SYS_read, semaphore, P, 0);
  Try("write of 0 bytes", SYS_write, semaphore, P, 0);
  Try("read of a closed fd", SYS_read, 999, P, 8);
  close(semaphore);
}

TEST(pipe_calls) {
  const World w;
  Try("read", SYS_read, w.ends[0], P, 2);
  Try("write", SYS_write, w.ends[1], P, 2);
  Try("read of 0 bytes", SYS_read, w.ends[0], P, 0);
  Try("write of 0 bytes", SYS_write, w.ends[1], P, 0);
  Try("readv vector", SYS_readv, w.ends[0], P, 1);
  Try("writev vector", SYS_writev, w.ends[1], P, 1);
}

TEST(epoll_calls) {
  const World w;
  Try("epoll_ctl add", SYS_epoll_ctl, w.ep, EPOLL_CTL_ADD, w.timer, P);
  Try("epoll_ctl mod", SYS_epoll_ctl, w.ep, EPOLL_CTL_MOD, w.event, P);
  epoll_event e = {EPOLLIN, {}};
  epoll_ctl(w.ep, EPOLL_CTL_MOD, w.event, &e);
  Try("epoll_ctl del", SYS_epoll_ctl, w.ep, EPOLL_CTL_DEL, w.ends[0], P);
  Try("epoll_ctl of a closed epoll", SYS_epoll_ctl, 999, EPOLL_CTL_ADD, w.timer, P);
  Try("epoll_wait", SYS_epoll_wait, w.ep, P, 1, 0);
  Try("epoll_wait maxevents 0", SYS_epoll_wait, w.ep, P, 0, 0);
  Try("epoll_wait of a closed epoll", SYS_epoll_wait, 999, P, 1, 0);
  Try("epoll_pwait mask", SYS_epoll_pwait, w.ep, At(&e), 1, 0, P, 8);
  Try("epoll_pwait2 timeout", SYS_epoll_pwait2, w.ep, At(&e), 1, P, 0, 8);
}

TEST(poll_calls) {
  const timespec zero = {0, 0};
  Try("poll", SYS_poll, P, 1, 0);
  Try("poll of none", SYS_poll, P, 0, 0);
  Try("ppoll fds", SYS_ppoll, P, 1, At(&zero), 0, 8);
  Try("ppoll mask", SYS_ppoll, 0, 0, At(&zero), P, 8);
  long time[2] = {};
  Try("select in", SYS_select, 1, P, 0, 0, At(time));
  Try("select out", SYS_select, 1, 0, P, 0, At(time));
  Try("select except", SYS_select, 1, 0, 0, P, At(time));
  long some_time[2] = {};
  Try("pselect in", SYS_pselect6, 1, P, 0, 0, At(some_time), 0);
  Try("pselect mask", SYS_pselect6, 0, 0, 0, 0, At(some_time), P);
}

TEST(futex_calls) {
  const timespec soon = {0, 1};
  uint32_t word = 0;
  Try("wait word", SYS_futex, P, FUTEX_WAIT_PRIVATE, 1, At(&soon));
  Try("wait shared word", SYS_futex, P, FUTEX_WAIT, 1, At(&soon));
  Try("wait bitset word", SYS_futex, P, FUTEX_WAIT_BITSET_PRIVATE, 1, At(&soon), 0, ~0l);
  Try("wait timeout", SYS_futex, At(&word), FUTEX_WAIT_PRIVATE, 1, P);
  Try("wake word", SYS_futex, P, FUTEX_WAKE_PRIVATE, 1);
  Try("wake shared word", SYS_futex, P, FUTEX_WAKE, 1);
  Try("requeue from", SYS_futex, P, FUTEX_REQUEUE_PRIVATE, 1, 1, At(&word));
  Try("requeue to", SYS_futex, At(&word), FUTEX_REQUEUE_PRIVATE, 1, 1, P);
  Try("cmp_requeue from", SYS_futex, P, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, At(&word), 0);
  Try("cmp_requeue to", SYS_futex, At(&word), FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, P, 0);
  Try("wake_op first", SYS_futex, P, FUTEX_WAKE_OP_PRIVATE, 1, 1, At(&word), 0);
  Try("wake_op second", SYS_futex, At(&word), FUTEX_WAKE_OP_PRIVATE, 1, 1, P, 0);
}

TEST(signal_calls) {
  const unsigned long set = 0;
  const timespec zero = {0, 0};
  Try("sigaction new", SYS_rt_sigaction, 64, P, 0, 8);
  signal(64, SIG_DFL);
  Try("sigaction old", SYS_rt_sigaction, 64, 0, P, 8);
  Try("sigaction new of a bad signal", SYS_rt_sigaction, 65, P, 0, 8);
  Try("sigprocmask old", SYS_rt_sigprocmask, SIG_BLOCK, At(&set), P, 8);
  Try("sigpending", SYS_rt_sigpending, P, 8);
  Try("sigpending of 0 bytes", SYS_rt_sigpending, P, 0);
  Try("sigtimedwait set", SYS_rt_sigtimedwait, P, 0, At(&zero), 8);
  // Without a timeout it waits for ever: let there be signals for it.
  const sigset_t queued = SigSet(SIGRTMIN);
  sigset_t old;
  pthread_sigmask(SIG_BLOCK, &queued, &old);
  for (int i = 0; i < 8; ++i) CHECK_OK(Tgkill(Tid(), SIGRTMIN));
  Try("sigtimedwait timeout", SYS_rt_sigtimedwait, At(&queued), 0, P, 8);
  while (sigtimedwait(&queued, nullptr, &zero) > 0) {
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  Try("sigaltstack old", SYS_sigaltstack, 0, P);
  Try("sigqueueinfo", SYS_rt_sigqueueinfo, getpid(), 0, P);
}

TEST(process_and_thread_calls) {
  void* head;
  size_t size;
  Try("get_robust_list head", SYS_get_robust_list, 0, P, At(&size));
  Try("get_robust_list size", SYS_get_robust_list, 0, At(&head), P);
  Try("wait4 status", SYS_wait4, -1, P, WNOHANG, 0);
  Try("wait4 usage", SYS_wait4, -1, 0, WNOHANG, P);
  Try("waitid", SYS_waitid, P_ALL, 0, P, WEXITED | WNOHANG, 0);
  Try("execve path", SYS_execve, P, 0, 0);
  Try("execve argv", SYS_execve, At("/nonexistent"), P, 0);
  Try("arch_prctl get fs", SYS_arch_prctl, 0x1003, P);
  Try("getcpu", SYS_getcpu, P, 0, 0);
  Try("uname", SYS_uname, P);
  Try("getrlimit", SYS_getrlimit, RLIMIT_NOFILE, P);
  Try("prlimit64 old", SYS_prlimit64, 0, RLIMIT_NOFILE, 0, P);
  Try("getrusage", SYS_getrusage, RUSAGE_SELF, P);
  Try("sysinfo", SYS_sysinfo, P);
  Try("getrandom", SYS_getrandom, P, 16, 0);
  Try("prctl get name", SYS_prctl, 16, P);
  Try("sched_getaffinity", SYS_sched_getaffinity, 0, 128, P);
}

TEST(file_calls) {
  const World w;
  Try("pipe2", SYS_pipe2, P, 0);
  Try("openat", SYS_openat, AT_FDCWD, P, O_RDONLY, 0);
  Try("readlink path", SYS_readlink, P, At(&w), 8);
  static char name[64];
  snprintf(name, sizeof name, "/proc/self/exe");
  Try("readlink buffer", SYS_readlink, At(name), P, 8);
  Try("fstat of an eventfd", SYS_fstat, w.event, P);
  Try("fcntl F_GETLK of an eventfd", SYS_fcntl, w.event, F_GETLK, P);
  Try("ioctl FIONBIO of an eventfd", SYS_ioctl, w.event, 0x5421, P);
  Try("getcwd", SYS_getcwd, P, 100);
}

TEST(vectors_with_bad_parts) {
  const World w;
  char good[8] = {1};
  for (const BadPointer& bad : kBadPointers) {
    iovec first[2] = {{reinterpret_cast<void*>(bad.value), 8}, {good, 8}};
    iovec second[2] = {{good, 8}, {reinterpret_cast<void*>(bad.value), 8}};
    iovec empty[1] = {{reinterpret_cast<void*>(bad.value), 0}};
    const char* a = Res(writev(w.event, first, 2));
    const char* b = Res(writev(w.event, second, 2));
    const char* c = Res(writev(w.event, empty, 1));
    const char* d = Res(readv(w.event, first, 2));
    RECORD("%s: eventfd writev first %s, second %s, empty %s, readv first %s", bad.name, a, b, c,
           d);
    const char* e = Res(writev(w.ends[1], first, 2));
    const char* f = Res(writev(w.ends[1], second, 2));
    const char* g = Res(writev(w.ends[1], empty, 1));
    RECORD("%s: pipe writev first %s, second %s, empty %s", bad.name, e, f, g);
  }
}

TEST(nothing_is_lost_after_all_of_it) {
  const int e = eventfd(0, 0);
  Thread t([&] {
    SleepMs(5);
    const uint64_t one = 1;
    CHECK_EQ(write(e, &one, 8), 8);
  });
  uint64_t value = 0;
  CHECK_EQ(read(e, &value, 8), 8);
  close(e);
}
