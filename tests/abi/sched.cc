// Real-time policies on one processor: who runs next, and for how long (sched(7)).
#include <sched.h>

#include "futex_test.h"

using namespace abi;

namespace {

int64_t CpuTime() { return Now(CLOCK_THREAD_CPUTIME_ID); }

// Uses the processor until the thread has had `ms` of it since `start`.
void Compute(int64_t start, int ms) {
  while (CpuTime() - start < ms * kMs) {
  }
}

// What happened, in order: one letter each.
struct Log {
  char text[32] = "";
  unsigned length = 0;
  void Put(char c) { text[__atomic_fetch_add(&length, 1, __ATOMIC_SEQ_CST)] = c; }
};

// Ties the process to one processor, and makes its main thread the most urgent; false without the right.
class Urgent {
 public:
  Urgent() {
    sched_getaffinity(0, sizeof all_, &all_);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0 && cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &all_)) CPU_SET(cpu, &one);
    }
    sched_setaffinity(0, sizeof one, &one);
    const sched_param parameter = {30};
    may_ = sched_setscheduler(0, SCHED_FIFO, &parameter) == 0;
  }
  ~Urgent() {
    const sched_param parameter = {0};
    sched_setscheduler(0, SCHED_OTHER, &parameter);
    sched_setaffinity(0, sizeof all_, &all_);
  }
  bool may() const { return may_; }

 private:
  cpu_set_t all_;
  bool may_;
};

// A thread that waits, then computes for `ms`; and says when it begins and ends.
class Worker {
 public:
  Worker(Log& log, char name, int policy, int priority, int ms)
      : log_(log), name_(name), ms_(ms), thread_(Body{this}) {
    const sched_param parameter = {priority};
    CHECK_EQ(sched_setscheduler(thread_.tid(), policy, &parameter), 0);
    thread_.AwaitBlocked(SYS_futex);
  }
  void Go() { gate_.Open(); }

 private:
  struct Body {
    Worker* self;
    void operator()() const {
      self->gate_.Pass();
      const int64_t start = CpuTime();
      self->log_.Put(self->name_);
      Compute(start, self->ms_);
      self->log_.Put(static_cast<char>(self->name_ - 'a' + 'A'));
    }
  };
  Log& log_;
  char name_;
  int ms_;
  Gate gate_;
  Thread<Body> thread_;
};

}  // namespace

TEST(fifo_runs_until_it_is_done) {
  Urgent urgent;
  if (!urgent.may()) return;
  Log log;
  {
    Worker a(log, 'a', SCHED_FIFO, 10, 60), b(log, 'b', SCHED_FIFO, 10, 10);
    a.Go();
    b.Go();
    CHECK_EQ(log.length, 0);  // whoever wakes is more urgent
  }
  CHECK(strcmp(log.text, "aAbB") == 0);
}

TEST(round_robin_takes_turns_of_100_ms) {
  Urgent urgent;
  if (!urgent.may()) return;
  Log log;
  {
    Worker a(log, 'a', SCHED_RR, 10, 140), b(log, 'b', SCHED_RR, 10, 140);
    a.Go();
    b.Go();
  }
  CHECK(strcmp(log.text, "abAB") == 0);
}

TEST(who_is_preempted_goes_on_before_its_peers) {
  Urgent urgent;
  if (!urgent.may()) return;
  Log log;
  {
    Worker a(log, 'a', SCHED_FIFO, 10, 60), b(log, 'b', SCHED_FIFO, 10, 10);
    Worker c(log, 'c', SCHED_FIFO, 20, 5);
    a.Go();
    b.Go();
    SleepMs(20);  // a computes
    c.Go();
  }
  CHECK(strcmp(log.text, "acCAbB") == 0);
}

TEST(timer_of_a_peer_preempts_nobody) {
  Urgent urgent;
  if (!urgent.may()) return;
  Log log;
  Gate gate;
  {
    Worker a(log, 'a', SCHED_FIFO, 10, 60);
    Thread peer([&] {
      SleepMs(20);
      log.Put('p');
    });
    const sched_param parameter = {10};
    CHECK_EQ(sched_setscheduler(peer.tid(), SCHED_FIFO, &parameter), 0);
    SleepMs(1);
    a.Go();
  }
  CHECK(strcmp(log.text, "aAp") == 0);
}

TEST(intervals_of_the_policies) {
  for (int policy : {SCHED_OTHER, SCHED_FIFO, SCHED_RR}) {
    const sched_param parameter = {policy == SCHED_OTHER ? 0 : 5};
    if (sched_setscheduler(0, policy, &parameter) != 0) continue;
    timespec interval = {-1, -1};
    CHECK_EQ(sched_rr_get_interval(0, &interval), 0);
    if (policy == SCHED_OTHER) continue;
    RECORD("policy %d: %ld ms", policy, static_cast<long>(ToNs(interval) / kMs));
  }
  const sched_param none = {0};
  CHECK_EQ(sched_setscheduler(0, SCHED_OTHER, &none), 0);
}
