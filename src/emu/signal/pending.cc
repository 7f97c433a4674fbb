#include "emu/signal/pending.h"

#include <algorithm>
#include <bit>

#include "emu/signal/signal_kinds.h"

namespace detent::signal {

bool Pending::add(const siginfo_t& info) {
  const bool once = info.si_signo < kFirstRealtime && info.si_code != SI_TIMER;
  if (once && set_.has(info.si_signo)) return false;
  queue_.push_back(info);
  set_.add(info.si_signo);
  return true;
}

std::optional<siginfo_t> Pending::take(SigSet wanted) {
  SigSet candidates = set_ & wanted;
  if (candidates.empty()) return std::nullopt;
  if (!(candidates & kSynchronous).empty()) candidates = candidates & kSynchronous;
  const int sig = std::countr_zero(candidates.bits()) + 1;
  return remove(std::find_if(queue_.begin(), queue_.end(),
                             [sig](const siginfo_t& info) { return info.si_signo == sig; }));
}

// kernel/signal.c dequeue_synchronous_signal(): the oldest, whatever its number.
std::optional<siginfo_t> Pending::take_fault(SigSet wanted) {
  const SigSet candidates = wanted & kSynchronous;
  if ((set_ & candidates).empty()) return std::nullopt;
  const auto found = std::find_if(queue_.begin(), queue_.end(), [&](const siginfo_t& info) {
    return info.si_code > SI_USER && candidates.has(info.si_signo);
  });
  if (found == queue_.end()) return std::nullopt;
  return remove(found);
}

void Pending::discard(SigSet which) {
  queue_.remove_if([which](const siginfo_t& info) { return which.has(info.si_signo); });
  set_ = set_ & ~which;
}

siginfo_t Pending::remove(std::list<siginfo_t>::iterator entry) {
  const siginfo_t info = *entry;
  queue_.erase(entry);
  const bool more = std::any_of(queue_.begin(), queue_.end(), [&](const siginfo_t& other) {
    return other.si_signo == info.si_signo;
  });
  if (!more) set_.remove(info.si_signo);
  return info;
}

}  // namespace detent::signal
