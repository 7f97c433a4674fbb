// The expanded table.def: what is known about each system call number.
#pragma once

#include <string_view>

#include "syscalls/args.h"

namespace detent::syscalls {

enum class Support : unsigned char { kEmulated, kHost, kAbsent };

struct Row {
  const char* name = nullptr;  ///< null: no such number
  Support support = Support::kAbsent;
  const char* arguments = "";  ///< see table.def; for an absent call, the reason
  Adapter adapter = nullptr;   ///< for kEmulated
};

inline constexpr long kTableSize = 512;

/// The row of `number`; a nameless row for numbers that Linux does not have.
const Row& row(long number);
/// Its name, or null.
const char* name_of(long number);

}  // namespace detent::syscalls
