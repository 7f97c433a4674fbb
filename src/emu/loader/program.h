// Program: what execve(2) found behind a path: the file to load, its interpreter, and what a `#!` line
// puts in front of the arguments. Finding it has no effect, so a failed exec leaves the caller whole.
#pragma once

#include <string>
#include <vector>

#include "detent/result.h"

namespace detent::loader {

/// An open file that closes itself.
class HostFile {
 public:
  HostFile() = default;
  explicit HostFile(int fd) : fd_(fd) {}
  HostFile(HostFile&& other) noexcept : fd_(other.release()) {}
  HostFile& operator=(HostFile&& other) noexcept;
  ~HostFile();
  [[nodiscard]] int get() const { return fd_; }
  int release();

 private:
  int fd_ = -1;
};

struct Program {
  HostFile file;         ///< the ELF file
  std::string path;      ///< its absolute path, as /proc/self/exe shows it
  HostFile interpreter;  ///< PT_INTERP's file; not open if there is none
  /// For a script: interpreter, optional argument and script path, which replace argv[0].
  std::vector<std::string> script_arguments;
  /// Why it was refused, in words, where errno says too little.
  std::string complaint;
};

/// Opens `filename` relative to `dir_fd` and checks everything that execve checks before its point of no
/// return. Errors as execve(2): ENOENT, EACCES, ENOEXEC, ELIBBAD, ELOOP, ENOTDIR, EISDIR..., and EPERM
/// for a set-uid or set-gid file that would change credentials. `complaint` says more for a person.
Result<Program> find_program(int dir_fd, const std::string& filename, int flags,
                             std::string* complaint);

}  // namespace detent::loader
