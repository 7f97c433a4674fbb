#include "base/histogram.h"

#include <catch2/catch.hpp>

namespace detent {
namespace {

using Catch::Matchers::WithinRel;

constexpr double kBucketWidth = 1.0 / 32;

TEST_CASE("an empty histogram has no quantiles") {
  const Histogram none;
  CHECK(none.count() == 0);
  CHECK(none.quantile(0.5) == 0);
}

TEST_CASE("a value is known to a bucket's width, whatever its size") {
  for (double ns = 0.05; ns < 1e12; ns *= 1.37) {
    Histogram one;
    one.add(ns);
    CHECK_THAT(one.quantile(0.5), WithinRel(ns, kBucketWidth));
    CHECK(one.max() == one.quantile(0));
  }
}

TEST_CASE("what lies outside of the range is counted at its ends") {
  Histogram far;
  far.add(-5);
  far.add(1e30);
  CHECK(far.count() == 2);
  CHECK(far.quantile(0.5) == 0);
  CHECK(far.max() > 1e14);
}

TEST_CASE("quantiles are those of the sorted values") {
  Histogram thousand;
  for (int ns = 1; ns <= 1000; ++ns) thousand.add(ns);
  CHECK_THAT(thousand.quantile(0.5), WithinRel(500, kBucketWidth));
  CHECK_THAT(thousand.quantile(0.99), WithinRel(990, kBucketWidth));
  CHECK_THAT(thousand.max(), WithinRel(1000, kBucketWidth));
  CHECK_THAT(thousand.quantile(0), WithinRel(1, kBucketWidth));
}

TEST_CASE("a histogram rebuilt from its buckets is the same") {
  Histogram original;
  for (double ns = 0.004; ns < 1e12; ns *= 1.09) original.add(ns, 3);
  Histogram copy;
  original.for_each([&](double ns, std::uint64_t count) { copy.add(ns, count); });
  CHECK(copy.count() == original.count());
  for (double q = 0; q <= 1; q += 0.01) CHECK(copy.quantile(q) == original.quantile(q));
}

TEST_CASE("histograms add up") {
  Histogram low;
  Histogram high;
  low.add(10, 3);
  high.add(1000);
  low.add(high);
  CHECK(low.count() == 4);
  CHECK_THAT(low.quantile(0.75), WithinRel(10, kBucketWidth));
  CHECK_THAT(low.max(), WithinRel(1000, kBucketWidth));
}

}  // namespace
}  // namespace detent
