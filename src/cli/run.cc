#include "cli/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "emu/arch/x86_64/host_call.h"
#include "emu/loader/program.h"
#include "emu/process/boot.h"

namespace detent::cli {
namespace {

// execvp(3): a name without a slash is looked up in PATH; the first executable file wins.
std::string look_up(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::istringstream directories(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
  std::string directory;
  while (std::getline(directories, directory, ':')) {
    const std::string candidate = (directory.empty() ? "." : directory) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return name;
}

int fail(const std::string& what, const std::string& complaint, Errno error) {
  const std::string why = complaint.empty() ? strerrordesc_np(error.value) : complaint;
  fmt::print(stderr, "detent: cannot run {}: {}\n", what, why);
  return error == Errno{ENOENT} && complaint.empty() ? kExitNotFound : kExitCannotRun;
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

}  // namespace

int run_guest(const emu::Config& config, const std::vector<std::string>& command) {
  const std::string filename = look_up(command.front());
  std::string complaint;
  Result<loader::Program> program = loader::find_program(AT_FDCWD, filename, 0, &complaint);
  if (!program.ok()) return fail(command.front(), complaint, program.error());
  // ASLR off, so that the guest's addresses are the same in every run. It takes effect at the exec.
  const long persona = personality(0xffffffff);
  if (personality(static_cast<unsigned long>(persona) | ADDR_NO_RANDOMIZE) < 0) {
    return fail(command.front(), "a sandbox forbids personality(ADDR_NO_RANDOMIZE)", Errno{EPERM});
  }
  process::BootRecord record;
  record.config = config;
  // What this process was started with goes on: exec keeps ignored signals and the mask.
  std::uint64_t mask = 0;
  arch::host_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &mask, 8).value();
  record.blocked = signal::SigSet(mask);
  for (int sig = 1; sig <= signal::kSignalCount; ++sig) {
    std::uint64_t action[4] = {};
    const bool known = arch::host_call(SYS_rt_sigaction, sig, nullptr, action, 8).ok();
    if (known && action[0] == 1) record.ignored.add(sig);
  }
  const Errno error = process::host_exec(record, std::move(program).value(), filename,
                                         pointers(command), environment());
  return fail(command.front(), "", error);
}

}  // namespace detent::cli
