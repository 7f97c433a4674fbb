// Bugs that other epoll implementations (and old Linux) had, by their number in the collection of
// races (P...): what Linux does there. The measured facts F10, F12, F14 are in epoll.cc.
#include "fds.h"

using namespace abi;

TEST(P04_mod_of_a_ready_edge_reaches_a_blocked_waiter) {
  EventFd e(1);
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN | EPOLLET, 0));
  CHECK_EQ(ep.Count(), 1);
  int seen = 0;
  Thread waiter([&] {
    for (int i = 1; i <= 200; ++i) {
      if (ep.First(-1) == i) Increment(seen);
    }
  });
  for (int i = 1; i <= 200; ++i) {
    CHECK_OK(ep.Mod(e, EPOLLIN | EPOLLET, static_cast<uint64_t>(i)));
    CHECK(Eventually([&] { return Load(seen) == i; }));
  }
  waiter.Join();
}

// The write falls on the instant at which one of two waiters times out: the other one must not miss it
// unless the first one reports it.
TEST(P05_a_waiter_that_times_out_takes_no_event_along) {
  for (int round = 0; round < 30; ++round) {
    EventFd e;
    EpollFd ep;
    CHECK_OK(ep.Add(e, EPOLLIN | EPOLLET));
    int events = 0;
    const int64_t at = Now() + 4 * kMs;
    Thread timed([&] {
      if (ep.Count(3) == 1) Increment(events);
    });
    Thread patient([&] {
      if (ep.Count(5'000) == 1) Increment(events);
    });
    Thread writer([&] {
      const timespec until = FromNs(at - (round - 15) * (kMs / 10));
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
      CHECK_EQ(e.Write(1), 8);
    });
    writer.Join();
    timed.Join();
    // The event is there for the patient one, or was reported by the other.
    if (Load(events) == 0) {
      patient.Join();
      CHECK_EQ(Load(events), 1);
    } else {
      CHECK_EQ(e.Write(1), 8);
      patient.Join();
      CHECK_GE(Load(events), 1);
    }
  }
}

TEST(P06_mod_keeps_a_ready_member_ready) {
  EventFd e(1);
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN, 1));
  CHECK_OK(ep.Mod(e, EPOLLIN, 2));  // while it is in the ready list
  CHECK_EQ(ep.First(), 2);
  CHECK_OK(ep.Mod(e, EPOLLIN | EPOLLONESHOT, 3));
  CHECK_OK(ep.Mod(e, EPOLLIN | EPOLLONESHOT, 4));
  CHECK_EQ(ep.First(), 4);
  CHECK_EQ(ep.First(), -1);
  CHECK_OK(ep.Mod(e, EPOLLIN | EPOLLET, 5));
  CHECK_OK(ep.Mod(e, EPOLLIN | EPOLLET, 6));
  CHECK_EQ(ep.First(), 6);
  CHECK_EQ(ep.First(), -1);
  CHECK_OK(ep.Mod(e, EPOLLOUT, 7));
  CHECK_EQ(ep.First(), 7);
}

TEST(P06_mod_of_a_ready_timerfd) {
  TimerFd t;
  EpollFd ep;
  CHECK_OK(t.Set(1));
  CHECK(t.Readable(1000));
  CHECK_OK(ep.Add(t, EPOLLIN, 1));
  CHECK_OK(ep.Mod(t, EPOLLIN, 2));
  CHECK_EQ(ep.First(), 2);
  CHECK_OK(t.Set(0));
  CHECK_OK(ep.Mod(t, EPOLLIN, 3));
  CHECK_EQ(ep.First(), -1);
}

TEST(P15_short_timeouts_end_while_other_threads_run) {
  EpollFd ep;
  int stop = 0;
  Thread busy([&] {
    while (!Load(stop)) sched_yield();
  });
  for (int round = 0; round < 50; ++round) {
    const int64_t start = Now();
    CHECK_EQ(ep.Count(1), 0);
    CHECK_GE(Now() - start, kMs);
  }
  Store(stop, 1);
}

TEST(P16_two_ready_members_serve_two_waiters) {
  for (uint32_t edge : {0u, static_cast<uint32_t>(EPOLLET)}) {
    EventFd a, b;
    EpollFd ep;
    CHECK_OK(ep.Add(a, EPOLLIN | edge, 1));
    CHECK_OK(ep.Add(b, EPOLLIN | edge, 2));
    long first = 0, second = 0;
    Thread one([&] { first = ep.First(-1); });
    Thread two([&] { second = ep.First(-1); });
    one.AwaitBlocked(SYS_epoll_wait);
    two.AwaitBlocked(SYS_epoll_wait);
    CHECK_EQ(a.Write(1), 8);
    CHECK_EQ(b.Write(1), 8);
    one.Join();
    two.Join();
    CHECK(first > 0 && second > 0);
    if (edge) CHECK_EQ(first + second, 3);
  }
}

// Both waiters may wake; the loser finds nothing and waits for the next event.
TEST(P16_the_loser_of_a_level_triggered_event_goes_on_waiting) {
  EventFd e;
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN));
  int taken = 0, returned = 0;
  const auto take = [&] {
    while (ep.Count(-1) == 1) {
      Increment(returned);
      if (e.Read() > 0) break;
    }
    Increment(taken);
  };
  Thread one(take), two(take);
  one.AwaitBlocked(SYS_epoll_wait);
  two.AwaitBlocked(SYS_epoll_wait);
  CHECK_EQ(e.Write(1), 8);
  CHECK(Eventually([&] { return Load(taken) == 1; }));
  SleepMs(5);
  CHECK_EQ(Load(taken), 1);
  CHECK_EQ(e.Write(1), 8);
  one.Join();
  two.Join();
  CHECK_EQ(taken, 2);
}

TEST(P19_a_wait_that_was_woken_for_nothing_still_sees_the_timer) {
  TimerFd t;
  EventFd e;
  EpollFd ep;
  CHECK_OK(ep.Add(t, EPOLLIN, 1));
  CHECK_OK(ep.Add(e, EPOLLIN, 2));
  int stop = 0;
  Thread tease([&] {  // ready, and nothing any more when the waiter looks
    while (!Load(stop)) {
      CHECK_EQ(e.Write(1), 8);
      (void)e.Read();
      SleepMs(1);
    }
  });
  CHECK_OK(t.Set(kMs, 2 * kMs));
  int ticks = 0;
  const int64_t start = Now();
  while (ticks < 30 && Now() - start < 20'000 * kMs) {
    if (ep.First(5'000) == 1 && t.Read() > 0) ++ticks;
  }
  CHECK_EQ(ticks, 30);
  Store(stop, 1);
}

// ---- order ----------------------------------------------------------------------------------------

// Pollers join a description's wait queue at its head: of several registrations the latest hears first.
TEST(registrations_of_one_description_are_reported_latest_first) {
  for (uint32_t edge : {0u, static_cast<uint32_t>(EPOLLET)}) {
    EventFd e;
    OwnFd second(dup(e)), third(dup(e));
    EpollFd ep;
    CHECK_OK(ep.Add(e, EPOLLIN | edge, 1));
    CHECK_OK(ep.Add(second, EPOLLIN | edge, 2));
    CHECK_OK(ep.Add(third, EPOLLIN | edge, 3));
    CHECK_EQ(e.Write(1), 8);
    RECORD("written: %s", ep.Text());
    RECORD("again: %s", ep.Text());
    CHECK_OK(ep.Mod(second, EPOLLIN | edge, 4));
    CHECK_EQ(e.Read(), 1);
    ep.Count();
    CHECK_EQ(e.Write(1), 8);
    RECORD("after MOD: %s", ep.Text());
  }
}

TEST(registrations_of_one_timerfd_are_reported_latest_first) {
  TimerFd t;
  OwnFd second(dup(t));
  EpollFd ep;
  CHECK_OK(ep.Add(t, EPOLLIN, 1));
  CHECK_OK(ep.Add(second, EPOLLIN, 2));
  CHECK_OK(t.Set(1));
  CHECK(t.Readable(1000));
  RECORD("%s", ep.Text());
}

TEST(instances_that_watch_one_description_hear_latest_first) {
  EventFd e;
  EpollFd a, b, outer;
  CHECK_OK(a.Add(e, EPOLLIN));
  CHECK_OK(b.Add(e, EPOLLIN));
  CHECK_OK(outer.Add(a, EPOLLIN, 1));
  CHECK_OK(outer.Add(b, EPOLLIN, 2));
  CHECK_EQ(e.Write(1), 8);
  RECORD("%s", outer.Text());
}

// Exclusive registrations are at the tail: the first of them with a waiter hears, the others do not.
TEST(exclusive_registrations_wake_the_first_that_has_a_waiter) {
  EventFd e;
  EpollFd a, b, plain;
  CHECK_OK(a.Add(e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, 1));
  CHECK_OK(b.Add(e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, 2));
  CHECK_OK(plain.Add(e, EPOLLIN | EPOLLET, 3));
  int in_a = 0, in_b = 0;
  Thread of_a([&] { in_a = a.Count(-1); });
  Thread of_b([&] { in_b = b.Count(-1); });
  of_a.AwaitBlocked(SYS_epoll_wait);
  of_b.AwaitBlocked(SYS_epoll_wait);
  CHECK_EQ(e.Write(1), 8);
  of_a.Join();
  RECORD("a %d, plain %s", in_a, plain.Text());
  SleepMs(5);
  RECORD("b %d", Load(in_b));
  CHECK_EQ(e.Write(1), 8);  // nobody waits in a: it hears, but that uses nothing up
  of_b.Join();
  RECORD("b %d, a %s", in_b, a.Text());
}

// A read(2) of an eventfd waits behind exclusive registrations, and a wake that one of them used up
// does not get that far.
TEST(a_blocked_reader_behind_an_exclusive_registration) {
  EventFd e(0, 0);
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN | EPOLLEXCLUSIVE));
  int count = 0, done = 0;
  long value = 0;
  Thread waiter([&] { count = ep.Count(-1); });
  waiter.AwaitBlocked(SYS_epoll_wait);
  Thread reader([&] {
    value = e.Read();
    Store(done, 1);
  });
  reader.AwaitBlocked(SYS_read);
  CHECK_EQ(e.Write(1), 8);
  waiter.Join();
  SleepMs(20);
  RECORD("epoll %d, reader done %d", count, Load(done));
  CHECK_EQ(e.Write(1), 8);
  reader.Join();
  RECORD("reader %ld", value);
}

TEST(many_waiters_of_one_instance_are_served_latest_first) {
  EventFd e(0, EFD_NONBLOCK | EFD_SEMAPHORE);
  EpollFd ep;
  CHECK_OK(ep.Add(e, EPOLLIN | EPOLLET));
  int next = 0, order[3] = {};
  const auto wait = [&](int id) {
    if (ep.Count(-1) == 1) order[Increment(next) - 1] = id;
  };
  Thread a([&] { wait(1); });
  a.AwaitBlocked(SYS_epoll_wait);
  Thread b([&] { wait(2); });
  b.AwaitBlocked(SYS_epoll_wait);
  Thread c([&] { wait(3); });
  c.AwaitBlocked(SYS_epoll_wait);
  for (int i = 1; i <= 3; ++i) {
    CHECK_EQ(e.Write(1), 8);
    CHECK(Eventually([&] { return Load(next) == i; }));
  }
  RECORD("%d %d %d", order[0], order[1], order[2]);
}
