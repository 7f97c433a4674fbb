// The report of a run as one JSON object; docs/schedules.md describes its fields.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "emu/kernel/kernel.h"
#include "emu/kernel/report.h"
#include "emu/kernel/report_json.h"
#include "emu/kernel/run_record.h"

namespace detent::emu {
namespace {

using trace::PastEvent;
using trace::TaskTrace;
using Space = trace::Object::Space;

constexpr int kVersion = 1;

std::string object_text(const trace::Event& event, std::uint64_t detail) {
  switch (event.object.space) {
    case Space::kMemory:
    case Space::kStack:
      return fmt::format("{} {:#x}", event.call == trace::kAtomic ? "word" : "futex", detail);
    case Space::kFile: {
      const std::uint64_t id = event.object.id;
      const auto fd = static_cast<std::int32_t>(detail);
      return id >> 32 == 0 ? fmt::format("fd {}", fd)
                           : fmt::format("fd {} ({}.{})", fd, id >> 32, id & 0xffffffff);
    }
    case Space::kFiles:
      return "fds";
    case Space::kProcess:
      return "process";
    default:
      return "";
  }
}

const char* text_of(trace::Access access) {
  if (access == trace::Access::kNone) return "";
  return access == trace::Access::kRead ? "r" : "w";
}

const char* state_text(const Task& task) {
  switch (task.state) {
    case task::State::kReady:
      return "ready";
    case task::State::kRunning:
      return "running";
    case task::State::kBlocked:
      return "blocked";
    default:
      return "dead";
  }
}

std::string event_json(const PastEvent& past, std::uint32_t task, std::int64_t start_ns) {
  return fmt::format(
      "{{\"n\":{},\"tid\":{},\"t_ns\":{},\"call\":\"{}\",\"object\":{},\"rw\":\"{}\",\"result\":{},"
      "\"choice\":{}}}",
      past.n, task, past.at_ns - start_ns, syscall_name(past.event.call),
      quoted(object_text(past.event, past.detail)), text_of(past.event.access),
      past.finished ? std::to_string(past.result) : "null", past.choice);
}

}  // namespace

std::string RunRecord::head_json(const Outcome& outcome) {
  const Config& config = kernel_.config();
  const trace::Chooser& chooser = kernel_.chooser();
  const trace::Schedule& schedule = chooser.schedule();
  return fmt::format(
      "\"version\":{},\"argv\":{},\"build_id\":\"{}\",\"strategy\":\"{}\",\"seed\":{},"
      "\"random_seed\":{},\"verdict\":\"{}\",\"status\":{},\"signal\":{},\"virtual_ns\":{},"
      "\"choices\":{},\"turns\":{},\"event_count\":{},\"host_preemptions\":{},\"trace_hash\":\"{:"
      "016x}\"",
      kVersion, array_of(arguments_, quoted), config.build_id, trace::to_string(schedule.strategy),
      schedule.seed, chooser.random_seed(), name_of(outcome.verdict), outcome.status,
      outcome.signal, kernel_.clocks().monotonic().ns() - start_ns_, chooser.carry().choices,
      chooser.carry().turns, chooser.carry().events, kernel_.scheduler().stats().host_preemptions,
      kernel_.trace_hash());
}

RunRecord::Standing RunRecord::standing(std::uint32_t number) {
  const Task* task = number == 0 || !kernel_.config().json_stacks ? nullptr : task_of(number);
  if (task == nullptr) return {};
  return {number, task->trace.next.call, task->user.regs, stack_of(task->user.regs.rsp)};
}

std::string RunRecord::tasks_json() {
  std::vector<std::string> tasks;
  kernel_.process().for_each_task([&](Task& task) {
    const bool waits = task.waiting.what != nullptr;
    std::string json = fmt::format(
        "{{\"tid\":{},\"id\":{},\"name\":{},\"state\":\"{}\",\"call\":\"{}\",\"waits_in\":\"{}\","
        "\"object\":\"{:#x}\",\"since_ns\":{},\"regs\":{}",
        task.trace.number, raw(task.tid()), quoted(task.name), state_text(task),
        syscall_name(task.current_syscall), waits ? task.waiting.what : "",
        waits ? task.waiting.object : 0, waits ? task.waiting.since.ns() - start_ns_ : 0,
        registers_json(task.user.regs));
    if (const trace::Chooser::Touch* touch = last_touch(task); waits && touch != nullptr) {
      json += ",\"last_touch\":" + event_json(touch->event, touch->task, start_ns_);
    }
    if (const Task* owner = lock_owner(kernel_, task); owner != nullptr) {
      json += fmt::format(",\"owner\":{}", owner->trace.number);
    }
    if (kernel_.config().json_stacks) json += ",\"stack\":" + stack_json(task.user.regs.rsp);
    tasks.push_back(json + "}");
  });
  for (const Gone& gone : gone_) {
    tasks.push_back(fmt::format("{{\"tid\":{},\"id\":{},\"name\":{},\"state\":\"dead\"}}",
                                gone.number, gone.id, quoted(gone.name)));
  }
  return array_of(tasks, [](const std::string& task) { return task; });
}

std::string RunRecord::events_json() {
  struct Entry {
    std::uint32_t task;
    PastEvent event;
  };
  std::vector<Entry> entries;
  const auto collect = [&](std::uint32_t number, const TaskTrace& trace) {
    if (trace.past == nullptr) return;
    const std::uint64_t kept = std::min<std::uint64_t>(trace.events, TaskTrace::kPast);
    for (std::uint64_t i = trace.events - kept; i < trace.events; ++i) {
      entries.push_back({number, (*trace.past)[i % TaskTrace::kPast]});
    }
  };
  kernel_.process().for_each_task([&](Task& task) { collect(task.trace.number, task.trace); });
  for (const Gone& gone : gone_) collect(gone.number, gone.trace);
  std::ranges::sort(entries, {}, [](const Entry& entry) { return entry.event.n; });
  return array_of(
      entries, [&](const Entry& entry) { return event_json(entry.event, entry.task, start_ns_); });
}

std::string RunRecord::deviations_json() const {
  return array_of(kernel_.chooser().deviations(), [](const trace::Deviation& deviation) {
    return fmt::format("[{},{}]", deviation.choice, deviation.option);
  });
}

std::string RunRecord::switches_json() const {
  const auto standing_json = [](const Standing& at) -> std::string {
    if (at.task == 0) return "null";
    return fmt::format("{{\"tid\":{},\"call\":\"{}\",\"regs\":{},\"stack\":{}}}", at.task,
                       syscall_name(at.call), registers_json(at.regs),
                       stack_json(at.regs.rsp, at.stack));
  };
  return array_of(switches_, [&](const Switch& at) {
    return fmt::format(
        "{{\"choice\":{},\"option\":{},\"kind\":\"{}\",\"t_ns\":{},\"events\":{},\"from\":{},"
        "\"to\":"
        "{},\"from_task\":{},\"to_task\":{}}}",
        at.deviation.choice, at.deviation.option, trace::name_of(*at.deviation.kind), at.at_ns,
        at.events, at.from_task, at.to_task, standing_json(at.from), standing_json(at.to));
  });
}

std::string RunRecord::profile_json() const {
  return array_of(kernel_.chooser().counts().counts, [](const trace::Profile::Count& count) {
    return fmt::format("[{},\"{:x}\",{}]", count.task, count.object, count.events);
  });
}

std::string RunRecord::to_json(const Outcome& outcome) {
  if (brief_ && outcome.verdict == Verdict::kOk) return "{" + head_json(outcome) + "}\n";
  return fmt::format(
      "{{{},\"schedule\":\"{}\",\n\"deviations\":{},\n\"switches\":{},\n\"tasks\":{},\n\"events\":{"
      "},\n\"profile\":{},"
      "\n"
      "\"modules\":{}}}\n",
      head_json(outcome), trace::to_text(kernel_.chooser().recorded()), deviations_json(),
      switches_json(), tasks_json(), events_json(), profile_json(),
      outcome.verdict == Verdict::kOk ? "[]" : modules_json());
}

void RunRecord::write(const Outcome& outcome) {
  if (!writes_) return;
  writes_ = false;
  if (!write_whole(kernel_.config().json_fd, to_json(outcome))) {
    kernel_.tell("detent: the report cannot be written\n");
  }
}

}  // namespace detent::emu
