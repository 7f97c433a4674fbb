#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>

#include "explore/story.h"

namespace detent::explore {
namespace {

constexpr std::size_t kColumn = 34;
constexpr std::size_t kMostColumns = 4;  // further tasks share the last one
constexpr std::size_t kMostLines = 60;
constexpr std::size_t kBeforeSecond = 6;  // events shown before the second task's first

// Ids that the host gives are others each time, and a report is to be the same wherever it is made.
bool gives_host_id(const std::string& call) {
  constexpr std::string_view kCalls[] = {"getpid",  "getppid", "gettid", "getpgid",
                                         "getpgrp", "getsid",  "setsid", "set_tid_address",
                                         "fork",    "vfork",   "wait4"};
  return std::ranges::find(kCalls, call) != std::end(kCalls);
}

std::string event_text(const ReportedEvent& event) {
  std::string text = event.call;
  if (event.call == "unknown") text = "runs on";
  if (!event.object.empty()) text += " " + event.object;
  if (!event.result) return text + " ...";
  if (*event.result > 0 && gives_host_id(event.call)) return text;
  return text + fmt::format(" = {}", *event.result);
}

std::string cut(std::string text, std::size_t width) {
  if (text.size() > width) text = text.substr(0, width - 2) + "..";
  text.resize(width, ' ');
  return text;
}

std::string without_blanks_at_end(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

const ReportedSwitch* switch_before(const KernelReport& report, const ReportedEvent& event,
                                    std::size_t& next) {
  const ReportedSwitch* found = nullptr;
  while (next < report.switches.size() && report.switches[next].events <= event.n) {
    found = &report.switches[next++];
  }
  return found;
}

std::string name_of(const KernelReport& report, std::uint32_t tid) {
  const auto task = std::ranges::find(report.tasks, tid, &ReportedTask::tid);
  if (task == report.tasks.end()) return fmt::format("task {}", tid);
  return fmt::format("task {} {}", tid, task->name);
}

// Tasks of the events, in order of creation, and the column of each.
std::map<std::uint32_t, std::size_t> columns(const KernelReport& report) {
  std::map<std::uint32_t, std::size_t> result;
  for (const ReportedEvent& event : report.events) result[event.tid] = 0;
  std::size_t next = 0;
  for (auto& [tid, column] : result) column = std::min(next++, kMostColumns - 1);
  return result;
}

std::string heading(const KernelReport& report,
                    const std::map<std::uint32_t, std::size_t>& column_of) {
  std::string line = cut("    time", 18);
  for (const auto& [tid, column] : column_of) {
    if (column < kMostColumns - 1 || column_of.size() <= kMostColumns) {
      line += cut(name_of(report, tid), kColumn);
    }
  }
  if (column_of.size() > kMostColumns) line += "further tasks";
  return without_blanks_at_end(line) + "\n";
}

// What the first task did long before there was a second one is of no interest.
std::size_t first_shown(const KernelReport& report) {
  const std::vector<ReportedEvent>& events = report.events;
  const auto second = std::ranges::find_if(
      events, [&](const ReportedEvent& event) { return event.tid != events.front().tid; });
  std::size_t first = 0;
  if (second != events.end()) first = static_cast<std::size_t>(second - events.begin());
  first -= std::min(first, kBeforeSecond);
  return std::max(first, events.size() - std::min(events.size(), kMostLines));
}

}  // namespace

std::string timeline(const KernelReport& report) {
  if (report.events.empty()) return "";
  const auto column_of = columns(report);
  const bool shared = column_of.size() > kMostColumns;
  std::string text = "  the last events of each task (* where it left Linux's usual order):\n";
  text += heading(report, column_of);
  const std::size_t first = first_shown(report);
  std::size_t next_switch = 0;
  for (std::size_t i = 0; i < report.events.size(); ++i) {
    const ReportedEvent& event = report.events[i];
    const bool left = switch_before(report, event, next_switch) != nullptr;
    if (i < first) continue;
    const std::size_t column = column_of.at(event.tid);
    std::string what = event_text(event);
    if (shared && column == kMostColumns - 1) what = fmt::format("({}) {}", event.tid, what);
    std::string line =
        fmt::format("  {} {:.9f}", left ? '*' : ' ', static_cast<double>(event.t_ns) / 1e9);
    line.resize(std::max<std::size_t>(line.size() + 1, 18 + column * kColumn), ' ');
    text += without_blanks_at_end(line + cut(what, kColumn)) + "\n";
  }
  return text;
}

}  // namespace detent::explore
