// rt_sigqueueinfo reads 48 bytes of its siginfo; the rest is looked at for unknown codes only. (Once, a
// siginfo at the end of a mapping was EFAULT.)
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void on_signal(int number, siginfo_t* info, void* context) {
  (void)number, (void)context;
  printf("delivered, value %d\n", info->si_int);
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  char* pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  siginfo_t info;
  if (pages == MAP_FAILED || mprotect(pages + 4096, 4096, PROT_NONE) != 0) return 1;
  sigaction(SIGUSR1, &action, NULL);
  memset(&info, 0, sizeof info);
  info.si_int = 7;
  for (int code = SI_QUEUE; code >= -100; code -= 99) {
    info.si_code = code;
    memcpy(pages + 4096 - 48, &info, 48);
    const long sent = syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, pages + 4096 - 48);
    printf("code %d: %s\n", code, sent < 0 ? strerrorname_np(errno) : "sent");
  }
  return 0;
}
