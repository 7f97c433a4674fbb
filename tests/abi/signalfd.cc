// signalfd4(2): what is read, by whom, when it is news; on its own, in poll and in epoll.
#include <sys/signalfd.h>

#include "fds.h"

using namespace abi;

namespace {

struct SignalFd : OwnFd {
  explicit SignalFd(const sigset_t& set, int flags = SFD_NONBLOCK)
      : OwnFd(signalfd(-1, &set, flags)) {}
  int Mask(const sigset_t& set) const { return signalfd(*this, &set, 0); }
};

// Blocks all signals; what is pending at the end is dropped.
class Blocked {
 public:
  Blocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old_);
  }
  ~Blocked() {
    sigset_t all;
    sigfillset(&all);
    const timespec zero = {0, 0};
    while (sigtimedwait(&all, nullptr, &zero) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &old_, nullptr);
  }

 private:
  sigset_t old_;
};

// The signals read at once, in order; or the error.
const char* Taken(int fd, size_t room = 8) {
  static thread_local char text[128];
  signalfd_siginfo records[8];
  const ssize_t n = read(fd, records, room * sizeof records[0]);
  if (n < 0) return ErrnoName(errno);
  text[0] = 0;
  for (size_t i = 0; i < n / sizeof records[0]; ++i) {
    const size_t length = strlen(text);
    snprintf(text + length, sizeof text - length, " %u(code %d int %d)", records[i].ssi_signo,
             records[i].ssi_code, records[i].ssi_code == SI_QUEUE ? records[i].ssi_int : 0);
  }
  return text;
}

long Raw(int fd, const void* set, size_t size, int flags) {
  return syscall(SYS_signalfd4, fd, set, size, flags);
}

}  // namespace

TEST(errors_and_their_order) {
  const sigset_t set = SigSet(SIGUSR1);
  EventFd other;
  for (int fd : Ints{-1, -2, 9999, static_cast<int>(other)}) {
    for (const void* at : {static_cast<const void*>(&set), static_cast<const void*>(Wild())}) {
      for (size_t size : {size_t{8}, size_t{4}}) {
        for (int flags : Ints{0, 1}) {
          const long got = Raw(fd, at, size, flags);
          RECORD("%s %s size %zu flags %d: %s",
                 fd == -1   ? "new"
                 : fd == -2 ? "-2"
                            : "no signalfd",
                 at == &set ? "set" : "wild", size, flags, got > 0 ? "made" : Res(got));
          if (got > 0) close(static_cast<int>(got));
        }
      }
    }
  }
}

TEST(flags_and_the_number_are_kept) {
  SignalFd fd(SigSet(SIGUSR1), SFD_NONBLOCK | SFD_CLOEXEC);
  CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  const sigset_t other = SigSet(SIGUSR2);
  CHECK_EQ(signalfd(fd, &other, 0), static_cast<int>(fd));
  CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);  // as it was made
}

TEST(pending_signals_are_read_lowest_first) {
  Blocked blocked;
  SignalFd fd(SigSet(SIGUSR2, SIGUSR1));
  CHECK_ERRNO(read(fd, nullptr, 0), EINVAL);
  CHECK(strcmp(Taken(fd), "EAGAIN") == 0);
  union sigval value = {};
  value.sival_int = 7;
  sigqueue(getpid(), SIGUSR2, value);
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGHUP);  // not asked for
  RECORD("%s", Taken(fd));
  CHECK(strcmp(Taken(fd), "EAGAIN") == 0);
  sigset_t pending;
  sigpending(&pending);
  CHECK_EQ(sigismember(&pending, SIGUSR1), 0);
  CHECK_EQ(sigismember(&pending, SIGHUP), 1);
}

TEST(realtime_signals_are_queued_and_reads_stop_at_the_room) {
  Blocked blocked;
  SignalFd fd(SigSet(SIGRTMIN, SIGRTMIN + 1));
  for (int i = 0; i < 3; ++i) {
    union sigval value = {};
    value.sival_int = i;
    sigqueue(getpid(), SIGRTMIN + 1, value);
    sigqueue(getpid(), SIGRTMIN, value);
  }
  RECORD("%s", Taken(fd, 2));
  RECORD("%s", Taken(fd, 2));
  RECORD("%s", Taken(fd, 8));
  char small[sizeof(signalfd_siginfo) - 1];
  CHECK_ERRNO(read(fd, small, sizeof small), EINVAL);
}

TEST(a_thread_reads_its_own_and_the_process_s) {
  Blocked blocked;
  SignalFd fd(SigSet(SIGUSR1, SIGUSR2));
  Tgkill(Tid(), SIGUSR1);
  kill(getpid(), SIGUSR2);
  Thread other([&] {
    CHECK(fd.Readable());
    RECORD("the other:%s", Taken(fd));
    CHECK(!fd.Readable());  // what is the first one's alone
  });
  other.Join();
  CHECK(fd.Readable());
  RECORD("the first:%s", Taken(fd));
}

TEST(kill_and_stop_cannot_be_asked_for) {
  Blocked blocked;
  SignalFd fd(SigSet(SIGKILL, SIGSTOP));
  CHECK(!fd.Readable());
  CHECK(strcmp(Taken(fd), "EAGAIN") == 0);
}

TEST(blocked_reader_is_woken) {
  Blocked blocked;
  SignalFd fd(SigSet(SIGUSR1), 0);
  Thread reader([&] { CHECK(strcmp(Taken(fd), " 10(code 0 int 0)") == 0); });
  reader.AwaitBlocked(SYS_read);
  kill(getpid(), SIGUSR2);  // not for it: it goes on waiting
  SleepMs(5);
  kill(getpid(), SIGUSR1);
}

TEST(blocked_reader_is_woken_by_a_new_mask) {
  Blocked blocked;
  SignalFd fd(SigSet(SIGUSR1), 0);
  kill(getpid(), SIGUSR2);
  Thread reader([&] { CHECK(strcmp(Taken(fd), " 12(code 0 int 0)") == 0); });
  reader.AwaitBlocked(SYS_read);
  CHECK_EQ(fd.Mask(SigSet(SIGUSR2)), static_cast<int>(fd));
}

TEST(blocked_poll_and_epoll_wait_are_woken) {
  Blocked blocked;
  SignalFd fd(SigSet(SIGUSR1));
  EpollFd ep;
  ep.Add(fd, EPOLLIN, 5);
  {
    Thread poller([&] { CHECK(fd.Readable(10'000)); });
    Thread waiter([&] { CHECK_EQ(ep.First(10'000), 5); });
    poller.AwaitBlocked(SYS_poll);
    waiter.AwaitBlocked(SYS_epoll_wait);
    kill(getpid(), SIGUSR1);
  }
  RECORD("%s", ep.Text());
}

TEST(each_signal_is_an_edge) {
  Blocked blocked;
  SignalFd fd(SigSet(SIGUSR1, SIGRTMIN));
  EpollFd ep;
  ep.Add(fd, EPOLLIN | EPOLLET, 1);
  kill(getpid(), SIGUSR1);
  RECORD("first %s", ep.Text());
  RECORD("again %s", ep.Text());
  kill(getpid(), SIGUSR2);
  RECORD("another signal, not asked for: %s", ep.Text());
  kill(getpid(), SIGRTMIN);
  RECORD("one more %s", ep.Text());
}

TEST(a_new_mask_of_one_is_news_to_all) {
  Blocked blocked;
  SignalFd first(SigSet(SIGUSR1)), second(SigSet(SIGUSR2));
  EpollFd ep;
  ep.Add(first, EPOLLIN | EPOLLET, 1);
  kill(getpid(), SIGUSR1);
  RECORD("%s", ep.Text());
  CHECK_OK(second.Mask(SigSet(SIGHUP)));
  RECORD("after the other's mask changed: %s", ep.Text());
  RECORD("%s", ep.Text());
}

TEST(news_of_a_signalfd_pass_through_an_instance) {
  Blocked blocked;
  SignalFd fd(SigSet(SIGUSR1));
  EventFd ready(1);
  EpollFd inner, outer;
  inner.Add(ready, EPOLLIN, 1);
  inner.Add(fd, EPOLLIN, 2);
  outer.Add(inner, EPOLLIN | EPOLLET, 3);
  RECORD("%s", outer.Text());
  RECORD("%s", outer.Text());
  kill(getpid(), SIGUSR2);
  RECORD("a signal that was not asked for: %s", outer.Text());
  CHECK_OK(fd.Mask(SigSet(SIGHUP)));
  RECORD("a new mask: %s", outer.Text());
  RECORD("%s", outer.Text());
}

TEST(members_hear_of_a_signal_latest_first) {
  Blocked blocked;
  SignalFd a(SigSet(SIGUSR1)), b(SigSet(SIGUSR1)), c(SigSet(SIGUSR1));
  EpollFd ep;
  ep.Add(b, EPOLLIN, 2);
  ep.Add(a, EPOLLIN, 1);
  ep.Add(c, EPOLLIN, 3);
  kill(getpid(), SIGUSR1);
  RECORD("%s", ep.Text());
}

TEST(exclusive_members_hear_one_at_a_time) {
  Blocked blocked;
  SignalFd fd(SigSet(SIGUSR1));
  EpollFd first, second;
  first.Add(fd, EPOLLIN | EPOLLEXCLUSIVE, 1);
  second.Add(fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, 2);
  kill(getpid(), SIGUSR1);
  RECORD("first %s", first.Text());
  RECORD("second %s", second.Text());
}

TEST(record_of_a_child_and_of_a_timer) {
  Blocked blocked;
  SignalFd fd(SigSet(SIGCHLD, SIGRTMIN), 0);
  const pid_t pid = Spawn([] { return 3; });
  signalfd_siginfo record = {};
  CHECK_EQ(read(fd, &record, sizeof record), static_cast<long>(sizeof record));
  CHECK_EQ(record.ssi_pid, pid);
  RECORD("signal %u code %d status %d", record.ssi_signo, record.ssi_code, record.ssi_status);
  WaitFor(pid);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;
  event.sigev_value.sival_int = 11;
  timer_t timer;
  CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  const itimerspec once = {{0, 0}, {0, 1000000}};
  CHECK_EQ(timer_settime(timer, 0, &once, nullptr), 0);
  CHECK_EQ(read(fd, &record, sizeof record), static_cast<long>(sizeof record));
  CHECK_EQ(record.ssi_signo, SIGRTMIN);
  RECORD("code %d int %d overrun %u", record.ssi_code, record.ssi_int, record.ssi_overrun);
  timer_delete(timer);
}
