#include "explore/story.h"

#include <fmt/format.h>

#include <algorithm>

#include "explore/symbols.h"

namespace detent::explore {
namespace {

constexpr std::size_t kFramesShown = 6;
constexpr std::size_t kFramesInKey = 4;
constexpr std::size_t kSwitchesTold = 8;

double seconds(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }

std::string task_name(const KernelReport& report, std::uint32_t tid) {
  const auto task = std::ranges::find(report.tasks, tid, &ReportedTask::tid);
  if (task == report.tasks.end() || task->name.empty()) return fmt::format("task {}", tid);
  return fmt::format("task {} ({})", tid, task->name);
}

std::string stack_text(const std::vector<Frame>& frames, const char* indent) {
  std::string text;
  std::size_t shown = 0;
  for (const Frame& frame : frames) {
    // Behind these there is only what started them.
    if (frame.function == "start_thread" && shown > 0) break;
    text += fmt::format("{}{}\n", indent, frame_text(frame));
    if (++shown == kFramesShown || frame.function == "main") break;
  }
  return text;
}

// The last event of another task on what `task` waits for.
const ReportedEvent* last_touch(const KernelReport& report, const ReportedTask& task) {
  const ReportedEvent* found = nullptr;
  for (const ReportedEvent& event : report.events) {
    const bool same = event.object == "futex " + task.object;
    if (same && event.tid != task.tid) found = &event;
  }
  return found;
}

std::string waiting_text(const KernelReport& report, const ReportedTask& task) {
  std::string text =
      fmt::format("{}: waits in {} ({} {}) since {:.9f} s\n", task_name(report, task.tid),
                  task.call, task.waits_in, task.object, seconds(task.since_ns));
  if (task.owner != 0) text += fmt::format("      held by {}\n", task_name(report, task.owner));
  const ReportedEvent* touch = last_touch(report, task);
  if (touch == nullptr) return text;
  return text + fmt::format("      last touched by {}: {} at {:.9f} s\n",
                            task_name(report, touch->tid), touch->call, seconds(touch->t_ns));
}

std::string tasks_text(const KernelReport& report, const Symbols& symbols) {
  std::string text;
  for (const ReportedTask& task : report.tasks) {
    if (task.state == "dead") continue;
    text += "    ";
    text += task.waits_in.empty() ? fmt::format("{}: {}, last in {}\n", task_name(report, task.tid),
                                                task.state, task.call)
                                  : waiting_text(report, task);
    if (task.standing) text += stack_text(symbols.unwind(*task.standing), "      ");
  }
  return text.empty() ? "" : "  tasks at the end:\n" + text;
}

std::string place(const std::optional<Standing>& standing, const Symbols& symbols) {
  if (!standing) return "";
  const std::vector<Frame> frames = symbols.unwind(*standing);
  const Frame* own = own_frame(frames);
  if (own == nullptr && !frames.empty()) own = &frames.front();
  const std::string call = standing->call.empty() || standing->call == "unknown"
                               ? ""
                               : fmt::format(" (at {})", standing->call);
  return own == nullptr ? call : fmt::format(" in {}{}", frame_text(*own), call);
}

std::string switch_text(const KernelReport& report, const ReportedSwitch& at,
                        const Symbols& symbols) {
  const std::string head = fmt::format("    choice {} at {:.9f} s: ", at.choice, seconds(at.t_ns));
  if (at.to_tid == 0) return fmt::format("{}{} answered with {}\n", head, at.kind, at.option);
  std::string text = fmt::format("{}{} runs", head, task_name(report, at.to_tid));
  if (at.from_tid != 0 && at.from_tid != at.to_tid) {
    text += fmt::format(" instead of {}", task_name(report, at.from_tid));
  }
  text += "\n";
  const std::string from = place(at.from, symbols);
  const std::string to = place(at.to, symbols);
  if (!from.empty()) text += fmt::format("      {} is{}\n", task_name(report, at.from_tid), from);
  if (!to.empty()) text += fmt::format("      {} is{}\n", task_name(report, at.to_tid), to);
  return text;
}

std::string switches_text(const KernelReport& report, const Symbols& symbols) {
  if (report.switches.empty()) return "  it fails in Linux's usual order\n";
  std::string text = "  where it left Linux's usual order:\n";
  for (std::size_t i = 0; i < report.switches.size() && i < kSwitchesTold; ++i) {
    text += switch_text(report, report.switches[i], symbols);
  }
  if (report.switches.size() > kSwitchesTold) {
    text += fmt::format("    and {} times more\n", report.switches.size() - kSwitchesTold);
  }
  return text;
}

// Where an annotation should point: the task that ended the run, else the first that waits.
void set_place(Failure& failure, const KernelReport& report, const Symbols& symbols) {
  for (const char* state : {"running", "ready", "blocked"}) {
    for (const ReportedTask& task : report.tasks) {
      if (task.state != state || !task.standing) continue;
      const std::vector<Frame> frames = symbols.unwind(*task.standing);
      const Frame* own = own_frame(frames);
      if (own == nullptr) continue;
      failure.file = own->file;
      failure.line = own->line;
      return;
    }
  }
}

// The last lines of what the guest wrote to stderr.
std::string last_words(const std::string& all) {
  // What the kernel wrote behind them is told above.
  const std::size_t ours = all.find("detent: deadlock");
  const std::string errors = all.substr(0, ours);
  constexpr std::size_t kLines = 5;
  std::size_t begin = errors.size();
  for (std::size_t lines = 0; begin > 0; --begin) {
    if (errors[begin - 1] == '\n' && begin != errors.size() && ++lines == kLines) break;
  }
  std::string text;
  for (std::size_t at = begin; at < errors.size();) {
    const std::size_t end = std::min(errors.find('\n', at), errors.size());
    text += "    " + errors.substr(at, std::min<std::size_t>(end - at, 200)) + "\n";
    at = end + 1;
  }
  return text.empty() ? "" : "  on stderr:\n" + text;
}

const ReportedSwitch* last_between_tasks(const KernelReport& report) {
  const ReportedSwitch* found = nullptr;
  for (const ReportedSwitch& at : report.switches) {
    if (at.from_tid != 0 && at.to_tid != 0 && at.from_tid != at.to_tid) found = &at;
  }
  return found;
}

// The last deviation cannot be left out: in the usual order `from` goes on first.
std::string critical_pair(const KernelReport& report, const Symbols& symbols) {
  const ReportedSwitch* last = last_between_tasks(report);
  if (last == nullptr) return "";
  return fmt::format(
      "  the critical pair; swap these two and it passes:\n"
      "    first   {} goes on{}\n    second  {} goes on{}\n",
      task_name(report, last->to_tid), place(last->to, symbols), task_name(report, last->from_tid),
      place(last->from, symbols));
}

std::string frames_key(const std::vector<Frame>& frames) {
  std::string key;
  std::size_t count = 0;
  for (const Frame& frame : frames) {
    // By name where there is one: a small change elsewhere in the program then keeps the key.
    key += frame.function.empty() ? fmt::format("{}+{:x};", frame.module, frame.offset)
                                  : frame.function + ";";
    if (++count == kFramesInKey) break;
  }
  return key;
}

std::string bar(double share) {
  constexpr int kWidth = 40;
  return std::string(static_cast<std::size_t>(share * kWidth + 0.5), '#');
}

}  // namespace

std::string stack_key(const Outcome& outcome, const std::string& why) {
  std::string key = plain_key(outcome, why);
  if (outcome.report.empty()) return key;
  const KernelReport report = read_kernel_report(outcome.report);
  const Symbols& symbols = symbols_for(report.modules);
  const bool stuck =
      outcome.verdict == Verdict::kDeadlock || outcome.verdict == Verdict::kLostWakeup;
  std::vector<std::string> stacks;
  for (const ReportedTask& task : report.tasks) {
    const bool counts = stuck ? task.state == "blocked" : task.state == "running";
    if (counts && task.standing) stacks.push_back(frames_key(symbols.unwind(*task.standing)));
  }
  std::ranges::sort(stacks);
  for (const std::string& stack : stacks) key += "|" + stack;
  return key;
}

void tell_story(Failure& failure) {
  const Outcome& outcome = failure.outcome;
  if (outcome.report.empty()) {
    failure.story = last_words(outcome.errors);
    return;
  }
  const KernelReport report = read_kernel_report(outcome.report);
  const Symbols& symbols = symbols_for(report.modules);
  failure.story = tasks_text(report, symbols) + switches_text(report, symbols);
  if (failure.deviations_at_first >= 0) failure.story += critical_pair(report, symbols);
  failure.story += timeline(report) + last_words(outcome.errors);
  set_place(failure, report, symbols);
}

std::string explanation_text(const Failure& failure, const Explanation& explanation) {
  std::string text =
      fmt::format("{}\nhow probable it still is once so many choices are made:\n", failure.why);
  for (std::size_t i = 0; i < explanation.curve.size(); ++i) {
    const CurvePoint& point = explanation.curve[i];
    const bool jump = explanation.to != 0 && i == explanation.to;
    text += fmt::format("{:>9} {:>4.0f}% {}{}\n", point.choices, 100 * point.probability(),
                        bar(point.probability()), jump ? "  <- here" : "");
  }
  if (explanation.to == 0) return text + "no choice makes it more probable\n";
  const std::uint32_t choice = explanation.curve[explanation.to].choices - 1;
  const KernelReport report = read_kernel_report(failure.outcome.report);
  const Symbols& symbols = symbols_for(report.modules);
  text += fmt::format("the run is lost at choice {}:\n", choice);
  for (const ReportedSwitch& at : report.switches) {
    if (at.choice == choice) return text + switch_text(report, at, symbols);
  }
  return text + "    Linux's usual answer\n";
}

}  // namespace detent::explore
