#include "emu/signal/timer_hook.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace detent::signal {
namespace {

TimerHook* hook = nullptr;

// The magic keeps a guest's own sigqueue(3) with stray bytes there from being taken for a timer's.
struct Mark {
  std::uint32_t magic;
  std::uint32_t setting;
};
constexpr std::uint32_t kMagic = 0xde7e7175;
constexpr std::size_t kMarkOffset = 64;
static_assert(kMarkOffset + sizeof(Mark) <= sizeof(siginfo_t));

void write_mark(siginfo_t& info, const Mark& mark) {
  std::array<std::byte, sizeof(siginfo_t)> bytes;
  std::memcpy(bytes.data(), &info, sizeof(info));
  std::memcpy(bytes.data() + kMarkOffset, &mark, sizeof(mark));
  std::memcpy(&info, bytes.data(), sizeof(info));
}

}  // namespace

void set_timer_hook(TimerHook* new_hook) { hook = new_hook; }

void mark_timer_signal(siginfo_t& info, std::uint32_t setting) {
  write_mark(info, {kMagic, setting});
}

std::uint32_t timer_mark(const siginfo_t& info) {
  if (info.si_code != SI_TIMER) return 0;
  std::array<std::byte, sizeof(siginfo_t)> bytes;
  std::memcpy(bytes.data(), &info, sizeof(info));
  Mark mark{};
  std::memcpy(&mark, bytes.data() + kMarkOffset, sizeof(mark));
  return mark.magic == kMagic ? mark.setting : 0;
}

bool on_dequeue(siginfo_t& info, bool process_directed) {
  if (hook == nullptr) return true;
  const bool from_timer = timer_mark(info) != 0;
  if (!from_timer && !(process_directed && info.si_signo == SIGALRM)) return true;
  const bool deliver = hook->on_taken(info);
  if (from_timer) write_mark(info, {0, 0});
  return deliver;
}

void on_unignored(int sig) {
  if (hook != nullptr) hook->on_unignored(sig);
}

}  // namespace detent::signal
