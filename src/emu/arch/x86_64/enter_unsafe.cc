#include "emu/arch/x86_64/trap.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <utility>

#include "detent/assert.h"
#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/interrupts.h"
#include "emu/arch/x86_64/site_patcher_unsafe.h"

namespace detent::arch {

// What enter_unsafe.S keeps between the two sides. One host thread, so one of it. The offsets are
// asserted below.
struct Cpu {
  UserState* current;
  std::uint64_t kernel_rsp;
  std::uint64_t kernel_fs;
  std::uint64_t xsave_mask;
  std::uint64_t loaded_gs;
  std::atomic<std::uint32_t> interrupt;
  std::uint32_t fsgsbase;
  std::uint32_t not_entered;
  std::uint32_t vector_mode;
  void (*patched_entry)();  // trampolines jump through it
  std::uint64_t guest_rsp;
  std::uint64_t target;
  std::int32_t fast_budget;  // fast calls until the next one is declined
};

// UserState mixes public and private members, for which offsetof is only "conditionally supported".
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
struct UserStateLayout {
  static_assert(offsetof(UserState, regs) == 0);
  static_assert(offsetof(UserRegs, r15) == 120 && offsetof(UserRegs, rip) == 128 &&
                offsetof(UserRegs, fs_base) == 144 && offsetof(UserRegs, gs_base) == 152);
  static_assert(offsetof(UserState, xsave_) == 160);
  static_assert(offsetof(UserState, full_restore_) == 168);
  static_assert(offsetof(UserState, iret_frame_) == 176);
  static_assert(offsetof(UserState, resume_rip_) == 216 &&
                offsetof(UserState, resume_target_) == 224);
  static_assert(offsetof(UserState, registers_) == 232 && offsetof(UserState, by_hand_) == 240 &&
                offsetof(UserState, mxcsr_) == 244);

  static void prepare(UserState& state);
  static void came_from_syscall(UserState& state) {
    state.full_restore_ = 0;
    state.resume_rip_ = state.resume_target_ = 0;
  }
  static void asked_at(UserState& state, const Patch& point) {
    state.asked_rip_ = point.site;
    state.asked_target_ = point.point_target();
  }
  // The cheap way on from a point: to the moved instruction, unless something has changed meanwhile.
  static void go_on_by_jump(UserState& state, const Patch& point) {
    state.full_restore_ = kByJump;
    state.resume_rip_ = point.site;
    state.resume_target_ = point.point_target();
  }
  static constexpr std::uint64_t kByJump = 2;
  static void asked_nowhere(UserState& state) { state.asked_rip_ = 0; }
  static void vectors_are_in_image(UserState& state) { state.by_hand_ = 0; }
  static bool needs_full_restore(const UserState& state) { return state.full_restore_ != 0; }
};
#pragma GCC diagnostic pop
static_assert(offsetof(Cpu, kernel_rsp) == 8 && offsetof(Cpu, kernel_fs) == 16 &&
              offsetof(Cpu, xsave_mask) == 24 && offsetof(Cpu, loaded_gs) == 32 &&
              offsetof(Cpu, interrupt) == 40 && offsetof(Cpu, fsgsbase) == 44 &&
              offsetof(Cpu, not_entered) == 48 && offsetof(Cpu, vector_mode) == 52 &&
              offsetof(Cpu, patched_entry) == 56 && offsetof(Cpu, guest_rsp) == 64 &&
              offsetof(Cpu, target) == 72 && offsetof(Cpu, fast_budget) == 80);

}  // namespace detent::arch

extern "C" {
detent::arch::Cpu detent_cpu;
extern detent::arch::UserState* detent_x87_owner;
void detent_patched_entry();
void detent_pass_point();
void detent_ask_at_point();
void (*detent_point_door)() = detent_pass_point;
void detent_enter_guest(detent::arch::UserState*);
void detent_signal_entry(int, siginfo_t*, void*);
void detent_restorer();
extern char detent_enter_begin[], detent_enter_end[], detent_enter_abort[];
extern char detent_wait_begin[], detent_wait_end[], detent_wait_interrupted[];
extern char detent_copy_insn[], detent_copy_fault[];
extern char detent_load32_insn[], detent_cmpxchg32_insn[], detent_access_fault[];
extern char __executable_start[], etext[];
}

namespace detent::arch {
namespace {

constexpr int kSysSeccomp = 1;           // SYS_SECCOMP of asm-generic/siginfo.h
constexpr int kTickSignalCode = 0x7e7e;  // sival_int of the preemption timer
constexpr std::size_t kLandingStackSize = 128 * 1024;
alignas(64) unsigned char landing_stack[kLandingStackSize];

Trap landed_trap;
CallHandler call_handler = nullptr;
void* call_context = nullptr;
PointHandler point_handler = nullptr;

// Recorded host signals, in the order of arrival: while one is recorded, all others wait in the host. So they
// do when many came in a row, until these have been drained and the guest got on: the host counts them
// against the sender's limit, and a sender that never rests does not keep the guest from running.
constexpr unsigned kRingSize = 256;
constexpr unsigned kBurst = 32;
struct Recorded {
  std::atomic<bool> filled;
  siginfo_t info;
};
Recorded ring[kRingSize];
std::atomic<unsigned> ring_head;
unsigned ring_tail;
bool burst = false;   // kBurst are recorded, and others held back for that
unsigned taken = 0;   // by a drain that has not come to its end
unsigned scopes = 0;  // of HostSignalsBlocked
std::atomic<unsigned> ticks;

struct KernelSigaction {
  void (*handler)(int, siginfo_t*, void*);
  std::uint64_t flags;
  void (*restorer)();
  std::uint64_t mask;
};

constexpr std::uint64_t kSaRestorer = 0x04000000;

constexpr int kTrapSignals[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

constexpr std::uint64_t outside_signals() {
  std::uint64_t mask = ~0ULL;
  for (const int sig : kTrapSignals) mask &= ~(1ULL << (sig - 1));
  return mask;
}

void set_host_mask(std::uint64_t mask) {
  host_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, 8).value();
}

// During a burst the tick goes on, which keeps its place in the ring free of others.
std::uint64_t host_mask() {
  const bool full = ring_head.load(std::memory_order_relaxed) - ring_tail == kRingSize;
  if (full || scopes != 0) return outside_signals();
  return burst || host_signals_held ? outside_signals() & ~(1ULL << (SIGRTMAX - 1)) : 0;
}

// A trap's handler never returns, so nothing would restore the mask after it.
void set_handler(int sig, void (*handler)(int, siginfo_t*, void*), std::uint64_t flags) {
  const bool is_trap = std::ranges::find(kTrapSignals, sig) != std::end(kTrapSignals);
  const std::uint64_t mask = is_trap ? 0 : outside_signals();
  const KernelSigaction action{handler, flags | kSaRestorer, detent_restorer, mask};
  host_call(SYS_rt_sigaction, sig, &action, nullptr, 8).value();
}

void record(const siginfo_t& info) {
  const unsigned used = ring_head.load(std::memory_order_relaxed) - ring_tail;
  if (info.si_code == SI_TIMER && info.si_value.sival_int == kTickSignalCode) {
    ticks.fetch_add(1, std::memory_order_relaxed);
  } else if (used < kRingSize) {
    Recorded& slot = ring[ring_head.fetch_add(1, std::memory_order_relaxed) % kRingSize];
    slot.info = info;
    slot.filled.store(true, std::memory_order_release);
    burst = used + 1 >= kBurst;
  }
  detent_cpu.interrupt.store(1, std::memory_order_relaxed);
}

std::uint64_t address_of(const char* label) { return reinterpret_cast<std::uint64_t>(label); }
bool between(std::uint64_t address, const char* begin, const char* end) {
  return address >= address_of(begin) && address < address_of(end);
}

bool is_synchronous(int sig, const siginfo_t& info) {
  const bool fault =
      sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP;
  return fault && info.si_code > 0;
}

// Leaves a trace of a fault inside the kernel itself: only a bug of ours leads here.
[[noreturn]] void kernel_fault(int sig, const siginfo_t& info, std::uint64_t rip) {
  char text[128] = "detent: internal error: signal ";
  std::size_t length = std::strlen(text);
  const auto number = [&](std::uint64_t value, unsigned base) {
    char digits[20];
    int count = 0;
    do {
      digits[count++] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value != 0);
    while (count > 0) text[length++] = digits[--count];
  };
  const auto words = [&](const char* more) {
    while (*more != '\0') text[length++] = *more++;
  };
  number(static_cast<std::uint64_t>(sig), 10);
  words(" in the kernel at 0x");
  number(rip, 16);
  words(", address 0x");
  number(reinterpret_cast<std::uint64_t>(info.si_addr), 16);
  words("\n");
  host_syscall(SYS_write, 2, host_arg(text), length);
  for (;;) host_syscall(SYS_exit_group, 125);
}

bool fix_up(std::uint64_t& rip) {
  if (rip == address_of(detent_copy_insn)) {
    rip = address_of(detent_copy_fault);
  } else if (rip == address_of(detent_load32_insn) || rip == address_of(detent_cmpxchg32_insn)) {
    rip = address_of(detent_access_fault);
  } else {
    return false;
  }
  return true;
}

}  // namespace
}  // namespace detent::arch

// A host signal while the kernel ran. Uses no TLS: the guest's FS base may be loaded.
extern "C" void detent_signal_in_kernel(int sig, siginfo_t* info, void* context) {
  using namespace detent::arch;
  auto& regs = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  auto rip = static_cast<std::uint64_t>(regs[REG_RIP]);
  const bool entering = between(rip, detent_enter_begin, detent_enter_end);
  if (is_synchronous(sig, *info)) {
    if (fix_up(rip)) {
      regs[REG_RIP] = static_cast<greg_t>(rip);
      return;
    }
    // The jump into the guest itself faulted: its rip or rsp is not canonical.
    if (!entering) kernel_fault(sig, *info, rip);
    landed_trap.kind = TrapKind::kFault;
    landed_trap.info = *info;
    regs[REG_RIP] = reinterpret_cast<greg_t>(detent_enter_abort);
    return;
  }
  record(*info);
  // What the return from the handler puts in force.
  const std::uint64_t mask = host_mask();
  std::memcpy(&static_cast<ucontext_t*>(context)->uc_sigmask, &mask, sizeof(mask));
  if (entering) regs[REG_RIP] = reinterpret_cast<greg_t>(detent_enter_abort);
  if (between(rip, detent_wait_begin, detent_wait_end)) {
    regs[REG_RIP] = reinterpret_cast<greg_t>(detent_wait_interrupted);
  }
}

namespace detent::arch {
namespace {

void save_registers(UserRegs& to, const greg_t* from) {
  const auto get = [&](int index) { return static_cast<std::uint64_t>(from[index]); };
  to.rax = get(REG_RAX), to.rbx = get(REG_RBX), to.rcx = get(REG_RCX), to.rdx = get(REG_RDX);
  to.rsi = get(REG_RSI), to.rdi = get(REG_RDI), to.rbp = get(REG_RBP), to.rsp = get(REG_RSP);
  to.r8 = get(REG_R8), to.r9 = get(REG_R9), to.r10 = get(REG_R10), to.r11 = get(REG_R11);
  to.r12 = get(REG_R12), to.r13 = get(REG_R13), to.r14 = get(REG_R14), to.r15 = get(REG_R15);
  to.rip = get(REG_RIP), to.rflags = get(REG_EFL);
}

bool x87_is_initial(const unsigned char* image) {
  // Control word; then all zero but MXCSR and its mask at 24; eight registers of 16 bytes.
  static constexpr unsigned char kInitial[24] = {0x7f, 0x03};
  static constexpr unsigned char kEmpty[128] = {};
  return std::memcmp(image, kInitial, sizeof(kInitial)) == 0 &&
         std::memcmp(image + 32, kEmpty, sizeof(kEmpty)) == 0;
}

void save_vectors(UserState& state, const void* fpstate) {
  // struct _fpx_sw_bytes at byte 464: magic, extended size, features, size of the XSAVE image.
  const auto* bytes = static_cast<const unsigned char*>(fpstate);
  std::uint32_t size = 0;
  std::memcpy(&size, bytes + 464 + 16, sizeof(size));
  if (size > UserState::xsave_size()) size = UserState::xsave_size();
  // The host saved the x87 state with the rest.
  detent_x87_owner = nullptr;
  UserStateLayout::vectors_are_in_image(state);
  unsigned char* image = state.xsave();
  std::memcpy(image, bytes, size);
  // The host's frames claim that it is in use (fpu/signal.c save_xstate_epilog).
  if (x87_is_initial(image)) image[512] &= 0xfe;
}

// Where the guest was when it came back.
enum class Whereabouts : std::uint8_t { kOwnCode, kCall, kPoint };

// In the trampoline of a point: before it asked, or behind that.
Whereabouts leave_point(UserState& state, const SitePatcher::Place& place) {
  const Patch& point = *place.patch;
  const bool has_head = point.door == PatchDoor::kPoint;
  const bool on_kernel_stack =
      has_head && place.offset >= kPointOnKernelStack && place.offset < kPointHeadSize;
  if (on_kernel_stack) state.regs.rsp = detent_cpu.guest_rsp;
  if (place.address == point.site) UserStateLayout::asked_at(state, point);
  return place.in_head ? Whereabouts::kPoint : Whereabouts::kOwnCode;
}

// The guest came back from code of ours that it must not know of: tells whether it is about to ask us there.
Whereabouts hide_trampoline(UserState& state) {
  const auto place = site_patcher().original_of(state.regs.rip);
  if (!place) return Whereabouts::kOwnCode;
  state.regs.rip = place->address;
  if (place->patch->door != PatchDoor::kCall) {
    landed_trap.point = place->patch;
    return leave_point(state, *place);
  }
  if (!place->in_head) return Whereabouts::kOwnCode;
  state.regs.rcx = place->address;
  state.regs.r11 = state.regs.rflags;
  return Whereabouts::kCall;
}

// An int3 of ours at a preemption point.
bool trapped_at_point(UserState& state, int sig, const siginfo_t& info) {
  if (sig != SIGTRAP || !is_synchronous(sig, info)) return false;
  const Patch* point = site_patcher().trapped_at(state.regs.rip);
  if (point == nullptr) return false;
  state.regs.rip = point->site;
  UserStateLayout::asked_at(state, *point);
  landed_trap.point = point;
  return true;
}

// A jump to where an instruction was before its bytes were replaced.
bool fetched_from_patch(const UserState& state, int sig, const siginfo_t& info) {
  return (sig == SIGILL || sig == SIGSEGV) && is_synchronous(sig, info) &&
         site_patcher().replaced(state.regs.rip);
}

}  // namespace
}  // namespace detent::arch

// A host signal while the guest ran: the kernel's FS base is back, the stack is the landing pad's.
extern "C" void detent_landed(int sig, siginfo_t* info, void* context) {
  using namespace detent::arch;
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  UserState& state = *detent_cpu.current;
  save_registers(state.regs, machine.gregs);
  save_vectors(state, machine.fpregs);
  state.require_full_restore();
  UserStateLayout::asked_nowhere(state);
  const Whereabouts where = hide_trampoline(state);
  if (sig == SIGSYS && info->si_code == kSysSeccomp) {
    landed_trap.kind = TrapKind::kSyscall;
    landed_trap.foreign_abi = info->si_arch != 0xc000003e;  // AUDIT_ARCH_X86_64
    UserStateLayout::came_from_syscall(state);
  } else if (where != Whereabouts::kOwnCode) {
    // A step into the trampoline, or a signal from outside: either way we are asked now.
    landed_trap.kind = where == Whereabouts::kCall ? TrapKind::kSyscall : TrapKind::kPoint;
    if (is_synchronous(sig, *info)) return;
    record(*info);
    set_host_mask(host_mask());
  } else if (trapped_at_point(state, sig, *info)) {
    landed_trap.kind = TrapKind::kPoint;
  } else if (fetched_from_patch(state, sig, *info)) {
    landed_trap.kind = TrapKind::kMoved;
  } else if (is_synchronous(sig, *info)) {
    landed_trap.kind = TrapKind::kFault;
    landed_trap.info = *info;
    landed_trap.error_code = static_cast<std::uint64_t>(machine.gregs[REG_ERR]);
    landed_trap.trap_number = static_cast<std::uint64_t>(machine.gregs[REG_TRAPNO]);
    // Some faults tell the address of their instruction; the guest's name for it.
    if (host_arg(info->si_addr) == static_cast<std::uint64_t>(machine.gregs[REG_RIP])) {
      landed_trap.info.si_addr = reinterpret_cast<void*>(state.regs.rip);
    }
  } else {
    landed_trap.kind = TrapKind::kInterrupt;
    record(*info);
    set_host_mask(host_mask());
  }
}

namespace detent::arch {

void UserStateLayout::prepare(UserState& state) {
  constexpr std::uint64_t kTrapFlag = 0x100;
  if (state.regs.rflags & kTrapFlag) state.full_restore_ = 1;
  if (state.full_restore_ == kByJump && state.regs.rip == state.resume_rip_) return;
  if (state.full_restore_ == 0) return;
  state.full_restore_ = 1;
  const bool asked = state.asked_rip_ != 0 && state.asked_rip_ == state.regs.rip;
  state.iret_frame_[0] =
      asked ? state.asked_target_ : site_patcher().resume_address(state.regs.rip);
  state.iret_frame_[1] = 0x33;  // __USER_CS
  state.iret_frame_[2] = state.regs.rflags;
  state.iret_frame_[3] = state.regs.rsp;
  state.iret_frame_[4] = 0x2b;  // __USER_DS
}

namespace {

void prepare_to_enter(UserState& state) {
  UserStateLayout::prepare(state);
  landed_trap.kind = TrapKind::kInterrupt;
  landed_trap.foreign_abi = false;
}

}  // namespace

const Trap& enter_guest(UserState& state) {
  prepare_to_enter(state);
  detent_enter_guest(&state);
  return landed_trap;
}

}  // namespace detent::arch

// A patched call: the state is saved, and is loaded again from the same one when this returns.
extern "C" void detent_serve_patched(detent::arch::UserState* state) {
  using namespace detent::arch;
  UserStateLayout::asked_nowhere(*state);
  call_handler(call_context);
  prepare_to_enter(*state);
}

// A preemption point: rip is still in its head.
extern "C" void detent_serve_point(detent::arch::UserState* state) {
  using namespace detent::arch;
  const Patch& point = site_patcher().point_behind(state->regs.rip);
  state->regs.rip = point.site;
  UserStateLayout::asked_at(*state, point);
  point_handler(call_context, point);
  if (state->regs.rip == point.site) UserStateLayout::go_on_by_jump(*state, point);
  prepare_to_enter(*state);
}

namespace detent::arch {

std::uint32_t install_call_handler(CallHandler handler, void* context) {
  call_handler = handler;
  call_context = context;
  detent_cpu.patched_entry = detent_patched_entry;
  detent_cpu.vector_mode = static_cast<std::uint32_t>(UserState::vector_mode());
  return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&detent_cpu.patched_entry));
}

PointSlots install_point_handler(PointHandler handler) {
  point_handler = handler;
  const auto address = [](const auto& slot) {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&slot));
  };
  return {address(detent_cpu.guest_rsp), address(detent_cpu.kernel_rsp),
          address(detent_point_door)};
}

void open_point_door(bool open) {
  detent_point_door = open ? detent_ask_at_point : detent_pass_point;
}

void install_landing_pad() {
  std::uint64_t fs_base = 0;
  host_call(SYS_arch_prctl, ARCH_GET_FS, &fs_base).value();
  detent_cpu.kernel_fs = fs_base;
  detent_cpu.xsave_mask = UserState::xsave_features();
  detent_cpu.fsgsbase = (getauxval(AT_HWCAP2) & 2) != 0;
  const stack_t stack{landing_stack, 0, kLandingStackSize};
  host_call(SYS_sigaltstack, &stack, nullptr).value();
  for (const int sig : kTrapSignals) catch_host_signal(sig);
}

TextRange kernel_text() { return {address_of(__executable_start), address_of(etext)}; }
bool in_kernel_text(std::uint64_t address) { return between(address, __executable_start, etext); }

void disable_tsc() { host_call(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0).value(); }

void catch_host_signal(int sig) {
  set_handler(sig, detent_signal_entry, SA_SIGINFO | SA_ONSTACK | SA_NODEFER);
}

void release_host_signal(int sig, void (*disposition)(int)) {
  const KernelSigaction action{reinterpret_cast<void (*)(int, siginfo_t*, void*)>(
                                   reinterpret_cast<std::uintptr_t>(disposition)),
                               kSaRestorer, detent_restorer, 0};
  host_call(SYS_rt_sigaction, sig, &action, nullptr, 8).value();
}

namespace {

void hold_signals() {
  host_signals_held = true;
  set_host_mask(host_mask());
}

}  // namespace

bool interrupt_pending() { return detent_cpu.interrupt.load(std::memory_order_relaxed) != 0; }
void request_interrupt() { detent_cpu.interrupt.store(1, std::memory_order_relaxed); }

bool next_host_signal(siginfo_t& info) {
  // Cleared first: a signal that arrives during the drain sets it again.
  detent_cpu.interrupt.store(0, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  Recorded& slot = ring[ring_tail % kRingSize];
  if (ring_tail == ring_head.load(std::memory_order_relaxed)) {
    taken = 0;
    if (std::exchange(burst, false)) hold_signals();
    return false;
  }
  // They come as fast as they are taken.
  if (++taken == kBurst) hold_signals();
  if (!slot.filled.load(std::memory_order_acquire)) return false;
  info = slot.info;
  slot.filled.store(false, std::memory_order_relaxed);
  ++ring_tail;
  return true;
}

void admit_held_signals() {
  host_signals_held = false;
  set_host_mask(host_mask());
}

HostSignalsBlocked::HostSignalsBlocked() {
  ++scopes;
  set_host_mask(host_mask());
}
HostSignalsBlocked::~HostSignalsBlocked() {
  --scopes;
  set_host_mask(host_mask());
}

unsigned take_ticks() { return ticks.exchange(0, std::memory_order_relaxed); }

namespace {

int alarm_timer = -1;

// A host timer that ticks; -1 if there is no room for one (RLIMIT_SIGPENDING).
int make_ticking_timer(clockid_t clock) {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMAX;
  event.sigev_value.sival_int = kTickSignalCode;
  int id = 0;
  return host_call(SYS_timer_create, clock, &event, &id).ok() ? id : -1;
}

}  // namespace

void start_tick(int milliseconds) {
  catch_host_signal(SIGRTMAX);
  alarm_timer = make_ticking_timer(CLOCK_MONOTONIC);
  const int id = make_ticking_timer(CLOCK_THREAD_CPUTIME_ID);
  if (id < 0) return;
  itimerspec spec{};
  spec.it_value.tv_nsec = spec.it_interval.tv_nsec = milliseconds * 1'000'000L;
  host_call(SYS_timer_settime, id, 0, &spec, nullptr).value();
}

void set_alarm(Duration delay) {
  if (alarm_timer < 0) return;
  const std::int64_t ns = std::max<std::int64_t>(delay.ns(), 1);
  const itimerspec spec{{}, {ns / kNanosPerSecond, ns % kNanosPerSecond}};
  // A vfork child has no timers; then the next tick must do.
  static_cast<void>(host_call(SYS_timer_settime, alarm_timer, 0, &spec, nullptr));
}

}  // namespace detent::arch

extern "C" long detent_host_syscall(long, std::uint64_t, std::uint64_t, std::uint64_t,
                                    std::uint64_t, std::uint64_t, std::uint64_t);
extern "C" long detent_host_syscall_interruptible(long, std::uint64_t, std::uint64_t, std::uint64_t,
                                                  std::uint64_t, std::uint64_t, std::uint64_t);

namespace detent::arch {

long host_syscall(long nr, std::uint64_t a0, std::uint64_t a1, std::uint64_t a2, std::uint64_t a3,
                  std::uint64_t a4, std::uint64_t a5) {
  return detent_host_syscall(nr, a0, a1, a2, a3, a4, a5);
}
long host_syscall_interruptible(long nr, std::uint64_t a0, std::uint64_t a1, std::uint64_t a2,
                                std::uint64_t a3, std::uint64_t a4, std::uint64_t a5) {
  return detent_host_syscall_interruptible(nr, a0, a1, a2, a3, a4, a5);
}

}  // namespace detent::arch
