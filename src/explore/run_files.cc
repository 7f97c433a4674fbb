#include "explore/run_files.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace detent::explore {
namespace {

std::int64_t size_of(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? status.st_size : 0;
}

std::string read_range(int fd, std::int64_t from, std::size_t length) {
  std::string text(length, '\0');
  std::size_t have = 0;
  while (have < length) {
    const ssize_t n = pread(fd, text.data() + have, length - have, from + static_cast<off_t>(have));
    if (n <= 0) break;
    have += static_cast<std::size_t>(n);
  }
  text.resize(have);
  return text;
}

std::string read_kept(int fd) {
  const std::int64_t size = size_of(fd);
  const auto kept = static_cast<std::int64_t>(RunFiles::kKept);
  if (size <= kept) return read_range(fd, 0, static_cast<std::size_t>(size));
  return read_range(fd, 0, RunFiles::kKept / 2) + "\n[...]\n" +
         read_range(fd, size - kept / 2, RunFiles::kKept / 2);
}

bool told_by_host(Verdict verdict) {
  return verdict == Verdict::kOk || verdict == Verdict::kExit || verdict == Verdict::kSignal;
}

}  // namespace

HostFd& HostFd::operator=(HostFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void HostFd::reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

int HostFd::release() { return std::exchange(fd_, -1); }

bool RunFiles::create() {
  report = HostFd(memfd_create("detent-report", MFD_CLOEXEC));
  output = HostFd(memfd_create("detent-stdout", MFD_CLOEXEC));
  errors = HostFd(memfd_create("detent-stderr", MFD_CLOEXEC));
  return report.valid() && output.valid() && errors.valid();
}

bool RunFiles::too_big() const {
  return size_of(output.get()) + size_of(errors.get()) + size_of(report.get()) > kOutputLimit;
}

std::string complaint_in(const std::string& errors) {
  constexpr const char* kMark = "detent: ";
  const std::size_t begin = errors.starts_with(kMark) ? 0 : errors.find(std::string("\n") + kMark);
  if (begin == std::string::npos) return "";
  const std::size_t text = errors.find(kMark, begin) + std::string(kMark).size();
  const std::size_t end = errors.find('\n', text);
  return errors.substr(text, end == std::string::npos ? end : end - text);
}

Outcome collect(const RunFiles& files, int wait_status, bool keep_output) {
  constexpr int kOwnCodes[] = {2, 125, 126, 127};
  Outcome outcome;
  const bool reported = read_report(read_kept(files.report.get()), outcome);
  if (!reported || told_by_host(outcome.verdict)) read_wait_status(wait_status, outcome);
  const bool failed = outcome.verdict != Verdict::kOk;
  if (keep_output) outcome.output = read_kept(files.output.get());
  if (keep_output || failed) outcome.errors = read_kept(files.errors.get());
  if (outcome.verdict == Verdict::kDivergence) outcome.complaint = complaint_in(outcome.errors);
  if (!reported && WIFEXITED(wait_status)) {
    const bool own = std::ranges::find(kOwnCodes, WEXITSTATUS(wait_status)) != std::end(kOwnCodes);
    outcome.complaint = own ? complaint_in(outcome.errors) : "";
    if (!outcome.complaint.empty()) outcome.verdict = Verdict::kBroken;
  }
  return outcome;
}

}  // namespace detent::explore
