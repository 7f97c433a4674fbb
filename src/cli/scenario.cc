#include "cli/scenario.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>

#include "cli/time_text.h"
#include "timebase/clock.h"

namespace detent::cli {
namespace {

using Kind = TimeEvent::Kind;

// A mistake: how far into the text, and what should be there.
struct Mistake {
  std::size_t offset;
  std::string text;
};

struct Word {
  std::size_t offset;
  std::string_view text;
};

Mistake expected(const Word& word, std::string_view what) {
  const std::string found = word.text.empty() ? "nothing" : fmt::format("'{}'", word.text);
  return {word.offset, fmt::format("expected {}, found {}", what, found)};
}

// The next word of `text` from `offset` on; an empty one at the end.
Word next_word(std::string_view text, std::size_t offset, std::string_view separators) {
  const std::size_t begin = std::min(text.find_first_not_of(separators, offset), text.size());
  const std::size_t end = std::min(text.find_first_of(separators, begin), text.size());
  return {begin, text.substr(begin, end - begin)};
}

struct Syntax {
  Kind kind;
  std::string_view name;
  std::string_view amount_key;
  std::string_view amount_form;
};
constexpr Syntax kSyntax[] = {
    {Kind::kStep, "step", "by", "a span such as 1h or -30s"},
    {Kind::kSlew, "slew", "ppm", "parts per million from -100000 to 100000, such as 500 or -0.5"},
    {Kind::kSuspend, "suspend", "for", "a span of more than 0, such as 8h"},
};

std::optional<std::int64_t> parse_amount(const Syntax& syntax, std::string_view text) {
  if (syntax.kind == Kind::kSlew) {
    const std::optional<std::int64_t> ppb = parse_decimal(text, 3);
    constexpr std::int64_t kMost = timebase::Frequency::kMaxSlewPpb;
    return ppb && *ppb >= -kMost && *ppb <= kMost ? ppb : std::nullopt;
  }
  const std::optional<std::int64_t> span = parse_span(text);
  const bool sane = span && (syntax.kind == Kind::kStep || *span > 0);
  return sane ? span : std::nullopt;
}

bool parse_at(std::string_view text, TimeEvent& event) {
  if (const auto span = parse_span(text); span && *span >= 0) {
    event.when = TimeEvent::When::kSinceStart;
    event.at = *span;
    return true;
  }
  const auto date = parse_date(text);
  if (!date) return false;
  event.when = TimeEvent::When::kRealtime;
  event.at = *date;
  return true;
}

// "at=5s,by=-1h" from `offset` on.
class EventParser {
 public:
  EventParser(const Syntax& syntax, std::string_view text, std::size_t offset)
      : syntax_(syntax), text_(text), offset_(offset) {}

  std::optional<Mistake> parse(TimeEvent& event) {
    event.kind = syntax_.kind;
    while (true) {
      const Word word = next_word(text_, offset_, ", \t\r");
      if (word.text.empty()) break;
      offset_ = word.offset + word.text.size();
      if (auto mistake = take(word, event)) return mistake;
    }
    if (!at_given_) return expected({text_.size(), ""}, "at=TIME");
    if (!amount_given_) return expected({text_.size(), ""}, amount_key() + "=...");
    return std::nullopt;
  }

 private:
  [[nodiscard]] std::string amount_key() const { return std::string(syntax_.amount_key); }

  std::optional<Mistake> take(const Word& word, TimeEvent& event) {
    const std::size_t equals = std::min(word.text.find('='), word.text.size());
    const std::string_view key = word.text.substr(0, equals);
    const Word value{std::min(word.offset + equals + 1, text_.size()),
                     word.text.substr(std::min(equals + 1, word.text.size()))};
    if (equals < word.text.size() && key == "at" && !at_given_) {
      at_given_ = true;
      if (parse_at(value.text, event)) return std::nullopt;
      return expected(value,
                      "a time since the start such as 5s, or a date such as "
                      "2026-03-29T02:00:00+01:00");
    }
    if (equals < word.text.size() && key == syntax_.amount_key && !amount_given_) {
      amount_given_ = true;
      const std::optional<std::int64_t> amount = parse_amount(syntax_, value.text);
      if (!amount) return expected(value, syntax_.amount_form);
      event.amount = *amount;
      return std::nullopt;
    }
    return expected(word, fmt::format("at=TIME and {}=..., each once", syntax_.amount_key));
  }

  const Syntax& syntax_;
  std::string_view text_;
  std::size_t offset_;
  bool at_given_ = false;
  bool amount_given_ = false;
};

constexpr std::string_view kDateForm =
    "a date such as 2026-03-29, 2026-03-29T02:00:00Z or @1774742400";

struct Reader {
  emu::Config& config;
  TimeEvents& events;

  std::optional<Mistake> epoch(const Word& word) {
    const std::optional<std::int64_t> date = parse_date(word.text);
    if (!date) return expected(word, kDateForm);
    config.epoch_given = true;
    config.epoch_ns = *date;
    return std::nullopt;
  }

  std::optional<Mistake> event(const Syntax& syntax, std::string_view text, std::size_t offset) {
    TimeEvent event;
    if (auto mistake = EventParser(syntax, text, offset).parse(event)) return mistake;
    if (events.count == TimeEvents::kCapacity) {
      return Mistake{0, fmt::format("expected at most {} events in all", TimeEvents::kCapacity)};
    }
    events.list[events.count++] = event;
    return std::nullopt;
  }

  std::optional<Mistake> line(std::string_view text) {
    text = text.substr(0, text.find('#'));
    const Word name = next_word(text, 0, " \t\r");
    const std::size_t rest = name.offset + name.text.size();
    if (name.text.empty()) return std::nullopt;
    if (name.text == "epoch") {
      const Word date = next_word(text, rest, " \t\r");
      if (auto mistake = epoch(date)) return mistake;
      const Word more = next_word(text, date.offset + date.text.size(), " \t\r");
      if (!more.text.empty()) return expected(more, "the end of the line");
      return std::nullopt;
    }
    for (const Syntax& syntax : kSyntax) {
      if (name.text == syntax.name) return event(syntax, text, rest);
    }
    return expected(name, "epoch, step, slew or suspend");
  }

  bool file(const std::string& path, std::string& problem) {
    std::ifstream stream(path);
    std::string text;
    for (std::size_t number = 1; std::getline(stream, text); ++number) {
      if (const auto mistake = line(text)) {
        problem = fmt::format("{}:{}:{}: {}", path, number, mistake->offset + 1, mistake->text);
        return false;
      }
    }
    if (stream.eof()) return true;
    problem = fmt::format("--scenario {}: {}", path, std::strerror(errno != 0 ? errno : EIO));
    return false;
  }

  bool options(const Syntax& syntax, const std::vector<std::string>& values, std::string& problem) {
    for (const std::string& value : values) {
      if (const auto mistake = event(syntax, value, 0)) {
        problem = fmt::format("--{} '{}': column {}: {}", syntax.name, value, mistake->offset + 1,
                              mistake->text);
        return false;
      }
    }
    return true;
  }
};

}  // namespace

void add_scenario_options(CLI::App& command, ScenarioOptions& options) {
  const auto add = [&](const char* name, std::vector<std::string>& values, const char* help) {
    command.add_option(name, values, help)->allow_extra_args(false);
  };
  command.add_option("--epoch", options.epoch,
                     "what CLOCK_REALTIME shows at the start: 2026-03-29T02:00:00+01:00, @SECONDS");
  add("--step", options.steps, "set the guest's clock: at=5s,by=-1h or at=DATE,by=1h (repeatable)");
  add("--slew", options.slews, "let the guest's clocks run faster: at=5s,ppm=500 (repeatable)");
  add("--suspend", options.suspends, "let the guest's machine sleep: at=3s,for=8h (repeatable)");
  add("--scenario", options.files, "a file of such events, one a line (docs/scenario.md)");
}

bool read_scenario(const ScenarioOptions& options, emu::Config& config, TimeEvents& events,
                   std::string& problem) {
  Reader reader{config, events};
  for (const std::string& path : options.files) {
    if (!reader.file(path, problem)) return false;
  }
  if (!options.epoch.empty()) {
    if (const auto mistake = reader.epoch({0, options.epoch})) {
      problem = fmt::format("--epoch: {}", mistake->text);
      return false;
    }
  }
  return reader.options(kSyntax[0], options.steps, problem) &&
         reader.options(kSyntax[1], options.slews, problem) &&
         reader.options(kSyntax[2], options.suspends, problem);
}

}  // namespace detent::cli
