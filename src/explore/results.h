// Results: what a campaign found, as a file. Nothing in it depends on host time or on the number of workers:
// the merged results of N shards are those of one process, byte for byte.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "explore/campaign.h"

namespace detent::explore {

struct Results {
  std::vector<std::string> program;  ///< with its arguments
  CampaignSpec spec;
  CampaignResult found;
};

/// The line that replays a failure.
std::string replay_line(const Failure& failure, const std::vector<std::string>& program);

/// Pretty-printed, with a newline at the end.
std::string to_json(const Results& results);
/// Nothing, with the reason in `problem`, if the text is no such file. Outputs and raw reports of the
/// guests are not in it.
std::optional<Results> from_json(const std::string& text, std::string& problem);

/// One campaign from those of its shards. Nothing, with the reason in `problem`, if they are not shards of
/// one campaign, or one is missing or there twice.
std::optional<Results> merge(std::vector<Results> shards, std::string& problem);

/// `text` as one word for a shell.
std::string shell_word(const std::string& text);
std::string shell_line(const std::vector<std::string>& words);

}  // namespace detent::explore
