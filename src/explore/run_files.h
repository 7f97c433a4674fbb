// RunFiles: where one run of a guest leaves its report, stdout and stderr. In memory, new for every run, so
// that what outlives a run cannot write into the next one's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "explore/runner.h"

namespace detent::explore {

/// Owns a host file descriptor.
class HostFd {
 public:
  HostFd() = default;
  explicit HostFd(int fd) : fd_(fd) {}
  ~HostFd() { reset(); }
  HostFd(HostFd&& other) noexcept : fd_(other.release()) {}
  HostFd& operator=(HostFd&& other) noexcept;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  void reset();

 private:
  int release();
  int fd_ = -1;
};

struct RunFiles {
  /// More than this of output ends the run.
  static constexpr std::int64_t kOutputLimit = std::int64_t{64} << 20;
  /// As much of each output is kept: its beginning and its end.
  static constexpr std::size_t kKept = std::size_t{1} << 20;

  HostFd report, output, errors;  ///< close-on-exec

  /// False, with errno, if there is no memory or no free fd.
  bool create();
  /// True if the guest has written more than it may.
  [[nodiscard]] bool too_big() const;
};

/// What a run that is over came to. `wait_status` is the host's; the guest may have scribbled on the
/// report, so what both tell is taken from the host.
Outcome collect(const RunFiles& files, int wait_status, bool keep_output);

/// A line such as "detent: cannot run x" as a complaint, empty if the text has none.
std::string complaint_in(const std::string& errors);

}  // namespace detent::explore
