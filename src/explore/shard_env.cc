#include "explore/shard_env.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

namespace detent::explore {
namespace {

constexpr const char* kShards = "DETENT_SHARDS";

struct System {
  const char* number;
  const char* count;
  std::uint64_t first;  ///< the lowest number
  const char* lowest;   ///< variable with the lowest number; null: `first` is it
  const char* step;     ///< variable with the distance between numbers; null: 1
};
// Own documentation of each, as of 2026: Bazel test encyclopedia, googletest, Kubernetes indexed jobs, Slurm
// sbatch(1), GitLab CI/CD variables, CircleCI, Buildkite, AWS Batch array jobs, Cloud Run jobs.
constexpr System kSystems[] = {
    {"TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", 0, nullptr, nullptr},
    {"GTEST_SHARD_INDEX", "GTEST_TOTAL_SHARDS", 0, nullptr, nullptr},
    {"JOB_COMPLETION_INDEX", kShards, 0, nullptr, nullptr},
    {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", 0, "SLURM_ARRAY_TASK_MIN",
     "SLURM_ARRAY_TASK_STEP"},
    {"CI_NODE_INDEX", "CI_NODE_TOTAL", 1, nullptr, nullptr},
    {"CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0, nullptr, nullptr},
    {"BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0, nullptr, nullptr},
    {"AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", 0, nullptr, nullptr},
    {"CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT", 0, nullptr, nullptr},
};

std::optional<std::uint64_t> number(const Environment& environment, const char* name) {
  const char* text = name != nullptr ? environment(name) : nullptr;
  if (text == nullptr) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

std::optional<Shard> shard_of(const System& system, const Environment& environment) {
  const auto at = number(environment, system.number);
  auto count = number(environment, system.count);
  if (!count) count = number(environment, kShards);
  const std::uint64_t first = number(environment, system.lowest).value_or(system.first);
  const std::uint64_t step = number(environment, system.step).value_or(1);
  if (!at || !count || *at < first || step == 0) return std::nullopt;
  const Shard shard{(*at - first) / step, *count};
  if (shard.number >= shard.count) return std::nullopt;
  return shard;
}

}  // namespace

std::optional<FoundShard> find_shard(const Environment& environment, std::string& problem) {
  for (const System& system : kSystems) {
    if (environment(system.number) == nullptr) continue;
    const std::optional<Shard> shard = shard_of(system, environment);
    if (shard) return FoundShard{*shard, system.number};
    problem = fmt::format("{} is set, but with {} it makes no shard", system.number, system.count);
  }
  return std::nullopt;
}

}  // namespace detent::explore
