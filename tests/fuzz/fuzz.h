// The fuzzer's guest: random sequences of system calls, each a pure function of (seed, index), with one
// line of text for every operation, so that a native run and a run under detent can be compared.
//
// An operation draws its arguments from its own generator (seed, index, number of the operation), so
// that leaving others out (--only) does not change it. What may block runs on a worker thread; after
// each operation the main thread waits until every worker is idle or blocked, so that what comes next
// finds a settled state. Lines hold no address, pid or time.
#pragma once

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

namespace fuzz {

constexpr int kWorkers = 3;
constexpr int kFirstFd = 10;     ///< everything from here on belongs to the sequence
constexpr int kFds = 16;         ///< numbers from kFirstFd that operations choose from
constexpr int kWords = 4;        ///< futex words
constexpr int kStopSignal = 64;  ///< ends blocked calls when a sequence is over; never masked
constexpr int64_t kSecond = 1000000000;

class Rng {  // splitmix64
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  unsigned below(unsigned n) { return static_cast<unsigned>((next() >> 32) % n); }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <typename T>
  T pick(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<unsigned>(values.size()))];
  }

 private:
  uint64_t state_;
};

enum Kind : unsigned {
  kClosed = 0,
  kTimer = 1,
  kEvent = 2,
  kEpoll = 4,
  kPipeIn = 8,    ///< read end
  kPipeOut = 16,  ///< write end
  kSocket = 32,
  kSignalFd = 64,
  kRegular = 128,
  kAnyKind = 255,
};

/// One operation while it is performed: its generator, its thread and its line of text.
class Call {
 public:
  Call(uint64_t seed, int thread_id) : rng(seed), thread(thread_id) {}
  Rng rng;
  int thread;  ///< 0: the main thread; 1 to kWorkers
  char text[2048];
  size_t length = 0;

  __attribute__((format(printf, 2, 3))) void say(const char* format, ...);
  /// Appends " = VALUE" or " = ERRNO"; `result` as syscall() returned it.
  long result(long result);
  /// A file descriptor: mostly an open one of the kinds wanted, now and then any other or a bad one.
  int fd(unsigned wanted = kAnyKind);
  /// `good`, or in one of twenty cases an address that cannot be used.
  void* pointer(void* good, size_t size, bool for_output);
};

const char* errno_name(int error);

/// What the running sequence knows of itself. Changed by the thread that performs an operation, while
/// the others are settled.
struct World {
  Kind kinds[kFds];
  clockid_t clocks[kFds];  ///< of timerfds
  uint32_t words[kWords];
  bool hot;              ///< a timer of very short period runs: let it expire before each operation
  bool ticking;          ///< one whose period is 1 ns: how often it has expired is a matter of luck
  unsigned member_sort;  ///< of epoll instances' members: 1 emulated by detent, 2 the host's
  bool masks_changed;    ///< threads have masks to be reset
  bool timers_used;      ///< POSIX or interval timers
  int first_timer_id;    ///< of this sequence; ids are told relative to it
  int last_timer_id;
  clockid_t timer_clocks[64];  ///< by (id - first_timer_id) % 64
};
extern World world;

void opened(long fd, Kind kind, clockid_t clock = CLOCK_MONOTONIC);
void duplicated(int from, long to);
void closed(int fd);
Kind kind_of(int fd);

int thread_id(int thread);
const char* program_path();
/// Run instead of sequences, by a program that a child has executed (--inherited): tells what it inherited.
int report_inherited();
void expire_short_timers();

/// Tells signals that were delivered to `thread` since the last time, in order.
void say_signals(Call& call);
sigset_t pick_sigset(Call& call);

// ---- time values ----------------------------------------------------------------------------------

int64_t now(clockid_t clock);
void say_timespec(Call& call, const timespec& value);
/// A time as remaining times are told: "0" (below 1 us), "~0" (below 50 s), to the nearest 100 s, or "huge".
void say_remaining(Call& call, const timespec& value);
void say_count(Call& call, uint64_t count);

/// What may be given to timerfd_settime and its relatives.
struct Setting {
  itimerspec value;
  bool absolute;
};
Setting pick_setting(Call& call, clockid_t clock);
bool is_cpu_clock(clockid_t clock);

// ---- operations -----------------------------------------------------------------------------------

struct Operation {
  const char* name;
  unsigned weight;
  bool blocks;  ///< performed by a worker
  void (*run)(Call&);
  bool starts = false;  ///< makes an object: sequences begin with some of these
};
struct Family {
  const Operation* operations;
  size_t count;
};
Family time_operations();
Family descriptor_operations();
Family wait_operations();
Family futex_operations();
Family signal_operations();
Family process_operations();

}  // namespace fuzz
