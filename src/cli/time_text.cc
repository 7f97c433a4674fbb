#include "cli/time_text.h"

#include <array>
#include <charconv>
#include <chrono>
#include <limits>

#include "detent/units.h"

namespace detent::cli {
namespace {

using Wide = __int128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::int64_t> narrow(Wide value) {
  if (value > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  if (value < std::numeric_limits<std::int64_t>::min()) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

// Takes `count` digits off the front of `text`.
std::optional<int> take_number(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// A two-digit number up to `most` with `before` in front of it.
std::optional<int> take_field(std::string_view& text, char before, int most) {
  if (before != '\0' && !take(text, before)) return std::nullopt;
  const std::optional<int> value = take_number(text, 2);
  if (!value || *value > most) return std::nullopt;
  return value;
}

std::optional<std::int64_t> take_day(std::string_view& text) {
  const std::optional<int> year = take_number(text, 4);
  const std::optional<int> month = year ? take_field(text, '-', 12) : std::nullopt;
  const std::optional<int> day = month ? take_field(text, '-', 31) : std::nullopt;
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * std::int64_t{86400};
}

// The fraction of a second, in ns; 0 if there is none.
std::optional<std::int64_t> take_fraction(std::string_view& text) {
  if (!take(text, '.')) return 0;
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  if (digits == 0 || digits > 9) return std::nullopt;
  std::int64_t value = take_number(text, digits).value();
  for (; digits < 9; ++digits) value *= 10;
  return value;
}

struct TimeOfDay {
  std::int64_t seconds = 0;
  std::int64_t fraction = 0;
};

std::optional<TimeOfDay> take_time(std::string_view& text) {
  if (!take(text, 'T')) return TimeOfDay{};
  const std::optional<int> hour = take_field(text, '\0', 23);
  const std::optional<int> minute = hour ? take_field(text, ':', 59) : std::nullopt;
  if (!minute) return std::nullopt;
  TimeOfDay time{*hour * 3600 + *minute * 60, 0};
  if (text.empty() || text.front() != ':') return time;
  const std::optional<int> second = take_field(text, ':', 59);
  const auto fraction = second ? take_fraction(text) : std::nullopt;
  if (!fraction) return std::nullopt;
  return TimeOfDay{time.seconds + *second, *fraction};
}

// Seconds east of Greenwich.
std::optional<int> take_zone(std::string_view& text) {
  if (text.empty() || take(text, 'Z')) return 0;
  const int sign = take(text, '-') ? -1 : 1;
  if (sign == 1 && !take(text, '+')) return std::nullopt;
  const std::optional<int> hours = take_field(text, '\0', 23);
  const std::optional<int> minutes = hours ? take_field(text, ':', 59) : std::nullopt;
  if (!minutes) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

}  // namespace

std::optional<std::int64_t> parse_decimal(std::string_view text, int digits) {
  const bool negative = take(text, '-');
  if (!negative) take(text, '+');
  Wide value = 0;
  int behind = -1;  // digits behind the point; -1: no point yet
  bool any = false;
  for (const char c : text) {
    if (c == '.' && behind < 0) {
      behind = 0;
      continue;
    }
    if (!is_digit(c) || behind == digits || value > std::numeric_limits<std::int64_t>::max()) {
      return std::nullopt;
    }
    any = true;
    value = value * 10 + (c - '0');
    if (behind >= 0) ++behind;
  }
  if (!any) return std::nullopt;
  for (int i = behind < 0 ? 0 : behind; i < digits; ++i) value *= 10;
  return narrow(negative ? -value : value);
}

std::optional<std::int64_t> parse_span(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::int64_t ns;
    int digits;  // behind the point, down to the nanosecond
  };
  static constexpr std::array<Unit, 7> kUnits = {{{"ns", 1, 0},
                                                  {"us", 1'000, 3},
                                                  {"ms", 1'000'000, 6},
                                                  {"s", kNanosPerSecond, 9},
                                                  {"m", 60 * kNanosPerSecond, 9},
                                                  {"h", 3600 * kNanosPerSecond, 9},
                                                  {"d", 86400 * kNanosPerSecond, 9}}};
  std::size_t letters = 0;
  while (letters < text.size() && text[text.size() - 1 - letters] >= 'a') ++letters;
  const std::string_view number = text.substr(0, text.size() - letters);
  for (const Unit& unit : kUnits) {
    if (text.substr(number.size()) != unit.name) continue;
    const std::optional<std::int64_t> value = parse_decimal(number, unit.digits);
    std::int64_t scale = 1;
    for (int i = 0; i < unit.digits; ++i) scale *= 10;
    if (!value) return std::nullopt;
    return narrow(Wide{*value} * (unit.ns / scale));
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_date(std::string_view text) {
  if (take(text, '@')) {
    const std::optional<std::int64_t> seconds = parse_decimal(text, 9);
    return seconds && *seconds >= 0 ? seconds : std::nullopt;
  }
  const std::optional<std::int64_t> day = take_day(text);
  const std::optional<TimeOfDay> time = day ? take_time(text) : std::nullopt;
  const std::optional<int> zone = time ? take_zone(text) : std::nullopt;
  if (!zone || !text.empty()) return std::nullopt;
  const Wide seconds = Wide{*day} + time->seconds - *zone;
  const std::optional<std::int64_t> ns = narrow(seconds * kNanosPerSecond + time->fraction);
  return ns && *ns >= 0 ? ns : std::nullopt;
}

}  // namespace detent::cli
