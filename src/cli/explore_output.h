// Where the results of the explore commands go.
#pragma once

#include <string>

#include "cli/explore.h"
#include "explore/campaign.h"
#include "explore/results.h"

namespace detent::cli {

/// The line on a terminal that tells how far a campaign is; nothing where stderr is no terminal.
class ProgressBar {
 public:
  explicit ProgressBar(bool quiet);
  void show(const explore::Progress& progress);
  void clear();

 private:
  bool on_;
  bool shown_ = false;
  std::int64_t next_ns_ = 0;
};

/// Prints the report and writes the files that were asked for, also those that Bazel and GitHub want.
/// The exit status.
int publish(const explore::Results& results, const ExploreOptions& options);

/// What the guest wrote, as if it had run alone.
void pass_on(const explore::Outcome& outcome);
/// As a shell would see it.
int guest_status(const explore::Outcome& outcome);

/// The whole file; empty, with the reason in `problem`, if it cannot be read.
std::string read_file(const std::string& path, std::string& problem);

}  // namespace detent::cli
