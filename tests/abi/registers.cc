// What a system call does to the registers (x86-64 ABI, appendix A.2.1): all survive but rax
// (result), rcx (rip) and r11 (rflags). Each probe loads every register, makes the call, and stores
// every register; the stack below rsp (the red zone) is filled before and read after.
#include <asm/prctl.h>
#include <cpuid.h>
#include <linux/futex.h>
#include <sched.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>

#include "abi_test.h"

using namespace abi;

namespace {

struct Registers {
  uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;  // 0..112
  uint64_t flags;                                                                    // 120
  uint64_t red_zone[16];  // 128: rsp-128 .. rsp-8
  uint64_t rsp;           // 256: after the call minus before
  uint64_t rip;           // 264: address after the syscall
};
struct Vectors {
  alignas(64) uint8_t zmm[32][64];  // 0: as much of it as the processor has
  uint64_t k[8];                    // 2048
  double st[4];                     // 2112: x87 stack
  uint32_t mxcsr;                   // 2144
  uint16_t control;                 // 2148
};
static_assert(offsetof(Registers, flags) == 120 && offsetof(Registers, rsp) == 256);
static_assert(offsetof(Vectors, k) == 2048 && offsetof(Vectors, st) == 2112 &&
              offsetof(Vectors, mxcsr) == 2144);

}  // namespace

extern "C" {
void SyscallProbe(const Registers* in, Registers* out);
long CallSse(Vectors* in, Vectors* out, const long* call);
long CallAvx(Vectors* in, Vectors* out, const long* call);
long CallAvx512(Vectors* in, Vectors* out, const long* call);
}

asm(R"(
  .text
  .globl SyscallProbe
  .type SyscallProbe, @function
SyscallProbe:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  push %rsi
  mov %rsp, 256(%rsi)
  pushq 120(%rdi)
  popfq
  .set i, 0
  .rept 16
  mov (128 + i * 8)(%rdi), %rax
  mov %rax, (i * 8 - 128)(%rsp)
  .set i, i + 1
  .endr
  mov (%rdi), %rax
  mov 8(%rdi), %rbx
  mov 16(%rdi), %rcx
  mov 24(%rdi), %rdx
  mov 32(%rdi), %rsi
  mov 48(%rdi), %rbp
  mov 56(%rdi), %r8
  mov 64(%rdi), %r9
  mov 72(%rdi), %r10
  mov 80(%rdi), %r11
  mov 88(%rdi), %r12
  mov 96(%rdi), %r13
  mov 104(%rdi), %r14
  mov 112(%rdi), %r15
  mov 40(%rdi), %rdi
  syscall
.Lafter_probe:
  xchg %rax, (%rsp)
  mov %rbx, 8(%rax)
  mov %rcx, 16(%rax)
  mov %rdx, 24(%rax)
  mov %rsi, 32(%rax)
  mov %rdi, 40(%rax)
  mov %rbp, 48(%rax)
  mov %r8, 56(%rax)
  mov %r9, 64(%rax)
  mov %r10, 72(%rax)
  mov %r11, 80(%rax)
  mov %r12, 88(%rax)
  mov %r13, 96(%rax)
  mov %r14, 104(%rax)
  mov %r15, 112(%rax)
  .set i, 0
  .rept 16
  mov (i * 8 - 128)(%rsp), %rcx
  mov %rcx, (128 + i * 8)(%rax)
  .set i, i + 1
  .endr
  mov %rsp, %rcx
  pushfq
  popq 120(%rax)
  cld
  sub 256(%rax), %rcx
  mov %rcx, 256(%rax)
  lea .Lafter_probe(%rip), %rcx
  mov %rcx, 264(%rax)
  pop %rcx
  mov %rcx, (%rax)
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
  .size SyscallProbe, .-SyscallProbe

  # Call: number and six arguments at (%rdx). in in %rbx, out in %rbp across the call.
  .macro call_begin
  push %rbx
  push %rbp
  push %r12
  mov %rdi, %rbx
  mov %rsi, %rbp
  mov %rdx, %r12
  fninit
  fldcw 2148(%rbx)
  fldl 2136(%rbx)
  fldl 2128(%rbx)
  fldl 2120(%rbx)
  fldl 2112(%rbx)
  ldmxcsr 2144(%rbx)
  mov (%r12), %rax
  mov 8(%r12), %rdi
  mov 16(%r12), %rsi
  mov 24(%r12), %rdx
  mov 32(%r12), %r10
  mov 40(%r12), %r8
  mov 48(%r12), %r9
  .endm
  .macro call_end
  stmxcsr 2144(%rbp)
  fnstcw 2148(%rbp)
  fstpl 2112(%rbp)
  fstpl 2120(%rbp)
  fstpl 2128(%rbp)
  fstpl 2136(%rbp)
  fninit
  movl $0x1f80, -8(%rsp)
  ldmxcsr -8(%rsp)
  pop %r12
  pop %rbp
  pop %rbx
  ret
  .endm

  .globl CallSse
  .type CallSse, @function
CallSse:
  call_begin
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  movdqu (\n * 64)(%rbx), %xmm\n
  .endr
  syscall
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  movdqu %xmm\n, (\n * 64)(%rbp)
  .endr
  call_end
  .size CallSse, .-CallSse

  .globl CallAvx
  .type CallAvx, @function
CallAvx:
  call_begin
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  vmovdqu (\n * 64)(%rbx), %ymm\n
  .endr
  syscall
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  vmovdqu %ymm\n, (\n * 64)(%rbp)
  .endr
  vzeroupper
  call_end
  .size CallAvx, .-CallAvx

  .globl CallAvx512
  .type CallAvx512, @function
CallAvx512:
  call_begin
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  vmovdqu64 (\n * 64)(%rbx), %zmm\n
  .endr
  .irp n, 0,1,2,3,4,5,6,7
  kmovq (2048 + \n * 8)(%rbx), %k\n
  .endr
  syscall
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  vmovdqu64 %zmm\n, (\n * 64)(%rbp)
  .endr
  .irp n, 0,1,2,3,4,5,6,7
  kmovq %k\n, (2048 + \n * 8)(%rbp)
  .endr
  vzeroupper
  call_end
  .size CallAvx512, .-CallAvx512
)");

namespace {

constexpr uint64_t kUserFlags = 0xcd5;  // CF PF AF ZF SF DF OF

Registers Patterned(long number) {
  Registers r = {};
  uint64_t* words = &r.rax;
  for (int i = 0; i < 15; ++i)
    words[i] = 0xa5a5000000000000u + 0x0000010101010101u * static_cast<unsigned>(i + 1);
  for (int i = 0; i < 16; ++i) r.red_zone[i] = 0x5a5a00000000u + static_cast<unsigned>(i);
  r.rax = static_cast<uint64_t>(number);
  r.flags = 0x202;
  return r;
}

// Checks all that must be as before; the result is in the answer's rax.
Registers Probe(const Registers& in) {
  Registers out = {};
  SyscallProbe(&in, &out);
  CHECK_EQ(out.rbx, in.rbx);
  CHECK_EQ(out.rdx, in.rdx);
  CHECK_EQ(out.rsi, in.rsi);
  CHECK_EQ(out.rdi, in.rdi);
  CHECK_EQ(out.rbp, in.rbp);
  CHECK_EQ(out.r8, in.r8);
  CHECK_EQ(out.r9, in.r9);
  CHECK_EQ(out.r10, in.r10);
  CHECK_EQ(out.r12, in.r12);
  CHECK_EQ(out.r13, in.r13);
  CHECK_EQ(out.r14, in.r14);
  CHECK_EQ(out.r15, in.r15);
  CHECK_EQ(out.rsp, 0);
  CHECK_EQ(out.rcx, out.rip);
  CHECK_EQ(out.r11, out.flags);
  CHECK_EQ(out.flags & kUserFlags, in.flags & kUserFlags);
  for (int i = 0; i < 16; ++i) CHECK_EQ(out.red_zone[i], in.red_zone[i]);
  return out;
}

enum class Width { kSse, kAvx, kAvx512 };

Width Widest() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27))) return Width::kSse;  // OSXSAVE
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 6) != 6) return Width::kSse;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return Width::kAvx;
  const bool foundation = b & (1u << 16), words = b & (1u << 30);
  return foundation && words && (low & 0xe0) == 0xe0 ? Width::kAvx512 : Width::kAvx;
}

// Makes the call with every vector register holding a pattern made from `seed`, and checks that it
// still does.
long CallWithVectors(unsigned seed, long number, long a = 0, long b = 0, long c = 0, long d = 0,
                     long e = 0, long f = 0) {
  static const Width width = Widest();
  alignas(64) Vectors in, out;
  memset(&out, 0, sizeof out);
  uint32_t state = seed * 2654435761u + 1;
  auto* bytes = reinterpret_cast<uint8_t*>(&in);
  for (size_t i = 0; i < offsetof(Vectors, st); ++i)
    bytes[i] = static_cast<uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
  for (int i = 0; i < 4; ++i) in.st[i] = seed + i * 0.5;
  in.mxcsr = 0x1f80 | ((seed % 4) << 13);  // rounding
  in.control = static_cast<uint16_t>(0x37f | ((seed % 4) << 10));
  const long call[] = {number, a, b, c, d, e, f};
  long result;
  if (width == Width::kAvx512)
    result = CallAvx512(&in, &out, call);
  else if (width == Width::kAvx)
    result = CallAvx(&in, &out, call);
  else
    result = CallSse(&in, &out, call);
  const size_t count = width == Width::kAvx512 ? 32 : 16;
  const size_t size = width == Width::kAvx512 ? 64 : width == Width::kAvx ? 32 : 16;
  for (size_t i = 0; i < count; ++i) {
    if (memcmp(in.zmm[i], out.zmm[i], size) != 0)
      ABI_FAIL("vector register %zu after call %ld", i, number);
  }
  if (width == Width::kAvx512 && memcmp(in.k, out.k, sizeof in.k) != 0)
    ABI_FAIL("mask register after call %ld", number);
  for (int i = 0; i < 4; ++i) CHECK(in.st[i] == out.st[i]);
  CHECK_EQ(out.mxcsr & ~0x3fu, in.mxcsr);
  CHECK_EQ(out.control, in.control);
  return result;
}

}  // namespace

TEST(general_registers_survive_calls_without_arguments) {
  for (long number : {SYS_getpid, SYS_gettid, SYS_getppid, SYS_sched_yield, SYS_getuid}) {
    const Registers out = Probe(Patterned(number));
    if (number == SYS_getpid) CHECK_EQ(out.rax, getpid());
    if (number == SYS_sched_yield) CHECK_EQ(out.rax, 0);
  }
}

TEST(general_registers_survive_calls_that_fail) {
  for (long number :
       {SYS_close, SYS_read, SYS_epoll_wait, SYS_futex, SYS_timerfd_settime, SYS_clock_gettime}) {
    const Registers out = Probe(Patterned(number));
    RECORD("call %ld: %s", number, ErrnoName(-static_cast<int>(out.rax)));
  }
}

TEST(general_registers_survive_calls_with_arguments) {
  const int e = eventfd(0, EFD_NONBLOCK);
  uint64_t value = 3;
  timespec now, t = {0, 1000000};
  Registers in = Patterned(SYS_write);
  in.rdi = e, in.rsi = reinterpret_cast<uint64_t>(&value), in.rdx = 8;
  CHECK_EQ(Probe(in).rax, 8);
  in.rax = SYS_read;
  CHECK_EQ(Probe(in).rax, 8);
  in.rax = SYS_clock_gettime, in.rdi = CLOCK_MONOTONIC, in.rsi = reinterpret_cast<uint64_t>(&now);
  CHECK_EQ(Probe(in).rax, 0);
  in.rax = SYS_nanosleep, in.rdi = reinterpret_cast<uint64_t>(&t), in.rsi = 0;
  CHECK_EQ(Probe(in).rax, 0);
  in = Patterned(SYS_mmap);
  in.rdi = 0, in.rsi = 4096, in.rdx = 3, in.r10 = 0x22, in.r8 = ~0ull, in.r9 = 0;
  const uint64_t page = Probe(in).rax;
  in = Patterned(SYS_munmap);
  in.rdi = page, in.rsi = 4096;
  CHECK_EQ(Probe(in).rax, 0);
  close(e);
}

TEST(general_registers_survive_a_blocking_call) {
  const int e = eventfd(0, 0);
  uint64_t value = 0;
  Registers in = Patterned(SYS_read);
  in.rdi = e, in.rsi = reinterpret_cast<uint64_t>(&value), in.rdx = 8;
  Thread writer([&] {
    SleepMs(10);
    const uint64_t one = 1;
    CHECK_EQ(write(e, &one, 8), 8);
  });
  CHECK_EQ(Probe(in).rax, 8);
  close(e);
}

TEST(general_registers_survive_a_call_interrupted_by_a_handler) {
  Handler handler(SIGUSR1, CountSignal, SA_RESTART);
  for (long number : {SYS_pause, SYS_tgkill}) {
    static pid_t tid;
    tid = Tid();
    Registers in = Patterned(number);
    if (number == SYS_tgkill) {
      in.rdi = getpid(), in.rsi = tid, in.rdx = SIGUSR1;
      CHECK_EQ(Probe(in).rax, 0);
      continue;
    }
    Thread sender([] {
      abi::AwaitBlocked(tid, SYS_pause);
      Tgkill(tid, SIGUSR1);
    });
    CHECK_EQ(static_cast<int64_t>(Probe(in).rax), -EINTR);
  }
  CHECK_EQ(g_signals, 2);
}

TEST(general_registers_survive_a_restarted_call) {
  Handler handler(SIGUSR1, CountSignal, SA_RESTART);
  const int e = eventfd(0, 0);
  uint64_t value = 0;
  static pid_t tid;
  tid = Tid();
  Registers in = Patterned(SYS_read);
  in.rdi = e, in.rsi = reinterpret_cast<uint64_t>(&value), in.rdx = 8;
  Thread sender([&] {
    abi::AwaitBlocked(tid, SYS_read);
    Tgkill(tid, SIGUSR1);
    while (g_signals == 0) SleepMs(1);
    const uint64_t one = 1;
    CHECK_EQ(write(e, &one, 8), 8);
  });
  CHECK_EQ(Probe(in).rax, 8);
  close(e);
}

TEST(flags_survive_direction_and_carry_included) {
  for (uint64_t flags : {0ull, 1ull, 0x40ull, 0x80ull, 0x400ull, 0x800ull, 0xcd5ull}) {
    for (long number : {SYS_getpid, SYS_close, SYS_sched_yield}) {
      Registers in = Patterned(number);
      in.flags = flags | 0x202;
      Probe(in);
    }
  }
}

TEST(upper_halves_of_the_number_and_of_int_arguments_are_ignored) {
  const int e = eventfd(2, EFD_NONBLOCK);
  uint64_t value = 0;
  Registers in = Patterned(SYS_read);
  in.rax |= 0xdead00000000;
  in.rdi = 0xbeef00000000u | static_cast<unsigned>(e), in.rsi = reinterpret_cast<uint64_t>(&value),
  in.rdx = 8;
  RECORD("%lld", (long long)Probe(in).rax);
  in = Patterned(SYS_getpid);
  in.rax |= 0xffffffff00000000;
  CHECK_EQ(Probe(in).rax, getpid());
  in = Patterned(SYS_eventfd2);
  in.rdi = 5, in.rsi = 0x1234500000000u;
  const int64_t made = static_cast<int64_t>(Probe(in).rax);
  RECORD("eventfd2 %s", made >= 0 ? "ok" : "failed");
  close(static_cast<int>(made));
  close(e);
}

TEST(unknown_numbers_are_ENOSYS) {
  // Not 335 and 336: uretprobe and uprobe of newer kernels, which raise SIGILL.
  for (long number : {-1L, 337L, 423L, 600L, 1000L, 0x7fffffffL, 0x40000027L}) {
    RECORD("%ld: %s", number, ErrnoName(-static_cast<int>(Probe(Patterned(number)).rax)));
  }
}

TEST(vector_state_survives_system_calls) {
  timespec t = {0, 1000000};
  for (unsigned seed = 0; seed < 8; ++seed) {
    CHECK_EQ(CallWithVectors(seed, SYS_getpid), getpid());
    CHECK_EQ(CallWithVectors(seed, SYS_sched_yield), 0);
    CHECK_EQ(CallWithVectors(seed, SYS_clock_gettime, CLOCK_MONOTONIC, reinterpret_cast<long>(&t)),
             0);
    t = {0, 100000};
    CHECK_EQ(CallWithVectors(seed, SYS_nanosleep, reinterpret_cast<long>(&t)), 0);
    CHECK_EQ(CallWithVectors(seed, SYS_close, -1), -EBADF);
  }
}

TEST(vector_state_survives_blocking_switches_between_threads) {
  const int ping = eventfd(0, 0), pong = eventfd(0, 0);
  const auto play = [&](unsigned seed, int mine, int theirs, bool first) {
    uint64_t one = 1, value = 0;
    for (unsigned i = 0; i < 100; ++i) {
      if (first)
        CHECK_EQ(CallWithVectors(seed + i, SYS_write, theirs, reinterpret_cast<long>(&one), 8), 8);
      CHECK_EQ(CallWithVectors(seed + i, SYS_read, mine, reinterpret_cast<long>(&value), 8), 8);
      if (!first)
        CHECK_EQ(CallWithVectors(seed + i, SYS_write, theirs, reinterpret_cast<long>(&one), 8), 8);
    }
  };
  Thread partner([&] { play(1000, ping, pong, false); });
  play(2000, pong, ping, true);
  partner.Join();
  close(ping);
  close(pong);
}

TEST(vector_state_survives_futex_switches_of_many_threads) {
  static uint32_t turn;
  turn = 0;
  const auto play = [](unsigned me) {
    for (unsigned i = 0; i < 30; ++i) {
      unsigned now;
      while ((now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) % 4 != me) {
        CallWithVectors(me * 101 + i, SYS_futex, reinterpret_cast<long>(&turn), FUTEX_WAIT_PRIVATE,
                        now);
      }
      __atomic_store_n(&turn, now + 1, __ATOMIC_RELEASE);
      CallWithVectors(me * 101 + i, SYS_futex, reinterpret_cast<long>(&turn), FUTEX_WAKE_PRIVATE,
                      100);
    }
  };
  Thread a([&] { play(1); });
  Thread b([&] { play(2); });
  Thread c([&] { play(3); });
  play(0);
}

TEST(vector_state_survives_fork_in_the_parent_and_in_the_child) {
  const pid_t self = getpid();
  const long pid = CallWithVectors(7, SYS_clone, SIGCHLD);
  if (pid == 0) _exit(getpid() != self && Failures() == 0 ? 11 : 12);
  RECORD("%s", StatusText(WaitFor(static_cast<pid_t>(pid))));
}

TEST(gs_base_survives_calls_and_switches) {
  static uint64_t block[2][2] = {{111, 0}, {222, 0}};
  const auto play = [](int me) {
    CHECK_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, block[me]));
    for (int i = 0; i < 20; ++i) {
      uint64_t value;
      asm volatile("movq %%gs:0, %0" : "=r"(value));
      CHECK_EQ(value, block[me][0]);
      SleepMs(1);
      sched_yield();
    }
    uint64_t base = 0;
    CHECK_OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
    CHECK_EQ(base, reinterpret_cast<uint64_t>(block[me]));
    CHECK_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
  };
  Thread other([&] { play(1); });
  play(0);
}

TEST(fs_base_is_the_thread_pointer) {
  uint64_t base = 0, self = 0;
  CHECK_OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &base));
  asm volatile("movq %%fs:0, %0" : "=r"(self));
  CHECK_EQ(base, self);
  CHECK_EQ(base, reinterpret_cast<uint64_t>(pthread_self()));
  // Switched there and back by hand, with nothing between that uses it.
  static uint64_t block[1] = {333};
  long first, second;
  uint64_t seen;
  asm volatile(
      "mov %4, %%rsi; mov $158, %%eax; mov $0x1002, %%edi; syscall; mov %%rax, %0\n"
      "movq %%fs:0, %2\n"
      "mov %3, %%rsi; mov $158, %%eax; mov $0x1002, %%edi; syscall; mov %%rax, %1"
      : "=&r"(first), "=&r"(second), "=&r"(seen)
      : "r"(base), "r"(block)
      : "rax", "rdi", "rsi", "rcx", "r11", "memory");
  CHECK(first == 0 && second == 0);
  CHECK_EQ(seen, 333);
  RECORD("bad code %s, wild get %s, not canonical set %s", Res(syscall(SYS_arch_prctl, 0x9999, 0)),
         Res(syscall(SYS_arch_prctl, ARCH_GET_FS, Wild())),
         Res(syscall(SYS_arch_prctl, ARCH_SET_GS, 1ul << 63)));
}

TEST(rdfsbase_and_wrgsbase_work_where_the_kernel_says_so) {
  if (!(getauxval(26 /* AT_HWCAP2 */) & 2)) return;
  uint64_t base, gs = 0x1234000, read_back;
  asm volatile("rdfsbase %0" : "=r"(base));
  CHECK_EQ(base, reinterpret_cast<uint64_t>(pthread_self()));
  asm volatile("wrgsbase %0" : : "r"(gs));
  getppid();
  SleepMs(1);
  asm volatile("rdgsbase %0" : "=r"(read_back));
  CHECK_EQ(read_back, gs);
  asm volatile("wrgsbase %0" : : "r"(0ul));
}

TEST(stack_may_be_anywhere_during_a_call) {
  // Go and others call with rsp in memory of their own; the kernel must not need it.
  static char stack[4096];
  const long number = SYS_getpid;
  long result;
  asm volatile("mov %%rsp, %%rbx; mov %2, %%rsp; syscall; mov %%rbx, %%rsp"
               : "=a"(result)
               : "0"(number), "r"(stack + 2048)
               : "rbx", "rcx", "r11", "memory");
  CHECK_EQ(result, getpid());
  asm volatile("mov %%rsp, %%rbx; xor %%esp, %%esp; syscall; mov %%rbx, %%rsp"
               : "=a"(result)
               : "0"(number)
               : "rbx", "rcx", "r11", "memory");
  CHECK_EQ(result, getpid());
}
