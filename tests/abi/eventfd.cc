// eventfd: eventfd(2), and the measured facts F9, F11, F13 of RACES.md, appendix 1.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "abi_test.h"

using namespace abi;

namespace {

class Event {
 public:
  explicit Event(unsigned initial = 0, int flags = EFD_NONBLOCK) : fd_(eventfd(initial, flags)) {}
  ~Event() { close(fd_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  int fd() const { return fd_; }
  long Write(uint64_t value) const { return write(fd_, &value, sizeof value); }
  // The value read, or -1 with errno.
  long Read() const {
    uint64_t value = 0;
    return read(fd_, &value, sizeof value) == 8 ? static_cast<long>(value) : -1;
  }
  int Poll() const {
    pollfd p = {fd_, POLLIN | POLLOUT, 0};
    poll(&p, 1, 0);
    return p.revents;
  }

 private:
  int fd_;
};

int EdgeEpoll(int fd, uint32_t events) {
  const int ep = epoll_create1(0);
  epoll_event e = {events | EPOLLET, {}};
  epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
  return ep;
}
int Events(int ep) {
  epoll_event e;
  return epoll_wait(ep, &e, 1, 0);
}

constexpr uint64_t kMax = UINT64_MAX - 1;  // the largest counter

}  // namespace

TEST(counter_adds_up_and_read_resets_it) {
  Event e(3);
  CHECK_EQ(e.Write(4), 8);
  CHECK_EQ(e.Read(), 7);
  CHECK_ERRNO(e.Read(), EAGAIN);
}

TEST(initial_value_is_32_bits_unsigned) {
  Event e(0xffffffff);
  CHECK_EQ(e.Read(), 0xffffffffL);
}

TEST(semaphore_reads_ones) {
  Event e(2, EFD_NONBLOCK | EFD_SEMAPHORE);
  CHECK_EQ(e.Read(), 1);
  CHECK_EQ(e.Read(), 1);
  CHECK_ERRNO(e.Read(), EAGAIN);
}

TEST(write_of_zero_succeeds_and_leaves_the_counter) {
  Event e;
  CHECK_EQ(e.Write(0), 8);
  CHECK_ERRNO(e.Read(), EAGAIN);
}

TEST(F13_overflow_is_EAGAIN_and_all_ones_EINVAL) {
  Event e;
  CHECK_ERRNO(e.Write(UINT64_MAX), EINVAL);
  CHECK_EQ(e.Write(kMax), 8);
  CHECK_ERRNO(e.Write(1), EAGAIN);
  CHECK_EQ(e.Write(0), 8);
  CHECK_ERRNO(e.Write(UINT64_MAX), EINVAL);
  uint64_t value = 0;
  CHECK_EQ(read(e.fd(), &value, 8), 8);
  CHECK(value == kMax);
}

TEST(poll_bits_follow_the_counter) {
  Event e;
  RECORD("0: %#x", e.Poll());
  e.Write(1);
  RECORD("1: %#x", e.Poll());
  e.Write(kMax - 2);
  RECORD("max-1: %#x", e.Poll());
  e.Write(1);
  RECORD("max: %#x", e.Poll());
}

TEST(short_and_long_buffers) {
  char buffer[64] = {1};
  for (size_t size : {0, 1, 4, 7, 8, 9, 16, 64}) {
    Event e(5);
    const char* written = Res(write(e.fd(), buffer, size));
    char in[64];
    const char* got = Res(read(e.fd(), in, size));
    RECORD("size %zu: write %s, read %s", size, written, got);
  }
}

TEST(short_read_consumes_nothing) {
  Event e(5);
  char buffer[4];
  CHECK_ERRNO(read(e.fd(), buffer, 4), EINVAL);
  CHECK_EQ(e.Read(), 5);
}

TEST(read_into_a_bad_pointer_consumes_the_counter_or_not) {
  Event e(5);
  RECORD("wild read %s", Res(read(e.fd(), Wild(), 8)));
  RECORD("then %s", Res(e.Read()));
  Event s(5, EFD_NONBLOCK | EFD_SEMAPHORE);
  RECORD("wild semaphore read %s", Res(read(s.fd(), Wild(), 8)));
  int left = 0;
  while (s.Read() == 1) ++left;
  RECORD("then %d left", left);
}

TEST(vector_io) {
  Event e(3);
  e.Write(0x500000000);
  uint32_t low = 0, high = 0;
  iovec halves[2] = {{&low, 4}, {&high, 4}};
  const char* got = Res(readv(e.fd(), halves, 2));
  RECORD("readv of two halves %s: %u %u", got, low, high);
  uint64_t one = 1, two = 2;
  iovec whole[2] = {{&one, 8}, {&two, 8}};
  const char* put = Res(writev(e.fd(), whole, 2));
  RECORD("writev of two values %s", put);
  RECORD("then read %s", Res(e.Read()));
  low = 1, high = 0;
  RECORD("writev of two halves %s", Res(writev(e.fd(), halves, 2)));
  iovec second_bad[2] = {{&one, 8}, {Wild(), 8}};
  RECORD("writev with a wild second part %s", Res(writev(e.fd(), second_bad, 2)));
  RECORD("then read %s", Res(e.Read()));
  iovec empty_first[2] = {{&one, 0}, {&two, 8}};
  RECORD("writev with an empty first part %s", Res(writev(e.fd(), empty_first, 2)));
  RECORD("then read %s", Res(e.Read()));
}

TEST(positional_io_is_ESPIPE) {
  Event e(1);
  uint64_t value = 1;
  CHECK_ERRNO(pread(e.fd(), &value, 8, 0), ESPIPE);
  CHECK_ERRNO(pwrite(e.fd(), &value, 8, 0), ESPIPE);
}

TEST(blocking_reader_is_woken_by_a_writer) {
  Event e(0, 0);
  long got = 0;
  Thread reader([&] { got = e.Read(); });
  reader.AwaitBlocked(SYS_read);
  CHECK_EQ(e.Write(0), 8);  // wakes nobody for good
  CHECK_EQ(e.Write(9), 8);
  reader.Join();
  CHECK_EQ(got, 9);
}

TEST(blocking_writer_is_woken_by_a_reader) {
  Event e(0, 0);
  e.Write(kMax);
  long put = 0;
  Thread writer([&] { put = e.Write(3); });
  writer.AwaitBlocked(SYS_write);
  uint64_t value = 0;
  CHECK_EQ(read(e.fd(), &value, 8), 8);
  CHECK(value == kMax);
  writer.Join();
  CHECK_EQ(put, 8);
  CHECK_EQ(e.Read(), 3);
}

TEST(blocked_writer_waits_until_its_value_fits) {
  Event e(0, EFD_SEMAPHORE);
  e.Write(kMax);
  long put = 0;
  Thread writer([&] { put = e.Write(3); });
  writer.AwaitBlocked(SYS_write);
  for (int i = 0; i < 2; ++i) CHECK_EQ(e.Read(), 1);
  SleepMs(10);
  CHECK_EQ(__atomic_load_n(&put, __ATOMIC_SEQ_CST), 0);
  CHECK_EQ(e.Read(), 1);
  writer.Join();
  CHECK_EQ(put, 8);
}

TEST(small_write_passes_a_blocked_big_one) {
  Event e(0, 0);
  e.Write(kMax - 1);
  Thread big([&] { e.Write(5); });
  big.AwaitBlocked(SYS_write);
  CHECK_EQ(e.Write(1), 8);
  uint64_t value = 0;
  CHECK_EQ(read(e.fd(), &value, 8), 8);
  CHECK(value == kMax);
  big.Join();
  CHECK_EQ(e.Read(), 5);
}

TEST(one_write_of_three_serves_three_semaphore_readers) {
  Event e(0, EFD_SEMAPHORE);
  long a = 0, b = 0, c = 0;
  Thread first([&] { a = e.Read(); });
  Thread second([&] { b = e.Read(); });
  Thread third([&] { c = e.Read(); });
  first.AwaitBlocked(SYS_read);
  second.AwaitBlocked(SYS_read);
  third.AwaitBlocked(SYS_read);
  CHECK_EQ(e.Write(3), 8);
  first.Join();
  second.Join();
  third.Join();
  CHECK_EQ(a + b + c, 3);
}

TEST(one_of_two_plain_readers_takes_all) {
  Event e(0, 0);
  long a = 0, b = 0;
  Thread first([&] { a = e.Read(); });
  first.AwaitBlocked(SYS_read);
  Thread second([&] { b = e.Read(); });
  second.AwaitBlocked(SYS_read);
  CHECK_EQ(e.Write(3), 8);
  CHECK(Eventually([&] {
    return __atomic_load_n(&a, __ATOMIC_SEQ_CST) + __atomic_load_n(&b, __ATOMIC_SEQ_CST) != 0;
  }));
  CHECK_EQ(__atomic_load_n(&a, __ATOMIC_SEQ_CST) + __atomic_load_n(&b, __ATOMIC_SEQ_CST), 3);
  CHECK_EQ(e.Write(4), 8);
  first.Join();
  second.Join();
  CHECK_EQ(a + b, 7);
}

TEST(read_restarts_with_SA_RESTART_and_is_EINTR_without) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    g_signals = 0;
    Event e(0, 0);
    long got = 0;
    int error = 0;
    Thread reader([&] {
      got = e.Read();
      error = errno;
    });
    reader.AwaitBlocked(SYS_read);
    Tgkill(reader.tid(), SIGUSR1);
    CHECK(Eventually([] { return g_signals != 0; }));
    e.Write(2);
    reader.Join();
    RECORD("%s: %ld %s", flags ? "SA_RESTART" : "plain", got, got < 0 ? ErrnoName(error) : "");
  }
}

TEST(interrupted_write_is_EINTR) {
  Handler handler(SIGUSR1, CountSignal);
  Event e(0, 0);
  e.Write(kMax);
  long put = 0;
  int error = 0;
  Thread writer([&] {
    put = e.Write(1);
    error = errno;
  });
  writer.AwaitBlocked(SYS_write);
  Tgkill(writer.tid(), SIGUSR1);
  writer.Join();
  CHECK_EQ(put, -1);
  CHECK_EQ(error, EINTR);
}

TEST(F9_each_write_is_an_edge) {
  Event e;
  const int ep = EdgeEpoll(e.fd(), EPOLLIN);
  int events = 0;
  for (int i = 0; i < 5; ++i) {
    e.Write(1);
    events += Events(ep);
  }
  CHECK_EQ(events, 5);
  e.Write(0);
  CHECK_EQ(Events(ep), 1);  // F9b
  close(ep);
}

TEST(F9c_write_of_zero_to_an_empty_counter_is_no_edge) {
  Event e;
  const int ep = EdgeEpoll(e.fd(), EPOLLIN);
  e.Write(0);
  CHECK_EQ(Events(ep), 0);
  close(ep);
}

TEST(F9d_writes_before_one_wait_are_one_edge) {
  Event e;
  const int ep = EdgeEpoll(e.fd(), EPOLLIN);
  for (int i = 0; i < 3; ++i) e.Write(1);
  CHECK_EQ(Events(ep), 1);
  CHECK_EQ(Events(ep), 0);
  CHECK_EQ(e.Read(), 3);
  close(ep);
}

TEST(F11_semaphore_read_is_no_edge_for_the_rest) {
  Event e(3, EFD_NONBLOCK | EFD_SEMAPHORE);
  const int ep = EdgeEpoll(e.fd(), EPOLLIN);
  for (int round = 0; round < 3; ++round) {
    RECORD("events %d", Events(ep));
    if (round < 2) CHECK_EQ(e.Read(), 1);
  }
  CHECK_EQ(e.Read(), 1);
  CHECK_ERRNO(e.Read(), EAGAIN);
  close(ep);
}

TEST(read_is_an_edge_for_EPOLLOUT) {
  Event e(1);
  const int ep = EdgeEpoll(e.fd(), EPOLLOUT);
  RECORD("at first %d", Events(ep));
  RECORD("again %d", Events(ep));
  e.Read();
  RECORD("after a read %d", Events(ep));
  e.Write(1);
  RECORD("after a write %d", Events(ep));
  close(ep);
}

TEST(read_and_write_report_both_bits_at_once) {
  Event e;
  const int ep = EdgeEpoll(e.fd(), EPOLLIN | EPOLLOUT);
  epoll_event event;
  CHECK_EQ(epoll_wait(ep, &event, 1, 0), 1);
  RECORD("empty %#x", event.events);
  e.Write(1);
  CHECK_EQ(epoll_wait(ep, &event, 1, 0), 1);
  RECORD("written %#x", event.events);
  close(ep);
}

TEST(create_matrix) {
  for (int flags : Ints{0, EFD_SEMAPHORE, EFD_NONBLOCK, EFD_CLOEXEC,
                        EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC, 2, 4, O_APPEND, -1}) {
    const long fd = syscall(SYS_eventfd2, 0, flags);
    RECORD("flags %#x: %s, F_GETFL %#x, F_GETFD %d", flags, fd < 0 ? ErrnoName(errno) : "ok",
           fd < 0 ? 0 : fcntl(fd, F_GETFL), fd < 0 ? 0 : fcntl(fd, F_GETFD));
    if (fd >= 0) close(fd);
  }
  const long old = syscall(SYS_eventfd, 7);
  uint64_t value = 0;
  CHECK_EQ(read(old, &value, 8), 8);
  CHECK_EQ(value, 7);
  close(old);
}

TEST(write_matrix_shows_the_precedence_of_errors) {
  uint64_t all_ones = UINT64_MAX, one = 1;
  const struct {
    const char* name;
    const void* p;
  } buffers[] = {{"one", &one}, {"all-ones", &all_ones}, {"null", nullptr}, {"wild", Wild()}};
  for (bool full : {false, true}) {
    for (const auto& buffer : buffers) {
      for (size_t size : {size_t{4}, size_t{8}, size_t{16}, size_t{1} << 63}) {
        Event e;
        if (full) e.Write(kMax);
        RECORD("%s %s %zu: %s, closed fd %s", full ? "full" : "empty", buffer.name, size,
               Res(syscall(SYS_write, e.fd(), buffer.p, size)),
               Res(syscall(SYS_write, 999, buffer.p, size)));
      }
    }
  }
}

TEST(read_matrix_shows_the_precedence_of_errors) {
  uint64_t good[2];
  const struct {
    const char* name;
    void* p;
  } buffers[] = {
      {"good", good}, {"null", nullptr}, {"wild", Wild()}, {"kernel", (void*)0xffff888000000000}};
  for (bool ready : {false, true}) {
    for (const auto& buffer : buffers) {
      for (size_t size : {size_t{0}, size_t{4}, size_t{8}, size_t{16}, size_t{1} << 63}) {
        Event e(ready);
        RECORD("%s %s %zu: %s, closed fd %s", ready ? "ready" : "empty", buffer.name, size,
               Res(syscall(SYS_read, e.fd(), buffer.p, size)),
               Res(syscall(SYS_read, 999, buffer.p, size)));
      }
    }
  }
}

TEST(ping_pong_between_two_threads) {
  Event ping(0, 0), pong(0, 0);
  Thread partner([&] {
    for (int i = 0; i < 1000; ++i) {
      if (ping.Read() != 1) return;
      pong.Write(1);
    }
  });
  int rounds = 0;
  for (int i = 0; i < 1000; ++i) {
    ping.Write(1);
    rounds += pong.Read() == 1;
  }
  CHECK_EQ(rounds, 1000);
}
