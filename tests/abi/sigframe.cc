// The signal frame: what a handler is given, and what becomes of what it changes (sigreturn(2),
// linux/asm/sigcontext.h).
#include <ucontext.h>

#include "abi_test.h"

using namespace abi;

namespace {

ucontext_t g_context;
uint32_t g_mxcsr_in_handler;
uint16_t g_x87_in_handler;

}  // namespace

TEST(handler_skips_a_faulting_instruction_by_changing_rip) {
  Handler handler(SIGILL, [](int, siginfo_t*, void* c) {
    static_cast<ucontext_t*>(c)->uc_mcontext.gregs[REG_RIP] += 2;
  });
  int after = 0;
  asm volatile("ud2\n movl $7, %0" : "=r"(after));
  CHECK_EQ(after, 7);
}

// Loads fourteen registers from `in`, executes ud2, stores them to `out`. The handler must step
// over the two bytes.
extern "C" void LoadTrapStore(const uint64_t* in, uint64_t* out);
asm(R"(
  .text
  .globl LoadTrapStore
  .type LoadTrapStore, @function
LoadTrapStore:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  push %rsi
  mov %rdi, %rbp
  mov (%rbp), %rax
  mov 8(%rbp), %rbx
  mov 16(%rbp), %rcx
  mov 24(%rbp), %rdx
  mov 32(%rbp), %rsi
  mov 40(%rbp), %rdi
  mov 48(%rbp), %r8
  mov 56(%rbp), %r9
  mov 64(%rbp), %r10
  mov 72(%rbp), %r11
  mov 80(%rbp), %r12
  mov 88(%rbp), %r13
  mov 96(%rbp), %r14
  mov 104(%rbp), %r15
  mov 112(%rbp), %rbp
  ud2
  xchg %rax, (%rsp)
  mov %rbx, 8(%rax)
  mov %rcx, 16(%rax)
  mov %rdx, 24(%rax)
  mov %rsi, 32(%rax)
  mov %rdi, 40(%rax)
  mov %r8, 48(%rax)
  mov %r9, 56(%rax)
  mov %r10, 64(%rax)
  mov %r11, 72(%rax)
  mov %r12, 80(%rax)
  mov %r13, 88(%rax)
  mov %r14, 96(%rax)
  mov %r15, 104(%rax)
  mov %rbp, 112(%rax)
  pop %rcx
  mov %rcx, (%rax)
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
  .size LoadTrapStore, .-LoadTrapStore
)");

static constexpr int kRegisters[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI,
                                     REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                     REG_R12, REG_R13, REG_R14, REG_R15, REG_RBP};

TEST(handler_sees_and_changes_every_general_register) {
  Handler handler(SIGILL, [](int, siginfo_t*, void* c) {
    auto& g = static_cast<ucontext_t*>(c)->uc_mcontext.gregs;
    g[REG_RIP] += 2;
    for (int r : kRegisters) g[r] = ~g[r];
  });
  uint64_t in[15], out[15] = {};
  for (int i = 0; i < 15; ++i) in[i] = 0x1111111111111111u * (i + 1);
  LoadTrapStore(in, out);
  for (int i = 0; i < 15; ++i) CHECK_EQ(out[i], ~in[i]);
}

TEST(registers_survive_a_handler_that_changes_nothing) {
  Handler handler(SIGILL, [](int, siginfo_t*, void* c) {
    static_cast<ucontext_t*>(c)->uc_mcontext.gregs[REG_RIP] += 2;
    getpid();
    SleepMs(1);
  });
  uint64_t in[15], out[15] = {};
  for (int i = 0; i < 15; ++i) in[i] = 0x0123456789abcdefu * (i + 1);
  LoadTrapStore(in, out);
  for (int i = 0; i < 15; ++i) CHECK_EQ(out[i], in[i]);
}

TEST(fault_context_has_trap_number_error_code_and_cr2) {
  Handler handler(SIGSEGV, [](int, siginfo_t*, void* c) {
    g_context = *static_cast<ucontext_t*>(c);
    static_cast<ucontext_t*>(c)->uc_mcontext.gregs[REG_RIP] +=
        2;  // both accesses below are instructions of two bytes
  });
  asm volatile("movl (%%rax), %%eax" : : "a"(Wild()) : "memory");
  const auto& g = g_context.uc_mcontext.gregs;
  RECORD("read: trap %lld error %lld cr2 %#llx", g[REG_TRAPNO], g[REG_ERR], g[REG_CR2]);
  asm volatile("movl %%ecx, (%%rax)" : : "a"(Wild()), "c"(1) : "memory");
  RECORD("write: trap %lld error %lld cr2 %#llx", g[REG_TRAPNO], g[REG_ERR], g[REG_CR2]);
  Handler ill(SIGILL, [](int, siginfo_t*, void* c) {
    g_context = *static_cast<ucontext_t*>(c);
    static_cast<ucontext_t*>(c)->uc_mcontext.gregs[REG_RIP] += 2;
  });
  asm volatile("ud2");
  RECORD("ud2: trap %lld error %lld", g[REG_TRAPNO], g[REG_ERR]);
}

TEST(context_constants) {
  Handler handler(SIGUSR1,
                  [](int, siginfo_t*, void* c) { g_context = *static_cast<ucontext_t*>(c); });
  Handler other(SIGUSR2, CountSignal);
  const sigset_t usr2 = SigSet(SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &usr2, nullptr);
  raise(SIGUSR1);
  pthread_sigmask(SIG_UNBLOCK, &usr2, nullptr);
  RECORD("flags %#lx link %p stack flags %d size %zu", g_context.uc_flags,
         static_cast<void*>(g_context.uc_link), g_context.uc_stack.ss_flags,
         g_context.uc_stack.ss_size);
  RECORD("csgsfs %#llx, mask has USR2 %d USR1 %d", g_context.uc_mcontext.gregs[REG_CSGSFS],
         sigismember(&g_context.uc_sigmask, SIGUSR2), sigismember(&g_context.uc_sigmask, SIGUSR1));
}

TEST(context_names_the_alternate_stack) {
  static char stack[65536];
  stack_t set = {}, off = {};
  set.ss_sp = stack;
  set.ss_size = sizeof stack;
  sigaltstack(&set, nullptr);
  {
    Handler handler(
        SIGUSR1, [](int, siginfo_t*, void* c) { g_context = *static_cast<ucontext_t*>(c); },
        SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(g_context.uc_stack.ss_sp == stack && g_context.uc_stack.ss_size == sizeof stack);
    RECORD("flags %d", g_context.uc_stack.ss_flags);
  }
  off.ss_flags = SS_DISABLE;
  sigaltstack(&off, nullptr);
}

TEST(mask_changed_in_the_context_takes_effect_at_return) {
  Handler handler(SIGUSR1, [](int, siginfo_t*, void* c) {
    sigaddset(&static_cast<ucontext_t*>(c)->uc_sigmask, SIGHUP);
  });
  raise(SIGUSR1);
  sigset_t now;
  const sigset_t hup = SigSet(SIGHUP);
  pthread_sigmask(SIG_UNBLOCK, &hup, &now);
  CHECK(sigismember(&now, SIGHUP));
}

TEST(result_of_the_interrupted_call_can_be_changed) {
  Handler handler(SIGUSR1, [](int, siginfo_t*, void* c) {
    RECORD("rax in the context %lld", static_cast<ucontext_t*>(c)->uc_mcontext.gregs[REG_RAX]);
    static_cast<ucontext_t*>(c)->uc_mcontext.gregs[REG_RAX] = 4711;
  });
  CHECK_EQ(syscall(SYS_tgkill, getpid(), Tid(), SIGUSR1), 4711);
}

TEST(context_of_an_interrupted_wait_shows_EINTR_or_the_restart) {
  for (int flags : {0, SA_RESTART}) {
    static int64_t rax;
    rax = 0;
    int p[2];
    CHECK_OK(pipe(p));
    Handler handler(
        SIGUSR1,
        [](int, siginfo_t*, void* c) {
          rax = static_cast<ucontext_t*>(c)->uc_mcontext.gregs[REG_RAX];
          g_signals = g_signals + 1;
        },
        flags);
    g_signals = 0;
    char byte;
    Thread t([&] { (void)!read(p[0], &byte, 1); });
    t.AwaitBlocked(SYS_read);
    Tgkill(t.tid(), SIGUSR1);
    while (g_signals == 0) SleepMs(1);
    CHECK_EQ(write(p[1], "x", 1), 1);
    t.Join();
    // With SA_RESTART, rax holds the number of the call (read: 0) and rip stands at the syscall
    // instruction again.
    RECORD("%s: rax %lld", flags ? "SA_RESTART" : "plain", (long long)rax);
    close(p[0]);
    close(p[1]);
  }
}

// A handler in assembly: what the registers hold at its first instruction.
uint64_t g_entry[6];  // rax, rdi, rsi, rdx, rsp, flags
extern "C" void EntryProbe(int, siginfo_t*, void*);
asm(R"(
  .text
  .globl EntryProbe
  .type EntryProbe, @function
EntryProbe:
  mov g_entry@GOTPCREL(%rip), %rcx
  mov %rax, (%rcx)
  mov %rdi, 8(%rcx)
  mov %rsi, 16(%rcx)
  mov %rdx, 24(%rcx)
  mov %rsp, 32(%rcx)
  pushfq
  pop %rax
  mov %rax, 40(%rcx)
  ret
  .size EntryProbe, .-EntryProbe
)");

TEST(registers_at_handler_entry) {
  Handler handler(SIGUSR1, EntryProbe);
  const long pid = getpid(), tid = Tid();
  uint64_t flags_after;
  long result;
  asm volatile("std; syscall; pushfq; pop %1; cld"
               : "=a"(result), "=r"(flags_after)
               : "a"(SYS_tgkill), "D"(pid), "S"(tid), "d"(SIGUSR1)
               : "rcx", "r11", "memory", "cc");
  CHECK_EQ(result, 0);
  CHECK(flags_after & 0x400);  // DF as before
  RECORD("rax %llu rdi %llu, rsp mod 16 %llu, DF %d", (unsigned long long)g_entry[0],
         (unsigned long long)g_entry[1], (unsigned long long)(g_entry[4] & 15),
         (g_entry[5] & 0x400) != 0);
  RECORD("siginfo minus rsp %lld, ucontext minus rsp %lld", (long long)(g_entry[2] - g_entry[4]),
         (long long)(g_entry[3] - g_entry[4]));
}

TEST(frame_leaves_the_red_zone_alone) {
  Handler handler(SIGUSR1, [](int) {
    volatile char fill[4096];
    for (auto& c : fill) c = 0x55;
  });
  const long pid = getpid(), tid = Tid();
  uint64_t ok;
  asm volatile(
      "movq $0x1234567, -8(%%rsp); movq $0x89abcde, -64(%%rsp); movq $0x7654321, -128(%%rsp)\n"
      "syscall\n"
      "xor %%eax, %%eax\n"
      "cmpq $0x1234567, -8(%%rsp); jne 1f\n"
      "cmpq $0x89abcde, -64(%%rsp); jne 1f\n"
      "cmpq $0x7654321, -128(%%rsp); jne 1f\n"
      "inc %%eax\n"
      "1:"
      : "=a"(ok)
      : "a"(SYS_tgkill), "D"(pid), "S"(tid), "d"(SIGUSR1)
      : "rcx", "r11", "memory", "cc");
  CHECK_EQ(ok, 1);
}

TEST(handler_starts_with_default_floating_point_control) {
  Handler handler(SIGUSR1, [](int) {
    asm volatile("stmxcsr %0; fnstcw %1" : "=m"(g_mxcsr_in_handler), "=m"(g_x87_in_handler));
    uint32_t mxcsr = 0x1f80;
    uint16_t cw = 0x37f;
    asm volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(cw));
  });
  const uint32_t mxcsr = 0x7f80, mxcsr_default = 0x1f80;  // round towards zero
  const uint16_t cw = 0x27f, cw_default = 0x37f;          // double precision
  uint32_t mxcsr_after = 0;
  uint16_t cw_after = 0;
  const long pid = getpid(), tid = Tid();
  long result;
  asm volatile("ldmxcsr %3; fldcw %4; syscall; stmxcsr %1; fnstcw %2; ldmxcsr %5; fldcw %6"
               : "=a"(result), "=m"(mxcsr_after), "=m"(cw_after)
               : "m"(mxcsr), "m"(cw), "m"(mxcsr_default), "m"(cw_default), "0"(SYS_tgkill),
                 "D"(pid), "S"(tid), "d"(SIGUSR1)
               : "rcx", "r11", "memory");
  CHECK_EQ(mxcsr_after, mxcsr);
  CHECK_EQ(cw_after, cw);
  RECORD("in the handler: mxcsr %#x, x87 control %#x", g_mxcsr_in_handler, g_x87_in_handler);
}

TEST(vector_registers_survive_a_handler_that_clobbers_them) {
  Handler handler(SIGUSR1, [](int) {
    asm volatile("pcmpeqd %%xmm0,%%xmm0; pcmpeqd %%xmm7,%%xmm7; pcmpeqd %%xmm15,%%xmm15" ::
                     : "xmm0", "xmm7", "xmm15");
    asm volatile("fldpi; fldpi; fstp %%st(0); fstp %%st(0)" ::: "st");
  });
  const double in[3] = {1.25, -2.5, 1e300};
  double out[4] = {};
  const double pushed = 42.5;
  const long pid = getpid(), tid = Tid();
  long result;
  asm volatile(
      "movsd %5, %%xmm0; movsd %6, %%xmm7; movsd %7, %%xmm15; fldl %8\n"
      "syscall\n"
      "movsd %%xmm0, %1; movsd %%xmm7, %2; movsd %%xmm15, %3; fstpl %4"
      : "=a"(result), "=m"(out[0]), "=m"(out[1]), "=m"(out[2]), "=m"(out[3])
      : "m"(in[0]), "m"(in[1]), "m"(in[2]), "m"(pushed), "0"(SYS_tgkill), "D"(pid), "S"(tid),
        "d"(SIGUSR1)
      : "rcx", "r11", "memory", "xmm0", "xmm7", "xmm15");
  CHECK(out[0] == in[0] && out[1] == in[1] && out[2] == in[2] && out[3] == pushed);
}

TEST(upper_vector_halves_survive_a_handler_that_clobbers_them) {
  if (!__builtin_cpu_supports("avx")) return;
  Handler handler(SIGUSR1, [](int) { asm volatile("vzeroall" ::: "xmm0", "xmm1", "xmm9"); });
  alignas(32) uint64_t in[4] = {1, 2, 3, 4}, out[4] = {};
  const long pid = getpid(), tid = Tid();
  long result;
  asm volatile("vmovdqa %2, %%ymm9; syscall; vmovdqa %%ymm9, %1; vzeroupper"
               : "=a"(result), "=m"(out)
               : "m"(in), "0"(SYS_tgkill), "D"(pid), "S"(tid), "d"(SIGUSR1)
               : "rcx", "r11", "memory", "xmm9");
  for (int i = 0; i < 4; ++i) CHECK_EQ(out[i], in[i]);
}

TEST(floating_point_state_in_the_frame_can_be_changed) {
  Handler handler(SIGUSR1, [](int, siginfo_t*, void* c) {
    auto* fp = static_cast<ucontext_t*>(c)->uc_mcontext.fpregs;
    memcpy(&fp->_xmm[9], "sixteen bytes...", 16);
    uint32_t magic;  // sw_reserved of linux/asm/sigcontext.h, at byte 464
    memcpy(&magic, reinterpret_cast<char*>(fp) + 464, 4);
    RECORD("magic %#x, aligned to 64: %d", magic, (reinterpret_cast<uintptr_t>(fp) & 63) == 0);
  });
  const long pid = getpid(), tid = Tid();
  long result;
  char out[16] = {};
  asm volatile("pxor %%xmm9, %%xmm9; syscall; movdqu %%xmm9, %1"
               : "=a"(result), "=m"(out)
               : "0"(SYS_tgkill), "D"(pid), "S"(tid), "d"(SIGUSR1)
               : "rcx", "r11", "memory", "xmm9");
  CHECK(memcmp(out, "sixteen bytes...", 16) == 0);
}

TEST(sigreturn_with_a_wild_stack_kills) {
  RECORD("%s", StatusText(ChildStatus([] {
           asm volatile("mov %0, %%rsp; mov $15, %%eax; syscall"
                        :
                        : "r"(Wild())
                        : "memory", "rax", "rcx", "r11");
           return 1;
         })));
}

TEST(sigreturn_to_a_noncanonical_rip_kills) {
  RECORD("%s", StatusText(ChildStatus([] {
           Handler handler(SIGUSR1, [](int, siginfo_t*, void* c) {
             static_cast<ucontext_t*>(c)->uc_mcontext.gregs[REG_RIP] = 0x1234;
           });
           raise(SIGUSR1);
           return 1;
         })));
}

TEST(privileged_flags_in_the_frame_are_ignored) {
  Handler handler(SIGUSR1, [](int, siginfo_t*, void* c) {
    static_cast<ucontext_t*>(c)->uc_mcontext.gregs[REG_EFL] |= 0x3000 | 0x4000;  // IOPL, NT
  });
  raise(SIGUSR1);
  uint64_t flags;
  asm volatile("pushfq; pop %0" : "=r"(flags));
  RECORD("IOPL %llu NT %llu IF %llu", (unsigned long long)(flags >> 12 & 3),
         (unsigned long long)(flags >> 14 & 1), (unsigned long long)(flags >> 9 & 1));
}

TEST(handlers_run_on_deep_and_unaligned_stacks) {
  Handler handler(SIGUSR1, [](int) {
    alignas(16) char block[16];
    asm volatile("movaps %%xmm0, %0"
                 : "=m"(block));  // faults unless the compiler's idea of rsp holds
    g_signals = g_signals + 1;
  });
  for (int offset = 0; offset < 64; offset += 8) {
    const long pid = getpid(), tid = Tid();
    register long gap asm("r8") = offset + 256;
    long result;
    asm volatile("mov %%rsp, %%rbx; sub %5, %%rsp; syscall; mov %%rbx, %%rsp"
                 : "=a"(result)
                 : "0"(SYS_tgkill), "D"(pid), "S"(tid), "d"(SIGUSR1), "r"(gap)
                 : "rbx", "rcx", "r11", "memory");
    CHECK_EQ(result, 0);
  }
  CHECK_EQ(g_signals, 8);
}
