// The runner: draws sequences, performs their operations on four threads, prints lines or hashes.
//
//   fuzz AREA SEED FIRST COUNT [--text] [--settle=sleep] [--only=N,N,...]
//
// Prints "INDEX HASH" for each sequence, or with --text its operations. --settle=sleep: a sleep settles
// the threads, as it does under detent; otherwise /proc tells natively which of them are blocked.
#include "fuzz.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/time.h>

#include <vector>

namespace fuzz {

World world;

namespace {

struct Options {
  const char* area;
  uint64_t seed;
  uint64_t first;
  uint64_t count;
  bool text = false;
  bool settle_by_sleep = false;
  std::vector<bool> only;  // empty: all
};
Options options;

struct Choice {
  const Operation* operation;
  uint64_t seed;
};

struct Worker {
  pthread_t thread;
  pid_t tid = 0;
  int proc_fd = -1;
  uint32_t go = 0;  // futex: number of commands given
  uint32_t done = 1;
  const Operation* operation = nullptr;  // null: only reset
  Call* call = nullptr;
};
Worker workers[kWorkers + 1];  // [0]: the main thread, which only has a tid
thread_local int this_thread = 0;

// ---- output ---------------------------------------------------------------------------------------

uint64_t hash;

void write_all(const char* text, size_t length) {
  for (size_t done = 0; done < length;) {
    const ssize_t n = write(1, text + done, length - done);
    if (n <= 0) abort();
    done += static_cast<size_t>(n);
  }
}

void put_line(unsigned number, const Operation& operation, const Call& call) {
  char line[2300];
  const int length = snprintf(line, sizeof line, "  %02u T%d %s%.*s\n", number, call.thread,
                              operation.name, static_cast<int>(call.length), call.text);
  if (options.text) write_all(line, static_cast<size_t>(length));
  for (int i = 0; i < length; ++i) hash = (hash ^ static_cast<uint8_t>(line[i])) * 0x100000001b3;
}

// ---- signals --------------------------------------------------------------------------------------

struct Delivered {
  int signal, code, value;
};
struct DeliveryLog {
  Delivered entries[64];
  volatile unsigned count;
};
DeliveryLog delivered[kWorkers + 1];

void on_signal(int signal, siginfo_t* info, void*) {
  DeliveryLog& log = delivered[this_thread];
  if (signal == kStopSignal || log.count >= 64) return;
  const bool has_value = info->si_code == SI_QUEUE || info->si_code == SI_TIMER;
  log.entries[log.count] = {signal, info->si_code, has_value ? info->si_int : 0};
  log.count = log.count + 1;
}

void set_handlers() {
  // A handler with and without SA_RESTART, one that is reset, and one run with all signals masked.
  const struct {
    int signal, flags;
  } handled[] = {{SIGUSR1, 0},
                 {SIGUSR2, SA_RESTART},
                 {SIGALRM, 0},
                 {SIGRTMIN, 0},
                 {SIGRTMIN + 1, SA_RESTART},
                 {SIGVTALRM, 0},
                 {SIGPROF, 0},
                 {kStopSignal, 0}};
  for (const auto& each : handled) {
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = each.flags | SA_SIGINFO;
    if (each.signal == SIGUSR2) sigfillset(&action.sa_mask);
    sigaction(each.signal, &action, nullptr);
  }
  for (const int ignored : {SIGHUP, SIGPIPE}) signal(ignored, SIG_IGN);
  signal(SIGURG, SIG_DFL);  // ignored by default
}

void reset_signals() {
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  const timespec zero = {0, 0};
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  while (sigtimedwait(&all, nullptr, &zero) > 0) {
  }
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  delivered[this_thread].count = 0;
}

// ---- workers --------------------------------------------------------------------------------------

long futex(uint32_t* word, int op, uint32_t value) {
  return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

void* work(void* pointer) {
  auto& self = *static_cast<Worker*>(pointer);
  this_thread = static_cast<int>(&self - workers);
  self.tid = static_cast<pid_t>(syscall(SYS_gettid));
  for (uint32_t served = 0;;) {
    while (__atomic_load_n(&self.go, __ATOMIC_ACQUIRE) == served)
      futex(&self.go, FUTEX_WAIT, served);
    ++served;
    if (self.operation != nullptr) {
      self.operation->run(*self.call);
      say_signals(*self.call);
    } else {
      reset_signals();
    }
    __atomic_store_n(&self.done, 1, __ATOMIC_RELEASE);
  }
}

void command(Worker& worker, const Operation* operation, Call* call) {
  worker.operation = operation;
  worker.call = call;
  __atomic_store_n(&worker.done, 0, __ATOMIC_RELEASE);
  __atomic_add_fetch(&worker.go, 1, __ATOMIC_RELEASE);
  futex(&worker.go, FUTEX_WAKE, 1);
}

bool is_done(const Worker& worker) { return __atomic_load_n(&worker.done, __ATOMIC_ACQUIRE) != 0; }

// proc(5): "running", or the number of the system call in which the thread is blocked.
bool blocked(const Worker& worker) {
  char text[128];
  const ssize_t length = pread(worker.proc_fd, text, sizeof text, 0);
  return length > 0 && text[0] >= '0' && text[0] <= '9';
}

// Waits until every worker is idle or blocked in its operation.
void settle() {
  for (int round = 0;; ++round) {
    bool busy = false;
    for (int i = 1; i <= kWorkers; ++i) {
      Worker& worker = workers[i];
      if (is_done(worker)) continue;
      if (options.settle_by_sleep ? round >= 2 : blocked(worker)) continue;
      busy = true;
    }
    if (!busy) return;
    if (options.settle_by_sleep) {
      const timespec moment = {0, 20000};
      nanosleep(&moment, nullptr);
    }
    sched_yield();
  }
}

void start_workers() {
  workers[0].tid = static_cast<pid_t>(syscall(SYS_gettid));
  for (int i = 1; i <= kWorkers; ++i) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    if (pthread_create(&workers[i].thread, &attributes, work, &workers[i]) != 0) abort();
    command(workers[i], nullptr, nullptr);
    while (!is_done(workers[i])) sched_yield();
    if (options.settle_by_sleep) continue;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", workers[i].tid);
    const int low = open(path, O_RDONLY | O_CLOEXEC);
    if (low < 0) {
      perror(path);
      exit(2);
    }
    workers[i].proc_fd = kFirstFd - 1 - i;  // below what sequences use, and the same in every run
    dup3(low, workers[i].proc_fd, O_CLOEXEC);
    close(low);
  }
}

// ---- sequences ------------------------------------------------------------------------------------

std::vector<const Operation*> menu;      // each operation as often as its weight says
std::vector<const Operation*> starters;  // those that make something to work with

void add(const Family& family) {
  for (size_t i = 0; i < family.count; ++i) {
    const Operation& operation = family.operations[i];
    menu.insert(menu.end(), operation.weight, &operation);
    if (operation.starts) starters.insert(starters.end(), operation.weight, &operation);
  }
}

// Some of a family, by name.
void add_named(const Family& family, std::initializer_list<const char*> names) {
  for (size_t i = 0; i < family.count; ++i) {
    for (const char* name : names) {
      if (strcmp(name, family.operations[i].name) == 0) add({&family.operations[i], 1});
    }
  }
}

bool make_menu(const char* area) {
  const bool wait = strcmp(area, "wait") == 0;
  if (strcmp(area, "time") == 0) {
    add(time_operations());
    add(descriptor_operations());
  } else if (wait || strcmp(area, "fd") == 0) {
    add(descriptor_operations());
    add(wait_operations());
  }
  if (wait || strcmp(area, "futex") == 0) add(futex_operations());
  if (wait || strcmp(area, "signal") == 0) add(signal_operations());
  if (strcmp(area, "process") == 0) {
    // Objects that are shared over fork (docs/limitations.md), and no thread that a fork would not copy.
    add_named(wait_operations(), {"eventfd2", "pipe2", "socketpair"});
    add_named(descriptor_operations(),
              {"read_ready", "write_ready", "poll", "close", "dup", "fcntl"});
    add_named(signal_operations(), {"rt_sigprocmask", "rt_sigpending", "rt_sigtimedwait"});
    add(process_operations());
  }
  return !menu.empty();
}

uint64_t mix(uint64_t a, uint64_t b) { return Rng(a ^ (b * 0xd1342543de82ef95)).next(); }

std::vector<Choice> draw(uint64_t index) {
  const uint64_t seed = mix(options.seed, index);
  Rng rng(seed);
  std::vector<Choice> sequence(5 + rng.below(28));
  const size_t starts = starters.empty() ? 0 : 1 + rng.below(4);
  for (Choice& choice : sequence) {
    const auto& from = &choice < &sequence[starts] ? starters : menu;
    choice.operation = from[rng.below(static_cast<unsigned>(from.size()))];
    choice.seed = rng.next();
  }
  return sequence;
}

class Sequence {
 public:
  void run(uint64_t index);

 private:
  void perform(unsigned number, const Choice& choice);
  void collect();
  void clean_up();

  alignas(Call) char storage_[kWorkers + 1][sizeof(Call)];
  unsigned numbers_[kWorkers + 1] = {};
  bool busy_[kWorkers + 1] = {};
};

void Sequence::run(uint64_t index) {
  const std::vector<Choice> sequence = draw(index);
  memset(&world, 0, sizeof world);
  world.first_timer_id = world.last_timer_id = -1;
  hash = 0xcbf29ce484222325;
  char line[64];
  if (options.text) {
    write_all(line, static_cast<size_t>(snprintf(line, sizeof line, "# sequence %lu\n", index)));
  }
  for (unsigned i = 0; i < sequence.size(); ++i) {
    if (!options.only.empty() && (i >= options.only.size() || !options.only[i])) continue;
    perform(i, sequence[i]);
  }
  clean_up();
  if (options.text) return;
  const int length = snprintf(line, sizeof line, "%lu %016lx\n", index, hash);
  write_all(line, static_cast<size_t>(length));
}

void Sequence::perform(unsigned number, const Choice& choice) {
  if (world.hot) expire_short_timers();
  int thread = 0;
  if (choice.operation->blocks) {
    while (++thread <= kWorkers && busy_[thread]) {
    }
    if (thread > kWorkers) return;  // all are blocked, here as there
  }
  Call* call = new (storage_[thread]) Call(choice.seed, thread);
  numbers_[thread] = number;
  if (options.text) dprintf(2, "  %02u %s\n", number, choice.operation->name);
  if (thread == 0) {
    choice.operation->run(*call);
    if (world.hot) expire_short_timers();  // or it is a matter of luck which call sees the signal
    say_signals(*call);
    put_line(number, *choice.operation, *call);
  } else {
    busy_[thread] = true;
    command(workers[thread], choice.operation, call);
  }
  collect();
}

// Lines of what workers have finished, in their order and not in that of the ends.
void Sequence::collect() {
  settle();
  for (int i = 1; i <= kWorkers; ++i) {
    if (!busy_[i] || !is_done(workers[i])) continue;
    busy_[i] = false;
    put_line(numbers_[i], *workers[i].operation, *workers[i].call);
  }
}

void disarm_timers() {
  const itimerval none = {};
  for (const int which : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF})
    setitimer(which, &none, nullptr);
  for (int id = world.first_timer_id; id >= 0 && id <= world.last_timer_id; ++id) {
    syscall(SYS_timer_delete, id);
  }
}

void Sequence::clean_up() {
  if (world.timers_used) disarm_timers();
  for (int i = 1; i <= kWorkers; ++i) {
    while (busy_[i]) {  // one call may take several signals: after the first it may wait once more
      syscall(SYS_tgkill, getpid(), workers[i].tid, kStopSignal);
      collect();
    }
  }
  if (world.masks_changed || world.timers_used) {
    for (int i = 1; i <= kWorkers; ++i) {
      command(workers[i], nullptr, nullptr);
      while (!is_done(workers[i])) sched_yield();
    }
    reset_signals();
    set_handlers();
  }
  syscall(SYS_close_range, kFirstFd, ~0U, 0);
}

bool parse(int argc, char** argv) {
  if (argc < 5) return false;
  options.area = argv[1];
  options.seed = strtoull(argv[2], nullptr, 0);
  options.first = strtoull(argv[3], nullptr, 0);
  options.count = strtoull(argv[4], nullptr, 0);
  for (int i = 5; i < argc; ++i) {
    if (strcmp(argv[i], "--text") == 0) {
      options.text = true;
    } else if (strcmp(argv[i], "--settle=sleep") == 0) {
      options.settle_by_sleep = true;
    } else if (strncmp(argv[i], "--only=", 7) == 0) {
      options.only.assign(64, false);
      for (char* next = argv[i] + 6; *next != '\0';) {
        options.only[strtoul(next + 1, &next, 10) % 64] = true;
      }
    } else {
      return false;
    }
  }
  return make_menu(options.area);
}

}  // namespace

// ---- what operations use --------------------------------------------------------------------------

void say_signals(Call& call) {
  DeliveryLog& log = delivered[this_thread];
  for (unsigned i = 0; i < log.count; ++i) {
    const Delivered& each = log.entries[i];
    call.say(" [signal %d code %d value %d]", each.signal, each.code, each.value);
  }
  log.count = 0;
}

const char* program_path() {
  static char path[4096];
  if (path[0] == '\0' && readlink("/proc/self/exe", path, sizeof path - 1) < 0) abort();
  return path;
}

int thread_id(int thread) { return workers[thread].tid; }

// By the clock: natively a timer of 1 ns has fired within microseconds; in virtual time each look at
// the clock costs one. A system call, not the vDSO: a process that makes none is told of a due timer late.
void expire_short_timers() {
  timespec time = {};
  const auto look = [&] {
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
    return time.tv_sec * kSecond + time.tv_nsec;
  };
  const int64_t end = look() + 30000;
  while (look() < end) {
  }
}

}  // namespace fuzz

int main(int argc, char** argv) {
  using namespace fuzz;
  if (argc == 2 && strcmp(argv[1], "--inherited") == 0) return report_inherited();
  program_path();
  if (!parse(argc, argv)) {
    fprintf(stderr,
            "usage: fuzz time|wait|fd|futex|signal|process SEED FIRST COUNT [--text] "
            "[--settle=sleep] [--only=N,N,...]\n");
    return 2;
  }
  syscall(SYS_close_range, kFirstFd, ~0U, 0);  // what was inherited
  set_handlers();
  start_workers();
  for (int fd = 3; fd < kFirstFd; ++fd) {  // so that the lowest free number is the sequence's first
    if (fcntl(fd, F_GETFD) < 0) dup3(0, fd, O_CLOEXEC);
  }
  static Sequence sequence;
  for (uint64_t i = 0; i < options.count; ++i) sequence.run(options.first + i);
  return 0;
}
