// execve(2): what the new image is given, what is kept, what is dropped, and how it fails.
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "abi_test.h"

using namespace abi;

extern "C" char** environ;

namespace {

char g_self[] = "/proc/self/exe";

// A fresh directory, which is the current one for the scope: the tests' paths hold no random part.
class Directory {
 public:
  Directory() : old_(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!mkdtemp(path_) || chdir(path_) != 0) abort();
  }
  ~Directory() {
    char command[64];
    if (fchdir(old_) != 0) abort();
    close(old_);
    snprintf(command, sizeof command, "rm -r %s", path_);
    CHECK_EQ(system(command), 0);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  static void File(const char* name, const char* text, mode_t mode) {
    const int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    fchmod(fd, mode);
    close(fd);
  }

 private:
  char path_[32] = "/tmp/abi-exec-XXXXXX";
  int old_;
};

// Runs execve in a child and returns its status; the child exits with 100 + errno when it fails.
int Exec(const char* path, char* const* argv, char* const* env = environ) {
  return ChildStatus([=] {
    execve(path, argv, env);
    return 100 + errno;
  });
}
const char* ExecResult(const char* path) {
  char name[] = "name";
  char* argv[] = {name, nullptr};
  const int status = Exec(path, argv);
  return WIFEXITED(status) && WEXITSTATUS(status) > 100 ? ErrnoName(WEXITSTATUS(status) - 100)
                                                        : StatusText(status);
}
int ExecSelf(const char* mode, const char* argument = nullptr) {
  char* argv[] = {g_self, const_cast<char*>(mode), const_cast<char*>(argument), nullptr};
  return Exec(g_self, argv);
}

}  // namespace

// What the re-executed image reports on stdout.
extern "C" int AbiChildMain(int argc, char** argv) {
  if (strcmp(argv[1], "--child-exit") == 0) return 27;
  if (strncmp(argv[1], "--child-args", 12) == 0) {
    for (int i = 0; i < argc; ++i) RECORD("argv[%d] %s", i, argv[i]);
    for (char** e = environ; *e; ++e) RECORD("env %s", *e);
    return 0;
  }
  if (strcmp(argv[1], "--child-fds") == 0) {
    for (int fd = 40; fd < 50; ++fd) {
      if (fcntl(fd, F_GETFD) >= 0) RECORD("open %d", fd);
    }
    return 0;
  }
  if (strcmp(argv[1], "--child-signals") == 0) {
    struct sigaction a, b;
    sigset_t mask, pending;
    stack_t stack;
    sigaction(SIGUSR1, nullptr, &a);
    sigaction(SIGUSR2, nullptr, &b);
    sigprocmask(SIG_BLOCK, nullptr, &mask);
    sigpending(&pending);
    sigaltstack(nullptr, &stack);
    RECORD(
        "handled is default %d, ignored stays %d, mask kept %d, pending kept %d, altstack flags %d",
        a.sa_handler == SIG_DFL, b.sa_handler == SIG_IGN, sigismember(&mask, SIGHUP),
        sigismember(&pending, SIGHUP), stack.ss_flags);
    RECORD("alarm left %d", alarm(0) > 0);
    return 0;
  }
  if (strcmp(argv[1], "--child-pid") == 0)
    return getpid() == atoi(argv[2]) && Tid() == getpid() ? 21 : 22;
  if (strcmp(argv[1], "--child-work") == 0) {
    int sum = 0;
    {
      Thread a([&] { SleepMs(5), ++sum; });
    }
    const int e = eventfd(3, 0);
    uint64_t value = 0;
    return read(e, &value, 8) == 8 && sum == 1 && value == 3 ? 23 : 24;
  }
  if (strcmp(argv[1], "--child-again") == 0) {
    const int depth = atoi(argv[2]);
    if (depth == 0) return 25;
    char number[16], again[] = "--child-again";
    snprintf(number, sizeof number, "%d", depth - 1);
    char* next[] = {g_self, again, number, nullptr};
    execv(g_self, next);
    return 26;
  }
  return 99;
}

TEST(arguments_and_environment_arrive) {
  char name[] = "any name", mode[] = "--child-args", empty[] = "", space[] = "with space";
  char one[] = "ONE=1", two[] = "TWO=", three[] = "no equals sign";
  char* argv[] = {name, mode, empty, space, nullptr};
  char* env[] = {one, two, three, nullptr};
  RECORD("%s", StatusText(Exec(g_self, argv, env)));
  char* none[] = {nullptr};
  RECORD("empty environment: %s", StatusText(Exec(g_self, argv, none)));
  RECORD("null environment: %s", StatusText(Exec(g_self, argv, nullptr)));
}

TEST(cloexec_fds_are_closed_others_kept) {
  const int status = ChildStatus([] {
    const int e = eventfd(0, 0);
    dup3(e, 40, 0);
    dup3(e, 41, O_CLOEXEC);
    int p[2];
    if (pipe(p) != 0) return 1;
    dup3(p[0], 42, 0);
    dup3(p[0], 43, O_CLOEXEC);
    dup3(p[0], 44, O_CLOEXEC);
    fcntl(44, F_SETFD, 0);
    char mode[] = "--child-fds";
    char* argv[] = {g_self, mode, nullptr};
    execv(g_self, argv);
    return 2;
  });
  RECORD("%s", StatusText(status));
}

TEST(signal_state_across_exec) {
  const int status = ChildStatus([] {
    signal(SIGUSR1, CountSignal);
    signal(SIGUSR2, SIG_IGN);
    const sigset_t set = SigSet(SIGHUP);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    raise(SIGHUP);
    static char stack[65536];
    stack_t s = {};
    s.ss_sp = stack;
    s.ss_size = sizeof stack;
    sigaltstack(&s, nullptr);
    alarm(1000);
    char mode[] = "--child-signals";
    char* argv[] = {g_self, mode, nullptr};
    execv(g_self, argv);
    return 2;
  });
  RECORD("%s", StatusText(status));
}

TEST(pid_is_kept_by_exec_of_the_main_thread_and_of_another) {
  for (bool other : {false, true}) {
    const int status = ChildStatus([=] {
      static char number[16], mode[] = "--child-pid";
      snprintf(number, sizeof number, "%d", getpid());
      static char* argv[] = {g_self, mode, number, nullptr};
      if (!other) execv(g_self, argv);
      Thread sleeper([] {
        for (;;) pause();
      });
      Thread t([] { execv(g_self, argv); });
      for (;;) pause();
      return 2;
    });
    RECORD("%s", StatusText(status));
  }
}

TEST(new_image_can_use_threads_timers_and_eventfds) {
  RECORD("%s", StatusText(ExecSelf("--child-work")));
}

TEST(chain_of_twenty_execs) { RECORD("%s", StatusText(ExecSelf("--child-again", "20"))); }

TEST(failed_execs) {
  Directory directory;
  Directory::File("text", "just text\n", 0755);
  Directory::File("empty", "", 0755);
  Directory::File("unexecutable", "#!/bin/sh\n", 0644);
  Directory::File("no-interpreter", "#!/nonexistent/interpreter\n", 0755);
  Directory::File("unexecutable-interpreter", "#!./unexecutable\n", 0755);
  Directory::File("bare", "#!\n", 0755);
  Directory::File("blank", "#!   \n", 0755);
  Directory::File("short-elf",
                  "\x7f"
                  "ELF",
                  0755);
  CHECK_OK(symlink("loop", "loop"));
  CHECK_OK(mkdir("directory", 0755));
  char text[5000];
  memset(text, 'x', sizeof text);
  text[300] = 0;
  for (const char* path : {"missing", "missing/below", "text", "empty", "unexecutable",
                           "text/below", "loop", "directory", "no-interpreter",
                           "unexecutable-interpreter", "bare", "blank", "short-elf", ""}) {
    RECORD("%s: %s", *path ? path : "(empty path)", ExecResult(path));
  }
  RECORD("name of 300: %s", ExecResult(text));
  text[300] = 'x';
  text[4999] = 0;
  RECORD("path of 4999: %s", ExecResult(text));
}

TEST(failed_exec_leaves_the_process_as_it_was) {
  char name[] = "x";
  char* argv[] = {name, nullptr};
  Handler handler(SIGUSR1, CountSignal);
  const int e = eventfd(5, EFD_CLOEXEC);
  CHECK_ERRNO(execv("/nonexistent/program", argv), ENOENT);
  CHECK_ERRNO(execv("/", argv), EACCES);
  raise(SIGUSR1);
  CHECK_EQ(g_signals, 1);
  uint64_t value = 0;
  CHECK_EQ(read(e, &value, 8), 8);
  CHECK_EQ(value, 5);
  close(e);
}

TEST(bad_pointers) {
  char name[] = "x";
  char* argv[] = {name, nullptr};
  char* wild_string[] = {name, static_cast<char*>(Wild()), nullptr};
  RECORD("path %s, null path %s, argv %s, env %s, string in argv %s",
         Res(syscall(SYS_execve, Wild(), argv, environ)),
         Res(syscall(SYS_execve, nullptr, argv, environ)),
         Res(syscall(SYS_execve, g_self, Wild(), environ)),
         Res(syscall(SYS_execve, g_self, argv, Wild())),
         Res(syscall(SYS_execve, g_self, wild_string, environ)));
  RECORD("missing file and wild argv %s",
         Res(syscall(SYS_execve, "/nonexistent", Wild(), environ)));
}

TEST(too_long_an_argument_is_E2BIG) {
  constexpr size_t kSize = 200000;  // MAX_ARG_STRLEN is 131072
  char* big = static_cast<char*>(malloc(kSize));
  memset(big, 'a', kSize);
  big[kSize - 1] = 0;
  char* argv[] = {g_self, big, nullptr};
  CHECK_ERRNO(execv(g_self, argv), E2BIG);
  big[131071] = 0;
  static char mode[] = "--child-exit";
  char* argv2[] = {g_self, mode, big, nullptr};
  RECORD("131071 bytes: %s", StatusText(Exec(g_self, argv2)));
  big[131071] = 'a';
  big[131072] = 0;
  CHECK_ERRNO(execv(g_self, argv2), E2BIG);
  free(big);
}

TEST(empty_argv_becomes_one_empty_string) {  // since Linux 5.18
  Directory directory;
  char path[] = "/bin/sh";
  char* none[] = {nullptr};
  // dash without arguments reads commands from stdin, which is empty here.
  const int status = ChildStatus([&] {
    close(0);
    open("/dev/null", O_RDONLY);
    execve(path, none, environ);
    return 100 + errno;
  });
  RECORD("%s", StatusText(status));
}

TEST(scripts_pass_interpreter_argument_path_and_arguments) {
  Directory directory;
  char self[256];
  const ssize_t n = readlink(g_self, self, sizeof self - 1);
  REQUIRE(n > 0);
  self[n] = 0;
  CHECK_OK(symlink(self, "guest"));  // so that no path of this machine is printed
  Directory::File("script", "#!./guest --child-args\n", 0755);
  Directory::File("spaces", "#!  \t./guest   --child-args  two words \nrest\n", 0755);
  Directory::File("no-newline", "#!./guest --child-args", 0755);
  Directory::File("nested", "#!./script inner\n", 0755);
  char name[] = "ignored", a[] = "a", b[] = "";
  char* argv[] = {name, a, b, nullptr};
  char* env[] = {nullptr};
  for (const char* path : {"script", "./script", "spaces", "no-newline"}) {
    RECORD("%s: %s", path, StatusText(Exec(path, argv, env)));
  }
}

TEST(shell_scripts_run) {
  Directory directory;
  Directory::File("hello", "#!/bin/sh\necho \"  = hello $0 $1 $#\"\nexit 5\n", 0755);
  char name[] = "x", a[] = "arg";
  char* argv[] = {name, a, nullptr};
  RECORD("%s", StatusText(Exec("./hello", argv)));
}

TEST(nested_scripts_until_ELOOP) {
  Directory directory;
  Directory::File("s0", "#!/bin/true\n", 0755);
  for (int i = 1; i < 8; ++i) {
    char name[8], text[16];
    snprintf(name, sizeof name, "s%d", i);
    snprintf(text, sizeof text, "#!./s%d\n", i - 1);
    Directory::File(name, text, 0755);
  }
  for (int i = 0; i < 8; ++i) {
    char name[8];
    snprintf(name, sizeof name, "./s%d", i);
    RECORD("%d: %s", i, ExecResult(name));
  }
}

TEST(execveat_by_fd_and_relative) {
  char name[] = "x", mode[] = "--child-exit";
  char* argv[] = {name, mode, nullptr};
  const int self = open(g_self, O_RDONLY | O_CLOEXEC),
            root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  RECORD("empty path: %s", StatusText(ChildStatus([&] {
           syscall(SYS_execveat, self, "", argv, environ, AT_EMPTY_PATH);
           return 100 + errno;
         })));
  RECORD("relative: %s", StatusText(ChildStatus([&] {
           syscall(SYS_execveat, root, "proc/self/exe", argv, environ, 0);
           return 100 + errno;
         })));
  RECORD("empty path without the flag %s, bad fd %s, bad flags %s, nofollow of a link %s",
         Res(syscall(SYS_execveat, self, "", argv, environ, 0)),
         Res(syscall(SYS_execveat, 999, "x", argv, environ, 0)),
         Res(syscall(SYS_execveat, self, "", argv, environ, 0x40)),
         Res(syscall(SYS_execveat, root, "proc/self/exe", argv, environ, AT_SYMLINK_NOFOLLOW)));
  close(self);
  close(root);
}

TEST(proc_self_exe_names_the_guest) {
  char link[256], name[64];
  ssize_t n = readlink("/proc/self/exe", link, sizeof link - 1);
  REQUIRE(n > 0);
  link[n] = 0;
  RECORD("base name %s", strrchr(link, '/') + 1);
  struct stat by_link, by_name;
  CHECK_OK(stat("/proc/self/exe", &by_link));
  CHECK_OK(stat(link, &by_name));
  CHECK(by_link.st_ino == by_name.st_ino && by_link.st_dev == by_name.st_dev);
  char other[256];
  CHECK_EQ(readlinkat(AT_FDCWD, "/proc/self/exe", other, sizeof other), n);
  snprintf(name, sizeof name, "/proc/%d/exe", getpid());
  CHECK_EQ(readlink(name, other, sizeof other), n);
  CHECK(memcmp(link, other, n) == 0);
  CHECK_EQ(readlink("/proc/self/exe", other, 3), 3);
  CHECK_ERRNO(readlink("/proc/self/exe", other, 0), EINVAL);
  CHECK_ERRNO(readlink("/proc/self/exe", static_cast<char*>(Wild()), 10), EFAULT);
  const int fd = open("/proc/self/exe", O_RDONLY);
  struct stat opened;
  CHECK_OK(fstat(fd, &opened));
  CHECK_EQ(opened.st_ino, by_name.st_ino);
  close(fd);
}

TEST(program_name_after_exec) {
  const int status = ChildStatus([] {
    char sh[] = "sh", c[] = "-c", script[] = "read name < /proc/$$/comm; echo \"  = $name\"";
    char* argv[] = {sh, c, script, nullptr};
    execv("/bin/sh", argv);
    return 1;
  });
  RECORD("%s", StatusText(status));
}

TEST(shell_pipeline) {
  RECORD("%s", StatusText(system(
                   "echo c a b | tr ' ' '\\n' | sort | tr '\\n' ' ' | sed 's/^/  = /;s/ $/\\n/'")));
}
