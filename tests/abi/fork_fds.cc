// Descriptors made before a fork and used by both sides: eventfd, timerfd, epoll, signalfd; the same over
// execve and over a socket.
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "fds.h"

using namespace abi;

namespace {

// A child that runs `body` once the parent says go; the parent sees it end.
template <typename F>
class Child {
 public:
  explicit Child(F body) {
    CHECK_OK(pipe(pipe_));
    pid_ = Spawn([&] {
      char c;
      if (read(pipe_[0], &c, 1) != 1) return 99;
      return body();
    });
  }
  ~Child() {
    End();
    close(pipe_[0]);
    close(pipe_[1]);
  }
  void Go() { CHECK_EQ(write(pipe_[1], "g", 1), 1); }
  // Its exit code.
  int End() {
    if (pid_ > 0) status_ = WaitFor(pid_);
    pid_ = 0;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }
  int Run() {
    Go();
    return End();
  }

 private:
  int pipe_[2];
  pid_t pid_;
  int status_ = -1;
};

}  // namespace

extern "C" int AbiChildMain(int argc, char** argv) {
  if (argc < 3) return 98;
  const int fd = atoi(argv[2]);
  if (strcmp(argv[1], "--child-read") == 0) {
    uint64_t value = 0;
    return read(fd, &value, 8) == 8 ? static_cast<int>(value) : 97;
  }
  epoll_event event;
  if (strcmp(argv[1], "--child-epoll") == 0) {
    return epoll_wait(fd, &event, 1, 10'000) == 1 ? static_cast<int>(event.data.u64) : 97;
  }
  return 99;
}

static int ExecSelf(const char* how, int fd) {
  char number[16], mode[32], self[] = "/proc/self/exe";
  snprintf(number, sizeof number, "%d", fd);
  snprintf(mode, sizeof mode, "%s", how);
  char* argv[] = {self, mode, number, nullptr};
  execv(self, argv);
  return 96;
}

TEST(eventfd_written_by_the_child_wakes_the_parent_s_epoll) {
  EventFd e;
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN, 7));
  Child child([&] { return e.Write(3) == 8 ? 0 : 1; });
  CHECK_EQ(ep.Count(), 0);
  child.Go();
  CHECK_EQ(ep.First(10'000), 7);
  CHECK_EQ(e.Read(), 3);
  CHECK_EQ(ep.Count(), 0);
  CHECK_EQ(child.End(), 0);
}

TEST(eventfd_read_by_the_child_is_empty_for_the_parent) {
  EventFd e(5);
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN));
  CHECK_EQ(ep.Count(), 1);
  Child child([&] { return static_cast<int>(e.Read()); });
  CHECK_EQ(child.Run(), 5);
  CHECK_EQ(ep.Count(), 0);
  CHECK_ERRNO(e.Read(), EAGAIN);
}

TEST(eventfd_that_another_thread_reads_during_the_fork) {
  EventFd e(0, 0);
  long got = 0;
  Thread reader([&] { got = e.Read(); });
  reader.AwaitBlocked(SYS_read);
  Child child([&] { return e.Write(9) == 8 ? 0 : 1; });
  CHECK_EQ(child.Run(), 0);
  reader.Join();
  CHECK_EQ(got, 9);
}

TEST(eventfd_that_another_thread_polls_during_the_fork) {
  EventFd e;
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN));
  bool polled = false;
  int counted = 0;
  Thread poller([&] { polled = e.Readable(-1); });
  poller.AwaitBlocked(SYS_poll);
  Thread waiter([&] { counted = ep.Count(-1); });
  waiter.AwaitBlocked(SYS_epoll_wait);
  Child child([&] { return e.Write(1) == 8 ? 0 : 1; });
  CHECK_EQ(child.Run(), 0);
  poller.Join();
  waiter.Join();
  CHECK(polled && counted == 1);
}

TEST(edge_and_oneshot_members_keep_their_rules_over_a_fork) {
  EventFd edge, once;
  EpollFd ep;
  CHECK_OK(ep.Add(edge, EPOLLIN | EPOLLET, 1));
  CHECK_OK(ep.Add(once, EPOLLIN | EPOLLONESHOT, 2));
  Child child([&] {
    CHECK_EQ(edge.Write(1), 8);
    CHECK_EQ(once.Write(1), 8);
    return 0;
  });
  CHECK_EQ(child.Run(), 0);
  CHECK_EQ(ep.Count(), 2);
  CHECK_EQ(ep.Count(), 0);
  CHECK_EQ(edge.Write(1), 8);
  CHECK_EQ(ep.First(), 1);
  CHECK_OK(ep.Mod(once, EPOLLIN | EPOLLONESHOT, 3));
  CHECK_EQ(ep.First(), 3);
  CHECK_OK(ep.Del(once));
  CHECK_ERRNO(ep.Del(once), ENOENT);
  CHECK_OK(ep.Del(edge));
}

TEST(child_waits_in_the_parent_s_epoll) {
  EventFd e;
  int p[2];
  CHECK_OK(pipe(p));
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN, 4));
  CHECK_OK(ep.Add(p[0], EPOLLIN, 5));
  Child child([&] {
    const long first = ep.First(10'000);
    CHECK_EQ(e.Read(), 1);
    return static_cast<int>(first);
  });
  child.Go();
  CHECK_EQ(e.Write(1), 8);
  CHECK_EQ(child.End(), 4);
  CHECK_EQ(ep.Count(), 0);
  CHECK_EQ(write(p[1], "x", 1), 1);
  CHECK_EQ(ep.First(), 5);
  close(p[0]);
  close(p[1]);
}

TEST(forked_twice) {
  EventFd e;
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN, 6));
  Child child([&] { return WEXITSTATUS(ChildStatus([&] { return e.Write(2) == 8 ? 0 : 1; })); });
  CHECK_EQ(child.Run(), 0);
  CHECK_EQ(ep.First(10'000), 6);
  CHECK_EQ(e.Read(), 2);
}

// The commonest of all: the parent goes away and the child carries on with what it had (daemon(3)).
TEST(child_goes_on_with_the_parent_s_timer) {
  TimerFd t;
  EpollFd ep;
  CHECK_OK(ep.Add(t, EPOLLIN, 8));
  CHECK_OK(t.Set(20 * kMs, 20 * kMs));
  Child child([&] {
    int ticks = 0;
    while (ticks < 3 && ep.First(10'000) == 8) ticks += static_cast<int>(t.Read());
    CHECK_OK(t.Set(0));
    CHECK_EQ(ep.Count(40), 0);
    CHECK_OK(t.Set(kMs));
    CHECK_EQ(ep.First(10'000), 8);
    return 50;
  });
  CHECK_EQ(child.Run(), 50);
}

TEST(timer_keeps_its_unread_ticks_and_its_grid_over_a_fork) {
  TimerFd t;
  const int64_t start = Now() - 45'000 * kMs;
  CHECK_OK(t.Set(start, 10'000 * kMs, TFD_TIMER_ABSTIME));  // 0, 10, 20, 30, 40 s have gone by
  CHECK(t.Readable(1'000));
  Child child([&] {
    CHECK(t.Readable());
    const long ticks = t.Read();
    const int64_t left = t.Remaining();
    CHECK(left > 0 && left <= 5'000 * kMs);
    return static_cast<int>(ticks);
  });
  CHECK_EQ(child.Run(), 5);
}

TEST(disarmed_and_expired_timers_stay_so_over_a_fork) {
  TimerFd idle, expired, read_out;
  CHECK_OK(expired.Set(1));
  CHECK_OK(read_out.Set(1));
  CHECK(expired.Readable(1'000) && read_out.Readable(1'000));
  CHECK_EQ(read_out.Read(), 1);
  Child child([&] {
    CHECK(!idle.Readable() && !read_out.Readable());
    CHECK_EQ(idle.Remaining(), 0);
    CHECK_EQ(read_out.Remaining(), 0);
    return static_cast<int>(expired.Read());
  });
  CHECK_EQ(child.Run(), 1);
}

TEST(parent_s_timer_goes_on_while_it_has_children) {
  TimerFd t(CLOCK_MONOTONIC, 0);
  CHECK_OK(t.Set(5 * kMs, 5 * kMs));
  for (int i = 0; i < 3; ++i) {
    Child child([] { return 0; });
    CHECK_GE(t.Read(), 1);
    CHECK_EQ(child.Run(), 0);
  }
}

TEST(child_reads_its_own_signals_from_the_parent_s_signalfd) {
  const sigset_t usr1 = SigSet(SIGUSR1);
  sigset_t old;
  sigprocmask(SIG_BLOCK, &usr1, &old);
  OwnFd s(signalfd(-1, &usr1, SFD_NONBLOCK));
  EpollFd ep;
  CHECK_OK(ep.Add(s, EPOLLIN, 3));
  Child child([&] {
    signalfd_siginfo info;
    CHECK_ERRNO(read(s, &info, sizeof info), EAGAIN);
    raise(SIGUSR1);
    CHECK_EQ(read(s, &info, sizeof info), static_cast<long>(sizeof info));
    return static_cast<int>(info.ssi_signo);
  });
  CHECK_EQ(child.Run(), SIGUSR1);
  signalfd_siginfo info;
  CHECK_ERRNO(read(s, &info, sizeof info), EAGAIN);
  raise(SIGUSR1);
  CHECK_EQ(ep.First(1'000), 3);
  CHECK_EQ(read(s, &info, sizeof info), static_cast<long>(sizeof info));
  sigprocmask(SIG_SETMASK, &old, nullptr);
}

TEST(eventfd_over_execve) {
  EventFd e(6);
  const int status = ChildStatus([&] { return ExecSelf("--child-read", e); });
  RECORD("%s", StatusText(status));
  CHECK_ERRNO(e.Read(), EAGAIN);
}

TEST(epoll_over_execve) {
  EventFd e;
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN, 11));
  const pid_t pid = Spawn([&] { return ExecSelf("--child-epoll", ep); });
  CHECK_EQ(e.Write(1), 8);
  RECORD("%s", StatusText(WaitFor(pid)));
}

static int Pass(int socket, int fd) {
  char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {};
  iovec part = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return static_cast<int>(sendmsg(socket, &message, 0));
}
static int Take(int socket) {
  char byte, control[CMSG_SPACE(sizeof(int))] = {};
  iovec part = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, 0) != 1 || message.msg_controllen == 0) return -1;
  int fd = -1;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

TEST(eventfd_and_epoll_over_a_socket) {
  int pair[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  EventFd e;
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN, 12));
  CHECK_EQ(Pass(pair[0], e), 1);
  CHECK_EQ(Pass(pair[0], ep), 1);
  OwnFd other_e(Take(pair[1])), other_ep(Take(pair[1]));
  uint64_t one = 1;
  CHECK_EQ(write(other_e, &one, 8), 8);
  CHECK_EQ(ep.First(), 12);
  epoll_event event;
  CHECK_EQ(epoll_wait(other_ep, &event, 1, 1'000), 1);
  CHECK_EQ(event.data.u64, 12);
  CHECK_EQ(e.Read(), 1);
  CHECK_EQ(epoll_wait(other_ep, &event, 1, 0), 0);
  close(pair[0]);
  close(pair[1]);
}

TEST(posix_spawn_like_children_leave_the_parent_s_objects_alone) {
  EventFd e(0, EFD_NONBLOCK | EFD_CLOEXEC);
  TimerFd t(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  EpollFd ep(EPOLL_CLOEXEC);
  CHECK_OK(ep.Add(e, EPOLLIN, 1));
  CHECK_OK(ep.Add(t, EPOLLIN, 2));
  CHECK_EQ(e.Write(1), 8);
  RECORD("%s", StatusText(system("exit 4")));
  CHECK_EQ(ep.First(), 1);
  CHECK_EQ(e.Read(), 1);
  CHECK_OK(t.Set(kMs));
  CHECK_EQ(ep.First(1'000), 2);
}
