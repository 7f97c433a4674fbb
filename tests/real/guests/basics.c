#define _GNU_SOURCE
// What a program sees of how it was started.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

static const char* tail(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static void print_proc(void) {
  char text[PATH_MAX + 1];
  ssize_t n = readlink("/proc/self/exe", text, PATH_MAX);
  text[n < 0 ? 0 : n] = 0;
  printf("exe %s\n", tail(text));
  snprintf(text, sizeof text, "/proc/%d/exe", getpid());
  char real[PATH_MAX];
  printf("real exe %s\n", realpath(text, real) ? tail(real) : strerror(errno));
  struct stat by_proc, by_name;
  if (stat("/proc/self/exe", &by_proc) == 0 && stat(real, &by_name) == 0)
    printf("same file %d\n", by_proc.st_ino == by_name.st_ino);
  int fd = open("/proc/self/comm", O_RDONLY);
  n = read(fd, text, 100);
  close(fd);
  printf("comm %.*s", (int)n, text);
  fd = open("/proc/self/cmdline", O_RDONLY);
  n = read(fd, text, PATH_MAX);
  close(fd);
  printf("cmdline");
  for (ssize_t i = 0; i < n; i += strlen(text + i) + 1) printf(" [%s]", tail(text + i));
  printf("\n");
  fd = open("/proc/self/exe", O_RDONLY);
  n = read(fd, text, 4);
  close(fd);
  printf("exe is an ELF file %d\n", n == 4 && memcmp(text, ELFMAG, 4) == 0);
}

int main(int argc, char** argv) {
  printf("argc %d\n", argc);
  for (int i = 0; i < argc; i++) printf("argv[%d] [%s]\n", i, i ? argv[i] : tail(argv[i]));
  printf("argv ends %d\n", argv[argc] == NULL);
  for (char** e = environ; *e; e++) {
    if (strncmp(*e, "_=", 2) != 0) printf("env %s\n", *e);
  }
  char cwd[PATH_MAX];
  printf("cwd %s\n", getcwd(cwd, sizeof cwd));
  printf("program_invocation_short_name %s\n", program_invocation_short_name);
  printf("execfn %s\n", tail((const char*)getauxval(AT_EXECFN)));
  printf("auxv page %lu uid %d secure %lu random %d phdr %d platform %s\n", getauxval(AT_PAGESZ),
         getauxval(AT_UID) == getuid(), getauxval(AT_SECURE), getauxval(AT_RANDOM) != 0,
         getauxval(AT_PHDR) != 0, (const char*)getauxval(AT_PLATFORM));
  printf("session leader %d, group leader %d\n", getsid(0) == getpid(), getpgrp() == getpid());
  struct utsname name;
  uname(&name);
  printf("%s %s %s\n", name.sysname, name.release, name.machine);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  printf("nofile %ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
  getrlimit(RLIMIT_STACK, &limit);
  printf("stack %ld\n", (long)limit.rlim_cur);
  print_proc();
  printf("open fds");
  for (int fd = 0; fd < 64; fd++) {
    if (fcntl(fd, F_GETFD) != -1) printf(" %d", fd);
  }
  printf("\nlowest %d\n", open("/dev/null", O_RDONLY));
  char line[100];
  if (fgets(line, sizeof line, stdin)) printf("stdin %s", line);
  fflush(stdout);
  return 23;
}
