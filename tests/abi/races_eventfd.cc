// Bugs that other eventfd implementations had, by their number in the collection of races (E...):
// what Linux does there. The measured facts F9..F13 are in eventfd.cc, but for F9b.
#include "fds.h"

using namespace abi;

TEST(F9b_write_of_zero_to_a_counter_above_zero_is_an_edge) {
  EventFd e(1);
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN | EPOLLET));
  CHECK_EQ(ep.Count(), 1);
  CHECK_EQ(ep.Count(), 0);
  CHECK_EQ(e.Write(0), 8);
  CHECK_EQ(ep.Count(), 1);
  CHECK_EQ(e.Read(), 1);
}

TEST(E17_readiness_follows_the_counter_only) {
  for (int flags : Ints{EFD_NONBLOCK, EFD_NONBLOCK | EFD_SEMAPHORE}) {
    EventFd e(0, flags);
    EpollFd ep;
    CHECK_OK(ep.Add(e, EPOLLIN));
    long sum = 0;
    for (int round = 0; round < 50; ++round) {
      CHECK_EQ(e.Write(1), 8);
      CHECK_EQ(e.Write(1), 8);
      CHECK(e.Readable());
      const long got = e.Read();
      sum += got;
      const bool left = sum < 2 * (round + 1);
      CHECK_EQ(e.Readable(), left);
      CHECK_EQ(ep.Count(), left);
      if (!left) CHECK_ERRNO(e.Read(), EAGAIN);
    }
    while (e.Readable()) sum += e.Read();
    CHECK_EQ(sum, 100);
    CHECK_ERRNO(e.Read(), EAGAIN);
  }
}

TEST(E17_reads_never_exceed_writes) {
  EventFd e(0, EFD_SEMAPHORE);
  int taken = 0;
  {
    const auto take = [&] {
      for (int i = 0; i < 100; ++i) {
        if (e.Read() == 1) Increment(taken);
      }
    };
    Thread first(take), second(take);
    Thread writer([&] {
      for (int i = 0; i < 200; ++i) CHECK_EQ(e.Write(1), 8);
    });
  }
  CHECK_EQ(taken, 200);
  CHECK(!e.Readable());
}

TEST(E18_a_blocked_reader_does_not_keep_the_writer_out) {
  EventFd e(0, 0);
  long got = 0;
  Thread reader([&] { got = e.Read(); });
  reader.AwaitBlocked(SYS_read);
  CHECK_EQ(e.Write(5), 8);
  reader.Join();
  CHECK_EQ(got, 5);
}

TEST(E18_a_write_wakes_a_poller) {
  EventFd e;
  bool ready = false;
  Thread poller([&] { ready = e.Readable(-1); });
  poller.AwaitBlocked(SYS_poll);
  CHECK_EQ(e.Write(1), 8);
  poller.Join();
  CHECK(ready);
}

// Many polls that timed out leave nothing behind that could swallow the wake.
TEST(E19_waits_that_ended_take_no_wake) {
  EventFd e;
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN));
  for (int i = 0; i < 30; ++i) {
    CHECK(!e.Readable(i % 3 == 0));
    CHECK_EQ(ep.Count(i % 3 == 0), 0);
  }
  int ready = 0;
  Thread poller([&] {
    if (e.Readable(-1)) Increment(ready);
  });
  Thread waiter([&] {
    if (ep.Count(-1) == 1) Increment(ready);
  });
  poller.AwaitBlocked(SYS_poll);
  waiter.AwaitBlocked(SYS_epoll_wait);
  CHECK_EQ(e.Write(1), 8);
  poller.Join();
  waiter.Join();
  CHECK_EQ(ready, 2);
}

TEST(E20_every_write_is_an_edge_though_nobody_reads) {
  EventFd e;
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN | EPOLLET));
  int seen = 0;
  Thread waiter([&] {
    for (int i = 0; i < 20; ++i) {
      if (ep.Count(-1) == 1) Increment(seen);
    }
  });
  for (int i = 0; i < 20; ++i) {
    CHECK_EQ(e.Write(i % 2 == 0), 8);  // 0 too, once the counter is not
    CHECK(Eventually([&] { return Load(seen) == i + 1; }));
  }
  waiter.Join();
  CHECK_EQ(e.Read(), 10);
}

// What ends the wait runs in the task that waits.
static EventFd* g_own = nullptr;
static void WriteOwn(int) { (void)!g_own->Write(7); }

TEST(E21_a_handler_of_the_blocked_reader_writes_what_it_waits_for) {
  EventFd e(0, 0);
  g_own = &e;
  Handler handler(SIGUSR1, WriteOwn, SA_RESTART);
  long got = 0;
  Thread reader([&] { got = e.Read(); });
  reader.AwaitBlocked(SYS_read);
  CHECK_OK(Tgkill(reader.tid(), SIGUSR1));
  reader.Join();
  CHECK_EQ(got, 7);
}

TEST(E21_the_same_in_epoll_wait) {
  EventFd e;
  EpollFd ep;
  g_own = &e;
  CHECK_OK(ep.Add(e, EPOLLIN));
  Handler handler(SIGUSR1, WriteOwn);
  int count = 0, error = 0;
  Thread waiter([&] {
    count = ep.Count(-1);
    error = errno;
    if (count < 0) count = ep.Count(-1);
  });
  waiter.AwaitBlocked(SYS_epoll_wait);
  CHECK_OK(Tgkill(waiter.tid(), SIGUSR1));
  waiter.Join();
  CHECK_EQ(error, EINTR);
  CHECK_EQ(count, 1);
}
