// write of no bytes on a datagram socket sends an empty datagram; writev of none sends nothing. On a stream
// whose other end is shut down, that write is EPIPE. (Once, all of them did nothing.)
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int queued(int fd) {
  struct pollfd look = {fd, POLLIN, 0};
  return poll(&look, 1, 0);
}

int main(void) {
  int pair[2];
  char byte = 0;
  signal(SIGPIPE, SIG_IGN);
  for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
    if (socketpair(AF_UNIX, SOCK_DGRAM | flags, 0, pair) != 0) return 1;
    const struct iovec none = {&byte, 0};
    printf("writev: %zd, %d queued\n", writev(pair[0], &none, 1), queued(pair[1]));
    printf("write: %zd, ", write(pair[0], &byte, 0));
    printf("%d queued, ", queued(pair[1]));
    printf("read: %zd\n", read(pair[1], &byte, 1));
    if (socketpair(AF_UNIX, SOCK_STREAM | flags, 0, pair) != 0) return 1;
    close(pair[1]);
    printf("stream: %s\n", write(pair[0], &byte, 0) < 0 ? strerrorname_np(errno) : "no error");
  }
  return 0;
}
