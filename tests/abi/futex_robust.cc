// Robust futexes: set_robust_list(2) and what the kernel does with the list when a thread ends.
#include <stddef.h>

#include "futex_test.h"

using namespace abi;

namespace {

// A list as libc's, with the word behind the link.
struct Entry {
  Entry* next;
  uint32_t word;
};
struct List {
  Entry* first;
  long offset;
  Entry* pending;
};

Entry* Tagged(Entry* entry) {
  return reinterpret_cast<Entry*>(reinterpret_cast<uintptr_t>(entry) | 1);
}
Entry* Head(List& list) { return reinterpret_cast<Entry*>(&list); }
long SetList(void* list, size_t size = sizeof(List)) {
  return syscall(SYS_set_robust_list, list, size);
}

// Runs `prepare(tid)` in a thread that ends with `list` as its own.
template <class F>
void EndWith(List& list, F prepare) {
  list = {Head(list), offsetof(Entry, word), nullptr};
  Thread thread([&] {
    SetList(&list);
    prepare(static_cast<uint32_t>(Tid()));
    syscall(SYS_exit, 0);
  });
}

const char* Marks(uint32_t word) {
  static thread_local char text[4][40];
  static thread_local unsigned next = 0;
  char* t = text[next++ % 4];
  snprintf(t, sizeof text[0], "%s%s%s", (word & FUTEX_TID_MASK) == 0 ? "free" : "owned",
           word & FUTEX_WAITERS ? "|WAITERS" : "", word & FUTEX_OWNER_DIED ? "|DIED" : "");
  return t;
}

}  // namespace

TEST(set_and_get) {
  List list;
  RECORD("size %s, null %s, wild %s", Res(SetList(&list, 23)), Res(SetList(&list, 25)),
         Res(SetList(&list, 0)));
  Thread thread([&] {
    void* head = nullptr;
    size_t size = 0;
    CHECK_EQ(SetList(&list), 0);
    CHECK_EQ(syscall(SYS_get_robust_list, 0, &head, &size), 0);
    CHECK(head == &list && size == sizeof list);
    CHECK_EQ(syscall(SYS_get_robust_list, Tid(), &head, &size), 0);
    RECORD("bad head %s, bad size %s, nobody %s",
           Res(syscall(SYS_get_robust_list, 0, Wild(), &size)),
           Res(syscall(SYS_get_robust_list, 0, &head, Wild())),
           Res(syscall(SYS_get_robust_list, 0x3ffffff0, &head, &size)));
    CHECK_EQ(SetList(nullptr), 0);
  });
}

TEST(words_of_the_thread_are_marked) {
  List list;
  Entry own = {}, waited = {}, foreign = {}, pi = {};
  EndWith(list, [&](uint32_t tid) {
    own.word = tid;
    waited.word = tid | FUTEX_WAITERS;
    foreign.word = 1 | FUTEX_WAITERS;
    pi.word = tid | FUTEX_WAITERS;
    list.first = &own;
    own.next = &waited;
    waited.next = &foreign;
    foreign.next = Tagged(&pi);
    pi.next = Head(list);
  });
  RECORD("%s %s %s %s", Marks(own.word), Marks(waited.word), Marks(foreign.word), Marks(pi.word));
}

TEST(one_waiter_of_each_word_is_woken) {
  List list;
  Entry entry = {};
  uint32_t value = 0;
  Gate ready, go;
  list = {Head(list), offsetof(Entry, word), nullptr};
  Thread owner([&] {
    SetList(&list);
    value = static_cast<uint32_t>(Tid()) | FUTEX_WAITERS;
    entry = {Head(list), value};
    list.first = &entry;
    ready.Open();
    go.Pass();
    syscall(SYS_exit, 0);
  });
  ready.Pass();
  PlainWaiter a(&entry.word, 0, value, FUTEX_WAIT), b(&entry.word, 0, value, FUTEX_WAIT);
  PlainWaiter::ResetOrder();
  go.Open();
  owner.Join();
  CHECK(Eventually([] { return PlainWaiter::count() == 1; }));
  SleepMs(20);
  CHECK_EQ(PlainWaiter::count(), 1);
  CHECK_EQ(Futex(&entry.word, FUTEX_WAKE, 9), 1);
}

TEST(pending_operation) {
  for (int step = 0; step < 4; ++step) {
    List list;
    Entry entry = {};
    EndWith(list, [&](uint32_t tid) {
      if (step == 0) entry.word = tid;                  // locked, not yet in the list
      if (step == 1) entry.word = 0;                    // unlocked, not yet out of it
      if (step == 2) entry.word = tid | FUTEX_WAITERS;  // in the list and pending: once
      if (step == 3) entry.word = 7;
      if (step == 2) list.first = &entry;
      entry.next = Head(list);
      list.pending = &entry;
    });
    RECORD("step %d: %s", step, Marks(entry.word));
  }
}

TEST(pending_unlock_wakes_a_waiter_though_the_word_is_free) {
  List list;
  Entry entry = {};
  PlainWaiter waiter(&entry.word, 0, 0, FUTEX_WAIT);
  PlainWaiter::ResetOrder();
  EndWith(list, [&](uint32_t) { list.pending = &entry; });
  CHECK(Eventually([] { return PlainWaiter::count() == 1; }));
  CHECK_EQ(entry.word, 0);
}

TEST(list_is_followed_2048_times) {
  static Entry entries[2100];
  List list;
  EndWith(list, [&](uint32_t tid) {
    list.first = &entries[0];
    for (int i = 0; i < 2100; ++i) entries[i] = {i + 1 < 2100 ? &entries[i + 1] : Head(list), tid};
  });
  int marked = 0;
  for (const Entry& entry : entries) marked += entry.word == FUTEX_OWNER_DIED;
  RECORD("%d marked", marked);
  CHECK(entries[marked - 1].word == FUTEX_OWNER_DIED);
}

TEST(circular_list_ends) {
  List list;
  Entry a = {}, b = {};
  EndWith(list, [&](uint32_t tid) {
    a = {&b, tid};
    b = {&a, tid};
    list.first = &a;
  });
  RECORD("%s %s", Marks(a.word), Marks(b.word));
}

TEST(broken_lists) {
  for (int how = 0; how < 5; ++how) {
    List list;
    Entry first = {}, second = {}, last = {}, pending = {};
    EndWith(list, [&](uint32_t tid) {
      first = {&second, tid};
      second = {&last, tid};
      last = {Head(list), tid};
      pending = {Head(list), tid};
      list.first = &first;
      list.pending = &pending;
      if (how == 0) first.next = static_cast<Entry*>(Wild());
      if (how == 1)
        second.next = reinterpret_cast<Entry*>(reinterpret_cast<char*>(&last) +
                                               2);  // its word is not aligned
      if (how == 2) list.pending = static_cast<Entry*>(Wild());
      if (how == 3) list.first = static_cast<Entry*>(Wild());
      if (how == 4) list.offset = 1 << 20;
    });
    RECORD("%d: %s %s %s %s", how, Marks(first.word), Marks(second.word), Marks(last.word),
           Marks(pending.word));
  }
}

TEST(robust_pi_futex_goes_to_its_waiter) {
  List list;
  Entry entry = {};
  Gate ready, go;
  list = {Head(list), offsetof(Entry, word), nullptr};
  Thread owner([&] {
    SetList(&list);
    CHECK_EQ(LockPi(&entry.word), 0);
    entry.next = Head(list);
    list.first = Tagged(&entry);
    ready.Open();
    go.Pass();
    syscall(SYS_exit, 0);
  });
  ready.Pass();
  PiWaiter waiter(&entry.word);
  go.Open();
  owner.Join();
  waiter.AwaitLocked();
  CHECK_EQ(waiter.result(), 0);
  CHECK_EQ(entry.word, static_cast<uint32_t>(waiter.tid()) | FUTEX_WAITERS | FUTEX_OWNER_DIED);
  waiter.Release();
}

TEST(robust_mutexes_of_libc) {
  for (int protocol : {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT}) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    pthread_mutex_t mutex;
    CHECK_EQ(pthread_mutex_init(&mutex, &attributes), 0);
    {
      Gate locked;
      Thread holder([&] {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        locked.Open();
        SleepMs(30);
      });
      locked.Pass();
      CHECK_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);
    }
    CHECK_EQ(pthread_mutex_consistent(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    {
      Thread holder([&] { CHECK_EQ(pthread_mutex_lock(&mutex), 0); });
    }
    CHECK_EQ(pthread_mutex_trylock(&mutex), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);  // without making it consistent
    CHECK_EQ(pthread_mutex_lock(&mutex), ENOTRECOVERABLE);
    CHECK_EQ(pthread_mutex_destroy(&mutex), 0);
  }
}
