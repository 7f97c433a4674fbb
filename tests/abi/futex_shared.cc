// Futexes between processes, and what names a futex: counts, order and errors are as exact as
// within one process.
#include "futex_test.h"

using namespace abi;

namespace {

uint32_t* SharedWords(size_t size = 4096) {
  return static_cast<uint32_t*>(
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

long WaitShared(const uint32_t* word, const timespec* timeout = nullptr) {
  return Futex(word, FUTEX_WAIT, 0, timeout);
}
long WakeShared(const uint32_t* word, int count) { return Futex(word, FUTEX_WAKE, count); }

// A requeue to the same word moves nobody and counts all.
long Waiters(const uint32_t* word) { return Futex(word, FUTEX_REQUEUE, 0, Count(INT_MAX), word); }
void AwaitWaiters(const uint32_t* word, long n) {
  CHECK(Eventually([&] { return Waiters(word) == n; }));
}

pid_t SpawnWaiter(const uint32_t* word, int code = 0) {
  return Spawn([=] { return WaitShared(word) == 0 ? code : 99; });
}

}  // namespace

TEST(wake_counts_waiters_of_other_processes) {
  uint32_t* word = SharedWords();
  CHECK_EQ(WakeShared(word, 1), 0);
  pid_t children[4];
  for (pid_t& child : children) child = SpawnWaiter(word);
  AwaitWaiters(word, 4);
  CHECK_EQ(WakeShared(word, 1), 1);
  CHECK_EQ(WakeShared(word, 2), 2);
  CHECK_EQ(WakeShared(word, INT_MAX), 1);
  CHECK_EQ(WakeShared(word, INT_MAX), 0);
  for (pid_t child : children) CHECK_EQ(WaitFor(child), 0);
  munmap(word, 4096);
}

TEST(wake_is_first_in_first_out_over_processes_and_threads) {
  uint32_t* word = SharedWords();
  pid_t children[3];
  children[0] = SpawnWaiter(word, 1);
  AwaitWaiters(word, 1);
  bool thread_woken = false;
  Thread thread([&] {
    WaitShared(word);
    __atomic_store_n(&thread_woken, true, __ATOMIC_SEQ_CST);
  });
  AwaitWaiters(word, 2);
  children[1] = SpawnWaiter(word, 2);
  AwaitWaiters(word, 3);
  CHECK_EQ(WakeShared(word, 1), 1);
  CHECK_EQ(WaitFor(children[0]), 1 << 8);
  CHECK(!__atomic_load_n(&thread_woken, __ATOMIC_SEQ_CST));
  CHECK_EQ(WakeShared(word, 1), 1);
  thread.Join();
  CHECK_EQ(Waiters(word), 1);
  CHECK_EQ(WakeShared(word, 1), 1);
  CHECK_EQ(WaitFor(children[1]), 2 << 8);
  munmap(word, 4096);
}

TEST(child_wakes_its_parent_and_learns_the_count) {
  uint32_t* word = SharedWords();
  const pid_t child = Spawn([=] {
    AwaitWaiters(word, 1);
    return static_cast<int>(WakeShared(word, 9));
  });
  CHECK_EQ(WaitShared(word), 0);
  CHECK_EQ(WaitFor(child), 1 << 8);
  munmap(word, 4096);
}

TEST(waiter_from_before_the_fork_is_woken_by_the_child) {
  uint32_t* word = SharedWords();
  Thread thread([&] { WaitShared(word); });
  AwaitWaiters(word, 1);
  CHECK_EQ(ChildStatus([&] { return static_cast<int>(WakeShared(word, 9)); }), 1 << 8);
  thread.Join();
  munmap(word, 4096);
}

TEST(bitsets_and_changed_words_between_processes) {
  uint32_t* word = SharedWords();
  const pid_t child = Spawn(
      [=] { return static_cast<int>(Futex(word, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 4)); });
  AwaitWaiters(word, 1);
  CHECK_EQ(Futex(word, FUTEX_WAKE_BITSET, 9, nullptr, nullptr, 3), 0);
  CHECK_EQ(Futex(word, FUTEX_WAKE_BITSET, 9, nullptr, nullptr, 6), 1);
  CHECK_EQ(WaitFor(child), 0);
  *word = 1;
  CHECK_EQ(ChildStatus([&] { return WaitShared(word) == -1 ? errno : 0; }), EAGAIN << 8);
  munmap(word, 4096);
}

TEST(requeue_and_wake_op_between_processes) {
  uint32_t* words = SharedWords();
  pid_t children[3];
  for (pid_t& child : children) child = SpawnWaiter(&words[0]);
  AwaitWaiters(&words[0], 3);
  CHECK_ERRNO(Futex(&words[0], FUTEX_CMP_REQUEUE, 1, Count(1), &words[1], 7), EAGAIN);
  CHECK_EQ(Futex(&words[0], FUTEX_CMP_REQUEUE, 1, Count(1), &words[1], 0), 2);
  CHECK_EQ(Waiters(&words[0]), 1);
  CHECK_EQ(Waiters(&words[1]), 1);
  CHECK_EQ(Futex(&words[0], FUTEX_WAKE_OP, 1, Count(1), &words[1],
                 FUTEX_OP(FUTEX_OP_SET, 5, FUTEX_OP_CMP_EQ, 0)),
           2);
  CHECK_EQ(words[1], 5);
  for (pid_t child : children) CHECK_EQ(WaitFor(child), 0);
  munmap(words, 4096);
}

TEST(waiter_that_timed_out_or_was_killed_is_not_counted) {
  uint32_t* word = SharedWords();
  CHECK_EQ(ChildStatus([&] {
             const timespec t = FromNs(20 * kMs);
             return WaitShared(word, &t) == -1 ? errno : 0;
           }),
           ETIMEDOUT << 8);
  CHECK_EQ(WakeShared(word, 9), 0);
  const pid_t killed = SpawnWaiter(word);
  AwaitWaiters(word, 1);
  const pid_t waits = SpawnWaiter(word);
  AwaitWaiters(word, 2);
  kill(killed, SIGKILL);
  CHECK_EQ(WaitFor(killed), SIGKILL);
  CHECK_EQ(Waiters(word), 1);
  CHECK_EQ(WakeShared(word, 1), 1);
  CHECK_EQ(WaitFor(waits), 0);
  CHECK_EQ(WakeShared(word, 9), 0);
  munmap(word, 4096);
}

TEST(interrupted_waiter_in_another_process) {
  uint32_t* word = SharedWords();
  const pid_t child = Spawn([=] {
    Handler handler(SIGUSR1, CountSignal);
    return WaitShared(word) == -1 ? errno : 0;
  });
  AwaitWaiters(word, 1);
  kill(child, SIGUSR1);
  CHECK_EQ(WaitFor(child), EINTR << 8);
  CHECK_EQ(WakeShared(word, 1), 0);
  munmap(word, 4096);
}

TEST(one_file_in_two_processes_at_two_addresses) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "futex", 0));
  CHECK_OK(ftruncate(fd, 8192));
  const pid_t child = Spawn([=] {
    auto* second =
        static_cast<uint32_t*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096));
    return WaitShared(second + 3) == 0 ? 5 : 6;
  });
  auto* all =
      static_cast<uint32_t*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  AwaitWaiters(all + 1024 + 3, 1);
  CHECK_EQ(Waiters(all + 3), 0);
  CHECK_EQ(WakeShared(all + 1024 + 3, 1), 1);
  CHECK_EQ(WaitFor(child), 5 << 8);
  munmap(all, 8192);
  close(fd);
}

TEST(objects_made_after_the_fork_are_different) {
  uint32_t* gate = SharedWords();
  const pid_t child = Spawn([=] {
    uint32_t* mine = SharedWords();
    const timespec t = FromNs(200 * kMs);
    gate[0] = 1;
    return WaitShared(mine, &t) == -1 ? errno : 0;
  });
  uint32_t* mine = SharedWords();
  CHECK(Eventually([&] { return __atomic_load_n(gate, __ATOMIC_SEQ_CST) == 1; }));
  SleepMs(20);
  CHECK_EQ(WakeShared(mine, 9), 0);
  CHECK_EQ(WaitFor(child), ETIMEDOUT << 8);
  munmap(mine, 4096);
  munmap(gate, 4096);
}

TEST(private_memory_is_not_shared_with_a_child) {
  static uint32_t word;
  uint32_t* gate = SharedWords();
  for (int op : Ints{FUTEX_WAIT, FUTEX_WAIT_PRIVATE}) {
    *gate = 0;
    const pid_t child = Spawn([=] {
      const timespec t = FromNs(100 * kMs);
      *gate = 1;
      return Futex(&word, op, 0, &t) == -1 ? errno : 0;
    });
    CHECK(Eventually([&] { return __atomic_load_n(gate, __ATOMIC_SEQ_CST) == 1; }));
    SleepMs(20);
    CHECK_EQ(Futex(&word, FUTEX_WAKE | (op & FUTEX_PRIVATE_FLAG), 9), 0);
    CHECK_EQ(WaitFor(child), ETIMEDOUT << 8);
  }
  munmap(gate, 4096);
}

TEST(private_mapping_of_a_file_is_not_shared) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "futex", 0));
  CHECK_OK(ftruncate(fd, 4096));
  auto* shared =
      static_cast<uint32_t*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  auto* own =
      static_cast<uint32_t*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  {
    Thread waiter([&] { WaitShared(own); });
    AwaitWaiters(own, 1);
    CHECK_EQ(WakeShared(shared, 9), 0);
    CHECK_EQ(WakeShared(own, 9), 1);
  }
  munmap(shared, 4096);
  munmap(own, 4096);
  close(fd);
}

TEST(mappings_of_dev_zero_are_different) {
  const int fd = open("/dev/zero", O_RDWR);
  uint32_t* words[2];
  for (uint32_t*& w : words) {
    w = static_cast<uint32_t*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  }
  {
    Thread waiter([&] { WaitShared(words[0]); });
    AwaitWaiters(words[0], 1);
    CHECK_EQ(WakeShared(words[1], 9), 0);
    CHECK_EQ(WakeShared(words[0], 9), 1);
  }
  for (uint32_t* w : words) munmap(w, 4096);
  close(fd);
}

TEST(shared_futex_moves_with_its_mapping) {
  uint32_t* word = SharedWords();
  Thread waiter([&] { WaitShared(word); });
  AwaitWaiters(word, 1);
  void* place = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  auto* moved =
      static_cast<uint32_t*>(mremap(word, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, place));
  REQUIRE(moved == place);
  CHECK_ERRNO(WakeShared(word, 9), EFAULT);
  auto* twin = static_cast<uint32_t*>(mremap(moved, 0, 4096, MREMAP_MAYMOVE));
  REQUIRE(twin != MAP_FAILED);
  CHECK_EQ(Waiters(twin), 1);
  CHECK_EQ(WakeShared(moved, 9), 1);
  waiter.Join();
  munmap(moved, 4096);
  munmap(twin, 4096);
}

TEST(mapping_over_a_waited_futex) {
  uint32_t* word = SharedWords();
  void* twin = mremap(word, 0, 4096, MREMAP_MAYMOVE);
  const timespec t = FromNs(300 * kMs);
  long result = 0;
  Thread waiter([&] { result = WaitShared(word, &t); });
  AwaitWaiters(word, 1);
  mmap(word, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  CHECK_EQ(WakeShared(word, 9), 0);
  CHECK_EQ(Waiters(static_cast<uint32_t*>(twin)), 1);
  CHECK_EQ(WakeShared(static_cast<uint32_t*>(twin), 9), 1);
  waiter.Join();
  CHECK_EQ(result, 0);
  munmap(word, 4096);
  munmap(twin, 4096);
}

TEST(private_futex_stays_where_its_address_was) {
  auto* word = static_cast<uint32_t*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  Thread waiter([&] { Futex(word, FUTEX_WAIT_PRIVATE, 0); });
  waiter.AwaitBlocked(SYS_futex);
  void* place = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mremap(word, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, place);
  CHECK_EQ(Wake(place, 9), 0);
  CHECK_EQ(Wake(word, 9), 1);  // nothing is mapped there
  munmap(place, 4096);
}

namespace {
struct Primitives {
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  pthread_barrier_t barrier;
  sem_t semaphore;
  int turn, total;
};
Primitives* MakePrimitives(int protocol, bool robust, unsigned parties) {
  auto* p = reinterpret_cast<Primitives*>(SharedWords());
  pthread_mutexattr_t mutex;
  pthread_mutexattr_init(&mutex);
  pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setprotocol(&mutex, protocol);
  if (robust) pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
  CHECK_EQ(pthread_mutex_init(&p->mutex, &mutex), 0);
  pthread_condattr_t condition;
  pthread_condattr_init(&condition);
  pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
  pthread_cond_init(&p->condition, &condition);
  pthread_barrierattr_t barrier;
  pthread_barrierattr_init(&barrier);
  pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&p->barrier, &barrier, parties);
  sem_init(&p->semaphore, 1, 0);
  return p;
}
}  // namespace

TEST(process_shared_primitives_of_libc) {
  for (int protocol : {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT}) {
    Primitives* p = MakePrimitives(protocol, false, 3);
    const auto body = [=](int me) {
      pthread_barrier_wait(&p->barrier);
      for (int round = 0; round < 20; ++round) {
        pthread_mutex_lock(&p->mutex);
        while (p->turn != me) pthread_cond_wait(&p->condition, &p->mutex);
        p->turn = (me + 1) % 3;
        const int seen = p->total;
        if (round % 5 == 0) SleepMs(1);
        p->total = seen + 1;
        pthread_cond_broadcast(&p->condition);
        pthread_mutex_unlock(&p->mutex);
      }
      sem_post(&p->semaphore);
      pthread_barrier_wait(&p->barrier);
      return 0;
    };
    const pid_t a = Spawn([&] { return body(1); });
    const pid_t b = Spawn([&] { return body(2); });
    body(0);
    for (int i = 0; i < 3; ++i) CHECK_EQ(sem_wait(&p->semaphore), 0);
    CHECK_EQ(p->total, 60);
    CHECK_EQ(WaitFor(a), 0);
    CHECK_EQ(WaitFor(b), 0);
    munmap(p, 4096);
  }
}

TEST(robust_mutex_of_a_process_that_ends) {
  for (int protocol : {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT}) {
    for (int how = 0; how < 4; ++how) {
      Primitives* p = MakePrimitives(protocol, true, 2);
      const pid_t child = Spawn([=] {
        pthread_mutex_lock(&p->mutex);
        sem_post(&p->semaphore);
        if (how == 3) pthread_barrier_wait(&p->barrier);
        SleepMs(50);
        if (how == 0) _exit(3);
        if (how == 1) raise(SIGKILL);
        if (how == 2) execl("/bin/true", "true", nullptr);
        pause();
        return 9;
      });
      sem_wait(&p->semaphore);
      if (how == 3) {  // nobody waits yet when it is killed
        pthread_barrier_wait(&p->barrier);
        kill(child, SIGKILL);
        WaitFor(child);
      }
      CHECK_EQ(pthread_mutex_lock(&p->mutex), EOWNERDEAD);
      CHECK_EQ(pthread_mutex_consistent(&p->mutex), 0);
      CHECK_EQ(pthread_mutex_unlock(&p->mutex), 0);
      CHECK_EQ(pthread_mutex_lock(&p->mutex), 0);
      CHECK_EQ(pthread_mutex_unlock(&p->mutex), 0);
      if (how != 3) WaitFor(child);
      munmap(p, 4096);
    }
  }
}

TEST(pi_futex_between_processes) {
  uint32_t* words = SharedWords();
  const pid_t child = Spawn([=] {
    CHECK_EQ(Futex(&words[0], FUTEX_LOCK_PI, 0), 0);
    words[1] = 1;
    while (__atomic_load_n(&words[1], __ATOMIC_SEQ_CST) != 2) SleepMs(1);
    CHECK_EQ(Futex(&words[0], FUTEX_UNLOCK_PI, 0), 0);
    CHECK_EQ(Futex(&words[0], FUTEX_LOCK_PI, 0), 0);
    return 4;  // ends as the owner
  });
  CHECK(Eventually([&] { return __atomic_load_n(&words[1], __ATOMIC_SEQ_CST) == 1; }));
  CHECK_EQ(words[0], child);
  CHECK_ERRNO(Futex(&words[0], FUTEX_TRYLOCK_PI, 0), EAGAIN);
  CHECK_ERRNO(Futex(&words[0], FUTEX_UNLOCK_PI, 0), EPERM);
  const timespec soon = FromNs(Now(CLOCK_REALTIME) + 20 * kMs);
  CHECK_ERRNO(Futex(&words[0], FUTEX_LOCK_PI, 0, &soon), ETIMEDOUT);
  CHECK_EQ(words[0], static_cast<uint32_t>(child) | FUTEX_WAITERS);
  __atomic_store_n(&words[1], 2, __ATOMIC_SEQ_CST);
  CHECK_EQ(Futex(&words[0], FUTEX_LOCK_PI, 0), 0);
  CHECK(Eventually(
      [&] { return (__atomic_load_n(&words[0], __ATOMIC_SEQ_CST) & FUTEX_WAITERS) != 0; }));
  SleepMs(20);
  CHECK_EQ(Futex(&words[0], FUTEX_UNLOCK_PI, 0), 0);
  // The child owns it now or soon, and ends.
  CHECK_EQ(WaitFor(child), 4 << 8);
  CHECK_ERRNO(Futex(&words[0], FUTEX_LOCK_PI, 0), ESRCH);
  munmap(words, 4096);
}

TEST(deadlock_between_processes_is_EDEADLK) {
  uint32_t* words = SharedWords();
  CHECK_EQ(Futex(&words[0], FUTEX_LOCK_PI, 0), 0);
  const pid_t child = Spawn([=] {
    CHECK_EQ(Futex(&words[1], FUTEX_LOCK_PI, 0), 0);
    CHECK_EQ(Futex(&words[0], FUTEX_LOCK_PI, 0), 0);
    CHECK_EQ(Futex(&words[0], FUTEX_UNLOCK_PI, 0), 0);
    CHECK_EQ(Futex(&words[1], FUTEX_UNLOCK_PI, 0), 0);
    return 0;
  });
  CHECK(Eventually(
      [&] { return (__atomic_load_n(&words[0], __ATOMIC_SEQ_CST) & FUTEX_WAITERS) != 0; }));
  SleepMs(20);
  CHECK_ERRNO(Futex(&words[1], FUTEX_LOCK_PI, 0), EDEADLK);
  CHECK_EQ(Futex(&words[0], FUTEX_UNLOCK_PI, 0), 0);
  CHECK_EQ(WaitFor(child), 0);
  CHECK_EQ(words[0], 0);
  munmap(words, 4096);
}

TEST(requeue_pi_between_processes) {
  uint32_t* words = SharedWords();
  CHECK_EQ(Futex(&words[1], FUTEX_LOCK_PI, 0), 0);
  const pid_t child = Spawn([=] {
    CHECK_EQ(Futex(&words[0], FUTEX_WAIT_REQUEUE_PI, 0, nullptr, &words[1]), 0);
    CHECK_EQ(words[1] & FUTEX_TID_MASK, Tid());
    CHECK_EQ(Futex(&words[1], FUTEX_UNLOCK_PI, 0), 0);
    return 0;
  });
  long moved = 0;
  CHECK(Eventually([&] {
    return (moved = Futex(&words[0], FUTEX_CMP_REQUEUE_PI, 1, Count(9), &words[1], 0)) != 0;
  }));
  CHECK_EQ(moved, 1);
  CHECK_EQ(Futex(&words[1], FUTEX_UNLOCK_PI, 0), 0);
  CHECK_EQ(WaitFor(child), 0);
  CHECK_EQ(words[1], 0);
  munmap(words, 4096);
}
