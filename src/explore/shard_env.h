// Shards as continuous integration and batch systems tell them: by environment variables.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "explore/seeds.h"

namespace detent::explore {

/// getenv(3) or a fake: null for what is not set.
using Environment = std::function<const char*(const char*)>;

struct FoundShard {
  Shard shard;
  std::string source;  ///< the variable that told the number
};

/// The first system of the table in shard_env.cc whose variables are set and make sense. Systems that do
/// not tell the number of shards (Kubernetes indexed jobs) need it in DETENT_SHARDS. `problem` tells of
/// variables that are set and make no sense.
std::optional<FoundShard> find_shard(const Environment& environment, std::string& problem);

}  // namespace detent::explore
