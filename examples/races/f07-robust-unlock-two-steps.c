// F07: a thread dies between the two stores of a robust mutex's unlock.
//
// Seen in: glibc on x86, BZ 20985, https://github.com/bminor/glibc/commit/65810f0ef0
// Bug: the unlock clears the owner's id first and keeps the bit "somebody waits"; a second store
//   clears that as well. If the thread is killed in between, the word no longer has its id, so the
//   kernel, which goes through the list of robust mutexes of the dead, does not mark it "owner
//   died".
// Oracle: a hang: the heir waits for an owner which does not exist.
// Fix: one atomic exchange. Then either the id is there still, or the mutex is free.
#include "race.h"

static struct robust_mutex {
  struct robust_list node;
  futex_word word;
} mutex;

static atomic_bool killed;

// The kernel wakes the heirs of robust mutexes as shared futexes.
static void shared_futex(int operation, uint32_t value) {
  syscall(SYS_futex, &mutex.word, operation, value, NULL, NULL, 0);
}

/// Where the scheduler may kill the thread. (A real kill can come anywhere; this one is repeatable.)
static void die_if_killed(void) {
  if (atomic_load(&killed)) syscall(SYS_exit, 0);
}

static void lock(struct robust_list_head* mine) {
  const uint32_t me = (uint32_t)gettid();
  mine->list_op_pending = &mutex.node;
  for (;;) {
    uint32_t word = 0;
    if (atomic_compare_exchange_strong(&mutex.word, &word, me)) break;
    if (word & FUTEX_OWNER_DIED) {
      if (atomic_compare_exchange_strong(&mutex.word, &word, me)) break;
    } else if (word & FUTEX_WAITERS ||
               atomic_compare_exchange_strong(&mutex.word, &word, word | FUTEX_WAITERS)) {
      shared_futex(FUTEX_WAIT, word | FUTEX_WAITERS);
    }
  }
  mutex.node.next = &mine->list;
  mine->list.next = &mutex.node;
  mine->list_op_pending = NULL;
}

static void unlock(struct robust_list_head* mine) {
  mine->list_op_pending = &mutex.node;
  mine->list.next = &mine->list;
#ifdef FIXED
  const uint32_t word = atomic_exchange(&mutex.word, 0);
  sched_yield();
  die_if_killed();
#else
  const uint32_t word = atomic_fetch_and(&mutex.word, FUTEX_WAITERS);
  sched_yield();  // y: between the two stores
  die_if_killed();
  atomic_store(&mutex.word, 0);
#endif
  if (word & FUTEX_WAITERS) shared_futex(FUTEX_WAKE, 1);
  mine->list_op_pending = NULL;
}

static void* use(void* doomed) {
  static struct robust_list_head heads[2];
  struct robust_list_head* mine = &heads[doomed ? 0 : 1];
  *mine = (struct robust_list_head){{&mine->list}, offsetof(struct robust_mutex, word), NULL};
  syscall(SYS_set_robust_list, mine, sizeof(*mine));
  lock(mine);
  sched_yield();
  if (doomed) die_if_killed();
  unlock(mine);
  return NULL;
}

int main(void) {
  const pthread_t doomed = start(use, &killed), heir = start(use, NULL);
  work();
  atomic_store(&killed, true);
  join(doomed);
  join(heir);
  return 0;
}
