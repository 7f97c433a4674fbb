#include "syscalls/socket_wait.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <optional>

#include "emu/arch/x86_64/host_call.h"
#include "emu/kernel/kernel.h"
#include "syscalls/host_wait.h"

namespace detent::syscalls {
namespace {

std::optional<Duration> time_out_of(Fd fd, Direction direction) {
  timeval value{};
  socklen_t size = sizeof(value);
  const int option = direction == Direction::kReceive ? SO_RCVTIMEO : SO_SNDTIMEO;
  const Result<long> got =
      arch::host_call(SYS_getsockopt, raw(fd), SOL_SOCKET, option, &value, &size);
  if (!got.ok() || (value.tv_sec == 0 && value.tv_usec == 0)) return std::nullopt;
  return Duration::seconds(value.tv_sec) + Duration::microseconds(value.tv_usec);
}

}  // namespace

sched::WaitRules socket_rules(Task& task, Fd fd, Direction direction, const char* what) {
  sched::WaitRules rules;
  rules.what = what;
  rules.object = static_cast<std::uint64_t>(raw(fd));
  if (const std::optional<Duration> time_out = time_out_of(fd, direction)) {
    rules.deadline = deadline_after(task, *time_out);
    rules.on_signal = Errno{EINTR};
  }
  return rules;
}

int socket_option(Fd fd, int option) {
  int value = 0;
  socklen_t size = sizeof(value);
  const Result<long> got =
      arch::host_call(SYS_getsockopt, raw(fd), SOL_SOCKET, option, &value, &size);
  return got.ok() ? value : -1;
}

std::size_t chosen_receive_size(Task& task, Fd fd, std::size_t size) {
  trace::Chooser& chooser = task.kernel().chooser();
  if (!chooser.active() || size < 2 || socket_option(fd, SO_TYPE) != SOCK_STREAM) return size;
  const int domain = socket_option(fd, SO_DOMAIN);
  if (domain != AF_INET && domain != AF_INET6) return size;
  return chooser.choose(trace::Choice::kShortIo, 2) != 0 ? size / 2 : size;
}

}  // namespace detent::syscalls
