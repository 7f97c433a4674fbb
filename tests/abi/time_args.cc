// Arguments of the calls that deal with time, every bad one crossed with every other: which errno comes
// first. Nothing here waits, and nothing may set a clock: where an argument is good, another is bad, or
// the call changes only a timer of our own.
#include <sys/time.h>
#include <sys/timerfd.h>

#include <string>

#include "abi_test.h"

using namespace abi;

namespace {

constexpr int kClocks[] = {-2147483647, -6, -2, -1, 0,  1,  2,  3,  4,   5,
                           6,           7,  8,  9,  10, 11, 12, 15, 1000};

struct Spec {
  const char* name;
  itimerspec value;
};
const Spec kSpecs[] = {
    {"zero", {{0, 0}, {0, 0}}},
    {"far", {{0, 0}, {1000000, 0}}},
    {"value -1 s", {{0, 0}, {-1, 0}}},
    {"value -1 ns", {{0, 0}, {0, -1}}},
    {"value 1e9 ns", {{0, 0}, {0, 1000000000}}},
    {"interval -1 s", {{-1, 0}, {1000000, 0}}},
    {"interval 1e9 ns", {{0, 1000000000}, {1000000, 0}}},
    {"both bad", {{-1, -1}, {-1, -1}}},
    {"longest", {{INT64_MAX, 999999999}, {INT64_MAX, 999999999}}},
    {"interval without value", {{7, 7}, {0, 0}}},
};

// The three kinds of pointer to something of type T that a call may be given.
template <typename T>
struct Pointer {
  const char* name;
  T* value;
};
template <typename T>
struct Pointers {
  explicit Pointers(T* good)
      : list{{"good", good}, {"null", nullptr}, {"wild", static_cast<T*>(Wild())}} {}
  Pointer<T> list[3];
  const Pointer<T>* begin() const { return list; }
  const Pointer<T>* end() const { return list + 3; }
};

// One line of results.
class Row {
 public:
  void Add(long result) { text_ += std::string(" ") + Res(result); }
  void Print(const char* format, ...) __attribute__((format(printf, 2, 3))) {
    char name[200];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    RECORD("%s:%s", name, text_.c_str());
  }

 private:
  std::string text_;
};

// A result that is an fd, closed and made equal in both runs.
long Closed(long fd) {
  const int error = errno;
  if (fd >= 0) close(static_cast<int>(fd));
  errno = error;
  return fd < 0 ? -1 : 0;
}

}  // namespace

TEST(timerfd_create_matrix) {
  for (const int clock : kClocks) {
    Row row;
    for (const int flags :
         Ints{0, TFD_NONBLOCK, TFD_CLOEXEC, TFD_NONBLOCK | TFD_CLOEXEC, 1, 0x40000000, -1}) {
      row.Add(Closed(syscall(SYS_timerfd_create, clock, flags)));
    }
    row.Print("clock %d", clock);
  }
}

TEST(timerfd_gettime_matrix) {
  const int timer = timerfd_create(CLOCK_MONOTONIC, 0), file = open("/dev/null", O_RDONLY);
  itimerspec now;
  for (const int fd : {timer, file, -1, 999}) {
    Row row;
    for (const auto& pointer : Pointers<itimerspec>(&now))
      row.Add(syscall(SYS_timerfd_gettime, fd, pointer.value));
    row.Print("%s", fd == timer ? "timerfd" : fd == file ? "file" : "no fd");
  }
  close(timer);
  close(file);
}

TEST(timerfd_settime_matrix_over_old_pointers) {
  const int timer = timerfd_create(CLOCK_REALTIME, 0), file = open("/dev/null", O_RDONLY);
  itimerspec old;
  for (const int fd : {timer, file, 999}) {
    for (const int flags : {0, 1, 2, 3, 4, -1}) {
      for (const auto& pointer : Pointers<itimerspec>(&old)) {
        Row row;
        for (const Spec& spec : kSpecs)
          row.Add(syscall(SYS_timerfd_settime, fd, flags, &spec.value, pointer.value));
        row.Add(syscall(SYS_timerfd_settime, fd, flags, nullptr, pointer.value));
        row.Add(syscall(SYS_timerfd_settime, fd, flags, Wild(), pointer.value));
        row.Print("%s flags %d old %s",
                  fd == timer  ? "timerfd"
                  : fd == file ? "file"
                               : "no fd",
                  flags, pointer.name);
      }
    }
  }
  close(timer);
  close(file);
}

TEST(timer_create_matrix) {
  sigevent events[7] = {};
  const int notify[] = {
      SIGEV_NONE, SIGEV_SIGNAL, SIGEV_SIGNAL, SIGEV_SIGNAL, SIGEV_SIGNAL, SIGEV_THREAD_ID, 99};
  const int signals[] = {-1, SIGUSR1, 0, 65, -1, SIGUSR1, SIGUSR1};
  for (int i = 0; i < 7; ++i) {
    events[i].sigev_notify = notify[i];
    events[i].sigev_signo = signals[i];
    events[i]._sigev_un._tid = 1;  // init is no thread of ours
  }
  for (const int clock : kClocks) {
    int id = 0;
    for (const auto& pointer : Pointers<int>(&id)) {
      Row row;
      const auto add = [&](const void* event) {
        const long result = syscall(SYS_timer_create, clock, event, pointer.value);
        if (result == 0) syscall(SYS_timer_delete, id);
        row.Add(result);
      };
      for (const sigevent& event : events) add(&event);
      add(nullptr);
      add(Wild());
      row.Print("clock %d id %s", clock, pointer.name);
    }
  }
}

TEST(timer_settime_matrix) {
  sigevent none = {};
  none.sigev_notify = SIGEV_NONE;
  int good = 0;
  REQUIRE(syscall(SYS_timer_create, CLOCK_MONOTONIC, &none, &good) == 0);
  itimerspec old;
  for (const int id : {good, good + 1000, -1}) {
    for (const int flags : {0, 1, 2, -1}) {
      for (const auto& pointer : Pointers<itimerspec>(&old)) {
        Row row;
        for (const Spec& spec : kSpecs)
          row.Add(syscall(SYS_timer_settime, id, flags, &spec.value, pointer.value));
        row.Add(syscall(SYS_timer_settime, id, flags, nullptr, pointer.value));
        row.Add(syscall(SYS_timer_settime, id, flags, Wild(), pointer.value));
        row.Print("%s timer, flags %d old %s", id == good ? "good" : "no", flags, pointer.name);
      }
    }
    Row row;
    for (const auto& pointer : Pointers<itimerspec>(&old))
      row.Add(syscall(SYS_timer_gettime, id, pointer.value));
    row.Add(syscall(SYS_timer_getoverrun, id));
    if (id != good) row.Add(syscall(SYS_timer_delete, id));
    row.Print("%s timer, the others", id == good ? "good" : "no");
  }
  CHECK_OK(syscall(SYS_timer_delete, good));
  CHECK_ERRNO(syscall(SYS_timer_delete, good), EINVAL);
}

TEST(clock_nanosleep_matrix) {
  const timespec spans[] = {{0, 0}, {-1, 0}, {0, -1}, {0, 1000000000}, {-1, 2000000000}};
  timespec left;
  for (const int clock : kClocks) {
    for (const int flags : {0, TIMER_ABSTIME, 2, 0x7f00}) {
      Row row;
      for (const auto& pointer : Pointers<timespec>(&left)) {
        for (const timespec& span : spans)
          row.Add(syscall(SYS_clock_nanosleep, clock, flags, &span, pointer.value));
        row.Add(syscall(SYS_clock_nanosleep, clock, flags, nullptr, pointer.value));
        row.Add(syscall(SYS_clock_nanosleep, clock, flags, Wild(), pointer.value));
      }
      row.Print("clock %d flags %#x", clock, flags);
    }
  }
}

TEST(nanosleep_matrix) {
  const timespec spans[] = {{0, 0}, {-1, 0}, {0, -1}, {0, 1000000000}};
  timespec left;
  for (const auto& pointer : Pointers<timespec>(&left)) {
    Row row;
    for (const timespec& span : spans) row.Add(syscall(SYS_nanosleep, &span, pointer.value));
    row.Add(syscall(SYS_nanosleep, nullptr, pointer.value));
    row.Add(syscall(SYS_nanosleep, Wild(), pointer.value));
    row.Print("remainder %s", pointer.name);
  }
}

TEST(setitimer_and_getitimer_matrix) {
  const itimerval values[] = {{{0, 0}, {0, 0}},  {{0, 0}, {-1, 0}}, {{0, 0}, {0, 1000000}},
                              {{0, 0}, {0, -1}}, {{-1, 0}, {0, 0}}, {{0, 1000000}, {0, 0}},
                              {{3, 0}, {0, 0}}};
  itimerval old;
  for (const int which : Ints{-1, ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF, 3, 1000}) {
    Row row;
    for (const auto& pointer : Pointers<itimerval>(&old)) {
      for (const itimerval& value : values)
        row.Add(syscall(SYS_setitimer, which, &value, pointer.value));
      row.Add(syscall(SYS_setitimer, which, nullptr, pointer.value));
      row.Add(syscall(SYS_setitimer, which, Wild(), pointer.value));
      row.Add(syscall(SYS_getitimer, which, pointer.value));
    }
    row.Print("which %d", which);
  }
}

// No good time: nothing can be set.
TEST(clock_settime_matrix_of_what_must_fail) {
  const timespec bad[] = {{-1, 0}, {0, -1}, {0, 1000000000}, {INT64_MAX, 0}, {9223372036, 0}};
  for (const int clock : kClocks) {
    Row row;
    for (const timespec& value : bad) row.Add(syscall(SYS_clock_settime, clock, &value));
    row.Add(syscall(SYS_clock_settime, clock, nullptr));
    row.Add(syscall(SYS_clock_settime, clock, Wild()));
    row.Print("clock %d", clock);
  }
}

TEST(longest_settings_are_shown_as_on_Linux) {
  const int fd = timerfd_create(CLOCK_MONOTONIC, 0);
  for (const Spec& spec : kSpecs) {
    itimerspec shown = {};
    if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec.value, nullptr) != 0) continue;
    CHECK_OK(timerfd_gettime(fd, &shown));
    RECORD("timerfd %s: interval %lld.%09ld", spec.name,
           static_cast<long long>(shown.it_interval.tv_sec), shown.it_interval.tv_nsec);
  }
  close(fd);
  sigevent none = {};
  none.sigev_notify = SIGEV_NONE;
  int id = 0;
  REQUIRE(syscall(SYS_timer_create, CLOCK_MONOTONIC, &none, &id) == 0);
  for (const Spec& spec : kSpecs) {
    itimerspec shown = {};
    if (syscall(SYS_timer_settime, id, TIMER_ABSTIME, &spec.value, nullptr) != 0) continue;
    CHECK_OK(syscall(SYS_timer_gettime, id, &shown));
    RECORD("timer %s: interval %lld.%09ld", spec.name,
           static_cast<long long>(shown.it_interval.tv_sec), shown.it_interval.tv_nsec);
  }
  CHECK_OK(syscall(SYS_timer_delete, id));
}
