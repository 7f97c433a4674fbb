// Client of the kernel's fork server (`detent run --server`): the program is loaded once a worker, and each
// schedule is a fork of it from before its first choice.
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "explore/guest_process.h"
#include "explore/program.h"
#include "explore/run_files.h"
#include "explore/run_profile.h"

namespace detent::explore {
namespace {

// As the kernel reads it; deviations and the profile's counts follow. Three files go with it: report,
// stdout, stderr.
struct Packet {
  std::uint32_t version = 3;
  std::uint32_t deviations = 0;
  std::uint64_t seed = 0;
  char strategy[24] = {};
  std::int64_t time_budget_ns = 0;
  std::uint64_t turns = 0;  // of the profile
  std::uint32_t counts = 0;
  std::uint32_t brief = 0;
};
static_assert(sizeof(Packet) == 64);
static_assert(sizeof(RunProfile::Count) == 24);

// The socket's number in a server until it is moved out of the guest's way.
constexpr int kSocketFd = 3;

struct Run {
  std::uint64_t ticket = 0;
  Request request;
  RunFiles files;
  std::int64_t deadline = 0;
};

struct Server {
  pid_t pid = -1;
  HostFd socket;
  RunFiles before;  // what the program wrote before its first choice, as part of every run
  std::optional<Run> run;
  bool has_answered = false;
};

bool send_request(int socket, const Run& run, std::int64_t time_budget_ns) {
  const Plan& plan = run.request.plan;
  Packet packet;
  packet.deviations = static_cast<std::uint32_t>(plan.deviations.size());
  packet.seed = plan.seed;
  plan.strategy.copy(packet.strategy, sizeof(packet.strategy) - 1);
  packet.time_budget_ns = time_budget_ns;
  packet.brief = run.request.full_report ? 0 : 1;
  static const RunProfile none;
  const RunProfile& profile = run.request.profile != nullptr ? *run.request.profile : none;
  packet.turns = profile.turns;
  packet.counts = static_cast<std::uint32_t>(profile.counts.size());
  std::array<iovec, 3> parts = {
      {{&packet, sizeof(packet)},
       {const_cast<Deviation*>(plan.deviations.data()), plan.deviations.size() * sizeof(Deviation)},
       {const_cast<RunProfile::Count*>(profile.counts.data()),
        profile.counts.size() * sizeof(RunProfile::Count)}}};
  const std::array<int, 3> fds = {run.files.report.get(), run.files.output.get(),
                                  run.files.errors.get()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(fds))> control{};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(fds));
  std::memcpy(CMSG_DATA(header), fds.data(), sizeof(fds));
  return sendmsg(socket, &message, MSG_NOSIGNAL) >= 0;
}

class ServerRunner final : public Runner {
 public:
  explicit ServerRunner(Program program)
      : program_(std::move(program)),
        single_(make_exec_runner(program_)),
        servers_(static_cast<std::size_t>(program_.jobs)) {}
  ~ServerRunner() override {
    for (Server& server : servers_) end(server);
  }

  [[nodiscard]] int capacity() const override { return program_.jobs; }
  [[nodiscard]] bool stopping() const override { return stop_signal() != 0; }

  void start(std::uint64_t ticket, const Request& request) override {
    // The text of a schedule is checked by `detent run`.
    if (!usable_ || !request.plan.text.empty()) return single_->start(ticket, request);
    const auto idle = std::ranges::find_if(servers_, [](const Server& s) { return !s.run; });
    Run run{ticket, request, {}, host_now_ns() + program_.host_timeout_ns};
    const bool ready = idle != servers_.end() && (idle->pid > 0 || begin(*idle));
    if (!ready || !run.files.create() ||
        !send_request(idle->socket.get(), run, program_.virtual_budget_ns)) {
      return single_->start(ticket, request);
    }
    idle->run = std::move(run);
  }

  Finished wait() override {
    for (;;) {
      bool any = false;
      for (Server& server : servers_) {
        if (!server.run) continue;
        any = true;
        Finished done;
        if (finished(server, done)) return done;
      }
      if (!any) return single_->wait();
      sleep_until_something_ends();
    }
  }

 private:
  bool begin(Server& server) {
    int ends[2];
    if (!server.before.create()) return false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return false;
    const HostFd theirs(ends[1]);
    server.socket = HostFd(ends[0]);
    server.has_answered = false;
    Spawn spawn;
    spawn.arguments = {"detent",
                       "run",
                       "--time=virtual",
                       fmt::format("--server={}", kSocketFd),
                       fmt::format("--random-seed={}", program_.random_seed),
                       "--report-stacks"};
    if (program_.points) spawn.arguments.emplace_back("--points=atomics");
    for (std::string& limit : limits_of(program_)) spawn.arguments.push_back(std::move(limit));
    const std::vector<std::string>& more = program_.run_options;
    spawn.arguments.insert(spawn.arguments.end(), more.begin(), more.end());
    spawn.arguments.emplace_back("--");
    spawn.arguments.insert(spawn.arguments.end(), program_.command.begin(), program_.command.end());
    spawn.output = server.before.output.get();
    spawn.errors = server.before.errors.get();
    spawn.kept = theirs.get();
    spawn.kept_as = kSocketFd;
    server.pid = spawn_detent(spawn);
    return server.pid > 0;
  }

  static void end(Server& server) {
    if (server.pid > 0) Reaper::instance().kill_and_reap(server.pid);
    server.pid = -1;
    server.socket.reset();
    server.run.reset();
  }

  // True if the server's run is over, one way or another.
  bool finished(Server& server, Finished& done) {
    std::int32_t status = 0;
    const ssize_t got = recv(server.socket.get(), &status, sizeof(status), MSG_DONTWAIT);
    Run& run = *server.run;
    done.ticket = run.ticket;
    if (got == sizeof(status)) {
      server.has_answered = true;
      done.outcome = outcome_of(server, status);
      server.run.reset();
      return true;
    }
    const bool gone = got >= 0 || (errno != EAGAIN && errno != EINTR);
    const bool late = host_now_ns() >= run.deadline;
    const bool too_big = run.files.too_big() || server.before.too_big();
    if (!gone && !late && !too_big && !stopping()) return false;
    if (gone && !stopping()) {
      again_alone(server, done);
      return true;
    }
    done.interrupted = stopping();
    done.outcome = collect(run.files, 0, run.request.keep_output);
    done.outcome.verdict = too_big ? Verdict::kOutputLimit : Verdict::kHang;
    end(server);
    return true;
  }

  Outcome outcome_of(const Server& server, int status) const {
    const Run& run = *server.run;
    Outcome outcome = collect(run.files, status, run.request.keep_output);
    if (run.request.keep_output) {
      const Outcome before = collect(server.before, 0, true);
      outcome.output.insert(0, before.output);
      outcome.errors.insert(0, before.errors);
    }
    return outcome;
  }

  // The server is gone. If it has never answered, the program is none for it.
  void again_alone(Server& server, Finished& done) {
    const Request request = server.run->request;
    usable_ = usable_ && server.has_answered;
    end(server);
    // Not by single_, where others may be under way.
    done.outcome = run_one(*make_exec_runner(program_), request);
  }

  void sleep_until_something_ends() {
    constexpr int kLookAgainMs = 100;  // for outputs that grow, and for stop signals
    std::vector<pollfd> all;
    std::int64_t deadline = host_now_ns() + std::int64_t{kLookAgainMs} * 1'000'000;
    for (const Server& server : servers_) {
      if (!server.run) continue;
      all.push_back({server.socket.get(), POLLIN, 0});
      deadline = std::min(deadline, server.run->deadline);
    }
    const std::int64_t left = std::max<std::int64_t>(deadline - host_now_ns(), 0);
    poll(all.data(), all.size(), static_cast<int>((left + 999'999) / 1'000'000));
  }

  Program program_;
  std::unique_ptr<Runner> single_;
  std::vector<Server> servers_;
  bool usable_ = true;
};

}  // namespace

std::unique_ptr<Runner> make_server_runner(const Program& program) {
  return std::make_unique<ServerRunner>(program);
}

}  // namespace detent::explore
