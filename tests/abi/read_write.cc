// read(2), write(2), readv, writev over host pipes, sockets and files: results, blocking,
// interruption.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "abi_test.h"

using namespace abi;

namespace {

struct Pipe {
  explicit Pipe(int flags = 0) { CHECK_OK(pipe2(fds, flags)); }
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
  int reader() const { return fds[0]; }
  int writer() const { return fds[1]; }
  int fds[2];
};

}  // namespace

TEST(pipe_round_trip_and_end_of_file) {
  Pipe p;
  char buffer[8] = {};
  CHECK_EQ(write(p.writer(), "abc", 3), 3);
  CHECK_EQ(read(p.reader(), buffer, 8), 3);
  CHECK(memcmp(buffer, "abc", 3) == 0);
  p.CloseWriter();
  CHECK_EQ(read(p.reader(), buffer, 8), 0);
}

TEST(nonblocking_pipe_is_EAGAIN) {
  Pipe p(O_NONBLOCK);
  char buffer[4096] = {};
  CHECK_ERRNO(read(p.reader(), buffer, 1), EAGAIN);
  fcntl(p.writer(), F_SETPIPE_SZ, 4096);
  CHECK_EQ(write(p.writer(), buffer, 4096), 4096);
  CHECK_ERRNO(write(p.writer(), buffer, 1), EAGAIN);
}

TEST(blocked_pipe_reader_does_not_stop_other_threads) {
  Pipe p;
  char byte = 0;
  Thread reader([&] { CHECK_EQ(read(p.reader(), &byte, 1), 1); });
  reader.AwaitBlocked(SYS_read);
  int done = 0;
  Thread worker([&] {
    SleepMs(10);
    done = 1;
  });
  worker.Join();
  CHECK_EQ(done, 1);
  CHECK_EQ(write(p.writer(), "z", 1), 1);
  reader.Join();
  CHECK_EQ(byte, 'z');
}

TEST(blocked_pipe_writer_finishes_when_drained) {
  Pipe p;
  fcntl(p.writer(), F_SETPIPE_SZ, 4096);
  static char out[20000];
  memset(out, 'x', sizeof out);
  long written = 0;
  Thread writer([&] { written = write(p.writer(), out, sizeof out); });
  writer.AwaitBlocked(SYS_write);
  long total = 0;
  char in[1000];
  while (total < static_cast<long>(sizeof out)) {
    const ssize_t n = read(p.reader(), in, sizeof in);
    if (n <= 0) break;
    total += n;
  }
  writer.Join();
  CHECK_EQ(written, sizeof out);
  CHECK_EQ(total, sizeof out);
}

TEST(write_to_a_pipe_without_reader_is_EPIPE) {
  Handler ignore(SIGPIPE, SIG_IGN);
  Pipe p;
  p.CloseReader();
  CHECK_ERRNO(write(p.writer(), "x", 1), EPIPE);
  RECORD("empty write %s", Res(write(p.writer(), "", 0)));
}

TEST(closing_the_writer_wakes_a_blocked_reader) {
  Pipe p;
  long got = -2;
  char byte;
  Thread reader([&] { got = read(p.reader(), &byte, 1); });
  reader.AwaitBlocked(SYS_read);
  p.CloseWriter();
  reader.Join();
  CHECK_EQ(got, 0);
}

TEST(pipe_read_restarts_with_SA_RESTART_and_is_EINTR_without) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    g_signals = 0;
    Pipe p;
    long got = -2;
    int error = 0;
    char byte;
    Thread reader([&] {
      got = read(p.reader(), &byte, 1);
      error = errno;
    });
    reader.AwaitBlocked(SYS_read);
    Tgkill(reader.tid(), SIGUSR1);
    while (g_signals == 0) SleepMs(1);
    CHECK_EQ(write(p.writer(), "x", 1), 1);
    reader.Join();
    RECORD("%s: %ld %s", flags ? "SA_RESTART" : "plain", got, got < 0 ? ErrnoName(error) : "");
  }
}

TEST(interrupted_partial_write_returns_the_part) {
  Handler handler(SIGUSR1, CountSignal);
  Pipe p;
  fcntl(p.writer(), F_SETPIPE_SZ, 4096);
  static char out[20000];
  long written = 0;
  Thread writer([&] { written = write(p.writer(), out, sizeof out); });
  writer.AwaitBlocked(SYS_write);
  Tgkill(writer.tid(), SIGUSR1);
  writer.Join();
  CHECK_EQ(written, 4096);
}

TEST(errors_of_read_and_write) {
  Pipe p(O_NONBLOCK);
  const int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY),
            directory = open("/", O_RDONLY);
  char buffer[8] = {};
  RECORD("read: closed %s, -1 %s, write end %s, directory %s, wild empty pipe %s",
         Res(read(999, buffer, 1)), Res(read(-1, buffer, 1)), Res(read(p.writer(), buffer, 1)),
         Res(read(directory, buffer, 1)), Res(read(p.reader(), Wild(), 1)));
  RECORD("write: closed %s, read end %s, directory %s, wild %s, wild of size 0 %s",
         Res(write(999, buffer, 1)), Res(write(p.reader(), buffer, 1)),
         Res(write(directory, buffer, 1)), Res(write(p.writer(), Wild(), 1)),
         Res(write(p.writer(), Wild(), 0)));
  RECORD("closed fd and wild buffer: read %s, write %s", Res(read(999, Wild(), 1)),
         Res(write(999, Wild(), 1)));
  RECORD("/dev/null: read %s, write %s, write wild %s", Res(read(null, buffer, 8)),
         Res(write(null, buffer, 8)), Res(write(null, Wild(), 8)));
  RECORD("/dev/zero: read %s, read wild %s, write %s", Res(read(zero, buffer, 8)),
         Res(read(zero, Wild(), 8)), Res(write(zero, buffer, 8)));
  for (int fd : {null, zero, directory}) close(fd);
}

TEST(vector_io_over_a_pipe) {
  Pipe p;
  char one[3] = {'a', 'b', 'c'}, two[2] = {'d', 'e'};
  iovec out[] = {{one, 3}, {nullptr, 0}, {two, 2}};
  CHECK_EQ(writev(p.writer(), out, 3), 5);
  char in1[1], in2[10];
  iovec in[] = {{in1, 1}, {in2, 10}};
  CHECK_EQ(readv(p.reader(), in, 2), 5);
  CHECK(in1[0] == 'a' && memcmp(in2, "bcde", 4) == 0);
}

TEST(vector_io_errors) {
  Pipe p(O_NONBLOCK);
  char buffer[4] = {};
  iovec good = {buffer, 4}, negative = {buffer, static_cast<size_t>(-1)};
  iovec second_wild[] = {{buffer, 4}, {Wild(), 4}};
  RECORD("count -1 %s, 0 %s, 1025 %s", Res(syscall(SYS_writev, p.writer(), &good, -1)),
         Res(writev(p.writer(), &good, 0)), Res(syscall(SYS_writev, p.writer(), &good, 1025)));
  RECORD("wild vector %s, negative length %s, closed fd and wild vector %s",
         Res(syscall(SYS_writev, p.writer(), Wild(), 1)), Res(writev(p.writer(), &negative, 1)),
         Res(syscall(SYS_writev, 999, Wild(), 1)));
  RECORD("second part wild %s", Res(writev(p.writer(), second_wild, 2)));
  int pending = -1;
  ioctl(p.reader(), FIONREAD, &pending);
  RECORD("in the pipe then: %d", pending);
}

TEST(fault_in_the_middle_of_a_buffer_gives_a_short_count) {
  char* pages = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  munmap(pages + 4096, 4096);
  const int zero = open("/dev/zero", O_RDONLY);
  RECORD("read of 200 with 100 mapped: %s", Res(read(zero, pages + 3996, 200)));
  close(zero);
  Pipe p(O_NONBLOCK);
  RECORD("write of 200 with 100 mapped: %s", Res(write(p.writer(), pages + 3996, 200)));
  munmap(pages, 4096);
}

TEST(file_offsets_pread_and_pwrite) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "f", 0));
  char buffer[16] = {};
  CHECK_EQ(write(fd, "0123456789", 10), 10);
  CHECK_EQ(pread(fd, buffer, 4, 3), 4);
  CHECK(memcmp(buffer, "3456", 4) == 0);
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
  CHECK_EQ(pwrite(fd, "xy", 2, 0), 2);
  CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
  CHECK_EQ(read(fd, buffer, 3), 3);
  CHECK(memcmp(buffer, "xy2", 3) == 0);
  CHECK_ERRNO(pread(fd, buffer, 1, -1), EINVAL);
  const int copy = dup(fd);
  CHECK_EQ(lseek(copy, 0, SEEK_CUR), 3);
  close(copy);
  close(fd);
}

TEST(socket_pair_blocks_and_wakes) {
  int fds[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
  for (long number : {SYS_recvfrom, SYS_read}) {
    char byte = 0;
    Thread receiver([&] {
      CHECK_EQ(number == SYS_read ? read(fds[0], &byte, 1) : recv(fds[0], &byte, 1, 0), 1);
    });
    receiver.AwaitBlocked(number);
    CHECK_EQ(send(fds[1], "q", 1, 0), 1);
    receiver.Join();
    CHECK_EQ(byte, 'q');
  }
  char byte;
  CHECK_ERRNO(recv(fds[0], &byte, 1, MSG_DONTWAIT), EAGAIN);
  close(fds[0]);
  close(fds[1]);
}

TEST(two_threads_through_two_pipes) {
  Pipe there, back;
  Thread partner([&] {
    char c;
    for (int i = 0; i < 300 && read(there.reader(), &c, 1) == 1; ++i)
      CHECK_EQ(write(back.writer(), &c, 1), 1);
  });
  for (int i = 0; i < 300; ++i) {
    const char sent = static_cast<char>(i);
    char got = 0;
    CHECK_EQ(write(there.writer(), &sent, 1), 1);
    CHECK_EQ(read(back.reader(), &got, 1), 1);
    CHECK_EQ(sent, got);
  }
}

TEST(one_writev_to_stdout_is_one_line) {
  char hello[] = "  = written ", world[] = "by writev\n";
  iovec parts[] = {{hello, sizeof hello - 1}, {world, sizeof world - 1}};
  CHECK_EQ(writev(1, parts, 2), 22);
}
