// The story of a failing run, for a person: what happened, who waits for what, where it left Linux's usual
// order, and what each task did last.
#pragma once

#include <string>

#include "explore/explain.h"
#include "explore/failure.h"
#include "explore/kernel_report.h"

namespace detent::explore {

/// Names a failure by what the tasks' stacks look like; falls back to plain_key() without a report.
std::string stack_key(const Outcome& outcome, const std::string& why);

/// Sets story, file and line from the failure's report.
void tell_story(Failure& failure);

/// The curve of `detent explain`, and the moment at which the run was lost.
std::string explanation_text(const Failure& failure, const Explanation& explanation);

/// The last events of all tasks, one column a task, times downwards.
std::string timeline(const KernelReport& report);

}  // namespace detent::explore
