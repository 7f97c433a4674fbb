#include "emu/trace/choice.h"

#include <array>

namespace detent::trace {

const char* name_of(Choice kind) {
  static constexpr std::array<const char*, kChoiceKinds> kNames = {
      "kReadyTask",    "kSwitchEntry",  "kSwitchExit", "kWaiter",  "kBatchOrder", "kExpiry",
      "kEarlyTimeout", "kSpuriousWake", "kEintr",      "kShortIo", "kFault",      "kSwitchPoint"};
  const auto index = static_cast<std::size_t>(kind);
  return index < kNames.size() ? kNames[index] : "?";
}

}  // namespace detent::trace
