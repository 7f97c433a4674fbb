#include "emu/trace/choice.h"

namespace detent::trace {
namespace {

// SplitMix64: a counter through a mixer, so answer n is a pure function of (seed, n).
class CounterRng {
 public:
  explicit CounterRng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

class Fifo : public Chooser {
 public:
  explicit Fifo(std::uint64_t seed) : bits_(seed) {}
  std::uint32_t choose(Choice, std::uint32_t) override { return 0; }
  std::uint64_t random_bits() override { return bits_.next(); }

 private:
  CounterRng bits_;
};

class Random final : public Fifo {
 public:
  explicit Random(std::uint64_t seed) : Fifo(seed), choices_(~seed) {}
  std::uint32_t choose(Choice kind, std::uint32_t options) override {
    const std::uint64_t draw = choices_.next();
    // A switch at every other call would never let a task get far: one in eight.
    if (kind != Choice::kReadyTask) return draw % 8 == 0 ? 1 : 0;
    return static_cast<std::uint32_t>(draw % options);
  }

 private:
  CounterRng choices_;
};

}  // namespace

Result<std::unique_ptr<Chooser>> make_chooser(std::string_view strategy, std::uint64_t seed) {
  if (strategy == "fifo") return std::unique_ptr<Chooser>(std::make_unique<Fifo>(seed));
  if (strategy == "random") return std::unique_ptr<Chooser>(std::make_unique<Random>(seed));
  return Errno{EINVAL};
}

}  // namespace detent::trace
