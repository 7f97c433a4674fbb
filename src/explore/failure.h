// Failure: all the failing runs of a campaign that look alike, told by their first.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "explore/outcome.h"
#include "explore/plan.h"

namespace detent::explore {

struct Failure {
  std::string key;                        ///< equal for failures that are told as one
  std::string why;                        ///< in words: the verdict, or the user's condition
  std::uint64_t index = 0;                ///< the first schedule that showed it
  std::uint64_t count = 0;                ///< how many did
  Plan plan;                              ///< that of the first: strategy and seed
  Outcome outcome;                        ///< of the first, or after shrinking of the small one
  std::int64_t deviations_at_first = -1;  ///< before it was shrunk; -1: it was not
  std::string story;                      ///< what happened, for a person; may be empty
  std::string file;                       ///< where the guest's stack leads to; empty if unknown
  int line = 0;
};

/// Names a failing run: runs with equal names are taken for the same bug.
using KeyOf = std::function<std::string(const Outcome&, const std::string& why)>;

/// The key where no symbols are at hand: verdict, status, signal, and what each task was at, without ids,
/// addresses and times.
std::string plain_key(const Outcome& outcome, const std::string& why);

/// 16 hex digits that stand for a text: FNV-1a.
std::string short_hash(std::string_view text);

}  // namespace detent::explore
