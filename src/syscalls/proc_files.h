// The guest's own part of /proc, where the host's would show the kernel instead: threads that the host
// does not know, signal state that is ours, emulated fds, the emulated clock.
//
// Everything else under /proc is the host's. A file made here is a snapshot, taken when it is opened.
// Source: proc(5), fs/proc/array.c.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "detent/ids.h"
#include "detent/result.h"
#include "emu/task/task.h"

namespace detent::syscalls {

/// A path below the guest's own directory in /proc.
struct OwnProcPath {
  Task* thread;           ///< of which thread; the first one for the process itself
  std::string_view rest;  ///< behind that: "status", "fdinfo/3"; empty for the directory
};

/// Null unless `path` is absolute and below /proc/self, /proc/thread-self or /proc/<own pid or tid>, and
/// the thread exists.
std::optional<OwnProcPath> own_proc_path(Task& task, std::string_view path);

/// The host's path for one that names a thread which the host does not know: that of the first thread.
/// Null if `path` needs no such change.
std::optional<std::string> host_proc_path(Task& task, std::string_view path);

/// Opens `path` with `flags` of open(2), if it is one of the files that are made here; null if the host's
/// is right.
std::optional<Result<long>> open_proc_file(Task& task, std::string_view path, int flags);

/// The two forms of a directory's records: where the name stands, and whether the type stands behind it
/// (struct linux_dirent) or before.
struct DirectoryFormat {
  long call;
  std::size_t name;
  bool type_is_last;
};

/// getdents(2) on /proc/<own pid>/task: the host lists one thread, then follow ours.
Result<long> list_threads(Task& task, Fd fd, std::uint64_t buffer, std::uint32_t size,
                          const DirectoryFormat& format);

}  // namespace detent::syscalls
