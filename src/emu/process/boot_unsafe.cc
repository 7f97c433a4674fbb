#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <charconv>
#include <cstring>
#include <string_view>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/process/boot.h"

namespace detent::process {

using arch::host_call;

namespace {

constexpr std::string_view kBootVariable = "DETENT_BOOT=";
constexpr const char* kPadVariable =
    "DETENT_PAD=";  // keeps the stack's 16-byte alignment on removal

Result<int> write_record(const BootRecord& record) {
  const int fd = static_cast<int>(TRY(host_call(SYS_memfd_create, "detent-boot", 0)));
  const Result<long> written = host_call(SYS_pwrite64, fd, &record, sizeof(record), 0);
  if (!written.ok() || written.value() != sizeof(record)) {
    static_cast<void>(host_call(SYS_close, fd));
    return Errno{ENOMEM};
  }
  return fd;
}

// The files must survive the host's exec; their numbers travel in the record.
Result<int> keep_over_exec(loader::HostFile& file) {
  if (file.get() < 0) return -1;
  TRY(host_call(SYS_fcntl, file.get(), F_SETFD, 0));
  return file.get();
}

Errno exec_self(const std::vector<const char*>& arguments,
                const std::vector<const char*>& environment) {
  // By path, not by a kept fd: comm and the stack's AT_EXECFN are patched afterwards either way.
  const Result<long> done =
      host_call(SYS_execve, "/proc/self/exe", static_cast<const void*>(arguments.data()),
                static_cast<const void*>(environment.data()));
  return done.error();
}

void replace_by_script_arguments(const loader::Program& program,
                                 std::vector<const char*>& arguments) {
  if (program.script_arguments.empty()) return;
  if (!arguments.empty() && arguments.front() != nullptr) arguments.erase(arguments.begin());
  std::vector<const char*> front;
  for (const std::string& argument : program.script_arguments) front.push_back(argument.c_str());
  arguments.insert(arguments.begin(), front.begin(), front.end());
}

}  // namespace

Result<int> make_kept_file(const char* name, const std::vector<std::uint8_t>& bytes) {
  const int fd = static_cast<int>(TRY(host_call(SYS_memfd_create, name, MFD_CLOEXEC)));
  const Result<long> written = host_call(SYS_pwrite64, fd, bytes.data(), bytes.size(), 0);
  if (written.ok() && static_cast<std::size_t>(written.value()) == bytes.size()) {
    return arch::to_kernel_fd(fd);
  }
  static_cast<void>(host_call(SYS_close, fd));
  return Errno{ENOMEM};
}

std::vector<std::uint8_t> read_kept_file(int fd) {
  const Result<long> size = host_call(SYS_lseek, fd, 0, SEEK_END);
  std::vector<std::uint8_t> bytes(size.ok() ? static_cast<std::size_t>(size.value()) : 0);
  const Result<long> got = host_call(SYS_pread64, fd, bytes.data(), bytes.size(), 0);
  DETENT_ASSERT(got.ok() && static_cast<std::size_t>(got.value()) == bytes.size());
  return bytes;
}

Errno host_exec(BootRecord record, loader::Program program, const std::string& filename,
                std::vector<const char*> arguments, std::vector<const char*> environment) {
  const Result<int> program_fd = keep_over_exec(program.file);
  const Result<int> interpreter_fd = keep_over_exec(program.interpreter);
  if (!program_fd.ok() || !interpreter_fd.ok()) return Errno{EMFILE};
  record.program_fd = program_fd.value();
  record.interpreter_fd = interpreter_fd.value();
  if (program.path.size() >= sizeof(record.exe_path)) return Errno{ENAMETOOLONG};
  std::memcpy(record.exe_path, program.path.c_str(), program.path.size() + 1);
  for (const int fd : kept_fds(record)) {
    if (fd > 2) static_cast<void>(host_call(SYS_fcntl, fd, F_SETFD, 0));
  }
  const Result<int> record_fd = write_record(record);
  if (!record_fd.ok()) return record_fd.error();
  const std::string boot =
      std::string(kBootVariable) + std::to_string(record_fd.value()) + ":" + filename;
  environment.insert(environment.begin(), {boot.c_str(), kPadVariable});
  replace_by_script_arguments(program, arguments);
  const Errno error = exec_self(arguments, environment);
  static_cast<void>(host_call(SYS_close, record_fd.value()));
  return error;
}

bool take_boot_record(char** argv, Booted& booted) {
  char** environment = argv;
  while (*environment != nullptr) ++environment;
  ++environment;
  if (environment[0] == nullptr || environment[1] == nullptr) return false;
  const std::string_view variable = environment[0];
  if (!variable.starts_with(kBootVariable) || std::string_view(environment[1]) != kPadVariable) {
    return false;
  }
  const char* number = environment[0] + kBootVariable.size();
  int fd = -1;
  const auto parsed = std::from_chars(number, variable.data() + variable.size(), fd);
  if (parsed.ec != std::errc() || *parsed.ptr != ':') return false;
  const Result<long> got = host_call(SYS_pread64, fd, &booted.record, sizeof(booted.record), 0);
  if (!got.ok() || got.value() != sizeof(booted.record) ||
      booted.record.magic != BootRecord::kMagic) {
    return false;
  }
  host_call(SYS_close, fd).value();
  booted.filename = reinterpret_cast<std::uint64_t>(parsed.ptr + 1);
  // argc, argv and argv's null move up over the two variables.
  char** argc_slot = argv - 1;
  const auto words = static_cast<std::size_t>(environment - argc_slot);
  std::memmove(argc_slot + 2, argc_slot, words * sizeof(char*));
  booted.stack_pointer = reinterpret_cast<std::uint64_t>(argc_slot + 2);
  return true;
}

}  // namespace detent::process
