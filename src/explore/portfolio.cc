#include "explore/portfolio.h"

#include <fmt/format.h>

#include <array>

namespace detent::explore {
namespace {

constexpr std::array<const char*, 16> kDeal = {
    "surw", "surw", "surw", "surw", "surw",   "surw",   "pos",    "pos",
    "pos",  "pos",  "pct",  "pct",  "period", "period", "starve", "random"};
constexpr std::array<int, 4> kPctDepths = {2, 3, 5, 10};
constexpr std::array<int, 4> kPeriodDepths = {1, 2, 2, 3};

std::string drawn(std::uint64_t seed) {
  const std::string name = kDeal[seed % kDeal.size()];
  const std::uint64_t depth = seed / kDeal.size() % 4;
  if (name == "pct") return fmt::format("pct:{}", kPctDepths[depth]);
  if (name == "period") return fmt::format("period:{}", kPeriodDepths[depth]);
  return name;
}

}  // namespace

std::string strategy_for(const std::string& wanted, std::uint64_t index, std::uint64_t seed,
                         const KnowsStrategy& knows) {
  if (index == 0) return "fifo";
  if (!wanted.starts_with("auto")) return wanted;
  // Not a bit that drawn() looks at.
  const bool by_seed = wanted == "auto" && (seed >> 32 & 1) != 0;
  const char* points = by_seed || wanted == "auto+atomics" ? "+atomics" : "";
  const std::string first = drawn(seed);
  for (const std::string& name : {first, std::string("pos"), std::string("pct:3")}) {
    if (knows(name)) return name + points;
  }
  return std::string("random") + points;
}

}  // namespace detent::explore
