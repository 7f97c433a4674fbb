#include "explore/kernel_report.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace detent::explore {
namespace {

using nlohmann::json;

constexpr std::array<const char*, 17> kRegisters = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi",
                                                    "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                                    "r12", "r13", "r14", "r15", "rip"};

const json* member(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found != object.end() ? &*found : nullptr;
}

std::string text(const json& object, const char* name) {
  const json* value = member(object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

template <class T>
T number(const json& object, const char* name) {
  const json* value = member(object, name);
  return value != nullptr && value->is_number_integer() ? value->get<T>() : T{0};
}

std::uint64_t hex(std::string_view digits) {
  if (digits.starts_with("0x")) digits.remove_prefix(2);
  std::uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

std::uint64_t address(const json& object, const char* name) { return hex(text(object, name)); }

std::string bytes_from_hex(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(hex(std::string_view(digits).substr(i, 2)));
  }
  return bytes;
}

std::optional<Standing> standing_of(const json* object) {
  const json* registers = object != nullptr ? member(*object, "regs") : nullptr;
  if (registers == nullptr || !registers->is_object()) return std::nullopt;
  Standing standing;
  for (std::size_t i = 0; i < kRegisters.size(); ++i) {
    standing.registers[i] = address(*registers, kRegisters[i]);
  }
  standing.call = text(*object, "call");
  const json* stack = member(*object, "stack");
  if (stack == nullptr) return standing;
  standing.stack_address = address(*stack, "address");
  standing.stack = bytes_from_hex(text(*stack, "bytes"));
  return standing;
}

ReportedTask task_of(const json& object) {
  ReportedTask task;
  task.tid = number<std::uint32_t>(object, "tid");
  task.name = text(object, "name");
  task.state = text(object, "state");
  task.call = text(object, "call");
  task.waits_in = text(object, "waits_in");
  task.object = text(object, "object");
  task.since_ns = number<std::int64_t>(object, "since_ns");
  task.owner = number<std::uint32_t>(object, "owner");
  task.standing = standing_of(&object);
  return task;
}

ReportedEvent event_of(const json& object) {
  ReportedEvent event;
  event.n = number<std::uint64_t>(object, "n");
  event.tid = number<std::uint32_t>(object, "tid");
  event.t_ns = number<std::int64_t>(object, "t_ns");
  event.call = text(object, "call");
  event.object = text(object, "object");
  event.access = text(object, "rw");
  event.choice = number<std::uint64_t>(object, "choice");
  const json* result = member(object, "result");
  if (result != nullptr && result->is_number_integer()) event.result = result->get<std::int64_t>();
  return event;
}

ReportedSwitch switch_of(const json& object) {
  ReportedSwitch at;
  at.choice = number<std::uint32_t>(object, "choice");
  at.option = number<std::uint32_t>(object, "option");
  at.kind = text(object, "kind");
  at.t_ns = number<std::int64_t>(object, "t_ns");
  at.events = number<std::uint64_t>(object, "events");
  at.from_tid = number<std::uint32_t>(object, "from");
  at.to_tid = number<std::uint32_t>(object, "to");
  at.from = standing_of(member(object, "from_task"));
  at.to = standing_of(member(object, "to_task"));
  return at;
}

ReportedLatency latency_of(const json& object) {
  ReportedLatency latency{text(object, "what"), standing_of(&object), {}};
  const json* buckets = member(object, "latencies_ns");
  if (buckets == nullptr || !buckets->is_array()) return latency;
  for (const json& bucket : *buckets) {
    if (!bucket.is_array() || bucket.size() != 2 || !bucket[0].is_number()) continue;
    if (bucket[1].is_number_unsigned()) latency.latencies.add(bucket[0], bucket[1]);
  }
  return latency;
}

Module module_of(const json& object) {
  return {address(object, "start"), address(object, "end"), address(object, "offset"),
          text(object, "path")};
}

template <class T>
std::vector<T> list(const json& report, const char* name, T (*read)(const json&)) {
  std::vector<T> result;
  const json* array = member(report, name);
  if (array == nullptr || !array->is_array()) return result;
  for (const json& entry : *array) result.push_back(read(entry));
  return result;
}

}  // namespace

std::optional<LatencyReport> read_latency_report(std::string_view text_of_report) {
  const json report = json::parse(text_of_report, nullptr, false);
  const json* objects = member(report, "objects");
  if (objects == nullptr || !objects->is_array()) return std::nullopt;
  return LatencyReport{list(report, "objects", latency_of), list(report, "modules", module_of)};
}

KernelReport read_kernel_report(std::string_view text_of_report) {
  const json report = json::parse(text_of_report, nullptr, false);
  KernelReport result;
  result.tasks = list(report, "tasks", task_of);
  result.events = list(report, "events", event_of);
  result.switches = list(report, "switches", switch_of);
  result.modules = list(report, "modules", module_of);
  std::ranges::sort(result.tasks, {}, &ReportedTask::tid);
  std::ranges::sort(result.events, {}, &ReportedEvent::n);
  return result;
}

}  // namespace detent::explore
