// File descriptors: dup(2), fcntl(2), close_range(2), ioctl(2), fstat(2), lseek(2) over eventfd,
// timerfd, epoll, pipe.
#include <linux/close_range.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "abi_test.h"

using namespace abi;

namespace {

struct Fds {
  Fds() {
    CHECK_OK(pipe(pipe_ends));
    fds[0] = {"eventfd", eventfd(3, EFD_NONBLOCK)};
    fds[1] = {"timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)};
    fds[2] = {"epoll", epoll_create1(0)};
    fds[3] = {"pipe", pipe_ends[0]};
  }
  ~Fds() {
    for (auto& f : fds) close(f.fd);
    close(pipe_ends[1]);
  }
  struct Named {
    const char* name;
    int fd;
  } fds[4];
  int pipe_ends[2];
  const Named* begin() const { return fds; }
  const Named* end() const { return fds + 4; }
};

}  // namespace

TEST(lowest_free_number_is_taken) {
  const int a = eventfd(0, 0), b = timerfd_create(CLOCK_MONOTONIC, 0), c = epoll_create1(0),
            d = eventfd(0, 0);
  CHECK(b == a + 1 && c == a + 2 && d == a + 3);
  close(b);
  close(a);
  CHECK_EQ(dup(d), a);
  CHECK_EQ(epoll_create1(0), b);
  for (int fd : {a, b, c, d}) close(fd);
  RECORD("first free %d", a);
}

TEST(dup2_and_dup3) {
  for (const auto& f : Fds()) {
    RECORD(
        "%s: dup2 to 60 %s, to itself %s, dup3 to itself %s, dup3 bad flags %s, to -1 %s, huge %s",
        f.name, Res(dup2(f.fd, 60)), Res(dup2(f.fd, f.fd) == f.fd), Res(dup3(f.fd, f.fd, 0)),
        Res(dup3(f.fd, 60, 1)), Res(dup2(f.fd, -1)), Res(dup2(f.fd, 1 << 30)));
    CHECK_EQ(fcntl(60, F_GETFD), 0);
    CHECK_EQ(dup3(f.fd, 60, O_CLOEXEC), 60);
    CHECK_EQ(fcntl(60, F_GETFD), FD_CLOEXEC);
    close(60);
  }
  RECORD("dup of closed %s, dup2 of closed %s, onto itself %s, dup3 %s", Res(dup(999)),
         Res(dup2(999, 60)), Res(dup2(999, 999)), Res(dup3(999, 999, 0)));
}

TEST(dup2_over_an_open_fd_replaces_it) {
  const int e = eventfd(5, EFD_NONBLOCK), t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  CHECK_EQ(dup2(e, t), t);
  uint64_t value = 0;
  CHECK_EQ(read(t, &value, 8), 8);
  CHECK_EQ(value, 5);
  CHECK_ERRNO(read(e, &value, 8), EAGAIN);
  close(e);
  CHECK_ERRNO(read(t, &value, 8), EAGAIN);  // still open
  close(t);
}

TEST(host_fd_over_emulated_and_back) {
  int p[2];
  CHECK_OK(pipe2(p, O_NONBLOCK));
  const int e = eventfd(5, EFD_NONBLOCK);
  CHECK_EQ(dup2(p[0], e), e);
  uint64_t value = 0;
  CHECK_ERRNO(read(e, &value, 8), EAGAIN);
  CHECK_EQ(write(p[1], "12345678x", 9), 9);
  CHECK_EQ(read(e, &value, 8), 8);
  const int e2 = eventfd(6, EFD_NONBLOCK);
  CHECK_EQ(dup2(e2, p[0]), p[0]);
  CHECK_EQ(read(p[0], &value, 8), 8);
  CHECK_EQ(value, 6);
  for (int fd : {p[0], p[1], e, e2}) close(fd);
}

TEST(fcntl_dupfd) {
  for (const auto& f : Fds()) {
    const int copy = fcntl(f.fd, F_DUPFD, 40), cloexec = fcntl(f.fd, F_DUPFD_CLOEXEC, 40);
    RECORD("%s: %d %d, flags %d %d", f.name, copy, cloexec, fcntl(copy, F_GETFD),
           fcntl(cloexec, F_GETFD));
    close(copy);
    close(cloexec);
    RECORD("negative %s, huge %s", Res(fcntl(f.fd, F_DUPFD, -1)),
           Res(fcntl(f.fd, F_DUPFD, 1 << 30)));
  }
  RECORD("closed %s", Res(fcntl(999, F_DUPFD, 0)));
}

TEST(descriptor_flags_are_per_number) {
  for (const auto& f : Fds()) {
    const int copy = dup(f.fd);
    CHECK_OK(fcntl(f.fd, F_SETFD, FD_CLOEXEC));
    CHECK_EQ(fcntl(f.fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(copy, F_GETFD), 0);
    CHECK_OK(fcntl(f.fd, F_SETFD, 0));
    CHECK_EQ(fcntl(f.fd, F_GETFD), 0);
    CHECK_OK(ioctl(f.fd, FIOCLEX));
    CHECK_EQ(fcntl(f.fd, F_GETFD), FD_CLOEXEC);
    CHECK_OK(ioctl(f.fd, FIONCLEX));
    CHECK_EQ(fcntl(f.fd, F_GETFD), 0);
    close(copy);
  }
}

TEST(status_flags_are_shared_by_duplicates) {
  for (const auto& f : Fds()) {
    const int copy = dup(f.fd);
    RECORD("%s: F_GETFL %#x", f.name, fcntl(f.fd, F_GETFL));
    RECORD("set NONBLOCK|APPEND|CREAT: %s",
           Res(fcntl(f.fd, F_SETFL, O_NONBLOCK | O_APPEND | O_CREAT)));
    RECORD("F_GETFL %#x, of the copy %#x", fcntl(f.fd, F_GETFL), fcntl(copy, F_GETFL));
    CHECK_OK(fcntl(copy, F_SETFL, 0));
    RECORD("F_GETFL after clearing %#x", fcntl(f.fd, F_GETFL));
    close(copy);
  }
}

TEST(fionbio_switches_nonblocking) {
  for (const auto& f : Fds()) {
    int on = 1, off = 0;
    CHECK_OK(ioctl(f.fd, FIONBIO, &on));
    CHECK(fcntl(f.fd, F_GETFL) & O_NONBLOCK);
    CHECK_OK(ioctl(f.fd, FIONBIO, &off));
    CHECK(!(fcntl(f.fd, F_GETFL) & O_NONBLOCK));
    RECORD("%s: wild %s", f.name, Res(ioctl(f.fd, FIONBIO, Wild())));
  }
}

TEST(other_ioctls) {
  for (const auto& f : Fds()) {
    int n = 77;
    const char* result = Res(ioctl(f.fd, FIONREAD, &n));
    RECORD("%s: FIONREAD %s %d, TCGETS %s, FIOASYNC %s, unknown %s", f.name, result, n,
           Res(isatty(f.fd) ? 1 : -1), Res(ioctl(f.fd, FIOASYNC, &n)),
           Res(ioctl(f.fd, 0x12345678, 0)));
  }
  RECORD("closed %s", Res(ioctl(999, FIONREAD, 0)));
}

TEST(fstat_and_lseek) {
  for (const auto& f : Fds()) {
    struct stat s;
    CHECK_OK(fstat(f.fd, &s));
    RECORD("%s: mode %o size %ld links %ld", f.name, s.st_mode, (long)s.st_size, (long)s.st_nlink);
    RECORD("lseek set %s, cur %s, end %s, bad whence %s", Res(lseek(f.fd, 5, SEEK_SET)),
           Res(lseek(f.fd, 0, SEEK_CUR)), Res(lseek(f.fd, 0, SEEK_END)), Res(lseek(f.fd, 0, 99)));
    char c;
    RECORD("pread %s, pwrite %s, ftruncate %s, fsync %s", Res(pread(f.fd, &c, 1, 0)),
           Res(pwrite(f.fd, &c, 1, 0)), Res(ftruncate(f.fd, 0)), Res(fsync(f.fd)));
  }
}

TEST(links_in_proc_self_fd) {
  for (const auto& f : Fds()) {
    char path[64], target[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", f.fd);
    const ssize_t n = readlink(path, target, sizeof target - 1);
    REQUIRE(n > 0);
    target[n] = 0;
    if (strncmp(target, "pipe:", 5) == 0) target[5] = 0;  // an inode number follows
    RECORD("%s: %s", f.name, target);
    const int again = open(path, O_RDONLY | O_NONBLOCK);
    RECORD("reopened: %s", again < 0 ? ErrnoName(errno) : "ok");
    if (again >= 0) close(again);
  }
}

TEST(close_and_double_close) {
  for (const auto& f : Fds()) {
    const int copy = dup(f.fd);
    CHECK_OK(close(copy));
    CHECK_ERRNO(close(copy), EBADF);
    char c;
    CHECK_ERRNO(read(copy, &c, 1), EBADF);
    CHECK_ERRNO(fcntl(copy, F_GETFD), EBADF);
  }
  CHECK_ERRNO(close(-1), EBADF);
}

TEST(close_range_closes_marks_and_checks) {
  const int keep = eventfd(0, 0);
  for (int fd = 50; fd < 54; ++fd) CHECK_EQ(dup2(keep, fd), fd);
  CHECK_OK(syscall(SYS_close_range, 51, 52, 0));
  CHECK_EQ(fcntl(50, F_GETFD), 0);
  CHECK_ERRNO(fcntl(51, F_GETFD), EBADF);
  CHECK_ERRNO(fcntl(52, F_GETFD), EBADF);
  CHECK_EQ(fcntl(53, F_GETFD), 0);
  CHECK_OK(syscall(SYS_close_range, 50, 53, CLOSE_RANGE_CLOEXEC));
  CHECK_EQ(fcntl(50, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(fcntl(53, F_GETFD), FD_CLOEXEC);
  CHECK_OK(syscall(SYS_close_range, 50, ~0u, 0));
  CHECK_ERRNO(fcntl(53, F_GETFD), EBADF);
  RECORD("first > last %s, bad flags %s, empty range %s", Res(syscall(SYS_close_range, 60, 50, 0)),
         Res(syscall(SYS_close_range, 50, 60, 8)), Res(syscall(SYS_close_range, 5000, 6000, 0)));
  CHECK_EQ(fcntl(keep, F_GETFD), 0);
  close(keep);
}

TEST(program_survives_closing_every_fd_but_stdout) {
  CHECK_EQ(dup2(1, 100), 100);
  syscall(SYS_close_range, 3, 99, 0);
  syscall(SYS_close_range, 101, ~0u, 0);
  const int e = eventfd(1, EFD_NONBLOCK), ep = epoll_create1(0);
  RECORD("eventfd %d, epoll %d", e, ep);
  uint64_t value = 0;
  CHECK_EQ(read(e, &value, 8), 8);
  SleepMs(1);
  for (int fd : {e, ep, 100}) close(fd);
}

TEST(small_limit_is_EMFILE_and_dup2_EBADF) {
  rlimit old, small;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
  const int first = eventfd(0, 0);
  small = old;
  small.rlim_cur = first + 2;
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &small));
  const int second = eventfd(0, 0);
  CHECK_EQ(second, first + 1);
  int p[2];
  RECORD("eventfd %s, timerfd %s, epoll %s, dup %s, pipe %s, open %s", Res(eventfd(0, 0)),
         Res(timerfd_create(CLOCK_MONOTONIC, 0)), Res(epoll_create1(0)), Res(dup(first)),
         Res(pipe(p)), Res(open("/", O_RDONLY)));
  RECORD("bad arguments win: eventfd %s, timerfd %s, epoll %s", Res(eventfd(0, 2)),
         Res(timerfd_create(77, 0)), Res(epoll_create1(3)));
  RECORD("dup2 to the limit %s, F_DUPFD to it %s", Res(dup2(first, first + 2)),
         Res(fcntl(first, F_DUPFD, first + 2)));
  close(second);
  CHECK_EQ(timerfd_create(CLOCK_MONOTONIC, 0), second);
  close(second);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &old));
  close(first);
}

TEST(limit_below_open_numbers_leaves_them_usable) {
  rlimit old, small;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
  const int high = fcntl(eventfd(7, EFD_NONBLOCK), F_DUPFD, 70);
  small = old;
  small.rlim_cur = 3;
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &small));
  uint64_t value = 0;
  CHECK_EQ(read(high, &value, 8), 8);
  CHECK_EQ(value, 7);
  CHECK_OK(close(high));
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &old));
  close(3);
}

TEST(unknown_fcntl_command) {
  for (const auto& f : Fds()) RECORD("%s: %s", f.name, Res(fcntl(f.fd, 9999, 0)));
  RECORD("closed %s", Res(fcntl(999, 9999, 0)));
}
