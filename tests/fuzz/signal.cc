// Operations on signals: masks, pending sets, sending to processes and threads, waiting for signals.
#include "fuzz.h"

namespace fuzz {
namespace {

// Handled with and without SA_RESTART, ignored, ignored by default.
int pick_signal(Rng& rng) {
  return rng.pick({SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1, SIGALRM, SIGHUP, SIGURG});
}

void say_set(Call& call, const sigset_t& set) {
  uint64_t bits;
  memcpy(&bits, &set, 8);
  call.say("%#lx", bits);
}

void mask_any(Call& call) {
  world.masks_changed = true;
  const int how =
      call.rng.chance(95) ? call.rng.pick({SIG_BLOCK, SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK}) : 7;
  call.say("(%d, ", how);
  sigset_t set = pick_sigset(call), old;
  memset(&old, 0, sizeof old);
  void* const in = call.rng.chance(85) ? call.pointer(&set, 8, false) : nullptr;
  void* const out = call.rng.chance(60) ? call.pointer(&old, 8, true) : nullptr;
  const size_t size = call.rng.chance(98) ? 8 : 4;
  call.say("%s, size %zu)", in == nullptr ? " none" : "", size);
  const long done = call.result(syscall(SYS_rt_sigprocmask, how, in, out, size));
  if (done != 0 || out != &old) return;
  call.say(" old ");
  say_set(call, old);
}

void pending_any(Call& call) {
  sigset_t set;
  memset(&set, 0, sizeof set);
  const size_t size = call.rng.chance(95) ? 8 : call.rng.pick({0, 4, 16});
  call.say("(size %zu", size);
  void* const out = call.pointer(&set, size, true);
  call.say(")");
  if (call.result(syscall(SYS_rt_sigpending, out, size)) != 0 || out != &set) return;
  call.say(" ");
  say_set(call, set);
}

void send_any(Call& call) {
  world.masks_changed = true;
  const int signal = call.rng.chance(95) ? pick_signal(call.rng) : call.rng.pick({0, 65, -1});
  const int target = static_cast<int>(call.rng.below(kWorkers + 1));
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_code =
      call.rng.chance(95) ? SI_QUEUE : call.rng.pick({SI_USER, SI_KERNEL, SI_MESGQ, SI_TKILL});
  info.si_pid = getpid();
  info.si_value.sival_int = static_cast<int>(call.rng.below(1000));
  switch (call.rng.below(5)) {
    case 0:
      call.say(" kill(%d)", signal);
      call.result(syscall(SYS_kill, getpid(), signal));
      break;
    case 1:
      call.say(" tgkill(T%d, %d)", target, signal);
      call.result(syscall(SYS_tgkill, getpid(), thread_id(target), signal));
      break;
    case 2:
      call.say(" tkill(T%d, %d)", target, signal);
      call.result(syscall(SYS_tkill, thread_id(target), signal));
      break;
    case 3: {
      call.say(" sigqueue(%d, code %d value %d", signal, info.si_code, info.si_int);
      void* const in = call.pointer(&info, sizeof info, false);
      call.say(")");
      call.result(syscall(SYS_rt_sigqueueinfo, getpid(), signal, in));
      break;
    }
    default:
      call.say(" tgsigqueue(T%d, %d, code %d value %d)", target, signal, info.si_code, info.si_int);
      call.result(syscall(SYS_rt_tgsigqueueinfo, getpid(), thread_id(target), signal, &info));
  }
}

void say_info(Call& call, const siginfo_t& info) {
  call.say(" (signal %d code %d value %d)", info.si_signo, info.si_code,
           info.si_code == SI_QUEUE ? info.si_int : 0);
}

void timed_wait(Call& call) {
  world.masks_changed = true;
  timespec timeout = {0, 0};
  if (call.thread != 0) timeout.tv_sec = 1000;
  if (call.rng.chance(4)) timeout = call.rng.pick<timespec>({{-1, 0}, {0, -1}, {0, kSecond}});
  const bool infinite = call.thread != 0 && call.rng.chance(50);
  siginfo_t info;
  memset(&info, 0, sizeof info);
  call.say("(");
  sigset_t set = pick_sigset(call);
  void* const in = call.pointer(&set, 8, false);
  void* const out = call.rng.chance(80) ? call.pointer(&info, sizeof info, true) : nullptr;
  const size_t size = call.rng.chance(97) ? 8 : 4;
  if (!infinite) {
    call.say(" for ");
    say_timespec(call, timeout);
  }
  call.say(")");
  const long got =
      call.result(syscall(SYS_rt_sigtimedwait, in, out, infinite ? nullptr : &timeout, size));
  if (got > 0 && out == &info) say_info(call, info);
}

void suspend_any(Call& call) {
  world.masks_changed = true;
  call.say("(");
  sigset_t set = pick_sigset(call);
  const size_t size = call.rng.chance(96) ? 8 : 4;
  call.say(" size %zu)", size);
  call.result(syscall(SYS_rt_sigsuspend, &set, size));
}

void pause_any(Call& call) { call.result(syscall(SYS_pause)); }

constexpr Operation kOperations[] = {
    {"rt_sigprocmask", 7, false, mask_any},    {"rt_sigprocmask@worker", 3, true, mask_any},
    {"rt_sigpending", 4, false, pending_any},  {"send", 10, false, send_any},
    {"rt_sigtimedwait", 4, false, timed_wait}, {"rt_sigtimedwait_wait", 3, true, timed_wait},
    {"rt_sigsuspend", 1, true, suspend_any},   {"pause", 1, true, pause_any},
};

}  // namespace

// Never the signal that ends a sequence, nor those that the libc keeps for itself.
sigset_t pick_sigset(Call& call) {
  uint64_t bits = 0;
  if (call.rng.chance(10)) {
    bits = 0x00000003ffffffff & ~(3UL << 31);  // all but 32 and 33
  } else {
    for (unsigned i = call.rng.below(4); i > 0; --i) bits |= 1UL << (pick_signal(call.rng) - 1);
  }
  sigset_t set;
  memset(&set, 0, sizeof set);
  memcpy(&set, &bits, 8);
  call.say("set %#lx", bits);
  return set;
}

Family signal_operations() { return {kOperations, sizeof kOperations / sizeof kOperations[0]}; }

}  // namespace fuzz
