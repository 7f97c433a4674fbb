// What `detent bench` measures: guests, and the figures that each of them prints.
#pragma once

#include <span>

namespace detent::bench {

struct Figure {
  const char* name;  ///< as the guest prints it, and as `--only` wants it
  const char* what;
  double budget_ns;  ///< the aim for detent on one core (docs/benchmarks.md); 0: none
};

/// How figures come about.
enum class Kind {
  kGuest,      ///< the guest prints them
  kWall,       ///< the one figure is the host's time from spawn to end
  kSchedules,  ///< natively a spawn of the guest, under detent a schedule of `detent explore`
  kLibrary,  ///< no guest but parts of detent as a library, run natively; they are detent's figures
  kVirtual,  ///< detent alone, in virtual time: host time of the whole run, for each of its `count` waits
};

struct Guest {
  Kind kind;
  const char* program;  ///< in the guests' directory; with a '/' a path
  int count;            ///< its argument: how often it does what it measures
  int quick_count;      ///< the same for `--quick`
  std::span<const Figure> figures;
};

std::span<const Guest> guests();

}  // namespace detent::bench
