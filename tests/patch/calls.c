// COUNT rounds of calls through libc, which are answered in all ways: by the host, by the kernel, at the site.
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv) {
  const long count = argc > 1 ? atol(argv[1]) : 1000;
  const int event = eventfd(0, EFD_NONBLOCK);
  uint64_t value = 1;
  struct pollfd item = {event, POLLIN, 0};
  long good = 0;
  for (long i = 0; i < count; ++i) {
    good += write(event, &value, sizeof value) == sizeof value;
    good += poll(&item, 1, 0) == 1;
    good += read(event, &value, sizeof value) == sizeof value && value == 1;
    good += getppid() > 0;
    good += syscall(SYS_gettid) == gettid();
  }
  return good == 5 * count ? 0 : 1;
}
