// Times as people write them: spans ("5s", "-1.5h") and dates ("2026-03-29T02:00:00+01:00").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace detent::cli {

/// A span in ns: an optional sign, a decimal number and a unit (ns, us, ms, s, m, h, d). Exact to the
/// nanosecond; what is finer is refused. Nothing if it is no span or beyond 292 years.
std::optional<std::int64_t> parse_span(std::string_view text);

/// A date in ns since 1970: "YYYY-MM-DD", then optionally "Thh:mm[:ss[.fraction]]", then
/// optionally "Z" or "+hh:mm" (default: UTC); or "@SECONDS[.fraction]". From 1970 to 2261. Nothing
/// otherwise.
std::optional<std::int64_t> parse_date(std::string_view text);

/// A decimal number times 10^`digits`, exactly: "-0.5" with 3 is -500. Nothing if it has more digits than
/// that behind the point, or does not fit.
std::optional<std::int64_t> parse_decimal(std::string_view text, int digits);

}  // namespace detent::cli
