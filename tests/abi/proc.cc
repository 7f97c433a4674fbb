// The guest's own part of /proc: proc(5).
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include <set>
#include <string>

#include "abi_test.h"

using namespace abi;

namespace {

std::string Contents(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY);
  if (fd < 0) return std::string("open: ") + ErrnoName(errno);
  char part[512];
  for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;) text.append(part, n);
  close(fd);
  return text;
}

std::string Line(const std::string& text, const std::string& label) {
  const size_t at = ("\n" + text).find("\n" + label + ":");
  if (at == std::string::npos) return "none";
  return text.substr(at, text.find('\n', at) - at);
}

std::string TaskFile(pid_t tid, const char* name) {
  return "/proc/self/task/" + std::to_string(tid) + "/" + name;
}

// Three threads that wait, and know their ids.
struct Threads {
  static constexpr int kCount = 3;
  Threads() {
    pthread_barrier_init(&barrier, nullptr, kCount + 1);
    for (int i = 0; i < kCount; ++i) {
      args[i] = {this, i};
      pthread_create(&threads[i], nullptr, &Run, &args[i]);
    }
    pthread_barrier_wait(&barrier);
  }
  ~Threads() {
    pthread_barrier_wait(&barrier);
    for (pthread_t thread : threads) pthread_join(thread, nullptr);
  }
  struct Arg {
    Threads* all;
    int index;
  };
  static void* Run(void* argument) {
    const Arg arg = *static_cast<Arg*>(argument);
    arg.all->tids[arg.index] = gettid();
    pthread_barrier_wait(&arg.all->barrier);
    pthread_barrier_wait(&arg.all->barrier);
    return nullptr;
  }
  pthread_barrier_t barrier;
  pthread_t threads[kCount];
  Arg args[kCount];
  pid_t tids[kCount];
};

// The numbers in a directory, with reads of `size` bytes.
std::set<pid_t> List(const char* path, size_t size, bool old_form = false) {
  std::set<pid_t> found;
  const int fd = open(path, O_RDONLY | O_DIRECTORY);
  char buffer[4096];
  const long call = old_form ? SYS_getdents : SYS_getdents64;
  for (long n; (n = syscall(call, fd, buffer, size)) > 0;) {
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
      const char* name = old_form ? buffer + at + 18 : entry->d_name;
      const int type = old_form ? buffer[at + entry->d_reclen - 1] : entry->d_type;
      if (atoi(name) != 0 && type == DT_DIR) found.insert(atoi(name));
      at += entry->d_reclen;
    }
  }
  close(fd);
  return found;
}

}  // namespace

TEST(task_directory_lists_every_thread) {
  Threads threads;
  std::set<pid_t> want(threads.tids, threads.tids + Threads::kCount);
  want.insert(getpid());
  CHECK(List("/proc/self/task", 4096) == want);
  CHECK(List("/proc/self/task", 4096, true) == want);
  CHECK(List("/proc/self/task", 64, true) == want);
  CHECK(List("/proc/self/task", 64) == want);  // two or three entries at a time
}

TEST(task_directory_can_be_read_again) {
  Threads threads;
  DIR* dir = opendir("/proc/self/task");
  int first = 0, second = 0;
  while (readdir(dir)) ++first;
  rewinddir(dir);
  while (readdir(dir)) ++second;
  closedir(dir);
  CHECK_EQ(first, 2 + 1 + Threads::kCount);
  CHECK_EQ(second, first);
}

TEST(other_threads_names) {
  Threads threads;
  char name[16];
  CHECK_EQ(pthread_setname_np(threads.threads[1], "worker-1"), 0);
  CHECK_EQ(pthread_getname_np(threads.threads[1], name, sizeof name), 0);
  CHECK(strcmp(name, "worker-1") == 0);
  CHECK(Contents(TaskFile(threads.tids[1], "comm")) == "worker-1\n");
  CHECK(Line(Contents(TaskFile(threads.tids[1], "status")), "Name") == "Name:\tworker-1");
  CHECK(Contents(TaskFile(threads.tids[1], "stat")).find(" (worker-1) ") != std::string::npos);
}

TEST(name_is_cut_at_15_bytes) {
  const int fd = open("/proc/thread-self/comm", O_RDWR);
  CHECK_EQ(write(fd, "0123456789abcdefgh", 18), 18);
  close(fd);
  char name[16] = {};
  prctl(PR_GET_NAME, name);
  RECORD("%s", name);
}

TEST(thread_directories_exist) {
  Threads threads;
  struct stat st;
  CHECK_OK(stat(TaskFile(threads.tids[0], "").c_str(), &st));
  CHECK(S_ISDIR(st.st_mode));
  CHECK_OK(access(TaskFile(threads.tids[0], "maps").c_str(), R_OK));
  CHECK_ERRNO(access("/proc/self/task/1", F_OK), ENOENT);
}

TEST(syscall_shows_what_a_thread_waits_in) {
  Threads threads;
  SleepMs(20);
  const std::string call = Contents(TaskFile(threads.tids[2], "syscall"));
  CHECK_EQ(atoi(call.c_str()), SYS_futex);
  CHECK(Contents("/proc/thread-self/syscall") == "running\n" ||
        atoi(Contents("/proc/thread-self/syscall").c_str()) == SYS_read);
}

TEST(status_counts_threads) {
  CHECK(Line(Contents("/proc/self/status"), "Threads") == "Threads:\t1");
  Threads threads;
  CHECK(Line(Contents("/proc/self/status"), "Threads") == "Threads:\t4");
}

TEST(status_shows_signal_state) {
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, [](int) {});
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  kill(getpid(), SIGTERM);
  syscall(SYS_tgkill, getpid(), gettid(), SIGRTMIN);
  const std::string status = Contents("/proc/self/status");
  for (const char* label : {"SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"}) {
    RECORD("%s", Line(status, label).c_str());
  }
  timespec none = {};
  sigtimedwait(&set, nullptr, &none);
  sigtimedwait(&set, nullptr, &none);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  signal(SIGUSR1, SIG_DFL);
  signal(SIGUSR2, SIG_DFL);
}

TEST(status_hides_the_kernel) {
  const std::string status = Contents("/proc/self/status");
  for (const char* label : {"Seccomp", "Seccomp_filters", "NoNewPrivs", "TracerPid"}) {
    RECORD("%s", Line(status, label).c_str());
  }
}

TEST(fdinfo_of_eventfd) {
  const int fd = eventfd(19, EFD_SEMAPHORE | EFD_NONBLOCK);
  const std::string info = Contents("/proc/self/fdinfo/" + std::to_string(fd));
  for (const char* label : {"pos", "flags", "eventfd-count", "eventfd-semaphore"}) {
    RECORD("%s", Line(info, label).c_str());
  }
  close(fd);
}

TEST(fdinfo_of_timerfd) {
  const int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
  const std::string path = "/proc/self/fdinfo/" + std::to_string(fd);
  RECORD("%s", Contents(path).substr(Contents(path).find("clockid")).c_str());
  const itimerspec past = {{3600, 7}, {0, 1}};
  timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, nullptr);
  const std::string info = Contents(path);
  RECORD("%s", info.substr(info.find("clockid")).c_str());
  close(fd);
}

TEST(fdinfo_of_signalfd) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGRTMAX);
  const int fd = signalfd(-1, &set, 0);
  RECORD("%s", Line(Contents("/proc/self/fdinfo/" + std::to_string(fd)), "sigmask").c_str());
  close(fd);
}

TEST(fdinfo_of_epoll) {
  const int ep = epoll_create1(0), event = eventfd(0, 0);
  int ends[2];
  CHECK_OK(pipe(ends));
  for (int fd : {event, ends[0]}) {
    epoll_event e = {EPOLLIN | EPOLLET, {}};
    e.data.u64 = 0xabcdef00u + fd;
    CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
  }
  const std::string info = Contents("/proc/self/fdinfo/" + std::to_string(ep));
  for (int fd : {event, ends[0]}) {
    char start[96];
    snprintf(start, sizeof start, "tfd: %8d events: %8x data: %16llx  pos:0 ino:", fd,
             EPOLLIN | EPOLLET | EPOLLERR | EPOLLHUP, 0xabcdef00ull + fd);
    CHECK(info.find(start) != std::string::npos);
  }
  for (int fd : {ep, event, ends[0], ends[1]}) close(fd);
}

TEST(uptime_is_boottime) {
  double up = 0;
  sscanf(Contents("/proc/uptime").c_str(), "%lf", &up);
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  const double difference = static_cast<double>(now.tv_sec) - up;
  CHECK(difference > -2 && difference < 2);
}
