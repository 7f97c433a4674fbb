// Distributions of durations in logarithmic buckets, as HdrHistogram has them: 32 buckets an octave, so
// that a value is known to 3 % whatever its size, and distributions of several runs can be added.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace detent {

class Histogram {
 public:
  /// `ns` >= 0, kept to a picosecond.
  void add(double ns, std::uint64_t count = 1);
  void add(const Histogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// The value in ns that a share `q` (0 to 1) of all does not exceed: the middle of its bucket. 0 if empty.
  [[nodiscard]] double quantile(double q) const;
  [[nodiscard]] double max() const { return quantile(1); }
  /// Calls visit(ns, count) for each bucket that is not empty, in rising order; `ns` is its middle, which
  /// add() puts back into it.
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      if (counts_[bucket] != 0) visit(middle_of(bucket), counts_[bucket]);
    }
  }

 private:
  static constexpr std::size_t kPerOctave = 32;
  static std::size_t bucket_of(std::uint64_t ps);
  static double middle_of(std::size_t bucket);

  std::array<std::uint64_t, 60 * kPerOctave> counts_{};
  std::uint64_t count_ = 0;
};

}  // namespace detent
