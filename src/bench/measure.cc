#include "bench/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>

#include "bench/command.h"

namespace detent::bench {
namespace {

constexpr int kTimeoutSeconds = 300;
using Figures = std::map<std::string, Histogram, std::less<>>;

std::optional<double> parse(std::string_view text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return {};
  return value;
}

std::string_view cut(std::string_view& text, char end) {
  const std::string_view part = text.substr(0, text.find(end));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

// A line of a guest: "name ns" or "name ns:count ns:count ...".
bool parse_line(std::string_view line, Figures& figures) {
  const std::string_view name = cut(line, ' ');
  Histogram histogram;
  while (!line.empty()) {
    std::string_view entry = cut(line, ' ');
    const bool counted = entry.find(':') != std::string_view::npos;
    const auto ns = parse(cut(entry, ':'));
    const auto count = counted ? parse(entry) : 1;
    if (!ns || !count || *count < 1) return false;
    histogram.add(*ns, static_cast<std::uint64_t>(*count));
  }
  if (histogram.count() == 0) return false;
  figures[std::string(name)].add(histogram);
  return true;
}

bool parse_output(std::string_view text, Figures& figures) {
  while (!text.empty()) {
    if (!parse_line(cut(text, '\n'), figures)) return false;
  }
  return true;
}

class Bench {
 public:
  Bench(const Settings& settings, const std::function<void(const std::string&)>& progress)
      : settings_(settings), progress_(progress) {
    subjects_ = {{"native", {}}, {"detent", {settings.detent, "run", "--time=real", "--"}}};
    subjects_.insert(subjects_.end(), settings.others.begin(), settings.others.end());
    for (const Subject& subject : subjects_) report_.subjects.push_back(subject.name);
  }

  Report run() {
    for (const Guest& guest : guests()) add_guest(guest);
    return std::move(report_);
  }

 private:
  [[nodiscard]] bool wanted(const Figure& figure) const {
    const auto& only = settings_.only;
    return only.empty() || std::ranges::find(only, figure.name) != only.end();
  }

  [[nodiscard]] int count(const Guest& guest) const {
    return settings_.quick ? guest.quick_count : guest.count;
  }

  [[nodiscard]] std::string path(const Guest& guest) const {
    const std::string program = guest.program;
    return program.find('/') != std::string::npos ? program : settings_.guests + "/" + program;
  }

  void add_guest(const Guest& guest) {
    const std::size_t first = report_.rows.size();
    for (const Figure& figure : guest.figures) {
      if (wanted(figure)) report_.rows.push_back({figure, std::vector<Result>(subjects_.size())});
    }
    if (report_.rows.size() == first) return;
    std::vector<bool> failed(subjects_.size(), false);
    for (int round = 0; round < settings_.rounds; ++round) {
      for (std::size_t turn = 0; turn < subjects_.size(); ++turn) {
        const std::size_t subject = round % 2 == 0 ? turn : subjects_.size() - 1 - turn;
        if (!failed[subject]) failed[subject] = !measure_one(guest, subject, first);
      }
    }
  }

  // One round of one guest with one subject; false if there is nothing to hope for in a further round.
  bool measure_one(const Guest& guest, std::size_t subject, std::size_t first) {
    progress_(fmt::format("{}: {}", guest.program, subjects_[subject].name));
    Figures figures;
    const std::string problem = figures_of(guest, subject, figures);
    if (!problem.empty()) {
      report_.problems.push_back(
          fmt::format("{} ({}): {}", guest.program, subjects_[subject].name, problem));
      return false;
    }
    for (std::size_t i = first; i < report_.rows.size(); ++i) {
      const auto found = figures.find(report_.rows[i].figure.name);
      if (found == figures.end()) continue;
      Result& result = report_.rows[i].results[subject];
      result.all.add(found->second);
      result.medians.push_back(found->second.quantile(0.5));
    }
    return true;
  }

  // What went wrong; empty if nothing (also if the kind of guest has no figures for this subject).
  std::string figures_of(const Guest& guest, std::size_t subject, Figures& figures) {
    switch (guest.kind) {
      case Kind::kGuest:
        return from_guest(guest, subject, figures);
      case Kind::kWall:
        return from_wall(guest, subject, figures);
      case Kind::kSchedules:
        return from_schedules(guest, subject, figures);
      case Kind::kLibrary:
        return subject == 1 ? from_guest(guest, 0, figures) : "";
      case Kind::kVirtual:
        return from_virtual_time(guest, subject, figures);
    }
    return "no such kind";
  }

  [[nodiscard]] std::vector<std::string> command(const Guest& guest, std::size_t subject) const {
    std::vector<std::string> words = subjects_[subject].prefix;
    words.push_back(path(guest));
    return words;
  }

  std::string from_guest(const Guest& guest, std::size_t subject, Figures& figures) {
    std::vector<std::string> words = command(guest, subject);
    words.push_back(std::to_string(count(guest)));
    const Ran ran = run_command(words, kTimeoutSeconds);
    if (!ran.problem.empty()) return ran.problem;
    return parse_output(ran.output, figures) ? "" : "printed something that is no figure";
  }

  std::string from_wall(const Guest& guest, std::size_t subject, Figures& figures) {
    for (int i = 0; i < count(guest); ++i) {
      const Ran ran = run_command(command(guest, subject), kTimeoutSeconds);
      if (!ran.problem.empty()) return ran.problem;
      figures[guest.figures.front().name].add(static_cast<double>(ran.wall_ns));
    }
    return "";
  }

  std::string from_schedules(const Guest& guest, std::size_t subject, Figures& figures) {
    if (subject == 0)
      return from_wall({guest.kind, guest.program, 20, 1, guest.figures}, 0, figures);
    if (subject != 1) return "";
    const std::string schedules = std::to_string(count(guest));
    const Ran ran = run_command(
        {settings_.detent, "explore", "-n", schedules, "-j", "1", "--quiet", "--", path(guest)},
        kTimeoutSeconds);
    if (!ran.problem.empty()) return ran.problem;
    figures[guest.figures.front().name].add(static_cast<double>(ran.wall_ns) / count(guest));
    return "";
  }

  std::string from_virtual_time(const Guest& guest, std::size_t subject, Figures& figures) {
    if (subject != 1) return "";
    const Ran ran = run_command({settings_.detent, "run", "--time=virtual", "--", path(guest),
                                 std::to_string(count(guest))},
                                kTimeoutSeconds);
    if (!ran.problem.empty()) return ran.problem;
    figures[guest.figures.front().name].add(static_cast<double>(ran.wall_ns) / count(guest));
    return "";
  }

  const Settings& settings_;
  const std::function<void(const std::string&)>& progress_;
  std::vector<Subject> subjects_;
  Report report_;
};

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 != 0) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

std::vector<double> ratios(const Row& row, std::size_t subject) {
  const std::vector<double>& native = row.results[0].medians;
  const std::vector<double>& other = row.results[subject].medians;
  std::vector<double> result;
  for (std::size_t i = 0; i < std::min(native.size(), other.size()); ++i) {
    // A lateness may be 0; a ratio of it should not be infinite.
    result.push_back(std::max(native[i], 1e-3) / std::max(other[i], 1e-3));
  }
  return result;
}

Report measure(const Settings& settings, const std::function<void(const std::string&)>& progress) {
  return Bench(settings, progress).run();
}

}  // namespace detent::bench
