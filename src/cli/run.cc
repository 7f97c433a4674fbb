#include "cli/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cli/build_id.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/loader/program.h"
#include "emu/mem/address_limit.h"
#include "emu/process/boot.h"

namespace detent::cli {
namespace {

bool is_executable_file(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

// execvp(3): a name without a slash is looked up in PATH, where an empty directory is the present one.
// The first executable file wins; EACCES if there is only one that is not executable.
Result<std::string> look_up(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* variable = std::getenv("PATH");
  const std::string path = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
  Errno error{ENOENT};
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string directory = end == begin ? "." : path.substr(begin, end - begin);
    const std::string candidate = directory + "/" + name;
    if (is_executable_file(candidate)) return candidate;
    if (access(candidate.c_str(), F_OK) == 0) error = Errno{EACCES};
    begin = end + 1;
  }
  return error;
}

int fail(const std::string& what, const std::string& complaint, Errno error) {
  const std::string why = complaint.empty() ? strerrordesc_np(error.value) : complaint;
  fmt::print(stderr, "detent: cannot run {}: {}\n", what, why);
  return error == Errno{ENOENT} && complaint.empty() ? kExitNotFound : kExitCannotRun;
}

// What this host lacks to run any program, in words; empty if nothing.
std::string missing_on_this_host() {
  // EINVAL where close_range(2) is known: Linux 5.9 brought it, the youngest call that we need.
  if (arch::host_call(SYS_close_range, 1, 0, 0).error() == Errno{ENOSYS}) {
    return "detent needs Linux 5.9 or newer, and a sandbox that lets its calls pass: "
           "close_range(2) "
           "is missing";
  }
  if (!mem::make_room_in_address_space().ok()) {
    return "the limit on address space (RLIMIT_AS, ulimit -v) leaves no room for the kernel's 192 "
           "GiB, "
           "which are reserved, not used; raise the hard limit";
  }
  return "";
}

std::vector<const char*> pointers(const std::vector<std::string>& strings) {
  std::vector<const char*> result;
  for (const std::string& string : strings) result.push_back(string.c_str());
  result.push_back(nullptr);
  return result;
}

std::vector<const char*> environment() {
  std::vector<const char*> result;
  for (char** variable = environ; *variable != nullptr; ++variable) result.push_back(*variable);
  result.push_back(nullptr);
  return result;
}

// Only a run whose choices matter is tied to a build. A schedule from another build is replayed, for the two
// may well behave alike, but the user is told.
void note_build(const loader::Program& program, emu::Config& config) {
  if (config.json_fd < 0 && config.schedule_fd < 0 && config.server_fd < 0) return;
  const std::string id = build_id_of(program.file.get());
  config.build_id[id.copy(config.build_id, sizeof(config.build_id) - 1)] = '\0';
  const auto tag = static_cast<std::uint32_t>(std::strtoul(id.substr(0, 8).c_str(), nullptr, 16));
  if (config.build_tag != 0 && config.build_tag != tag) {
    fmt::print(stderr, "detent: warning: the schedule is of another build of the program\n");
  }
  config.build_tag = tag;
}

int copy_of_stderr() {
  const Result<long> copy = arch::host_call(SYS_fcntl, STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  if (!copy.ok()) return STDERR_FILENO;
  const Result<int> high = arch::to_kernel_fd(static_cast<int>(copy.value()));
  return high.ok() ? high.value() : STDERR_FILENO;
}

}  // namespace

int run_guest(const emu::Config& config, const TimeEvents& events,
              const std::vector<std::string>& command) {
  const Result<std::string> found = look_up(command.front());
  if (!found.ok()) return fail(command.front(), "", found.error());
  const std::string& filename = found.value();
  std::string complaint = missing_on_this_host();
  if (!complaint.empty()) return fail(command.front(), complaint, Errno{ENOSYS});
  Result<loader::Program> program = loader::find_program(AT_FDCWD, filename, 0, &complaint);
  if (!program.ok()) return fail(command.front(), complaint, program.error());
  // ASLR off, so that the guest's addresses are the same in every run. It takes effect at the exec.
  const long persona = personality(0xffffffff);
  if (personality(static_cast<unsigned long>(persona) | ADDR_NO_RANDOMIZE) < 0) {
    return fail(command.front(), "a sandbox forbids personality(ADDR_NO_RANDOMIZE)", Errno{EPERM});
  }
  process::BootRecord record;
  record.config = config;
  note_build(program.value(), record.config);
  record.clocks.events = events;
  // Only where the user asked for reports: whoever reads our stderr from a pipe would otherwise wait for
  // a daemon that has closed its own.
  if (config.stats || config.strace) record.config.report_fd = copy_of_stderr();
  // What this process was started with goes on: exec keeps ignored signals and the mask.
  std::uint64_t mask = 0;
  arch::host_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &mask, 8).value();
  record.blocked = signal::SigSet(mask);
  for (int sig = 1; sig <= signal::kSignalCount; ++sig) {
    std::uint64_t action[4] = {};
    const bool known = arch::host_call(SYS_rt_sigaction, sig, nullptr, action, 8).ok();
    if (known && action[0] == 1) record.ignored.add(sig);
  }
  record.nice = getpriority(PRIO_PROCESS, 0);
  record.timer_slack = static_cast<std::uint64_t>(prctl(PR_GET_TIMERSLACK));
  const Errno error = process::host_exec(record, std::move(program).value(), filename,
                                         pointers(command), environment());
  return fail(command.front(), "", error);
}

}  // namespace detent::cli
