// read of no bytes from an eventfd is EINVAL, readv of none is not, also once the eventfd is shared with a
// child. (Once, both were 0 then.)
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char* what, ssize_t n) {
  printf("%s: %s\n", what, n < 0 ? strerrorname_np(errno) : n == 0 ? "0" : "odd");
}

int main(void) {
  char byte;
  const struct iovec none = {&byte, 0};
  const int fd = eventfd(1, EFD_NONBLOCK);
  for (int round = 0; round < 2; ++round) {
    tell("read", read(fd, &byte, 0));
    tell("readv", readv(fd, &none, 1));
    fflush(stdout);
    if (fork() == 0) _exit(0);
    wait(NULL);
  }
  return 0;
}
