// futex_waitv(2), and the futex2 calls futex_wake, futex_wait and futex_requeue.
#include "futex_test.h"

using namespace abi;

namespace {

constexpr int kWaitv = 449, kWake2 = 454, kWait2 = 455, kRequeue2 = 456;
constexpr uint32_t kU8 = 0, kU16 = 1, kU32 = 2, kU64 = 3, kNuma = 4, kMpol = 8, kPrivate = 128;

struct Waitv {
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};
Waitv Entry(const void* word, uint64_t value = 0, uint32_t flags = kU32 | kPrivate) {
  return {value, reinterpret_cast<uint64_t>(word), flags, 0};
}
long WaitAny(const Waitv* entries, unsigned n, const timespec* until = nullptr,
             int clock = CLOCK_MONOTONIC, unsigned flags = 0) {
  return syscall(kWaitv, entries, n, flags, until, clock);
}
long Wake2(const void* word, uint64_t mask, int count, uint32_t flags = kU32 | kPrivate) {
  return syscall(kWake2, word, mask, count, flags);
}
long Wait2(const void* word, uint64_t value, uint64_t mask, uint32_t flags = kU32 | kPrivate,
           const timespec* until = nullptr, int clock = CLOCK_MONOTONIC) {
  return syscall(kWait2, word, value, mask, flags, until, clock);
}

constexpr timespec kPast = {1, 0};

}  // namespace

TEST(waitv_returns_the_index_that_was_woken) {
  for (int which : {0, 1, 2}) {
    uint32_t words[3] = {0, 0, 0};
    const Waitv entries[] = {Entry(&words[0]), Entry(&words[1]), Entry(&words[2])};
    long result = -2;
    Thread waiter([&] { result = WaitAny(entries, 3); });
    waiter.AwaitBlocked(kWaitv);
    CHECK_EQ(Wake(&words[which], 1), 1);
    waiter.Join();
    CHECK_EQ(result, which);
    for (uint32_t& word : words) CHECK_EQ(Wake(&word, 1), 0);
  }
}

TEST(waitv_of_one_word_twice) {
  uint32_t word = 0;
  const Waitv entries[] = {Entry(&word), Entry(&word)};
  long result = -2;
  Thread waiter([&] { result = WaitAny(entries, 2); });
  waiter.AwaitBlocked(kWaitv);
  RECORD("woken %ld", Wake(&word, 9));
  waiter.Join();
  RECORD("index %ld", result);
}

TEST(waitv_of_a_changed_word_is_EAGAIN) {
  uint32_t words[2] = {0, 1};
  const Waitv entries[] = {Entry(&words[0]), Entry(&words[1])};
  CHECK_ERRNO(WaitAny(entries, 2), EAGAIN);
  CHECK_EQ(Wake(&words[0], 1), 0);
}

TEST(waitv_takes_128_words) {
  static uint32_t words[129];
  static Waitv entries[129];
  for (int i = 0; i < 129; ++i) entries[i] = Entry(&words[i]);
  CHECK_ERRNO(WaitAny(entries, 129, &kPast), EINVAL);
  CHECK_ERRNO(WaitAny(entries, 128, &kPast), ETIMEDOUT);
  long result = -2;
  Thread waiter([&] { result = WaitAny(entries, 128); });
  waiter.AwaitBlocked(kWaitv);
  CHECK_EQ(Wake(&words[127], 1), 1);
  waiter.Join();
  CHECK_EQ(result, 127);
}

TEST(waitv_timeouts_on_both_clocks) {
  uint32_t word = 0;
  const Waitv entry = Entry(&word);
  for (int clock : Ints{CLOCK_MONOTONIC, CLOCK_REALTIME}) {
    const int64_t until = Now(clock) + 20 * kMs;
    const timespec t = FromNs(until);
    CHECK_ERRNO(WaitAny(&entry, 1, &t, clock), ETIMEDOUT);
    CHECK_GE(Now(clock), until);
    CHECK_ERRNO(Wait2(&word, 0, ~0u, kU32 | kPrivate, &t, clock), ETIMEDOUT);
  }
  for (int clock : Ints{CLOCK_BOOTTIME, CLOCK_TAI, 77, -1}) {
    RECORD("clock %d: %s %s; without a time %s", clock, Res(WaitAny(&entry, 1, &kPast, clock)),
           Res(Wait2(&word, 0, ~0u, kU32 | kPrivate, &kPast, clock)),
           Res(Wait2(&word, 1, ~0u, kU32, nullptr, clock)));
  }
}

TEST(waitv_and_wait2_are_interrupted) {
  for (int flags : {0, SA_RESTART}) {
    for (bool vector : {false, true}) {
      for (bool timed : {false, true}) {
        Handler handler(SIGUSR1, CountSignal, flags);
        g_signals = 0;
        uint32_t word = 0;
        const Waitv entry = Entry(&word);
        const timespec until = FromNs(Now() + 1000'000 * kMs);
        const timespec* t = timed ? &until : nullptr;
        long result = -2;
        int error = 0;
        Thread waiter([&] {
          result = vector ? WaitAny(&entry, 1, t) : Wait2(&word, 0, ~0u, kU32 | kPrivate, t);
          error = errno;
        });
        waiter.AwaitBlocked(vector ? kWaitv : kWait2);
        Tgkill(waiter.tid(), SIGUSR1);
        while (g_signals == 0) SleepMs(1);
        waiter.AwaitBlocked(vector ? kWaitv : kWait2);
        const long woken = Wake(&word, 1);
        waiter.Join();
        RECORD("%d %d %d: %s, woken %ld", flags != 0, vector, timed,
               result < 0 ? ErrnoName(error) : "0", woken);
      }
    }
  }
}

TEST(waitv_errors_and_their_order) {
  uint32_t words[2] = {0, 0};
  const Waitv good = Entry(&words[0]);
  const timespec bad = {0, 1000000000};
  RECORD("flags %s, none %s, null %s", Res(WaitAny(&good, 1, &kPast, 1, 1)),
         Res(WaitAny(&good, 0, &kPast)), Res(WaitAny(nullptr, 1, &kPast)));
  RECORD("bad time %s, wild time %s, wild entries %s", Res(WaitAny(&good, 1, &bad)),
         Res(WaitAny(&good, 1, static_cast<timespec*>(Wild()))),
         Res(WaitAny(static_cast<Waitv*>(Wild()), 1, &kPast)));
  RECORD("bad time and wild entries %s, bad clock and wild time %s",
         Res(WaitAny(static_cast<Waitv*>(Wild()), 1, &bad)),
         Res(WaitAny(&good, 1, static_cast<timespec*>(Wild()), 7)));
  Waitv entries[2] = {good, good};
  const struct {
    const char* name;
    Waitv entry;
  } cases[] = {{"reserved", {0, good.address, good.flags, 1}},
               {"wide value", Entry(&words[1], 1ull << 32)},
               {"unaligned", Entry(reinterpret_cast<char*>(words) + 1)},
               {"null", Entry(nullptr)},
               {"wild", Entry(Wild())},
               {"shared", Entry(&words[1], 0, kU32)},
               {"unknown flag", Entry(&words[1], 0, kU32 | 16)}};
  for (const auto& c : cases) {
    entries[1] = c.entry;
    RECORD("%s: %s", c.name, Res(WaitAny(entries, 2, &kPast)));
  }
}

TEST(sizes_and_numa_flags) {
  alignas(16) uint32_t words[4];
  for (uint32_t base : Words{0, kPrivate}) {
    for (uint32_t extra : Words{0, kNuma, kMpol, kNuma | kMpol}) {
      for (uint32_t size : Words{kU8, kU16, kU32, kU64}) {
        for (uint32_t node : Words{0, 1, ~0u, 100000}) {
          if (!(extra & kNuma) && node != 0) continue;
          const uint32_t flags = base | extra | size;
          const Waitv entries[2] = {Entry(words, 0, flags), Entry(&words[2], 0, flags)};
          const auto reset = [&] {
            words[0] = words[2] = 0;
            words[1] = words[3] = node;
          };
          reset();
          const char* waitv = Res(WaitAny(entries, 2, &kPast));
          reset();
          const char* wait = Res(Wait2(words, 0, 1, flags, &kPast));
          const uint32_t after = words[1];
          reset();
          const char* wake = Res(Wake2(words, 1, 1, flags));
          reset();
          const char* requeue = Res(syscall(kRequeue2, entries, 0, 1, 1));
          RECORD("flags %u node %d: %s %s %s %s, node then %d", flags, static_cast<int>(node),
                 waitv, wait, wake, requeue, static_cast<int>(after));
        }
      }
    }
  }
  RECORD("numa, half aligned: %s", Res(Wake2(&words[1], 1, 1, kU32 | kNuma | kPrivate)));
}

TEST(numa_waiter_is_woken) {
  alignas(8) uint32_t word[2] = {0, 0};
  long result = -2;
  Thread waiter([&] { result = Wait2(word, 0, 1, kU32 | kNuma | kPrivate); });
  waiter.AwaitBlocked(kWait2);
  RECORD("plain wake %ld, numa wake %ld", Wake(word, 1),
         Wake2(word, 1, 1, kU32 | kNuma | kPrivate));
  Wake(word, 1);
  waiter.Join();
  CHECK_EQ(result, 0);
}

TEST(wake2_counts_exactly) {
  uint32_t word = 0;
  PlainWaiter a(&word), b(&word), c(&word);
  RECORD("of none %ld", Wake2(&word, ~0u, 0));
  RECORD("other mask %ld", Wake2(&word, 0, 1));
  CHECK_EQ(Wake2(&word, 1, 2), 2);
  CHECK_EQ(Wake2(&word, ~0u, INT_MAX), 1);
  RECORD("negative %s", Res(Wake2(&word, ~0u, -1)));
}

TEST(wait2_and_wake2_errors) {
  uint32_t word = 0;
  const timespec bad = {-1, 0};
  RECORD("mask 0 %s %s, wide mask %s %s, wide value %s", Res(Wait2(&word, 0, 0, kU32, &kPast)),
         Res(Wake2(&word, 0, 1)), Res(Wait2(&word, 0, 1ull << 32, kU32, &kPast)),
         Res(Wake2(&word, 1ull << 32, 1)), Res(Wait2(&word, 1ull << 32, 1, kU32, &kPast)));
  RECORD("bad time %s, wild time %s", Res(Wait2(&word, 0, 1, kU32, &bad)),
         Res(Wait2(&word, 0, 1, kU32, static_cast<timespec*>(Wild()))));
  for (const void* p : {static_cast<const void*>(nullptr), static_cast<const void*>(Wild()),
                        static_cast<const void*>(reinterpret_cast<char*>(&word) + 1)}) {
    RECORD("wait %s, wake %s, wake of none %s", Res(Wait2(p, 0, 1, kU32 | kPrivate, &kPast)),
           Res(Wake2(p, 1, 1)), Res(Wake2(p, 1, 0)));
  }
  CHECK_ERRNO(Wait2(&word, 5, 1), EAGAIN);
}

TEST(wait2_masks_meet_bitsets) {
  uint32_t word = 0;
  long result = -2;
  Thread waiter([&] { result = Wait2(&word, 0, 2); });
  waiter.AwaitBlocked(kWait2);
  CHECK_EQ(Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 1), 0);
  CHECK_EQ(Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 2), 1);
  waiter.Join();
  CHECK_EQ(result, 0);
}

TEST(requeue2_wakes_and_moves) {
  uint32_t from = 0, to = 0;
  const Waitv pair[2] = {Entry(&from), Entry(&to)};
  PlainWaiter a(&from), b(&from), c(&from);
  CHECK_EQ(syscall(kRequeue2, pair, 0, 1, 1), 2);
  CHECK_EQ(Wake(&to, 9), 1);
  CHECK_EQ(Wake(&from, 9), 1);
  const Waitv changed[2] = {Entry(&from, 1), Entry(&to)};
  RECORD("changed %s, flags %s, null %s, wake -1 %s, move -1 %s",
         Res(syscall(kRequeue2, changed, 0, 1, 1)), Res(syscall(kRequeue2, pair, 1, 1, 1)),
         Res(syscall(kRequeue2, nullptr, 0, 1, 1)), Res(syscall(kRequeue2, pair, 0, -1, 1)),
         Res(syscall(kRequeue2, pair, 0, 1, -1)));
}

TEST(requeue2_needs_equal_flags) {
  alignas(8) uint32_t from[2] = {0, 0}, to[2] = {0, 0};
  for (uint32_t first :
       Words{kU32, kU32 | kPrivate, kU32 | kNuma, kU32 | kNuma | kPrivate, kU32 | kMpol}) {
    for (uint32_t second :
         Words{kU32, kU32 | kPrivate, kU32 | kNuma, kU32 | kNuma | kPrivate, kU32 | kMpol}) {
      const Waitv pair[2] = {Entry(from, 0, first), Entry(to, 0, second)};
      RECORD("%u to %u: %s", first, second, Res(syscall(kRequeue2, pair, 0, 1, 1)));
    }
  }
}
