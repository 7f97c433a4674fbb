// Counter-based random numbers: the n-th draw of a stream is a pure function of (seed, stream, n), so
// that one strategy's draws do not move when another asks more.
#pragma once

#include <cstdint>

namespace detent::trace {

/// The finalizer of SplitMix64: every input bit reaches every output bit.
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// Draw `n` of `stream`; SplitMix64 seeded by (seed, stream).
constexpr std::uint64_t draw(std::uint64_t seed, std::uint64_t stream, std::uint64_t n) {
  return mix(mix(seed ^ (stream * 0xd1342543de82ef95)) + (n + 1) * 0x9e3779b97f4a7c15);
}

}  // namespace detent::trace
