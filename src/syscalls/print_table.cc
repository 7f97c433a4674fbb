#include "syscalls/print_table.h"

#include <fmt/format.h>

#include <string_view>

#include "syscalls/table.h"

namespace detent::syscalls {
namespace {

std::string_view support_text(Support support) {
  switch (support) {
    case Support::kEmulated:
      return "emulated";
    case Support::kHost:
      return "host";
    case Support::kAbsent:
      return "absent";
  }
  return "";
}

}  // namespace

std::string table_to_text() {
  std::string text = fmt::format("{:>4} {:<24} {:<9} {}\n", "nr", "name", "support", "note");
  for (long number = 0; number < kTableSize; ++number) {
    const Row& call = row(number);
    if (call.name == nullptr) continue;
    const std::string_view note = call.support == Support::kAbsent ? call.arguments : "";
    text += fmt::format("{:>4} {:<24} {}", number, call.name, support_text(call.support));
    text += note.empty() ? "\n" : fmt::format("    {}\n", note);
  }
  return text;
}

}  // namespace detent::syscalls
