// What a program may do with its own text and stack while its system call sites are being patched: nothing
// of it may show. Every site here is used often enough to be patched, and then looked at from all sides.
#include <sys/mman.h>
#include <ucontext.h>

#include "abi_test.h"

using namespace abi;

extern "C" {
long CallAndCompare(long number);  // syscall; cmp $-4096, %rax; ...
long EnterBehind(long value);      // jumps to the cmp
long CallAndTest(long number);     // syscall; test %eax, %eax; je ...
long EnterAtBranch(long value);    // sets flags and jumps to the je
long CallAndStore(long number);    // syscall; mov %rax, g_stored(%rip); ...
long CallAndReturn(long number);   // syscall; ret; nop
long CallLoop(long number, long count);
long StepOverCall(long number);  // with the trap flag set around it
long BlockInPoll(long timeout_ms);
extern char CallLoopEnd[], StepOverCallEnd[], BlockedCall[];
long g_stored;
}

asm(R"(
  .text
  .balign 64
  .globl CallAndCompare, EnterBehind
CallAndCompare:
  mov %edi, %eax
  syscall
behind_compare:
  cmp $-4096, %rax
  ja 1f
  mov $1, %edx
  mov %rdx, %rax
  ret
1:
  mov $2, %eax
  ret
EnterBehind:
  mov %rdi, %rax
  jmp behind_compare

  .globl CallAndTest, EnterAtBranch
CallAndTest:
  mov %edi, %eax
  syscall
  test %eax, %eax
at_branch:
  je 1f
  mov $7, %eax
  ret
1:
  mov $8, %eax
  ret
EnterAtBranch:
  cmp $0, %rdi
  jmp at_branch

  .globl CallAndStore
CallAndStore:
  mov %edi, %eax
  syscall
  mov %rax, g_stored(%rip)
  ret

  .balign 16
  .globl CallAndReturn
CallAndReturn:
  mov %edi, %eax
  syscall
  ret
  .balign 16

  .globl CallLoop, CallLoopEnd
CallLoop:
  mov %edi, %r8d
1:
  mov %r8d, %eax
  syscall
  cmp $-4096, %rax
  ja 2f
  dec %rsi
  jne 1b
2:
  ret
CallLoopEnd:

  .globl StepOverCall, StepOverCallEnd
StepOverCall:
  mov %edi, %eax
  pushfq
  orq $0x100, (%rsp)
  popfq
  nop
  syscall
  cmp $-4096, %rax
  nop
  pushfq
  andq $~0x100, (%rsp)
  popfq
  ret
StepOverCallEnd:

  .globl BlockInPoll, BlockedCall
BlockInPoll:
  mov %rdi, %rdx
  xor %edi, %edi
  xor %esi, %esi
  mov $7, %eax
  syscall
BlockedCall:
  cmp $-4096, %rax
  nop
  ret
)");

namespace {

constexpr size_t kPage = 4096;

void* const kAt = reinterpret_cast<void*>(0x200000000);

// A file with one page of code: a getppid call, a comparison, and a return.
const unsigned char kCode[] = {0xb8, 110,  0,    0,    0,    0x0f, 0x05,
                               0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, 0xc3};

struct CodeFile {
  char name[32] = "/tmp/detent-patch-XXXXXX";
  int fd;
  CodeFile() : fd(mkstemp(name)) {
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, kCode, sizeof kCode), static_cast<long>(sizeof kCode));
    CHECK_EQ(ftruncate(fd, kPage), 0);
  }
  ~CodeFile() {
    close(fd);
    unlink(name);
  }
  void* Map(void* at, int flags = MAP_PRIVATE | MAP_FIXED, int prot = PROT_READ | PROT_EXEC) const {
    void* mapped = mmap(at, kPage, prot, flags, fd, 0);
    CHECK(mapped != MAP_FAILED);
    return mapped;
  }
};

long Run(void* code) { return reinterpret_cast<long (*)()>(code)(); }

void RunOften(void* code) {
  for (int i = 0; i < 5; ++i) CHECK_EQ(Run(code), static_cast<long>(getppid()));
}

}  // namespace

TEST(code_behind_a_call_is_reached_by_a_jump) {
  for (int i = 0; i < 5; ++i) CHECK_EQ(CallAndCompare(SYS_getpid), 1);
  CHECK_EQ(CallAndCompare(-1), 2);
  for (int i = 0; i < 3; ++i) {
    CHECK_EQ(EnterBehind(5), 1);
    CHECK_EQ(EnterBehind(-5), 2);
    CHECK_EQ(CallAndCompare(SYS_getpid), 1);
  }
}

TEST(a_branch_behind_a_call_is_reached_by_a_jump) {
  for (int i = 0; i < 5; ++i) CHECK_EQ(CallAndTest(SYS_getpid), 7);
  CHECK_EQ(CallAndTest(SYS_sched_yield), 8);
  CHECK_EQ(EnterAtBranch(0), 8);
  CHECK_EQ(EnterAtBranch(1), 7);
}

TEST(an_instruction_relative_to_its_address) {
  for (int i = 0; i < 5; ++i) {
    g_stored = 0;
    CHECK_EQ(CallAndStore(SYS_getpid), static_cast<long>(getpid()));
    CHECK_EQ(g_stored, static_cast<long>(getpid()));
  }
}

TEST(a_return_behind_a_call) {
  for (int i = 0; i < 5; ++i) CHECK_EQ(CallAndReturn(SYS_getpid), static_cast<long>(getpid()));
}

namespace {
volatile sig_atomic_t g_outside;
volatile sig_atomic_t g_alarms;
void OnAlarm(int, siginfo_t*, void* context) {
  const auto rip = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  const auto begin = reinterpret_cast<long>(&CallLoop);
  const auto end = reinterpret_cast<long>(CallLoopEnd);
  ++g_alarms;
  if (rip < begin || rip >= end) ++g_outside;
}
}  // namespace

// The signals come wherever they come: in the loop, in the trampoline, in the kernel. The handler must see
// the loop.
TEST(a_handler_sees_the_original_address) {
  struct sigaction action = {};
  action.sa_sigaction = OnAlarm;
  action.sa_flags = SA_SIGINFO;
  CHECK_EQ(sigaction(SIGPROF, &action, nullptr), 0);
  g_outside = g_alarms = 0;
  timer_t timer;
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGPROF;
  CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  const itimerspec often = {{0, 100000}, {0, 100000}};
  const itimerspec off = {};
  CHECK_EQ(timer_settime(timer, 0, &often, nullptr), 0);
  while (g_alarms < 200) CallLoop(SYS_getpid, 5000);
  CHECK_EQ(timer_settime(timer, 0, &off, nullptr), 0);
  CHECK_EQ(timer_delete(timer), 0);
  // A few hit the loop around it, and timer_settime: far fewer than the trampoline would take.
  CHECK(g_outside < 20);
}

namespace {
long g_steps[64];
volatile int g_step_count;
void OnStep(int, siginfo_t* info, void* context) {
  const auto rip = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  if (g_step_count < 64) g_steps[g_step_count++] = rip - reinterpret_cast<long>(&StepOverCall);
  if (info->si_addr != reinterpret_cast<void*>(rip)) ABI_FAIL("si_addr is not rip");
}
}  // namespace

TEST(single_steps_show_the_original_text) {
  struct sigaction action = {};
  action.sa_sigaction = OnStep;
  action.sa_flags = SA_SIGINFO;
  CHECK_EQ(sigaction(SIGTRAP, &action, nullptr), 0);
  for (int round = 0; round < 4; ++round) {
    g_step_count = 0;
    CHECK_EQ(StepOverCall(SYS_getpid), static_cast<long>(getpid()));
    for (int i = 0; i < g_step_count; ++i) RECORD("step %d at %ld", i, g_steps[i]);
  }
}

namespace {
long g_interrupted_at;
void OnUser(int, siginfo_t*, void* context) {
  g_interrupted_at = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP] -
                     reinterpret_cast<long>(BlockedCall);
}
void* SignalSoon(void* thread) {
  usleep(20000);
  pthread_kill(*static_cast<pthread_t*>(thread), SIGUSR1);
  return nullptr;
}
}  // namespace

TEST(a_blocked_call_is_interrupted_behind_its_instruction) {
  struct sigaction action = {};
  action.sa_sigaction = OnUser;
  action.sa_flags = SA_SIGINFO;
  CHECK_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  for (int i = 0; i < 4; ++i) CHECK_EQ(BlockInPoll(0), 0L);
  for (int i = 0; i < 3; ++i) {
    pthread_t self = pthread_self();
    pthread_t other;
    g_interrupted_at = 12345;
    CHECK_EQ(pthread_create(&other, nullptr, SignalSoon, &self), 0);
    CHECK_EQ(BlockInPoll(5000), -4L);
    CHECK_EQ(pthread_join(other, nullptr), 0);
    CHECK_EQ(g_interrupted_at, 0L);
  }
}

TEST(text_that_becomes_writable_is_the_original) {
  CodeFile file;
  void* code = file.Map(kAt);
  RunOften(code);
  CHECK_EQ(mprotect(code, kPage, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
  CHECK_EQ(memcmp(code, kCode, sizeof kCode), 0);
  RunOften(code);
  // Another call in the same place, as a program that generates code would do.
  static_cast<unsigned char*>(code)[1] = SYS_getpid;
  for (int i = 0; i < 5; ++i) CHECK_EQ(Run(code), static_cast<long>(getpid()));
  CHECK_EQ(mprotect(code, kPage, PROT_READ | PROT_EXEC), 0);
  for (int i = 0; i < 5; ++i) CHECK_EQ(Run(code), static_cast<long>(getpid()));
  CHECK_EQ(munmap(code, kPage), 0);
}

TEST(other_code_in_the_place_of_patched_code) {
  CodeFile file;
  for (int i = 0; i < 3; ++i) {
    RunOften(file.Map(kAt));
    void* plain =
        mmap(kAt, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(plain == kAt);
    CHECK_EQ(static_cast<unsigned char*>(plain)[5], 0);
    memcpy(plain, kCode, sizeof kCode);
    CHECK_EQ(mprotect(plain, kPage, PROT_READ | PROT_EXEC), 0);
    RunOften(plain);
    CHECK_EQ(memcmp(plain, kCode, sizeof kCode), 0);  // generated code stays as it is
    RunOften(file.Map(kAt));
    CHECK_EQ(munmap(kAt, kPage), 0);
  }
}

TEST(patched_code_that_moves) {
  CodeFile file;
  void* code = file.Map(kAt);
  RunOften(code);
  void* const far = reinterpret_cast<void*>(0x700000000000);
  void* moved = mremap(code, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, far);
  CHECK(moved == far);
  RunOften(moved);
  CHECK_EQ(munmap(moved, kPage), 0);
}

TEST(pages_given_back_are_the_files_again) {
  CodeFile file;
  void* code = file.Map(kAt);
  RunOften(code);
  CHECK_EQ(madvise(code, kPage, MADV_DONTNEED), 0);
  CHECK_EQ(memcmp(code, kCode, sizeof kCode), 0);
  RunOften(code);
  CHECK_EQ(munmap(code, kPage), 0);
}

TEST(shared_text_is_never_changed) {
  CodeFile file;
  void* code = file.Map(kAt, MAP_SHARED | MAP_FIXED);
  RunOften(code);
  unsigned char bytes[sizeof kCode];
  CHECK_EQ(pread(file.fd, bytes, sizeof bytes, 0), static_cast<long>(sizeof bytes));
  CHECK_EQ(memcmp(bytes, kCode, sizeof kCode), 0);
  CHECK_EQ(munmap(code, kPage), 0);
}

TEST(a_forked_child_and_its_parent_go_on_by_themselves) {
  CodeFile file;
  void* code = file.Map(kAt);
  RunOften(code);
  for (int i = 0; i < 3; ++i) {
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0) {
      bool good = true;
      for (int j = 0; j < 5; ++j) good = good && Run(code) == parent;
      munmap(code, kPage);
      good = good && file.Map(kAt) == kAt && Run(code) == parent;
      _exit(good ? 0 : 1);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    RunOften(code);
  }
  CHECK_EQ(munmap(code, kPage), 0);
}

TEST(a_vforked_child_makes_calls_from_new_sites) {
  CodeFile file;
  void* code = file.Map(kAt);
  const pid_t parent = getpid();
  const pid_t child = vfork();
  if (child == 0) {
    for (int i = 0; i < 5; ++i) {
      if (Run(code) != parent) _exit(1);
    }
    _exit(0);
  }
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  RunOften(code);
  CHECK_EQ(munmap(code, kPage), 0);
}
