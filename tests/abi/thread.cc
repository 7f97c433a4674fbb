// Threads: clone(2), exit(2), exit_group(2), set_tid_address(2), and what pthreads builds on them.
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "abi_test.h"

using namespace abi;

namespace {

thread_local int t_value = 5;
thread_local int t_zero;

}  // namespace

TEST(main_thread_has_the_pid_as_tid) { CHECK_EQ(Tid(), getpid()); }

TEST(each_thread_has_its_own_tid_and_the_same_pid) {
  const pid_t pid = getpid();
  pid_t seen = 0;
  Thread a([&] { seen = getpid(); });
  Thread b([] {});
  CHECK(a.tid() != b.tid() && a.tid() != Tid());
  a.Join();
  CHECK_EQ(seen, pid);
}

TEST(join_returns_the_result) {
  pthread_t thread;
  int token;
  CHECK_EQ(pthread_create(
               &thread, nullptr, [](void* x) { return x; }, &token),
           0);
  void* result = nullptr;
  CHECK_EQ(pthread_join(thread, &result), 0);
  CHECK(result == &token);
}

TEST(three_hundred_threads) {
  constexpr int kCount = 300;
  pthread_t threads[kCount];
  static int sum;
  sum = 0;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  for (auto& t : threads) {
    REQUIRE(pthread_create(
                &t, &attributes,
                [](void*) -> void* {
                  SleepMs(10);
                  __atomic_add_fetch(&sum, 1, __ATOMIC_SEQ_CST);
                  return nullptr;
                },
                nullptr) == 0);
  }
  for (auto& t : threads) CHECK_EQ(pthread_join(t, nullptr), 0);
  CHECK_EQ(sum, kCount);
}

TEST(thousand_threads_one_after_the_other) {
  int sum = 0;
  for (int i = 0; i < 1000; ++i) {
    Thread t([&] { ++sum; });
    t.Join();
  }
  CHECK_EQ(sum, 1000);
}

TEST(thread_local_storage_is_per_thread) {
  t_value = 6;
  t_zero = 1;
  int value = 0, zero = -1;
  Thread t([&] {
    value = t_value;
    zero = t_zero;
    t_value = 7;
    SleepMs(1);
    CHECK_EQ(t_value, 7);
  });
  t.Join();
  CHECK_EQ(value, 5);
  CHECK_EQ(zero, 0);
  CHECK_EQ(t_value, 6);
}

TEST(errno_is_per_thread) {
  errno = EXDEV;
  Thread t([] { CHECK_ERRNO(close(-1), EBADF); });
  t.Join();
  CHECK_EQ(errno, EXDEV);
}

TEST(mutex_protects_a_counter) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  int count = 0;
  const auto body = [&] {
    for (int i = 0; i < 5000; ++i) {
      pthread_mutex_lock(&mutex);
      const int old = count;
      if (i % 100 == 0) sched_yield();
      count = old + 1;
      pthread_mutex_unlock(&mutex);
    }
  };
  { Thread a(body), b(body), c(body), d(body); }
  CHECK_EQ(count, 20000);
}

TEST(mutex_trylock_and_timedlock) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  int tried = 0, timed = 0;
  const int64_t until = Now(CLOCK_REALTIME) + 20 * kMs;
  Thread t([&] {
    tried = pthread_mutex_trylock(&mutex);
    const timespec deadline = FromNs(until);
    timed = pthread_mutex_timedlock(&mutex, &deadline);
  });
  t.Join();
  CHECK_EQ(tried, EBUSY);
  CHECK_EQ(timed, ETIMEDOUT);
  CHECK_GE(Now(CLOCK_REALTIME), until);
  pthread_mutex_unlock(&mutex);
}

TEST(condition_variable_signal_broadcast_and_timeout) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  int ready = 0, woken = 0;
  const auto body = [&] {
    pthread_mutex_lock(&mutex);
    while (!ready) pthread_cond_wait(&cond, &mutex);
    ++woken;
    pthread_mutex_unlock(&mutex);
  };
  Thread a(body), b(body), c(body);
  SleepMs(10);
  pthread_mutex_lock(&mutex);
  ready = 1;
  pthread_cond_broadcast(&cond);
  pthread_mutex_unlock(&mutex);
  a.Join();
  b.Join();
  c.Join();
  CHECK_EQ(woken, 3);
  const int64_t until = Now(CLOCK_REALTIME) + 20 * kMs;
  const timespec deadline = FromNs(until);
  pthread_mutex_lock(&mutex);
  CHECK_EQ(pthread_cond_timedwait(&cond, &mutex, &deadline), ETIMEDOUT);
  pthread_mutex_unlock(&mutex);
  CHECK_GE(Now(CLOCK_REALTIME), until);
}

TEST(condition_variable_ping_pong) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  int turn = 0;
  const auto play = [&](int me) {
    for (int i = 0; i < 500; ++i) {
      pthread_mutex_lock(&mutex);
      while (turn != me) pthread_cond_wait(&cond, &mutex);
      turn = 1 - me;
      pthread_cond_signal(&cond);
      pthread_mutex_unlock(&mutex);
    }
  };
  Thread partner([&] { play(1); });
  play(0);
  partner.Join();
  CHECK_EQ(turn, 0);
}

TEST(barrier_lets_all_through_and_elects_one) {
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, 4);
  int serial = 0, phase[4] = {};
  const auto body = [&](int me) {
    for (int round = 0; round < 50; ++round) {
      phase[me] = round;
      if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
        __atomic_add_fetch(&serial, 1, 5);
      for (int p : phase) CHECK_EQ(p, round);
      pthread_barrier_wait(&barrier);
    }
  };
  {
    Thread a([&] { body(0); });
    Thread b([&] { body(1); });
    Thread c([&] { body(2); });
    body(3);
  }
  CHECK_EQ(serial, 50);
  pthread_barrier_destroy(&barrier);
}

TEST(rwlock_admits_readers_together_and_writers_alone) {
  pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
  pthread_rwlock_rdlock(&lock);
  int read_locked = -1, write_tried = -1, written = 0;
  Thread reader([&] {
    read_locked = pthread_rwlock_rdlock(&lock);
    pthread_rwlock_unlock(&lock);
    write_tried = pthread_rwlock_trywrlock(&lock);
  });
  reader.Join();
  CHECK_EQ(read_locked, 0);
  CHECK_EQ(write_tried, EBUSY);
  Thread writer([&] {
    pthread_rwlock_wrlock(&lock);
    __atomic_store_n(&written, 1, __ATOMIC_SEQ_CST);
    pthread_rwlock_unlock(&lock);
  });
  writer.AwaitBlocked(SYS_futex);
  CHECK_EQ(__atomic_load_n(&written, __ATOMIC_SEQ_CST), 0);
  pthread_rwlock_unlock(&lock);
  writer.Join();
  CHECK_EQ(written, 1);
}

TEST(semaphore_waits_posts_and_times_out) {
  sem_t sem;
  sem_init(&sem, 0, 1);
  CHECK_EQ(sem_trywait(&sem), 0);
  CHECK_ERRNO(sem_trywait(&sem), EAGAIN);
  const timespec deadline = FromNs(Now(CLOCK_REALTIME) + 15 * kMs);
  CHECK_ERRNO(sem_timedwait(&sem, &deadline), ETIMEDOUT);
  int got = 0;
  const auto body = [&] {
    for (int i = 0; i < 100; ++i) sem_wait(&sem);
    __atomic_add_fetch(&got, 100, __ATOMIC_SEQ_CST);
  };
  {
    Thread a(body), b(body);
    for (int i = 0; i < 200; ++i) sem_post(&sem);
  }
  CHECK_EQ(got, 200);
}

TEST(once_runs_once) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  static int runs = 0;
  const auto body = [] { pthread_once(&once, [] { SleepMs(5), ++runs; }); };
  { Thread a(body), b(body), c(body); }
  CHECK_EQ(runs, 1);
}

TEST(cancellation_of_a_blocked_thread) {
  int cleaned = 0;
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void* flag) -> void* {
        pthread_cleanup_push([](void* f) { *static_cast<int*>(f) = 1; }, flag);
        for (;;) pause();
        pthread_cleanup_pop(0);
        return nullptr;
      },
      &cleaned);
  SleepMs(10);
  CHECK_EQ(pthread_cancel(thread), 0);
  void* result = nullptr;
  CHECK_EQ(pthread_join(thread, &result), 0);
  CHECK(result == PTHREAD_CANCELED);
  CHECK_EQ(cleaned, 1);
}

TEST(raw_exit_ends_the_thread_and_clears_its_tid_word) {
  static int word;
  word = 1;
  static pid_t returned, tid;
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(
      &attributes,
      PTHREAD_CREATE_DETACHED);  // its stack is never reused: libc waits for its own word
  pthread_create(
      &thread, &attributes,
      [](void*) -> void* {
        tid = Tid();
        returned = static_cast<pid_t>(syscall(SYS_set_tid_address, &word));
        SleepMs(20);
        syscall(SYS_exit, 0);
        return nullptr;
      },
      nullptr);
  while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) != 0)
    syscall(SYS_futex, &word, FUTEX_WAIT, 1, nullptr, nullptr, 0);
  CHECK(returned == tid && tid != 0);
  // The word is cleared before the task is gone.
  for (int i = 0; i < 1000 && Tgkill(tid, 0) == 0; ++i) SleepMs(1);
  CHECK_ERRNO(Tgkill(tid, 0), ESRCH);
}

TEST(exit_group_from_a_thread_ends_the_process) {
  const int status = ChildStatus([] {
    Thread t([] { syscall(SYS_exit_group, 42); });
    for (;;) pause();
    return 0;
  });
  RECORD("%s", StatusText(status));
}

TEST(return_from_main_thread_ends_other_threads) {
  const int status = ChildStatus([] {
    auto* t = new Thread([] {
      for (;;) pause();
    });
    (void)t;
    return 7;
  });
  RECORD("%s", StatusText(status));
}

TEST(exit_of_the_main_thread_leaves_the_others_running) {
  int p[2];
  CHECK_OK(pipe(p));
  const pid_t pid = Spawn([&] {
    static int* ends;
    ends = p;
    auto* t = new Thread([] {
      SleepMs(20);
      CHECK_EQ(write(ends[1], "x", 1), 1);
      SleepMs(10);
      syscall(SYS_exit, 5);
    });
    (void)t;
    syscall(SYS_exit, 3);
    return 0;
  });
  char byte = 0;
  CHECK_EQ(read(p[0], &byte, 1), 1);
  RECORD("%s", StatusText(WaitFor(pid)));
  close(p[0]);
  close(p[1]);
}

TEST(fatal_signal_to_one_thread_ends_the_process) {
  const int status = ChildStatus([] {
    Thread t([] {
      for (;;) pause();
    });
    Tgkill(t.tid(), SIGUSR1);
    for (;;) pause();
    return 0;
  });
  RECORD("%s", StatusText(status));
}

TEST(clone_flag_errors) {
  const auto clone_with = [](unsigned long flags) {
    const long result = syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr);
    if (result == 0) _exit(0);
    if (result > 0) waitpid(static_cast<pid_t>(result), nullptr, __WALL);
    return result > 0 ? "ok" : ErrnoName(errno);
  };
  RECORD("THREAD without SIGHAND %s", clone_with(CLONE_THREAD));
  RECORD("SIGHAND without VM %s", clone_with(CLONE_SIGHAND | SIGCHLD));
  RECORD("THREAD and SIGHAND without VM %s", clone_with(CLONE_THREAD | CLONE_SIGHAND));
  RECORD("NEWNS and FS %s", clone_with(CLONE_NEWNS | CLONE_FS | SIGCHLD));
  RECORD("bad exit signal %s", clone_with(200));
  RECORD("plain %s", clone_with(SIGCHLD));
}

TEST(clone3_argument_errors) {
  struct clone_args args = {};
  char big[512] = {};
  const auto clone3 = [](void* a, size_t size) {
    const long result = syscall(SYS_clone3, a, size);
    if (result == 0) _exit(0);
    if (result > 0) waitpid(static_cast<pid_t>(result), nullptr, __WALL);
    return result > 0 ? "ok" : ErrnoName(errno);
  };
  RECORD("size 0 %s, 63 %s, huge %s", clone3(&args, 0), clone3(&args, 63), clone3(&args, 10000));
  RECORD("wild %s, null %s", clone3(Wild(), sizeof args), clone3(nullptr, sizeof args));
  args.flags = SIGCHLD;
  RECORD("signal in flags %s", clone3(&args, sizeof args));
  args.flags = 0, args.exit_signal = 200;
  RECORD("bad exit signal %s", clone3(&args, sizeof args));
  args.exit_signal = SIGCHLD, args.stack = 4096;
  RECORD("stack without size %s", clone3(&args, sizeof args));
  args.stack = 0, args.stack_size = 4096;
  RECORD("size without stack %s", clone3(&args, sizeof args));
  args.stack_size = 0, args.flags = CLONE_THREAD;
  RECORD("THREAD without SIGHAND %s", clone3(&args, sizeof args));
  args.flags = 0;
  RECORD("plain %s", clone3(&args, sizeof args));
  memcpy(big, &args, sizeof args);
  RECORD("longer, zeros %s", clone3(big, sizeof big));
  big[400] = 1;
  RECORD("longer, not zeros %s", clone3(big, sizeof big));
}

TEST(robust_list_registration) {
  char head[24] = {};
  void* old = nullptr;
  size_t size = 0;
  CHECK_OK(syscall(SYS_get_robust_list, 0, &old, &size));
  CHECK_EQ(size, 24);
  CHECK(old != nullptr);  // libc's
  CHECK_ERRNO(syscall(SYS_set_robust_list, head, 8), EINVAL);
  CHECK_OK(syscall(SYS_set_robust_list, old, 24));
  RECORD("no such thread %s, wild %s", Res(syscall(SYS_get_robust_list, 0x3ffffff, &old, &size)),
         Res(syscall(SYS_get_robust_list, 0, Wild(), &size)));
}

TEST(names_are_per_thread) {
  char name[16] = "";
  CHECK_EQ(pthread_setname_np(pthread_self(), "main-thread"), 0);
  Thread t([] {
    char mine[16] = "";
    prctl(PR_SET_NAME, "a name that is cut after fifteen");
    prctl(PR_GET_NAME, mine);
    RECORD("thread: %s", mine);
  });
  t.Join();
  prctl(PR_GET_NAME, name);
  RECORD("main: %s", name);
}

TEST(yield_returns_zero) {
  for (int i = 0; i < 100; ++i) CHECK_EQ(sched_yield(), 0);
}

TEST(spinning_with_yield_lets_the_other_thread_run) {
  int flag = 0;
  Thread t([&] {
    SleepMs(10);
    __atomic_store_n(&flag, 1, __ATOMIC_RELEASE);
  });
  while (!__atomic_load_n(&flag, __ATOMIC_ACQUIRE)) sched_yield();
}

TEST(tgkill_errors) {
  RECORD("no such thread %s, tid 0 %s, tgid 0 %s, tgid -1 %s, signal 65 %s, signal -1 %s",
         Res(syscall(SYS_tgkill, getpid(), 0x3ffffff, 0)), Res(syscall(SYS_tgkill, getpid(), 0, 0)),
         Res(syscall(SYS_tgkill, 0, Tid(), 0)), Res(syscall(SYS_tgkill, -1, Tid(), 0)),
         Res(syscall(SYS_tgkill, getpid(), Tid(), 65)),
         Res(syscall(SYS_tgkill, getpid(), Tid(), -1)));
  RECORD("wrong group %s", Res(syscall(SYS_tgkill, getppid(), Tid(), 0)));
}
