#include "emu/loader/program.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>

#include "emu/arch/x86_64/host_call.h"

namespace detent::loader {

using arch::host_call;

HostFile& HostFile::operator=(HostFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
HostFile::~HostFile() {
  if (fd_ >= 0) host_call(SYS_close, fd_).value();
}
int HostFile::release() { return std::exchange(fd_, -1); }

namespace {

constexpr int kMaxScriptDepth = 5;        // fs/exec.c exec_binprm()
constexpr std::size_t kHeaderSize = 256;  // BINPRM_BUF_SIZE
using Header = std::array<char, kHeaderSize>;

Result<std::string> link_of(int fd) {
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  std::array<char, 4096> path;
  const long length =
      TRY(host_call(SYS_readlinkat, AT_FDCWD, link.c_str(), path.data(), path.size()));
  return std::string(path.data(), static_cast<std::size_t>(length));
}

Result<void> check_permissions(int fd, std::string* complaint) {
  struct stat status {};
  TRY(host_call(SYS_fstat, fd, &status));
  if (!S_ISREG(status.st_mode)) return Errno{EACCES};
  TRY(host_call(SYS_faccessat2, fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS));
  const bool changes_user = (status.st_mode & S_ISUID) && status.st_uid != geteuid();
  const bool changes_group =
      (status.st_mode & S_ISGID) && (status.st_mode & S_IXGRP) && status.st_gid != getegid();
  if (changes_user || changes_group) {
    *complaint =
        "set-uid and set-gid programs cannot run under detent (a seccomp filter may not gain "
        "privileges); run it outside, or run detent as that user";
    return Errno{EPERM};
  }
  return {};
}

bool may_execute(int dir_fd, const std::string& name) {
  struct stat status {};
  return host_call(SYS_newfstatat, dir_fd, name.c_str(), &status, 0).ok() &&
         S_ISREG(status.st_mode) &&
         host_call(SYS_faccessat2, dir_fd, name.c_str(), X_OK, AT_EACCESS).ok();
}

Result<HostFile> open_executable(int dir_fd, const std::string& name, int flags,
                                 std::string* complaint) {
  int open_flags = O_RDONLY | O_CLOEXEC;
  if (flags & AT_SYMLINK_NOFOLLOW) open_flags |= O_NOFOLLOW;
  long fd = 0;
  if (name.empty() && (flags & AT_EMPTY_PATH)) {
    const std::string self = "/proc/self/fd/" + std::to_string(dir_fd);
    fd = TRY(host_call(SYS_openat, AT_FDCWD, self.c_str(), open_flags, 0));
  } else {
    const Result<long> opened =
        host_call(SYS_openat, dir_fd, name.c_str(), open_flags | O_NONBLOCK, 0);
    if (!opened.ok() && opened.error() == Errno{EACCES} && may_execute(dir_fd, name)) {
      *complaint = "the file may be executed but cannot be read, and detent has to read it";
    }
    fd = TRY(opened);
  }
  HostFile file(static_cast<int>(fd));
  TRY(check_permissions(file.get(), complaint));
  return file;
}

struct ScriptLine {
  std::string interpreter;
  std::optional<std::string> argument;
};

// Source: fs/binfmt_script.c. One optional argument: the rest of the line, blanks inside kept.
Result<ScriptLine> parse_script(const Header& header, std::size_t size) {
  std::string line(header.data() + 2, size - 2);
  const std::size_t newline = line.find('\n');
  const bool truncated = newline == std::string::npos && size == kHeaderSize;
  line.resize(std::min(newline, line.size()));
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!line.empty() && is_blank(line.back())) line.pop_back();
  std::size_t begin = 0;
  while (begin < line.size() && is_blank(line[begin])) ++begin;
  std::size_t end = begin;
  while (end < line.size() && !is_blank(line[end]) && line[end] != '\0') ++end;
  if (begin == end || (truncated && end == line.size())) return Errno{ENOEXEC};
  ScriptLine script{line.substr(begin, end - begin), std::nullopt};
  while (end < line.size() && is_blank(line[end])) ++end;
  if (end < line.size()) script.argument = line.substr(end);
  return script;
}

const char* machine_name(unsigned machine) {
  switch (machine) {
    case EM_X86_64:
      return "x32";  // asked only of 32-bit files
    case EM_386:
      return "i386";
    case EM_AARCH64:
      return "aarch64";
    case EM_ARM:
      return "arm";
    case EM_RISCV:
      return "riscv";
    default:
      return "another machine";
  }
}

Result<Elf64_Ehdr> check_elf(const Header& header, std::size_t size, std::string* complaint) {
  Elf64_Ehdr elf{};
  // Class and machine have the same place in 32-bit files, whose header is shorter.
  if (size < offsetof(Elf64_Ehdr, e_version) || std::memcmp(header.data(), ELFMAG, SELFMAG) != 0) {
    *complaint = "not an ELF file or a script with a #! line";
    return Errno{ENOEXEC};
  }
  std::memcpy(&elf, header.data(), std::min(size, sizeof(elf)));
  if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != EM_X86_64) {
    *complaint = std::string("an ELF file for ") + machine_name(elf.e_machine) +
                 "; detent runs x86-64 programs";
    return Errno{ENOEXEC};
  }
  if (size < sizeof(elf)) {
    *complaint = "an ELF file that ends in its header";
    return Errno{ENOEXEC};
  }
  if (elf.e_type != ET_EXEC && elf.e_type != ET_DYN) {
    *complaint = "an ELF file, but not a program";
    return Errno{ENOEXEC};
  }
  if (elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum == 0 || elf.e_phnum > 512) {
    *complaint = "an ELF file with a damaged program header table";
    return Errno{ENOEXEC};
  }
  return elf;
}

// PT_INTERP's path, or nothing for a static program.
Result<std::optional<std::string>> interpreter_path(int fd, const Elf64_Ehdr& elf) {
  for (unsigned i = 0; i < elf.e_phnum; ++i) {
    Elf64_Phdr header{};
    const auto offset = static_cast<std::int64_t>(elf.e_phoff + i * sizeof(header));
    if (TRY(host_call(SYS_pread64, fd, &header, sizeof(header), offset)) != sizeof(header)) {
      return Errno{ENOEXEC};
    }
    if (header.p_type != PT_INTERP) continue;
    if (header.p_filesz < 2 || header.p_filesz > 4096) return Errno{ENOEXEC};
    std::string path(header.p_filesz, '\0');
    const long got = TRY(host_call(SYS_pread64, fd, path.data(), path.size(),
                                   static_cast<std::int64_t>(header.p_offset)));
    if (got != static_cast<long>(path.size()) || path.back() != '\0') return Errno{ENOEXEC};
    path.resize(std::strlen(path.c_str()));
    return std::optional<std::string>(path);
  }
  return std::optional<std::string>();
}

Result<void> open_interpreter(Program& program, const Elf64_Ehdr& elf, std::string* complaint) {
  const std::optional<std::string> path = TRY(interpreter_path(program.file.get(), elf));
  if (!path) return {};
  Result<HostFile> opened = open_executable(AT_FDCWD, *path, 0, complaint);
  if (!opened.ok()) {
    *complaint = "its interpreter " + *path + " cannot be opened";
    return opened.error();
  }
  Header header{};
  const long size =
      TRY(host_call(SYS_pread64, opened.value().get(), header.data(), header.size(), 0));
  if (!check_elf(header, static_cast<std::size_t>(size), complaint).ok()) {
    *complaint = "its interpreter " + *path + " is not an x86-64 ELF file";
    return Errno{ELIBBAD};
  }
  program.interpreter = std::move(opened).value();
  return {};
}

}  // namespace

Result<Program> find_program(int dir_fd, const std::string& filename, int flags,
                             std::string* complaint) {
  Program program;
  std::string name = filename;
  for (int depth = 0; depth <= kMaxScriptDepth; ++depth) {
    Result<HostFile> opened = open_executable(dir_fd, name, flags, complaint);
    if (!opened.ok()) {
      if (depth > 0) *complaint = "its interpreter " + name + " cannot be opened";
      return opened.error();
    }
    program.file = std::move(opened).value();
    Header header{};
    const long size =
        TRY(host_call(SYS_pread64, program.file.get(), header.data(), header.size(), 0));
    if (size < 2 || header[0] != '#' || header[1] != '!') {
      const Elf64_Ehdr elf = TRY(check_elf(header, static_cast<std::size_t>(size), complaint));
      TRY(open_interpreter(program, elf, complaint));
      program.path = TRY(link_of(program.file.get()));
      return program;
    }
    ScriptLine script = TRY(parse_script(header, static_cast<std::size_t>(size)));
    // The script's own name takes the place of argv[0]; an interpreter that is a script goes in front.
    if (name.empty()) name = "/dev/fd/" + std::to_string(dir_fd);
    if (program.script_arguments.empty()) program.script_arguments.push_back(name);
    if (script.argument) {
      program.script_arguments.insert(program.script_arguments.begin(), *script.argument);
    }
    program.script_arguments.insert(program.script_arguments.begin(), script.interpreter);
    name = script.interpreter;
    dir_fd = AT_FDCWD;
    flags = 0;
  }
  return Errno{ELOOP};
}

}  // namespace detent::loader
