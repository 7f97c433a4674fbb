#include "syscalls/table.h"

#include <array>

#include "syscalls/adapters.h"

namespace detent::syscalls {
namespace {

#define EMULATED(number, call, arguments) \
  table[number] = Row{#call, Support::kEmulated, arguments, adapter<sys_##call>};
#define HOST(number, call, arguments) \
  table[number] = Row{#call, Support::kHost, arguments, nullptr};
#define ABSENT(number, call, why) table[number] = Row{#call, Support::kAbsent, why, nullptr};

constexpr std::array<Row, kTableSize> make_table() {
  std::array<Row, kTableSize> table{};
#include "syscalls/table.def"
  return table;
}

constexpr std::array<Row, kTableSize> kTable = make_table();
constexpr Row kNoRow{};

}  // namespace

const Row& row(long number) {
  if (number < 0 || number >= kTableSize) return kNoRow;
  return kTable[static_cast<std::size_t>(number)];
}

const char* name_of(long number) { return row(number).name; }

}  // namespace detent::syscalls
