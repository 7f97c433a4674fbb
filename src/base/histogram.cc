#include "base/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

namespace detent {

// Below 32 ps a bucket is a picosecond wide; above, the five bits behind the highest one tell the bucket.
std::size_t Histogram::bucket_of(std::uint64_t ps) {
  if (ps < kPerOctave) return ps;
  const auto octave = static_cast<std::size_t>(std::bit_width(ps)) - 6;
  return (octave + 1) * kPerOctave + (ps >> octave) % kPerOctave;
}

double Histogram::middle_of(std::size_t bucket) {
  if (bucket < kPerOctave) return static_cast<double>(bucket) / 1e3;
  const std::size_t octave = bucket / kPerOctave - 1;
  const double low =
      std::ldexp(static_cast<double>(kPerOctave + bucket % kPerOctave), static_cast<int>(octave));
  const double width = std::ldexp(1.0, static_cast<int>(octave));
  return (low + (width - 1) / 2) / 1e3;
}

void Histogram::add(double ns, std::uint64_t count) {
  const double ps = std::clamp(ns * 1e3 + 0.5, 0.0, 1e18);
  counts_[std::min(bucket_of(static_cast<std::uint64_t>(ps)), counts_.size() - 1)] += count;
  count_ += count;
}

void Histogram::add(const Histogram& other) {
  std::ranges::transform(counts_, other.counts_, counts_.begin(), std::plus{});
  count_ += other.count_;
}

double Histogram::quantile(double q) const {
  if (count_ == 0) return 0;
  const double wanted = std::max(1.0, std::ceil(q * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (static_cast<double>(seen) >= wanted) return middle_of(bucket);
  }
  return middle_of(counts_.size() - 1);
}

}  // namespace detent
