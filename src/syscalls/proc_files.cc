#include "syscalls/proc_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <vector>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/host_file.h"
#include "emu/fd/epoll.h"
#include "emu/kernel/kernel.h"
#include "emu/mem/user_copy_unsafe.h"
#include "emu/signal/task_signals.h"
#include "syscalls/files.h"
#include "syscalls/system.h"

namespace detent::syscalls {
namespace {

using arch::host_call;
using arch::read_host_file;
using signal::SigSet;

constexpr std::size_t kNameSize = 15;  // TASK_COMM_LEN - 1

// Cuts `prefix` off `path` where a path component ends there.
bool cut(std::string_view& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return false;
  const std::string_view rest = path.substr(prefix.size());
  if (!rest.empty() && rest.front() != '/') return false;
  path = rest.substr(std::min<std::size_t>(rest.find_first_not_of('/'), rest.size()));
  return true;
}

std::optional<int> cut_number(std::string_view& path) {
  int number = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), number);
  if (error != std::errc() ||
      !cut(path, path.substr(0, static_cast<std::size_t>(end - path.data())))) {
    return std::nullopt;
  }
  return number;
}

// `path` behind /proc/: which thread its first component names, if it is one of ours.
Task* cut_own_directory(Task& task, std::string_view& path) {
  if (cut(path, "self")) return task.process().find(task.process().pid());
  if (cut(path, "thread-self")) return &task;
  const std::optional<int> id = cut_number(path);
  return id ? task.process().find(Tid{*id}) : nullptr;
}

// Replaces what stands behind "Name:\t" in /proc/<pid>/status.
void set_line(std::string& status, std::string_view name, const std::string& value) {
  const std::string label = fmt::format("\n{}:\t", name);
  const std::size_t at = status.find(label);
  if (at == std::string::npos) return;
  const std::size_t begin = at + label.size();
  status.replace(begin, status.find('\n', begin) - begin, value);
}

void set_signals(std::string& status, std::string_view name, SigSet signals) {
  set_line(status, name, fmt::format("{:016x}", signals.bits()));
}

SigSet caught(const signal::ProcessSignals& signals) {
  SigSet found;
  for (int sig = 1; sig <= signal::kSignalCount; ++sig) {
    if (signals.action(sig).handler > signal::kIgnoreHandler) found.add(sig);
  }
  return found;
}

std::string status(const Task& thread) {
  process::Process& process = thread.process();
  std::string text = "\n" + read_host_file("/proc/self/status");
  set_line(text, "Name", thread.name);
  set_line(text, "Pid", fmt::format("{}", raw(thread.tid())));
  set_line(text, "NSpid", fmt::format("{}", raw(thread.tid())));
  set_line(text, "Threads", fmt::format("{}", process.task_count()));
  set_signals(text, "SigPnd", thread.signals->own_pending());
  set_signals(text, "ShdPnd", process.signals().pending().set());
  set_signals(text, "SigBlk", thread.signals->blocked());
  set_signals(text, "SigIgn", process.signals().explicitly_ignored());
  set_signals(text, "SigCgt", caught(process.signals()));
  set_line(text, "NoNewPrivs", process.no_new_privs ? "1" : "0");
  set_line(text, "Seccomp", "0");
  set_line(text, "Seccomp_filters", "0");
  set_line(text, "Cpus_allowed", "1");
  set_line(text, "Cpus_allowed_list", "0");
  return text.substr(1);
}

// The fields that a program looks for in a thread's: id, name, CPU time (clock ticks of 10 ms), threads.
std::string stat(Task& thread) {
  std::string text = read_host_file("/proc/self/stat");
  const std::size_t tail = text.rfind(')') + 2;
  std::vector<std::string> fields;
  for (std::size_t at = tail; at < text.size(); at = text.find(' ', at) + 1) {
    fields.push_back(text.substr(at, text.find_first_of(" \n", at) - at));
    if (text.find(' ', at) == std::string::npos) break;
  }
  const Duration used = thread.kernel().scheduler().cpu_time(thread);
  // Numbered as in proc(5), which counts from 1; fields[0] is (3) state.
  fields.at(14 - 3) = fmt::format("{}", used.ns() / 10'000'000);
  fields.at(15 - 3) = "0";
  fields.at(20 - 3) = fmt::format("{}", thread.process().task_count());
  return fmt::format("{} ({}) {}\n", raw(thread.tid()), thread.name, fmt::join(fields, " "));
}

// fs/proc/base.c proc_pid_syscall().
std::string current_call(const Task& thread) {
  const arch::UserState& user = thread.user;
  if (thread.state == task::State::kRunning || thread.state == task::State::kReady)
    return "running\n";
  std::string text = fmt::format("{}", thread.current_syscall);
  for (int i = 0; i < 6 && thread.current_syscall >= 0; ++i) {
    text += fmt::format(" {:#x}", user.syscall_arg(i));
  }
  return text + fmt::format(" {:#x} {:#x}\n", user.regs.rsp, user.regs.rip);
}

std::string uptime(Task& task) {
  const std::int64_t ns = task.kernel().clocks().now(timebase::Base::kBoottime);
  const std::string up = fmt::format("{}.{:02}", ns / kNanosPerSecond, ns / 10'000'000 % 100);
  return up + " " + up + "\n";
}

// The host's first four lines (pos, flags, mnt_id, ino) hold for the placeholder too.
std::string fdinfo(Task& task, Fd fd, fd::File& file) {
  const std::string host = read_host_file(fmt::format("/proc/self/fdinfo/{}", raw(fd)).c_str());
  std::size_t end = 0;
  for (int line = 0; line < 4; ++line) end = host.find('\n', end) + 1;
  std::string text = host.substr(0, end) + file.fdinfo();
  if (const auto* epoll = task.process().fds().get_as<fd::Epoll>(fd)) {
    const std::string members =
        read_host_file(fmt::format("/proc/self/fdinfo/{}", epoll->host_fd()).c_str());
    const std::size_t first = members.find("tfd:");
    if (first != std::string::npos) text += members.substr(first);
  }
  return text;
}

// /proc/<pid>/task/<tid>/comm: the one file here that can be written. Each write is a whole name.
class ThreadName final : public fd::File {
 public:
  ThreadName(process::Process& process, Tid tid) : process_(process), tid_(tid) {}

  waitq::Attempt<std::size_t> read(std::span<std::byte> to) override {
    Task* const thread = process_.find(tid_);
    if (thread == nullptr) return Errno{ESRCH};
    const std::string line = thread->name + "\n";
    const std::string_view rest = std::string_view(line).substr(std::min(position_, line.size()));
    const std::size_t size = std::min(rest.size(), to.size());
    std::memcpy(to.data(), rest.data(), size);
    position_ += size;
    return size;
  }
  [[nodiscard]] bool can_write() const override { return true; }
  [[nodiscard]] Result<void> check_write(std::size_t) const override { return {}; }
  waitq::Attempt<std::size_t> write(std::span<const std::byte> from) override {
    Task* const thread = process_.find(tid_);
    if (thread == nullptr) return Errno{EINVAL};
    const std::string_view given(reinterpret_cast<const char*>(from.data()), from.size());
    set_thread_name(*thread, std::string(given.substr(0, std::min(given.find('\0'), kNameSize))));
    return from.size();
  }
  waitq::PollMask poll() override { return waitq::kIn | waitq::kOut; }
  [[nodiscard]] const char* kind() const override { return "comm"; }
  [[nodiscard]] std::size_t max_read() const override { return kNameSize + 1; }

 private:
  process::Process& process_;
  Tid tid_;
  std::size_t position_ = 0;
};

Result<long> open_snapshot(const std::string& text, int flags) {
  const unsigned cloexec = (flags & O_CLOEXEC) ? MFD_CLOEXEC : 0U;
  const long fd = TRY(host_call(SYS_memfd_create, "proc", cloexec));
  host_call(SYS_pwrite64, fd, text.data(), text.size(), 0).value();
  return fd;
}

std::optional<std::string> snapshot(Task& task, const OwnProcPath& path) {
  if (path.rest == "status") return status(*path.thread);
  if (path.rest == "stat") return stat(*path.thread);
  if (path.rest == "syscall") return current_call(*path.thread);
  std::string_view number = path.rest;
  if (!cut(number, "fdinfo")) return std::nullopt;
  const std::optional<int> fd = cut_number(number);
  fd::File* const file = fd && number.empty() ? task.process().fds().get(Fd{*fd}) : nullptr;
  if (file == nullptr) return std::nullopt;
  return fdinfo(task, Fd{*fd}, *file);
}

std::vector<Tid> threads_unknown_to_host(process::Process& process) {
  std::vector<Tid> found;
  process.for_each_task([&](Task& thread) {
    if (thread.tid() != process.pid()) found.push_back(thread.tid());
  });
  return found;
}

// False if there is no room for it in `limit` bytes.
bool add_directory_entry(std::vector<char>& records, Tid tid, long next, std::size_t limit,
                         const DirectoryFormat& format) {
  const std::string name = fmt::format("{}", raw(tid));
  const std::size_t type_size = format.type_is_last ? 1 : 0;
  const std::size_t length = (format.name + name.size() + 1 + type_size + 7) & ~std::size_t{7};
  if (records.size() + length > limit) return false;
  std::vector<char> record(length);
  const auto id = static_cast<std::uint64_t>(raw(tid));
  const auto record_length = static_cast<std::uint16_t>(length);
  std::memcpy(&record[0], &id, sizeof(id));
  std::memcpy(&record[8], &next, sizeof(next));
  std::memcpy(&record[16], &record_length, sizeof(record_length));
  record[format.type_is_last ? length - 1 : 18] = DT_DIR;
  name.copy(&record[format.name], name.size());
  records.insert(records.end(), record.begin(), record.end());
  return true;
}

}  // namespace

std::optional<OwnProcPath> own_proc_path(Task& task, std::string_view path) {
  if (!path.starts_with("/proc/")) return std::nullopt;
  path.remove_prefix(6);
  Task* thread = cut_own_directory(task, path);
  if (thread == nullptr) return std::nullopt;
  if (path != "task" && cut(path, "task")) {
    const std::optional<int> id = cut_number(path);
    thread = id ? task.process().find(Tid{*id}) : nullptr;
    if (thread == nullptr) return std::nullopt;
  }
  return OwnProcPath{thread, path};
}

std::optional<std::string> host_proc_path(Task& task, std::string_view path) {
  const std::optional<OwnProcPath> own = own_proc_path(task, path);
  if (!own || own->thread->tid() == task.process().pid()) return std::nullopt;
  return fmt::format("/proc/self/task/{}/{}", raw(task.process().pid()), own->rest);
}

// A version 4 UUID (RFC 4122) of the run's random bytes.
std::string random_uuid(trace::Chooser& chooser) {
  const std::uint64_t high = (chooser.random_bits() & ~0xf000ULL) | 0x4000;
  const std::uint64_t low = (chooser.random_bits() >> 2) | 1ULL << 63;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}\n", high >> 32, (high >> 16) & 0xffff,
                     high & 0xffff, low >> 48, low & 0xffffffffffff);
}

std::optional<Result<long>> open_proc_file(Task& task, std::string_view path, int flags) {
  if ((flags & O_PATH) != 0) return std::nullopt;
  if (path == "/proc/uptime") return open_snapshot(uptime(task), flags);
  if (path == "/proc/sys/kernel/random/uuid" && task.kernel().time_is_virtual()) {
    return open_snapshot(random_uuid(task.kernel().chooser()), flags);
  }
  const std::optional<OwnProcPath> own = own_proc_path(task, path);
  if (!own) return std::nullopt;
  if (own->rest == "comm") {
    const Result<long> placeholder = open_snapshot("", flags);
    if (!placeholder.ok()) return placeholder;
    return install_file(task, placeholder.value(),
                        new ThreadName(task.process(), own->thread->tid()), false);
  }
  const std::optional<std::string> text = snapshot(task, *own);
  if (!text) return std::nullopt;
  return open_snapshot(*text, flags);
}

// The directory's position is the number of entries told: 2 for the dots, then the threads. The host
// knows the first thread only, and finds nothing behind it.
Result<long> list_threads(Task& task, Fd fd, std::uint64_t buffer, std::uint32_t size,
                          const DirectoryFormat& format) {
  constexpr long kBehindHosts = 3;
  long position = TRY(host_call(SYS_lseek, raw(fd), 0, SEEK_CUR));
  if (position < kBehindHosts) {
    return host_call(format.call, raw(fd), static_cast<std::int64_t>(buffer), size);
  }
  const std::vector<Tid> unknown = threads_unknown_to_host(task.process());
  std::vector<char> records;
  const auto done = [&] { return static_cast<std::size_t>(position - kBehindHosts); };
  while (done() < unknown.size()) {
    if (!add_directory_entry(records, unknown[done()], position + 1, size, format)) break;
    ++position;
  }
  if (records.empty() && done() < unknown.size()) return Errno{EINVAL};
  TRY(mem::copy_out_bytes(buffer, records.data(), records.size()));
  host_call(SYS_lseek, raw(fd), position, SEEK_SET).value();
  return static_cast<long>(records.size());
}

}  // namespace detent::syscalls
