// Plans as the text that people paste: the codec is the kernel's (emu/trace/schedule.h).
#pragma once

#include <optional>
#include <string>

#include "explore/plan.h"

namespace detent::explore {

std::string schedule_text(const Plan& plan);

/// Whether the kernel knows a strategy.
bool strategy_is_known(const std::string& name);

/// `text` is a schedule, or the name of a file in which the first word that looks like one is it (such as
/// those that --out writes). Nothing, with the reason in `problem`, if there is none or it is damaged.
std::optional<Plan> read_schedule(const std::string& text, std::string& problem);

}  // namespace detent::explore
