#include <fmt/format.h>

#include "explore/reports.h"

namespace detent::explore {
namespace {

std::string counted(std::uint64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::uint64_t seen_once(const TraceCounts& traces) {
  std::uint64_t count = 0;
  for (const auto& [hash, times] : traces) count += times == 1;
  return count;
}

std::string found_at(const Failure& failure) {
  return fmt::format("in {}, first as number {} ({}, seed {})",
                     counted(failure.count, "schedule", "schedules"), failure.index,
                     failure.plan.strategy, failure.plan.seed);
}

std::string failure_text(const Failure& failure, std::size_t number, std::size_t of,
                         const std::vector<std::string>& program) {
  std::string text =
      fmt::format("failure {} of {}: {}\n  found {}\n", number, of, failure.why, found_at(failure));
  if (failure.deviations_at_first > 0) {
    text += fmt::format(
        "  shrunk from {} to {} from Linux's usual order\n",
        counted(static_cast<std::uint64_t>(failure.deviations_at_first), "deviation", "deviations"),
        failure.outcome.deviations.size());
  }
  if (!failure.story.empty()) text += failure.story;
  return text + "  replay: " + replay_line(failure, program) + "\n";
}

std::string mismatch_text(const Mismatch& mismatch) {
  return fmt::format(
      "NOT REPEATABLE: schedule {} ({}, seed {}) was run twice and came out differently:\n"
      "  first:  {}\n  second: {}\n",
      mismatch.index, mismatch.plan.strategy, mismatch.plan.seed, mismatch.first, mismatch.second);
}

std::string verdict_text(const Results& results) {
  const CampaignResult& found = results.found;
  const std::string schedules = counted(found.schedules, "schedule", "schedules");
  if (found.stop == Stop::kBroken) return "cannot explore: " + found.complaint + "\n";
  if (found.failures.empty()) {
    return fmt::format("no failure in {}: with 95% confidence fewer than {:.2g}% of them fail\n",
                       schedules, 100 * failing_share_bound(found.schedules));
  }
  return fmt::format("{} of {} failed, in {}\n", found.failing, schedules,
                     counted(found.failures.size(), "way", "ways"));
}

std::string left_to_find(const CampaignResult& found) {
  const double chance = chance_of_new(seen_once(found.traces), found.schedules);
  return fmt::format("{}; the next schedule would show a new one with probability {:.1f}%\n",
                     counted(found.traces.size(), "distinct trace", "distinct traces"),
                     100 * chance);
}

const char* early_end(Stop stop) {
  switch (stop) {
    case Stop::kTimeBudget:
      return "ended by the time budget\n";
    case Stop::kInterrupted:
      return "interrupted\n";
    default:
      return "";
  }
}

constexpr const char* kFooter =
    "one processor, so no weak memory; switches at system calls and atomic instructions; the "
    "outside world is not "
    "simulated\n";

}  // namespace

std::string progress_line(const Progress& progress) {
  const double seconds = static_cast<double>(progress.elapsed_ns) / 1e9;
  const double rate = seconds > 0 ? static_cast<double>(progress.schedules) / seconds : 0;
  return fmt::format("{} schedules, {:.0f}/s, {} distinct, {} failed in {} ways, new: {:.0f}%",
                     progress.schedules, rate, progress.distinct, progress.failing, progress.kinds,
                     100 * progress.chance_of_new);
}

std::string terminal_report(const Results& results) {
  const CampaignResult& found = results.found;
  std::string text = verdict_text(results);
  if (found.stop == Stop::kBroken) return text;
  std::size_t number = 0;
  for (const Failure& failure : found.failures) {
    text += "\n" + failure_text(failure, ++number, found.failures.size(), results.program);
  }
  for (const Mismatch& mismatch : found.mismatches) text += "\n" + mismatch_text(mismatch);
  if (found.broken > 0) {
    text += fmt::format("\n{} could not be run: {}\n",
                        counted(found.broken, "schedule", "schedules"), found.complaint);
  }
  text += found.failures.empty() && found.mismatches.empty() ? "" : "\n";
  return text + early_end(found.stop) + left_to_find(found) + kFooter;
}

int exit_status(const Results& results) {
  const CampaignResult& found = results.found;
  if (!found.failures.empty()) return kExitBug;
  if (!found.mismatches.empty()) return kExitDivergence;
  if (found.broken > 0) return kExitUnsupported;
  if (found.stop == Stop::kInterrupted) return kExitInterrupted;
  // Without a number of schedules the time budget is the campaign's own end.
  const bool cut_short = results.spec.schedules != CampaignSpec::kNoLimit;
  return found.stop == Stop::kTimeBudget && cut_short ? kExitTimeBudget : kExitClean;
}

}  // namespace detent::explore
