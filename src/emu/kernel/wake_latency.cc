#include "emu/kernel/wake_latency.h"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <string_view>

#include "emu/kernel/kernel.h"
#include "emu/kernel/report.h"
#include "emu/kernel/report_json.h"

namespace detent::emu {
namespace {

// A program may make files without end; those beyond are counted under the call that waits for them.
constexpr std::size_t kMostObjects = 1024;

}  // namespace

WakeLatency::WakeLatency(Kernel& kernel)
    : kernel_(kernel), active_(kernel.config().latency_fd >= 0) {}

void WakeLatency::finished(Task& task) {
  const long number = task.current_syscall;
  if (number == SYS_close) files_.erase(static_cast<int>(task.user.syscall_arg(0)));
  const auto fd = static_cast<long>(task.user.regs.rax);
  if (fd < 0 || !trace::makes_file(number)) return;
  if (Entry* entry = add(syscall_name(number), task)) files_[static_cast<int>(fd)] = entry;
}

WakeLatency::Entry* WakeLatency::add(const char* what, const Task& at) {
  if (entries_.size() >= kMostObjects) return nullptr;
  return &entries_.emplace_back(
      Entry{what,
            fmt::format("\"regs\":{},\"stack\":{}", registers_json(at.user.regs),
                        stack_json(at.user.regs.rsp)),
            {}});
}

void WakeLatency::on_ready(Task& task) {
  if (!active_) return;
  Entry* by = waker_entry(task);
  ready_[&task] = by != nullptr ? by : &entry_of(task);
}

// The file that the running task writes to: a poller waits for many, and this is the one that matters.
WakeLatency::Entry* WakeLatency::waker_entry(const Task& woken) {
  const Task& waker = kernel_.scheduler().current();
  const trace::CallShape shape = trace::shape_of(waker.current_syscall);
  if (&waker == &woken || shape.space != trace::Object::Space::kFile ||
      shape.access != trace::Access::kWrite || kernel_.timers().expiring()) {
    return nullptr;
  }
  const auto found = files_.find(static_cast<int>(waker.user.syscall_arg(shape.argument)));
  return found != files_.end() ? found->second : nullptr;
}

WakeLatency::Entry& WakeLatency::entry_of(const Task& woken) {
  const task::WaitNote& wait = woken.waiting;
  const std::string what = wait.what != nullptr ? wait.what : "wait";
  if (what == "futex") {
    const auto [found, is_new] = futexes_.try_emplace(wait.object, nullptr);
    if (is_new) found->second = add("futex", woken);
    if (found->second != nullptr) return *found->second;
  } else if (const auto file = files_.find(static_cast<int>(wait.object)); file != files_.end()) {
    return *file->second;
  }
  const auto [found, is_new] = others_.try_emplace(what, nullptr);
  if (is_new) found->second = &entries_.emplace_back(Entry{what, "", {}});
  return *found->second;
}

void WakeLatency::on_run(Task& task, Duration latency) {
  const auto found = ready_.find(&task);
  if (found == ready_.end()) return;
  found->second->latencies.add(static_cast<double>(latency.ns()));
  ready_.erase(found);
}

std::string WakeLatency::to_json() const {
  std::string objects;
  for (const Entry& entry : entries_) {
    if (entry.latencies.count() == 0) continue;
    std::string buckets;
    entry.latencies.for_each([&](double ns, std::uint64_t count) {
      buckets += fmt::format("{}[{:.3f},{}]", buckets.empty() ? "" : ",", ns, count);
    });
    objects +=
        fmt::format("{}{{\"what\":{},\"latencies_ns\":[{}]{}{}}}", objects.empty() ? "" : ",\n",
                    quoted(entry.what), buckets, entry.place.empty() ? "" : ",", entry.place);
  }
  return fmt::format("{{\"version\":1,\"objects\":[{}],\n\"modules\":{}}}\n", objects,
                     modules_json());
}

void WakeLatency::write() {
  if (!active_) return;
  active_ = false;
  if (!write_whole(kernel_.config().latency_fd, to_json())) {
    kernel_.tell("detent: the latencies cannot be written\n");
  }
}

}  // namespace detent::emu
