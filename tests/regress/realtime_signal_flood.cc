// Real-time signals that another process sends faster than they are taken overran the kernel's signal
// stack, and came in reverse order (found by stress-ng --sigfd).
#include <sys/signalfd.h>

#include "../abi/fds.h"

using namespace abi;

TEST(real_time_signals_of_a_child_arrive_all_and_in_order) {
  const int count = 2000;
  const sigset_t set = SigSet(SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  OwnFd s(signalfd(-1, &set, 0));
  const pid_t pid = Spawn([&] {
    for (int i = 0; i < count; ++i) {
      sigval value = {};
      value.sival_int = i;
      while (sigqueue(getppid(), SIGRTMIN, value) != 0 && errno == EAGAIN) sched_yield();
    }
    return 0;
  });
  int in_order = 0;
  for (int i = 0; i < count; ++i) {
    signalfd_siginfo info;
    if (read(s, &info, sizeof info) == static_cast<long>(sizeof info) && info.ssi_int == i) {
      ++in_order;
    }
  }
  CHECK_EQ(in_order, count);
  CHECK_EQ(WaitFor(pid), 0);
}
