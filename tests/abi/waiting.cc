// Clauses of epoll(7), select(2), membarrier(2) and of host files in epoll that the other guests leave out.
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include "fds.h"
using namespace abi;

TEST(busy_poll_parameters_of_an_epoll) {
  struct {
    uint32_t usecs;
    uint16_t budget;
    uint8_t prefer, pad;
  } params = {64, 16, 0, 0};
  EpollFd ep;
  EventFd e;
  RECORD("set %s", Res(ioctl(ep, _IOW(0x8A, 1, params), &params)));
  params = {};
  RECORD("get %s", Res(ioctl(ep, _IOR(0x8A, 2, params), &params)));
  RECORD("%u %u %u", params.usecs, params.budget, params.prefer);
  params.pad = 1;
  RECORD("pad %s", Res(ioctl(ep, _IOW(0x8A, 1, params), &params)));
  params = {0x80000000u, 1, 0, 0};
  RECORD("usecs %s", Res(ioctl(ep, _IOW(0x8A, 1, params), &params)));
  params = {1, 1, 2, 0};
  RECORD("prefer %s", Res(ioctl(ep, _IOW(0x8A, 1, params), &params)));
  RECORD("wild %s, other %s, eventfd %s", Res(ioctl(ep, _IOW(0x8A, 1, params), Wild())),
         Res(ioctl(ep, 0x5401, &params)), Res(ioctl(e, _IOW(0x8A, 1, params), &params)));
}

TEST(pwait2_takes_nanoseconds) {
  EpollFd ep;
  epoll_event event;
  for (long ns : {0L, 1L, 300'000L, 2'500'000L}) {
    const timespec span = FromNs(ns);
    const int64_t start = Now();
    CHECK_EQ(syscall(SYS_epoll_pwait2, (int)ep, &event, 1, &span, nullptr, 8), 0);
    CHECK_GE(Now() - start, ns);
    CHECK(Now() - start < 5'000 * kMs);
  }
  const timespec bad[] = {{-1, 0}, {0, -1}, {0, 1000000000}};
  for (const auto& b : bad)
    CHECK_ERRNO(syscall(SYS_epoll_pwait2, (int)ep, &event, 1, &b, nullptr, 8), EINVAL);
}

TEST(round_robin_under_small_maxevents_with_host_members) {
  EventFd a(1), b(1);
  int p[2];
  CHECK_OK(pipe(p));
  CHECK_EQ(write(p[1], "x", 1), 1);
  EpollFd ep;
  CHECK_OK(ep.Add(a, EPOLLIN, 0));
  CHECK_OK(ep.Add(p[0], EPOLLIN, 1));
  CHECK_OK(ep.Add(b, EPOLLIN, 2));
  int seen[3] = {};
  for (int i = 0; i < 30; ++i) {
    const long which = ep.First();
    if (which >= 0) ++seen[which];
  }
  RECORD("%d %d %d", seen[0], seen[1], seen[2]);
  close(p[0]);
  close(p[1]);
}

TEST(inotify_and_pidfd_in_epoll) {
  char dir[] = "/tmp/abi-inotify-XXXXXX";
  CHECK(mkdtemp(dir) != nullptr);
  OwnFd in(inotify_init1(IN_NONBLOCK));
  CHECK_OK(inotify_add_watch(in, dir, IN_CREATE));
  const pid_t pid = Spawn([] {
    SleepMs(10);
    return 0;
  });
  OwnFd pfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  EpollFd ep;
  CHECK_OK(ep.Add(in, EPOLLIN, 1));
  CHECK_OK(ep.Add(pfd, EPOLLIN, 2));
  char path[64];
  snprintf(path, sizeof path, "%s/f", dir);
  close(open(path, O_CREAT | O_WRONLY, 0600));
  CHECK_EQ(ep.First(5000), 1);
  char buffer[512];
  CHECK(read(in, buffer, sizeof buffer) > 0);
  CHECK_EQ(ep.First(10000), 2);
  CHECK_EQ(WaitFor(pid), 0);
  unlink(path);
  rmdir(dir);
}

TEST(thousands_of_members) {
  const int n = 900;  // below the usual limit of open files
  EpollFd ep;
  EventFd last;
  for (int i = 0; i < n; ++i) {
    const int fd = eventfd(0, EFD_NONBLOCK);
    REQUIRE(fd >= 0);
    CHECK_OK(ep.Add(fd, EPOLLIN, i));
  }
  CHECK_OK(ep.Add(last, EPOLLIN, n));
  CHECK_EQ(last.Write(1), 8);
  CHECK_EQ(ep.First(), n);
  closefrom(3);
}

TEST(loopback_sockets_between_threads) {
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK_OK(bind(server, (sockaddr*)&at, sizeof at));
  CHECK_OK(listen(server, 4));
  socklen_t size = sizeof at;
  getsockname(server, (sockaddr*)&at, &size);
  long sum = 0;
  {
    Thread accepter([&] {
      const int c = accept(server, nullptr, nullptr);
      char buffer[4096];
      for (ssize_t n; (n = read(c, buffer, sizeof buffer)) > 0;) sum += n;
      close(c);
    });
    Thread client([&] {
      const int c = socket(AF_INET, SOCK_STREAM, 0);
      CHECK_OK(connect(c, (sockaddr*)&at, sizeof at));
      static char data[1 << 20];
      for (size_t done = 0; done < sizeof data;) {
        const ssize_t n = write(c, data + done, sizeof data - done);
        if (n <= 0) break;
        done += n;
      }
      close(c);
    });
  }
  CHECK_EQ(sum, 1 << 20);
  close(server);
}

TEST(rdhup_and_hup_of_tcp) {
  int pair[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  EpollFd ep;
  CHECK_OK(ep.Add(pair[0], EPOLLIN | EPOLLRDHUP | EPOLLOUT, 1));
  RECORD("%s", ep.Text());
  shutdown(pair[1], SHUT_WR);
  RECORD("%s", ep.Text());
  close(pair[1]);
  RECORD("%s", ep.Text());
  close(pair[0]);
}

TEST(select_writes_back_what_is_left) {
  EventFd e;
  fd_set set;
  FD_ZERO(&set);
  FD_SET((int)e, &set);
  timeval t = {0, 20000};
  CHECK_EQ(syscall(SYS_select, e + 1, &set, nullptr, nullptr, &t), 0);
  RECORD("%ld %ld %d", t.tv_sec, t.tv_usec, FD_ISSET((int)e, &set) != 0);
  CHECK_EQ(e.Write(1), 8);
  FD_SET((int)e, &set);
  t = {1000, 0};
  CHECK_EQ(syscall(SYS_select, e + 1, &set, nullptr, nullptr, &t), 1);
  CHECK(t.tv_sec == 999 || t.tv_sec == 1000);
}

TEST(membarrier_commands) {
  RECORD("query %#lx", syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) & 0x3ff);
  RECORD("expedited unregistered %s",
         Res(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0)));
  for (int cmd : Ints{MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, MEMBARRIER_CMD_PRIVATE_EXPEDITED,
                      MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, MEMBARRIER_CMD_GLOBAL_EXPEDITED,
                      MEMBARRIER_CMD_GLOBAL, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
                      MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
                      MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
                      MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 1 << 20, -1})
    RECORD("%#x: %s, flags 1 %s", cmd, Res(syscall(SYS_membarrier, cmd, 0, 0)),
           Res(syscall(SYS_membarrier, cmd, 1, 0)));
}

TEST(mask_of_epoll_pwait_is_atomic_with_waiting) {
  Handler handler(SIGUSR1, CountSignal);
  const sigset_t usr1 = SigSet(SIGUSR1), none = SigSet();
  EpollFd ep;
  EventFd e;
  CHECK_OK(ep.Add(e, EPOLLIN));
  sigset_t old;
  int interrupted = 0;
  pthread_sigmask(SIG_BLOCK, &usr1, &old);
  {
    Thread waiter([&] {
      epoll_event event;
      for (int i = 0; i < 50; ++i) {
        if (epoll_pwait(ep, &event, 1, -1, &none) == -1 && errno == EINTR) Increment(interrupted);
      }
    });
    for (int i = 0; i < 50; ++i) {
      CHECK_OK(Tgkill(waiter.tid(), SIGUSR1));
      CHECK(Eventually([&] { return Load(interrupted) == i + 1; }));
    }
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  CHECK_EQ(interrupted, 50);
}

TEST(many_readers_and_writers_of_an_eventfd) {
  EventFd e(0, 0);
  long sum = 0;
  int stop = 0;
  {
    Thread reader([&] {
      while (!Load(stop)) {
        const long n = e.Read();
        __atomic_add_fetch(&sum, n, __ATOMIC_SEQ_CST);
      }
    });
    {
      const auto write = [&] {
        for (int i = 1; i <= 100; ++i) CHECK_EQ(e.Write(i), 8);
      };
      Thread a(write), b(write), c(write);
    }
    CHECK(Eventually([&] { return __atomic_load_n(&sum, __ATOMIC_SEQ_CST) == 3 * 5050; }));
    Store(stop, 1);
    e.Write(1);
  }
}

namespace {

// Two pages, of which only the first can be used.
class Edge {
 public:
  Edge()
      : base_(static_cast<char*>(
            mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    mprotect(base_ + 4096, 4096, PROT_NONE);
  }
  ~Edge() { munmap(base_, 8192); }
  /// Room for `count` events and a bit.
  epoll_event* RoomFor(size_t count) const {
    return reinterpret_cast<epoll_event*>(base_ + 4096 - count * sizeof(epoll_event) - 4);
  }

 private:
  char* base_;
};

// Three members that are ready: eventfds, or pipes.
class ThreeReady {
 public:
  ThreeReady(bool pipes, uint32_t events) {
    for (int i = 0; i < 3; ++i) {
      int pair[2] = {eventfd(1, EFD_NONBLOCK), -1};
      if (pipes) {
        close(pair[0]);
        CHECK_OK(pipe2(pair, O_NONBLOCK));
        CHECK_EQ(write(pair[1], "x", 1), 1);
      }
      fds_[2 * i] = pair[0];
      fds_[2 * i + 1] = pair[1];
      CHECK_OK(ep.Add(pair[0], EPOLLIN | events, i + 1));
    }
  }
  ~ThreeReady() {
    for (int fd : fds_) {
      if (fd >= 0) close(fd);
    }
  }
  EpollFd ep;

 private:
  int fds_[6];
};

}  // namespace

TEST(events_that_cannot_be_written_stay_ready) {
  Edge edge;
  for (bool pipes : {false, true}) {
    for (uint32_t events :
         {0u, static_cast<uint32_t>(EPOLLET), static_cast<uint32_t>(EPOLLONESHOT)}) {
      for (size_t room : {size_t{0}, size_t{1}, size_t{2}}) {
        ThreeReady three(pipes, events);
        const long got = epoll_wait(three.ep, edge.RoomFor(room), 3, 0);
        RECORD("%s %#x room %zu: %s", pipes ? "pipes" : "eventfds", events, room, Res(got));
        RECORD("then %s", three.ep.Text());
        RECORD("then %s", three.ep.Text());
      }
    }
  }
}

TEST(wait_for_more_than_there_is) {
  ThreeReady three(true, 0);
  static epoll_event events[100000];
  CHECK_EQ(epoll_wait(three.ep, events, 100000, 0), 3);
}

TEST(eventfds_up_to_the_limit_on_fds) {
  rlimit old = {};
  getrlimit(RLIMIT_NOFILE, &old);
  const int first = dup(0);
  close(first);
  const rlimit few = {static_cast<rlim_t>(first) + 300, old.rlim_max};
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &few));
  static int fds[300];
  int made = 0;
  while (made < 300 && (fds[made] = eventfd(0, 0)) >= 0) ++made;
  CHECK_EQ(made, 300);
  CHECK_ERRNO(eventfd(0, 0), EMFILE);
  CHECK_ERRNO(epoll_create1(0), EMFILE);
  for (int fd : fds) close(fd);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &old));
}

TEST(interrupted_poll_writes_revents_and_interrupted_select_leaves_its_sets) {
  Handler handler(SIGUSR1, &CountSignal);
  EventFd e;
  Thread poller([&] {
    pollfd p = {e, POLLIN, 0x5555};
    CHECK_ERRNO(poll(&p, 1, -1), EINTR);
    RECORD("revents %#x", p.revents);
  });
  poller.AwaitBlocked(SYS_poll);
  Tgkill(poller.tid(), SIGUSR1);
  poller.Join();
  Thread selector([&] {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(e, &set);
    CHECK_ERRNO(select(e + 1, &set, nullptr, nullptr, nullptr), EINTR);
    CHECK(FD_ISSET(e, &set));
  });
  // glibc's select() is pselect6.
  selector.AwaitBlocked(SYS_pselect6);
  Tgkill(selector.tid(), SIGUSR1);
}

// A child's table is as small as what is open allows.
TEST(select_overlooks_what_is_beyond_the_table) {
  const int status = ChildStatus([] {
    fd_set set;
    timeval zero = {};
    FD_ZERO(&set);
    FD_SET(999, &set);
    CHECK_EQ(select(1000, &set, nullptr, nullptr, &zero), 0);
    CHECK(FD_ISSET(999, &set));
    return 0;
  });
  CHECK_EQ(status, 0);
}
