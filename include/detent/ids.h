// Distinct integer types for things that must not be mixed up.
#pragma once

#include <cstdint>

namespace detent {

/// A thread id as gettid(2) shows it. The first task's id is the process id.
enum class Tid : std::int32_t {};
constexpr int raw(Tid tid) { return static_cast<int>(tid); }

/// A file descriptor number. A guest's number is the same number in the host (docs/architecture.md,
/// "Files").
enum class Fd : std::int32_t {};
constexpr int raw(Fd fd) { return static_cast<int>(fd); }

}  // namespace detent
