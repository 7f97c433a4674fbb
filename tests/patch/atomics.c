// Every form of atomic instruction, in several threads at once: for run_points.py, which
// compares what is printed natively and under detent with preemption points. Each form runs with known
// values in all registers, flags, vector registers and the red zone; what is there afterwards is hashed.
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { kThreads = 3, kRounds = 3 };

struct state {
  uint64_t general[16];  // rax, rbx, rcx, rdx, rsi, rdi, rbp, r8 to r15, flags
  uint64_t red_zone[16];
  unsigned char vectors[16][16];
  uint64_t cells[8] __attribute__((aligned(64)));
};
_Static_assert(offsetof(struct state, vectors) == 256 && offsetof(struct state, cells) == 512,
               "asm");

// The instructions find their operand by rsi (the cells), rbx = 8 (an index) and rip (the lone cell).
uint64_t lone_cell;

#define PROBE(name, ...)                                                                         \
  void name(struct state*);                                                                      \
  __asm__(".text\n.globl " #name "\n.type " #name ", @function\n" #name                          \
          ":\n"                                                                                  \
          ".cfi_startproc\n"                                                                     \
          "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n push %rdi\n"  \
          ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"                                      \
          "movdqu 256+16*\\n(%rdi), %xmm\\n\n mov 128+8*\\n(%rdi), %rax\n"                       \
          "mov %rax, -128+8*\\n(%rsp)\n .endr\n"                                                 \
          "mov 0(%rdi), %rax\n mov 8(%rdi), %rbx\n mov 16(%rdi), %rcx\n mov 24(%rdi), %rdx\n"    \
          "mov 48(%rdi), %rbp\n mov 56(%rdi), %r8\n mov 64(%rdi), %r9\n mov 72(%rdi), %r10\n"    \
          "mov 80(%rdi), %r11\n mov 88(%rdi), %r12\n mov 96(%rdi), %r13\n mov 104(%rdi), %r14\n" \
          "mov 112(%rdi), %r15\n lea 512(%rdi), %rsi\n"                                          \
          "lea -256(%rsp), %rsp\n push 120(%rdi)\n popfq\n lea 256(%rsp), %rsp\n"                \
          "mov 40(%rdi), %rdi\n" __VA_ARGS__                                                     \
          "\n"                                                                                   \
          "lea -128(%rsp), %rsp\n"                                                               \
          "pushfq\n push %r15\n push %r14\n push %r13\n push %r12\n push %r11\n push %r10\n"     \
          "push %r9\n push %r8\n push %rbp\n push %rdi\n push $0\n push %rdx\n push %rcx\n"      \
          "push %rbx\n push %rax\n cld\n mov 256(%rsp), %rdi\n"                                  \
          ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"                                      \
          "mov 8*\\n(%rsp), %rax\n mov %rax, 8*\\n(%rdi)\n"                                      \
          "mov 128+8*\\n(%rsp), %rax\n mov %rax, 128+8*\\n(%rdi)\n"                              \
          "movdqu %xmm\\n, 256+16*\\n(%rdi)\n .endr\n"                                           \
          "lea 256+8(%rsp), %rsp\n"                                                              \
          "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"              \
          ".cfi_endproc\n .size " #name ", .-" #name "\n")

PROBE(add_byte, "lock addb %cl, (%rsi)");
PROBE(or_word, "lock orw %dx, 8(%rsi)");
PROBE(sub_immediate, "lock subl $0x12345678, 16(%rsi)");
PROBE(adc_long, "lock adcl %r9d, 8(%rsi,%rbx)");
PROBE(sbb_quad, "lock sbbq %r10, (%rsi,%rbx,4)");
PROBE(and_rip, "lock andq %r11, lone_cell(%rip)");
PROBE(xor_then_branch, "lock xorl %edx, (%rsi)\n jz 1f\n inc %rdi\n 1: dec %r8");
PROBE(inc_short, "lock incl (%rsi)\n mov %rcx, %r15\n cmp %rax, %rcx");
PROBE(dec_quad, "lock decq 24(%rsi)");
PROBE(neg_long, "lock negl 24(%rsi)");
PROBE(not_quad, "lock notq 32(%rsi)");
PROBE(bts, "lock btsl $3, 32(%rsi)");
PROBE(btr, "lock btrq $33, 32(%rsi)");
PROBE(btc, "lock btcw $5, 40(%rsi)");
PROBE(xadd, "lock xaddq %r12, 40(%rsi)");
PROBE(cmpxchg_fails, "lock cmpxchgl %edx, 48(%rsi)\n jne 1f\n inc %rdi\n 1:");
PROBE(cmpxchg_works, "mov 48(%rsi), %rax\n lock cmpxchgq %rdx, 48(%rsi)");
PROBE(cmpxchg8b, "lock cmpxchg8b 56(%rsi)");
PROBE(cmpxchg16b, "lock cmpxchg16b 48(%rsi)");
PROBE(xchg_byte, "xchg %cl, 7(%rsi)");
PROBE(xchg_long, "xchg %eax, (%rsi)\n xchg %eax, (%rsi)\n nop");
PROBE(xchg_quad, "xchg %r13, (%rsi,%rbx)");
PROBE(xchg_return_follows,
      "lea -128(%rsp), %rsp\n call 2f\n lea 128(%rsp), %rsp\n jmp 3f\n 2: xchg %edx, (%rsi)\n "
      "ret\n 3:");
PROBE(pause_twice, "pause\n pause");
PROBE(skips_lock, "cmp %rax, %rbx\n je 1f\n lock\n 1: xaddl %ecx, (%rsi)\n nop\n nop\n nop");
PROBE(lock_skipped, "cmp %rax, %rax\n je 1f\n lock\n 1: xaddl %ecx, (%rsi)\n nop\n nop\n nop");
PROBE(jumped_behind,
      "mov $2, %ebp\n 4: dec %ebp\n jz 5f\n lock incl (%rsi)\n 5: inc %r14\n test %ebp, %ebp\n jnz "
      "4b");
PROBE(last_in_loop, "mov $3, %ebp\n 1: lock incl (%rsi)\n dec %ebp\n jnz 1b");

static void (*const kProbes[])(struct state*) = {add_byte,
                                                 or_word,
                                                 sub_immediate,
                                                 adc_long,
                                                 sbb_quad,
                                                 and_rip,
                                                 xor_then_branch,
                                                 inc_short,
                                                 dec_quad,
                                                 neg_long,
                                                 not_quad,
                                                 bts,
                                                 btr,
                                                 btc,
                                                 xadd,
                                                 cmpxchg_fails,
                                                 cmpxchg_works,
                                                 cmpxchg8b,
                                                 cmpxchg16b,
                                                 xchg_byte,
                                                 xchg_long,
                                                 xchg_quad,
                                                 xchg_return_follows,
                                                 pause_twice,
                                                 skips_lock,
                                                 lock_skipped,
                                                 jumped_behind,
                                                 last_in_loop};
enum { kCount = sizeof(kProbes) / sizeof(kProbes[0]) };

static uint64_t mix(uint64_t hash, const void* data, size_t size) {
  const unsigned char* bytes = data;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  return hash;
}

static uint64_t hashes[kThreads][kCount];

static void fill(struct state* state, uint64_t seed) {
  uint64_t* words = (uint64_t*)state;
  for (size_t i = 0; i < sizeof(*state) / 8; ++i) words[i] = seed = seed * 6364136223846793005 + 1;
  state->general[1] = 8;
  // CF, PF, AF, ZF, SF, OF by the seed; DF now and then.
  state->general[15] = (seed >> 20 & 0x8d5) | (seed >> 50 & 1) << 10 | 0x202;
}

static void* run(void* argument) {
  const uintptr_t self = (uintptr_t)argument;
  for (int round = 0; round < kRounds; ++round) {
    for (int probe = 0; probe < kCount; ++probe) {
      struct state state;
      fill(&state, self * 1000 + (uint64_t)(round * 100 + probe));
      const uint64_t lone = (uint64_t)(probe + round);
      if (kProbes[probe] == and_rip) __atomic_store_n(&lone_cell, lone, __ATOMIC_RELAXED);
      kProbes[probe](&state);
      // The lone cell is everybody's: what and_rip makes of it, and of the flags, is not repeatable.
      state.general[15] &= kProbes[probe] == and_rip ? 0x400 : ~0ULL;
      hashes[self][probe] = mix(hashes[self][probe], &state, sizeof(state));
    }
  }
  return NULL;
}

int main(void) {
  pthread_t threads[kThreads];
  for (uintptr_t i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, run, (void*)i);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  for (int i = 0; i < kThreads; ++i) {
    for (int probe = 0; probe < kCount; ++probe) {
      printf("thread %d, form %d: %016lx\n", i, probe, hashes[i][probe]);
    }
  }
  return 0;
}
