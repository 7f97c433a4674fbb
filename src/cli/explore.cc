#include "cli/explore.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <thread>

#include "cli/explore_output.h"
#include "cli/options.h"
#include "cli/run.h"
#include "explore/analyse.h"
#include "explore/explain.h"
#include "explore/guest_process.h"
#include "explore/program.h"
#include "explore/reports.h"
#include "explore/run_profile.h"
#include "explore/schedule_text.h"
#include "explore/shard_env.h"
#include "explore/story.h"
#include "explore/verify.h"

namespace detent::cli {
namespace {

using namespace detent::explore;

int usage(const std::string& text) {
  fmt::print(stderr, "detent: {}\nTry 'detent --help'.\n", text);
  return kExitUsage;
}

// What all commands that run a guest share.
struct Session {
  Program program;
  Criteria criteria;
  KeyOf key = plain_key;
  std::unique_ptr<Runner> runner;
};

bool parse_span(const char* option, const std::string& text, std::int64_t& ns,
                std::string& problem) {
  if (text.empty() || (parse_duration(text, ns) && ns > 0)) return true;
  problem = fmt::format("{}={}: expected a span like 500ms, 10s or 1h", option, text);
  return false;
}

bool add_conditions(const ExploreOptions& options, Criteria& criteria, std::string& problem) {
  const auto fails = [&](const std::string& text) { return criteria.fail_if(text, problem); };
  const auto passes = [&](const std::string& text) { return criteria.pass_if(text, problem); };
  return std::ranges::all_of(options.fail_if, fails) &&
         std::ranges::all_of(options.pass_if, passes);
}

// False, with what is wrong in `problem`. `use_server`: the command makes many runs.
bool open_session(const ExploreOptions& options, const std::vector<std::string>& guest,
                  bool use_server, std::uint64_t random_seed, Session& session,
                  std::string& problem) {
  if (guest.empty()) {
    problem = "expected a program behind '--'";
    return false;
  }
  Program& program = session.program;
  program.command = guest;
  program.run_options = options.run_options;
  program.random_seed = random_seed;
  program.max_steps = options.max_steps;
  const auto processors = static_cast<int>(std::thread::hardware_concurrency());
  program.jobs = std::clamp(options.jobs > 0 ? options.jobs : processors, 1, 256);
  if (!parse_span("--timeout", options.timeout, program.host_timeout_ns, problem) ||
      !parse_span("--virtual-budget", options.virtual_budget, program.virtual_budget_ns, problem) ||
      !add_conditions(options, session.criteria, problem)) {
    return false;
  }
  session.key = stack_key;
  session.runner = use_server && !options.no_fork_server ? make_server_runner(program)
                                                         : make_exec_runner(program);
  catch_stop_signals();
  return true;
}

// The shard that the user or the continuous integration gives; false with the reason.
bool find_own_shard(const ExploreOptions& options, Shard& shard, std::string& problem) {
  if (options.shard == "none") return true;
  if (!options.shard.empty()) {
    if (parse_shard(options.shard, shard)) return true;
    problem = fmt::format("--shard={}: expected s/N with s from 0 to N-1, or none", options.shard);
    return false;
  }
  const auto found =
      find_shard([](const char* name) -> const char* { return std::getenv(name); }, problem);
  if (found) {
    shard = found->shard;
    fmt::print(stderr, "detent: shard {}/{}, by {}\n", shard.number, shard.count, found->source);
  } else if (!problem.empty()) {
    problem += "; give --shard s/N, or --shard none";
  }
  return found || problem.empty();
}

bool preempts_at_atomics(const std::string& strategy) {
  return strategy == "auto" || strategy.ends_with("+atomics");
}

// --strategy and --points as one word.
bool strategy_of(const ExploreOptions& options, std::string& strategy, std::string& problem) {
  strategy = options.strategy;
  const bool drawn = options.points.empty() || options.points == "auto";
  if (!drawn && options.points != "calls" && options.points != "atomics") {
    problem = fmt::format("--points={}: expected auto, calls or atomics", options.points);
    return false;
  }
  if (strategy == "auto") {
    if (!drawn) strategy += "+" + options.points;
    return true;
  }
  if (options.points == "atomics" && !preempts_at_atomics(strategy)) strategy += "+atomics";
  if (strategy_is_known(strategy)) return true;
  problem = fmt::format("--strategy={}: no such strategy", options.strategy);
  return false;
}

bool make_spec(const ExploreOptions& options, CampaignSpec& spec, std::string& problem) {
  constexpr std::uint64_t kDefaultCount = 1000;
  spec.master = options.seed;
  spec.until_failure = options.until_failure;
  if (options.count > 0) {
    spec.schedules = options.count;
  } else if (options.time_budget.empty() && !options.until_failure) {
    spec.schedules = kDefaultCount;
  }
  return strategy_of(options, spec.strategy, problem) &&
         parse_span("--time-budget", options.time_budget, spec.time_budget_ns, problem) &&
         find_own_shard(options, spec.shard, problem);
}

bool uses_profile(const std::string& strategy) {
  const auto begins = [&](const char* name) { return strategy.starts_with(name); };
  return std::ranges::any_of(std::array{"auto", "surw", "pct", "period"}, begins);
}

int explore_command(const ExploreOptions& options, const std::vector<std::string>& guest) {
  Session session;
  CampaignSpec spec;
  std::string problem;
  if (!make_spec(options, spec, problem)) return usage(problem);
  session.program.points = preempts_at_atomics(spec.strategy);
  if (!open_session(options, guest, true, spec.master, session, problem)) {
    return usage(problem);
  }
  if (uses_profile(spec.strategy)) {
    spec.profile = profile_of(*session.runner, schedule_seed(spec.master, 0));
  }
  ProgressBar progress(options.quiet);
  CampaignHooks hooks;
  hooks.knows = strategy_is_known;
  hooks.now_ns = host_now_ns;
  hooks.key = session.key;
  hooks.progress = [&](const Progress& now) { progress.show(now); };
  Results results{guest, spec, run_campaign(*session.runner, spec, session.criteria, hooks)};
  progress.clear();
  analyse(*session.runner, results, session.criteria, session.key, tell_story,
          {.shrink = !options.no_shrink});
  return publish(results, options);
}

// A failure from one run of a schedule that the user gives; not failing runs have an empty `why`.
Failure one_run(Session& session, const Plan& plan) {
  Failure failure;
  failure.plan = plan;
  failure.count = 1;
  failure.outcome = run_one(*session.runner, {plan, true, true});
  failure.why = session.criteria.why_failed(failure.outcome);
  failure.key = session.key(failure.outcome, failure.why);
  return failure;
}

// The exit status for a run that is no failure of the guest's; -1 if it is one.
int status_unless_failed(const Failure& failure) {
  const Outcome& outcome = failure.outcome;
  if (outcome.verdict == Verdict::kDivergence) {
    fmt::print(stderr, "detent: the run diverged from its schedule: {}\n", outcome.complaint);
    return kExitDivergence;
  }
  if (outcome.verdict == Verdict::kBroken) {
    fmt::print(stderr, "detent: {}\n", outcome.complaint);
    return kExitUnsupported;
  }
  return failure.why.empty() ? kExitClean : -1;
}

bool open_for_schedule(const ExploreOptions& options, const std::vector<std::string>& guest,
                       bool use_server, Session& session, Plan& plan, std::string& problem) {
  const auto read = read_schedule(options.schedule, problem);
  if (!read) return false;
  plan = *read;
  session.program.points = preempts_at_atomics(plan.strategy);
  return open_session(options, guest, use_server, plan.seed, session, problem);
}

int replay_command(const ExploreOptions& options, const std::vector<std::string>& guest) {
  Session session;
  Plan plan;
  std::string problem;
  if (!open_for_schedule(options, guest, false, session, plan, problem)) return usage(problem);
  Failure failure = one_run(session, plan);
  pass_on(failure.outcome);
  const int status = status_unless_failed(failure);
  if (status < 0) {
    tell_story(failure);
    fmt::print(stderr, "detent: {}\n{}", failure.why, failure.story);
  }
  if (options.exit_code == "guest" && status <= 0) return guest_status(failure.outcome);
  return status < 0 ? kExitBug : status;
}

// What shrink and explain begin with: the run that the user's schedule names, which must fail. The exit
// status if there is nothing to go on with; -1 otherwise.
int run_failing(const ExploreOptions& options, const std::vector<std::string>& guest,
                Session& session, Plan& plan, Failure& failure) {
  std::string problem;
  if (!open_for_schedule(options, guest, true, session, plan, problem)) return usage(problem);
  failure = one_run(session, plan);
  const int status = status_unless_failed(failure);
  if (status == kExitClean) fmt::print(stderr, "detent: this schedule does not fail\n");
  return status;
}

int shrink_command(const ExploreOptions& options, const std::vector<std::string>& guest) {
  Session session;
  Plan plan;
  Failure failure;
  const int status = run_failing(options, guest, session, plan, failure);
  if (status >= 0) return status;
  const Shrunk shrunk = shrink(*session.runner, failure.outcome, plan.seed,
                               same_as(failure, session.criteria, session.key));
  if (!shrunk.reproduced) {
    fmt::print(stderr, "detent: the failure does not come again\n");
    return kExitDivergence;
  }
  failure.outcome = shrunk.outcome;
  failure.deviations_at_first = static_cast<std::int64_t>(shrunk.deviations_before);
  tell_story(failure);
  fmt::print("{}\n{}shrunk from {} to {} deviations in {} replays{}\nreplay: {}\n", failure.why,
             failure.story, shrunk.deviations_before, shrunk.plan.deviations.size(), shrunk.replays,
             shrunk.minimal ? "; none can be left out" : "; given up", replay_line(failure, guest));
  return kExitBug;
}

int verify_command(const ExploreOptions& options, const std::vector<std::string>& guest) {
  constexpr std::uint64_t kDefaultCount = 100;
  Session session;
  Plan plan{"random", options.seed, {}};
  std::string problem;
  if (options.strategy != "auto" || !options.points.empty()) {
    ExploreOptions chosen = options;
    if (chosen.strategy == "auto") chosen.strategy = "random";
    if (!strategy_of(chosen, plan.strategy, problem)) return usage(problem);
  }
  if (!options.schedule.empty()) {
    const auto read = read_schedule(options.schedule, problem);
    if (!read) return usage(problem);
    plan = *read;
  }
  if (!open_session(options, guest, false, plan.seed, session, problem)) return usage(problem);
  const std::uint64_t wanted = options.count > 0 ? options.count : kDefaultCount;
  const Verified verified = verify(*session.runner, plan, wanted, true);
  if (!verified.complaint.empty()) {
    fmt::print(stderr, "detent: {}\n", verified.complaint);
    return kExitUnsupported;
  }
  fmt::print("{} runs of one schedule, {}\n", verified.runs,
             verified.same() ? "all the same" : "NOT REPEATABLE:");
  for (const auto& [outcome, count] : verified.outcomes) {
    fmt::print("{:>8} times {}\n", count, outcome);
  }
  return verified.same() ? kExitClean : kExitDivergence;
}

int explain_command(const ExploreOptions& options, const std::vector<std::string>& guest) {
  Session session;
  Plan plan;
  Failure failure;
  const int status = run_failing(options, guest, session, plan, failure);
  if (status >= 0) return status;
  ExplainSpec spec;
  spec.samples = static_cast<std::uint32_t>(options.samples);
  const Explanation explanation = explain(*session.runner, failure.outcome, plan.seed,
                                          same_as(failure, session.criteria, session.key), spec);
  const std::string text = explanation_text(failure, explanation);
  std::fputs(text.c_str(), stdout);
  return kExitBug;
}

int merge_command(const ExploreOptions& options) {
  std::vector<Results> shards;
  std::string problem;
  for (const std::string& file : options.files) {
    const auto read = from_json(read_file(file, problem), problem);
    if (!read) return usage(fmt::format("{}: {}", file, problem));
    shards.push_back(*read);
  }
  const auto merged = merge(std::move(shards), problem);
  if (!merged) return usage(problem);
  return publish(*merged, options);
}

void add_running(CLI::App& command, ExploreOptions& options) {
  command.add_option("-j,--jobs", options.jobs, "runs at a time (default: one a processor)");
  command.add_option("--timeout", options.timeout,
                     "host time that one run may take, then it is a hang (default 10s)");
  command.add_option("--virtual-budget", options.virtual_budget,
                     "virtual time that one run may take");
  command.add_option("--max-steps", options.max_steps,
                     "system calls that one run may make (default 2000000; 0: any number)");
  command.add_option(
      "--fail-if", options.fail_if,
      "also a failure: 'stderr ~ REGEX', 'exit == 3', 'signal == SIGSEGV', 'time > 5s'");
  command.add_option("--pass-if", options.pass_if, "no failure: the same conditions");
  command.add_option("--run-option", options.run_options, "passed on to 'detent run'");
  command.add_flag("--no-fork-server", options.no_fork_server,
                   "start every run from the beginning");
}

void add_output(CLI::App& command, ExploreOptions& options) {
  command.add_option("--json", options.json, "write the results to FILE, for 'detent merge'");
  command.add_option("--junit", options.junit, "write JUnit XML to FILE");
  command.add_option("--sarif", options.sarif, "write SARIF to FILE");
  command.add_flag("--github", options.github, "print annotations for GitHub Actions");
  command.add_option("--out", options.out, "write report, results and each failure to DIR");
}

}  // namespace

void ExploreCommands::add_to(CLI::App& app) {
  explore =
      app.add_subcommand("explore", "search schedules: detent explore [options] -- PROG ARGS");
  explore->add_option("-n", options.count, "schedules of all shards together (default 1000)");
  explore->add_option("--strategy", options.strategy, "auto (default), or one of 'detent run'");
  explore->add_option("--points", options.points,
                      "where tasks may be preempted: auto (default: half of the schedules of "
                      "auto at atomic instructions, too), calls, or atomics");
  explore->add_option("--seed", options.seed, "master seed: schedule i has seed H(seed, i)");
  explore->add_option("--time-budget", options.time_budget, "host time for the search");
  explore->add_flag("--until-failure", options.until_failure, "stop at the first failure");
  explore->add_option("--shard", options.shard, "s/N: this process takes schedules s, s+N, ...");
  explore->add_flag("--no-shrink", options.no_shrink, "tell failures as they were found");
  explore->add_flag("-q,--quiet", options.quiet, "no progress line");
  replay =
      app.add_subcommand("replay", "run a schedule again: detent replay SCHEDULE -- PROG ARGS");
  replay
      ->add_option("--exit-code", options.exit_code, "verdict (default) or guest: the guest's own")
      ->check(CLI::IsMember({"verdict", "guest"}));
  shrink = app.add_subcommand("shrink", "make a failing schedule small");
  verify = app.add_subcommand("verify", "run one schedule many times; all runs must be the same");
  verify->add_option("-n", options.count, "runs (default 100)");
  verify->add_option("--strategy", options.strategy, "default: random");
  verify->add_option("--points", options.points, "calls (default), or atomics");
  verify->add_option("--seed", options.seed, "seed of the schedule");
  verify->add_option("--schedule", options.schedule, "a schedule or a file with one");
  explain = app.add_subcommand("explain", "tell at which choice a failing schedule is lost");
  explain->add_option("--samples", options.samples, "runs for each point of the curve (default 50)")
      ->check(CLI::Range(1, 100000));
  for (CLI::App* command : {replay, shrink, explain}) {
    command->add_option("schedule", options.schedule, "x1..., or a file with one")->required();
  }
  for (CLI::App* command : {explore, replay, shrink, verify, explain})
    add_running(*command, options);
  merge = app.add_subcommand("merge", "make one report of the results of all shards");
  merge->add_option("files", options.files, "written with --json")->required();
  for (CLI::App* command : {explore, merge}) add_output(*command, options);
}

bool ExploreCommands::parsed() const {
  const auto given = [](const CLI::App* command) { return command->parsed(); };
  const CLI::App* all[] = {explore, replay, shrink, verify, explain, merge};
  return std::ranges::any_of(all, given);
}

int ExploreCommands::run(const std::vector<std::string>& guest) {
  if (explore->parsed()) return explore_command(options, guest);
  if (replay->parsed()) return replay_command(options, guest);
  if (shrink->parsed()) return shrink_command(options, guest);
  if (verify->parsed()) return verify_command(options, guest);
  if (explain->parsed()) return explain_command(options, guest);
  return merge_command(options);
}

}  // namespace detent::cli
