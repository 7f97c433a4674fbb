// What counts as a failure. By default every verdict but "ok" does; conditions of the user's add to that
// (--fail-if) or take from it (--pass-if).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "explore/outcome.h"

namespace detent::explore {

/// One condition: `stderr ~ REGEX`, `stdout !~ REGEX` (extended regular expressions, line by line),
/// `exit == N`, `exit != N` (also < <= > >=), `signal == SIGSEGV`, `verdict == deadlock`, `time > 5s`
/// (virtual). `exit` compares only runs that exited, `signal` only those that a signal ended.
class Condition {
 public:
  /// Null with the reason in `problem`, if `text` is no condition.
  static std::unique_ptr<Condition> parse(const std::string& text, std::string& problem);
  virtual ~Condition() = default;
  [[nodiscard]] virtual bool holds(const Outcome& outcome) const = 0;
  [[nodiscard]] virtual bool needs_output() const { return false; }
};

class Criteria {
 public:
  /// False with the reason in `problem`, if `text` is no condition.
  bool fail_if(const std::string& text, std::string& problem);
  bool pass_if(const std::string& text, std::string& problem);

  /// Why the run failed, in words; empty if it did not. A broken run is no failure of the guest's, nor is
  /// a divergence.
  [[nodiscard]] std::string why_failed(const Outcome& outcome) const;
  [[nodiscard]] bool fails(const Outcome& outcome) const { return !why_failed(outcome).empty(); }
  /// Whether outputs must be kept to judge.
  [[nodiscard]] bool needs_output() const;

 private:
  struct Named {
    std::string text;
    std::unique_ptr<Condition> condition;
  };
  std::vector<Named> failing_;
  std::vector<Named> passing_;
};

}  // namespace detent::explore
