// What fits nowhere else: identity, limits, random bytes, names, the process's own files, the start
// of a program.
#include <elf.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "abi_test.h"

using namespace abi;

extern "C" char** environ;

TEST(system_name) {
  utsname u;
  CHECK_OK(uname(&u));
  RECORD("%s %s %s", u.sysname, u.release, u.machine);
}

TEST(identity) {
  CHECK(getpid() > 0 && getppid() > 0);
  CHECK_EQ(getpid(), syscall(SYS_getpid));
  RECORD("uid %u %u gid %u %u", getuid(), geteuid(), getgid(), getegid());
  CHECK(getpgrp() > 0 && getsid(0) > 0);
}

TEST(auxiliary_vector) {
  RECORD("page size %lu, clock ticks %lu, secure %lu, phent %lu, flags %lu", getauxval(AT_PAGESZ),
         getauxval(AT_CLKTCK), getauxval(AT_SECURE), getauxval(AT_PHENT), getauxval(AT_FLAGS));
  RECORD("platform %s, hwcap %#lx, hwcap2 %#lx, minsigstksz %lu",
         reinterpret_cast<char*>(getauxval(AT_PLATFORM)), getauxval(AT_HWCAP), getauxval(AT_HWCAP2),
         getauxval(AT_MINSIGSTKSZ));
  CHECK_EQ(getauxval(AT_UID), getuid());
  CHECK_EQ(getauxval(AT_EGID), getegid());
  CHECK(getauxval(AT_RANDOM) != 0 && getauxval(AT_ENTRY) != 0 && getauxval(AT_BASE) != 0 &&
        getauxval(AT_PHDR) != 0);
  const char* name = reinterpret_cast<char*>(getauxval(AT_EXECFN));
  REQUIRE(name != nullptr);
  const char* slash = strrchr(name, '/');
  RECORD("base name of execfn %s", slash ? slash + 1 : name);
  const auto* header = reinterpret_cast<Elf64_Phdr*>(getauxval(AT_PHDR));
  bool has_interpreter = false;
  for (unsigned long i = 0; i < getauxval(AT_PHNUM); ++i)
    has_interpreter = has_interpreter || header[i].p_type == PT_INTERP;
  CHECK(has_interpreter);
}

TEST(initial_stack_is_aligned_and_argv_env_follow) {
  // argv[argc] is null, and the environment begins right after it: environ - 1 is that null.
  CHECK(environ[-1] == nullptr);
  char** e = environ;
  while (*e) ++e;
  const auto* aux = reinterpret_cast<Elf64_auxv_t*>(e + 1);
  bool found = false;
  for (; aux->a_type != AT_NULL; ++aux) found = found || aux->a_type == AT_PAGESZ;
  CHECK(found);
}

TEST(random_bytes) {
  unsigned char a[32] = {}, b[32] = {};
  CHECK_EQ(getrandom(a, 32, 0), 32);
  CHECK_EQ(getrandom(b, 32, GRND_NONBLOCK), 32);
  CHECK(memcmp(a, b, 32) != 0);
  RECORD("bad flags %s, both sources %s, wild %s, 0 bytes %s", Res(getrandom(a, 1, 0x80)),
         Res(getrandom(a, 1, GRND_RANDOM | GRND_INSECURE)), Res(getrandom(Wild(), 16, 0)),
         Res(getrandom(a, 0, 0)));
}

TEST(limits) {
  rlimit limit;
  for (int r : {RLIMIT_NOFILE, RLIMIT_STACK, RLIMIT_CORE}) {
    CHECK_OK(getrlimit(static_cast<__rlimit_resource>(r), &limit));
    RECORD("limit %d: %lld %lld", r, (long long)limit.rlim_cur, (long long)limit.rlim_max);
  }
  const rlimit reversed = {10, 5};
  RECORD("bad resource %s, soft above hard %s, wild %s", Res(syscall(SYS_getrlimit, 99, &limit)),
         Res(syscall(SYS_setrlimit, RLIMIT_NOFILE, &reversed)),
         Res(syscall(SYS_setrlimit, RLIMIT_NOFILE, Wild())));
}

TEST(lowered_limit_is_read_back) {
  rlimit old, now;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
  rlimit lower = old;
  lower.rlim_cur = 50;
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &lower));
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &now));
  CHECK_EQ(now.rlim_cur, 50);
  CHECK_OK(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &old, &now));
  CHECK_EQ(now.rlim_cur, 50);
}

TEST(working_directory_and_umask) {
  char before[4096], now[4096];
  CHECK(getcwd(before, sizeof before) != nullptr);
  CHECK_OK(chdir("/"));
  CHECK_EQ(syscall(SYS_getcwd, now, sizeof now), 2);
  CHECK(strcmp(now, "/") == 0);
  CHECK_ERRNO(syscall(SYS_getcwd, now, 1), ERANGE);
  CHECK_OK(chdir(before));
  const mode_t old = umask(0123);
  CHECK_EQ(umask(old), 0123);
}

TEST(process_name_and_dumpable) {
  char name[16] = "";
  CHECK_OK(prctl(PR_GET_NAME, name));
  RECORD("name %s", name);
  RECORD("dumpable %s, no such option %s, name into wild %s", Res(prctl(PR_GET_DUMPABLE)),
         Res(prctl(99999)), Res(prctl(PR_GET_NAME, Wild())));
}

TEST(affinity_agrees_with_getcpu_and_sysconf) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CHECK_OK(sched_getaffinity(0, sizeof set, &set));
  const int cpu = sched_getcpu();
  CHECK(cpu >= 0 && CPU_ISSET(cpu, &set));
  CHECK_GE(CPU_COUNT(&set), 1);
  CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 1, &set), EINVAL);
}

TEST(affinity_is_what_was_set) {
  cpu_set_t before, last, after;
  CHECK_OK(sched_getaffinity(0, sizeof before, &before));
  const long cpus = sysconf(_SC_NPROCESSORS_CONF);
  CPU_ZERO(&last);
  CPU_SET(cpus - 1, &last);
  CHECK_OK(sched_setaffinity(0, sizeof last, &last));
  CPU_ZERO(&after);
  CHECK_OK(sched_getaffinity(0, sizeof after, &after));
  CHECK(CPU_EQUAL(&last, &after));
  Thread inheritor([&] {
    CPU_ZERO(&after);
    CHECK_OK(sched_getaffinity(0, sizeof after, &after));
    CHECK(CPU_EQUAL(&last, &after));
  });
  inheritor.Join();
  CPU_ZERO(&last);
  CHECK_ERRNO(sched_setaffinity(0, sizeof last, &last), EINVAL);
  CHECK_OK(sched_setaffinity(0, sizeof before, &before));
}

TEST(scheduling_parameters) {
  RECORD("policy %s, priority range %s %s, nice %s, of no such thread %s",
         Res(sched_getscheduler(0)), Res(sched_get_priority_min(SCHED_FIFO)),
         Res(sched_get_priority_max(SCHED_FIFO)), Res(syscall(SYS_getpriority, 0, 0)),
         Res(sched_getscheduler(0x3ffffff)));
}

TEST(sysinfo_and_rusage) {
  struct sysinfo info;
  CHECK_OK(sysinfo(&info));
  CHECK(info.totalram > 0 && info.procs > 0);
  rusage usage;
  CHECK_OK(getrusage(RUSAGE_SELF, &usage));
  CHECK_OK(getrusage(RUSAGE_THREAD, &usage));
  CHECK_ERRNO(getrusage(static_cast<__rusage_who>(99), &usage), EINVAL);
}

TEST(own_proc_files) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%d/cmdline", getpid());
  int fd = open("/proc/self/cmdline", O_RDONLY);
  const ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  REQUIRE(n > 0);
  text[n] = 0;
  RECORD("base name in cmdline %s", strrchr(text, '/') ? strrchr(text, '/') + 1 : text);
  fd = open(path, O_RDONLY);
  char other[4096];
  CHECK_EQ(read(fd, other, sizeof other), n);
  CHECK(memcmp(text, other, n) == 0);
  close(fd);
  FILE* f = fopen("/proc/self/status", "r");
  REQUIRE(f != nullptr);
  int pid = 0;
  char name[32] = "";
  while (fgets(text, sizeof text, f)) {
    sscanf(text, "Pid: %d", &pid);
    sscanf(text, "Name: %31s", name);
  }
  fclose(f);
  CHECK_EQ(pid, getpid());
  RECORD("name in status %s", name);
}

TEST(stdin_stdout_stderr_are_as_given) {
  for (int fd = 0; fd < 3; ++fd) {
    struct stat s;
    CHECK_OK(fstat(fd, &s));
    RECORD("fd %d: type %o, FD flags %d, access mode %d", fd, s.st_mode & S_IFMT,
           fcntl(fd, F_GETFD), fcntl(fd, F_GETFL) & O_ACCMODE);
  }
  CHECK_ERRNO(fcntl(3, F_GETFD), EBADF);  // nothing else is open at first
}

TEST(mask_and_dispositions_at_start_are_default) {
  sigset_t mask;
  sigprocmask(SIG_BLOCK, nullptr, &mask);
  int blocked = 0, handled = 0;
  for (int s = 1; s < 65; ++s) {
    if (s == 32 || s == 33) continue;
    struct sigaction a;
    sigaction(s, nullptr, &a);
    blocked += sigismember(&mask, s) == 1;
    handled += a.sa_handler != SIG_DFL && a.sa_handler != SIG_IGN;
  }
  CHECK_EQ(blocked, 0);
  CHECK_EQ(handled, 0);
}

TEST(environment_can_be_changed_and_read) {
  CHECK_OK(setenv("ABI_TEST_NAME", "value", 1));
  CHECK(strcmp(getenv("ABI_TEST_NAME"), "value") == 0);
  CHECK_OK(unsetenv("ABI_TEST_NAME"));
  CHECK(getenv("ABI_TEST_NAME") == nullptr);
}

TEST(exit_handlers_run_and_stdio_is_flushed) {
  int p[2];
  CHECK_OK(pipe(p));
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(p[1], 1);
    atexit([] { fputs(" atexit", stdout); });
    fputs("buffered", stdout);
    exit(3);
  }
  close(p[1]);
  char text[64] = "";
  size_t n = 0;
  for (ssize_t got; (got = read(p[0], text + n, sizeof text - 1 - n)) > 0;)
    n += static_cast<size_t>(got);
  close(p[0]);
  RECORD("%s, \"%s\"", StatusText(WaitFor(pid)), text);
}

TEST(exceptions_unwind) {
  int caught = 0;
  for (int i = 0; i < 10; ++i) {
    try {
      if (i % 2 == 0) throw i;
    } catch (int) {
      ++caught;
    }
  }
  CHECK_EQ(caught, 5);
}

TEST(exceptions_unwind_out_of_a_thread_s_deep_calls) {
  Thread t([] {
    struct Deep {
      static int Down(int n) {
        if (n == 0) throw 42;
        SleepMs(0);
        return Down(n - 1) + 1;
      }
    };
    int caught = 0;
    try {
      Deep::Down(20);
    } catch (int value) {
      caught = value;
    }
    CHECK_EQ(caught, 42);
  });
}

TEST(rseq_is_registered_or_not_as_natively) {
  // glibc 2.35 and later registers one for each thread; a second registration at another place is
  // refused.
  alignas(32) static char area[64];
  RECORD("second area %s, bad length %s, bad flags %s",
         Res(syscall(SYS_rseq, area, 32, 0, 0x53053053)),
         Res(syscall(SYS_rseq, area, 8, 0, 0x53053053)),
         Res(syscall(SYS_rseq, area, 32, 99, 0x53053053)));
}

TEST(membarrier_query) {
  RECORD("private expedited known %d, bad command %s", (syscall(SYS_membarrier, 0, 0, 0) & 8) != 0,
         Res(syscall(SYS_membarrier, 1 << 20, 0, 0)));
}
