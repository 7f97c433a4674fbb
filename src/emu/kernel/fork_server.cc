#include "emu/kernel/fork_server.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstring>
#include <string_view>
#include <vector>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/interrupts.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/kernel/kernel.h"

namespace detent::emu {

using arch::host_call;

namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::size_t kMaxPacket = 1 << 18;

struct Head {
  std::uint32_t version;
  std::uint32_t deviations;
  std::uint64_t seed;
  char strategy[trace::kStrategyText];
  std::int64_t time_budget_ns;
  std::uint64_t turns;  // of the profile
  std::uint32_t counts;
  std::uint32_t brief;
};
struct Pair {
  std::uint32_t choice;
  std::uint32_t option;
};
struct Count {
  std::uint32_t task;
  std::uint32_t unused;
  std::uint64_t object;
  std::uint64_t events;
};

}  // namespace

struct ForkServer::Request {
  Head head{};
  std::vector<trace::Deviation> deviations;
  trace::StrategyName strategy;
  trace::Profile profile;
  std::array<int, 3> fds{-1, -1, -1};  // report, stdout, stderr
};

// False at the end of the conversation, or if the packet makes no sense.
bool ForkServer::receive(Request& request) const {
  static std::array<char, kMaxPacket> packet;  // not on a task's kernel stack
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(request.fds))> control{};
  iovec part{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const Result<long> received =
      arch::host_call_to_the_end(SYS_recvmsg, socket_, &message, MSG_CMSG_CLOEXEC);
  const long size = received.ok() ? received.value() : -1;
  const cmsghdr* rights = CMSG_FIRSTHDR(&message);
  if (size < static_cast<long>(sizeof(Head)) || rights == nullptr ||
      rights->cmsg_len != CMSG_LEN(sizeof(request.fds))) {
    return false;
  }
  std::memcpy(request.fds.data(), CMSG_DATA(rights), sizeof(request.fds));
  std::memcpy(&request.head, packet.data(), sizeof(Head));
  const std::size_t count = request.head.deviations;
  if (request.head.version != kVersion ||
      static_cast<std::size_t>(size) !=
          sizeof(Head) + count * sizeof(Pair) + request.head.counts * sizeof(Count)) {
    return false;
  }
  request.profile.turns = request.head.turns;
  for (std::size_t i = 0; i < request.head.counts; ++i) {
    Count entry{};
    const std::size_t at = sizeof(Head) + count * sizeof(Pair) + i * sizeof(Count);
    std::memcpy(&entry, packet.data() + at, sizeof(entry));
    request.profile.counts.push_back({entry.task, entry.object, entry.events});
  }
  for (std::size_t i = 0; i < count; ++i) {
    Pair pair{};
    std::memcpy(&pair, packet.data() + sizeof(Head) + i * sizeof(Pair), sizeof(Pair));
    if (pair.option != 0) request.deviations.push_back({pair.choice, pair.option, std::nullopt});
  }
  request.head.strategy[sizeof(request.head.strategy) - 1] = '\0';
  const Result<trace::StrategyName> strategy = trace::parse_strategy(request.head.strategy);
  if (!strategy.ok()) return false;
  request.strategy = strategy.value();
  return true;
}

void ForkServer::stop(int status) const {
  for (;;) arch::host_syscall(SYS_exit_group, static_cast<std::uint64_t>(status));
}

void ForkServer::serve() {
  const std::string problem = snapshot_.take(kernel_);
  if (!problem.empty()) {
    kernel_.tell("detent: the fork server cannot copy this program: " + problem + "\n");
    stop(kExitInternal);
  }
  for (;;) {
    Request request;
    if (!receive(request)) stop(0);
    long child = 0;
    {
      // Without an exit signal: the guest must not see a SIGCHLD.
      const arch::HostSignalsBlocked blocked;
      child = arch::host_syscall(SYS_clone, 0);
    }
    if (child == 0) return run_copy(request);
    for (const int fd : request.fds) host_call(SYS_close, fd).value();
    std::int32_t status = -1;
    if (child > 0) {
      static_cast<void>(arch::host_call_to_the_end(SYS_wait4, child, &status, __WALL, nullptr));
    }
    static_cast<void>(host_call(SYS_sendto, socket_, &status, sizeof(status), MSG_NOSIGNAL, 0, 0));
  }
}

void ForkServer::run_copy(const Request& request) {
  static_cast<void>(host_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL));
  arch::close_kernel_fd(socket_);
  socket_ = -1;
  const int report = arch::to_kernel_fd(request.fds[0]).value();
  snapshot_.become_copy(request.fds[1], request.fds[2]);
  trace::Schedule schedule;
  schedule.strategy = request.strategy;
  schedule.seed = request.head.seed;
  schedule.deviations = request.deviations;
  kernel_.become_copy(std::move(schedule), request.profile,
                      {report, request.head.time_budget_ns, request.head.brief != 0});
}

}  // namespace detent::emu
