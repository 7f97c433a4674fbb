#include "emu/arch/x86_64/kernel_fds.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <set>

#include "emu/arch/x86_64/host_call.h"

namespace detent::arch {
namespace {

constexpr rlim_t kRoom = 4096;

std::set<int>& numbers() {
  static std::set<int> set;
  return set;
}

unsigned rooms = 0;  // KernelFdRooms alive; the rest is theirs
rlimit guest_limit{};
rlim_t first_number = 0;

// Where even the hard limit can't be raised (it equals the soft one and we lack CAP_SYS_RESOURCE), the
// kernel's fds take the top of the guest's numbers.
void raise_limit() {
  rlimit& old = guest_limit;
  host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &old).value();
  const rlimit both{old.rlim_cur + kRoom, std::max(old.rlim_max, old.rlim_cur + kRoom)};
  const rlimit soft{std::min(old.rlim_cur + kRoom, old.rlim_max), old.rlim_max};
  if (!host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, &both, nullptr).ok()) {
    host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, &soft, nullptr).value();
  }
  rlimit now{};
  host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &now).value();
  if (now.rlim_cur > old.rlim_cur) {
    first_number = std::max<rlim_t>(old.rlim_cur, 64);
  } else {
    first_number = old.rlim_cur > 64 ? old.rlim_cur - 64 : old.rlim_cur / 2;
  }
}

}  // namespace

KernelFdRoom::KernelFdRoom() {
  if (rooms++ == 0) raise_limit();
}

KernelFdRoom::~KernelFdRoom() {
  if (--rooms == 0) host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, &guest_limit, nullptr).value();
}

Result<int> to_kernel_fd(int fd) {
  const KernelFdRoom room;
  const Result<long> moved = host_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, first_number);
  static_cast<void>(host_call(SYS_close, fd));
  const int number = static_cast<int>(TRY(moved));
  numbers().insert(number);
  return number;
}

void adopt_kernel_fd(int fd) {
  host_call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC).value();
  numbers().insert(fd);
}

bool is_kernel_fd(int fd) { return numbers().contains(fd); }

void replace_kernel_fd(int number, int fd) {
  const KernelFdRoom room;
  host_call(SYS_dup3, fd, number, O_CLOEXEC).value();
}

void close_kernel_fd(int fd) {
  numbers().erase(fd);
  host_call(SYS_close, fd).value();
}

KernelFdRange kernel_fd_range() {
  if (numbers().empty()) return {0, -1};
  return {*numbers().begin(), *numbers().rbegin()};
}

}  // namespace detent::arch
