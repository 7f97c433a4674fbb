// Signals: signal(7), rt_sigaction(2), rt_sigprocmask(2), sigsuspend, sigtimedwait, sigaltstack(2),
// faults, job of masks and flags. What a handler sees in its frame is in sigframe.cc.
#include <setjmp.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "abi_test.h"

using namespace abi;

namespace {

siginfo_t g_info;
void SaveInfo(int, siginfo_t* info, void*) {
  g_info = *info;
  g_signals = g_signals + 1;
}

// Blocks a signal for the scope.
class Blocked {
 public:
  explicit Blocked(int a, int b = 0) {
    const sigset_t set = SigSet(a, b);
    pthread_sigmask(SIG_BLOCK, &set, &old_);
  }
  ~Blocked() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }
  Blocked(const Blocked&) = delete;
  Blocked& operator=(const Blocked&) = delete;

 private:
  sigset_t old_;
};

bool InMask(int signal) {
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  return sigismember(&now, signal);
}
bool Pending(int signal) {
  sigset_t now;
  sigpending(&now);
  return sigismember(&now, signal);
}

char g_order[32];
void Append(char c) {
  const size_t n = strlen(g_order);
  g_order[n] = c;
  g_order[n + 1] = 0;
}

sigjmp_buf g_jump;
siginfo_t g_fault;
void JumpOut(int signal, siginfo_t* info, void*) {
  g_fault = *info;
  siglongjmp(g_jump, signal);
}

// Runs `body`, which must fault, and returns the signal; g_fault holds its information.
template <typename F>
int FaultOf(F body) {
  Handler segv(SIGSEGV, JumpOut), bus(SIGBUS, JumpOut), fpe(SIGFPE, JumpOut), ill(SIGILL, JumpOut),
      trap(SIGTRAP, JumpOut);
  const int signal = sigsetjmp(g_jump, 1);
  if (signal == 0) {
    body();
    return 0;
  }
  return signal;
}

}  // namespace

TEST(kill_to_oneself_is_delivered_before_the_call_returns) {
  Handler handler(SIGUSR1, SaveInfo);
  CHECK_OK(kill(getpid(), SIGUSR1));
  CHECK_EQ(g_signals, 1);
  CHECK_EQ(g_info.si_signo, SIGUSR1);
  CHECK_EQ(g_info.si_pid, getpid());
  CHECK_EQ(g_info.si_uid, getuid());
  RECORD("kill: code %d errno %d", g_info.si_code, g_info.si_errno);
  CHECK_OK(Tgkill(Tid(), SIGUSR1));
  CHECK_EQ(g_signals, 2);
  CHECK_EQ(g_info.si_pid, getpid());
  RECORD("tgkill: code %d", g_info.si_code);
  CHECK_OK(syscall(SYS_tkill, Tid(), SIGUSR1));
  RECORD("tkill: code %d", g_info.si_code);
  CHECK_EQ(raise(SIGUSR1), 0);
  CHECK_EQ(g_signals, 4);
  RECORD("raise: code %d", g_info.si_code);
}

TEST(sigqueue_carries_a_value) {
  Handler handler(SIGUSR1, SaveInfo);
  sigval value;
  value.sival_ptr = reinterpret_cast<void*>(0x123456789abcdef);
  CHECK_OK(sigqueue(getpid(), SIGUSR1, value));
  CHECK_EQ(g_signals, 1);
  CHECK_EQ(g_info.si_pid, getpid());
  RECORD("code %d value %p", g_info.si_code, g_info.si_value.sival_ptr);
}

TEST(sigaction_returns_what_was_set) {
  struct sigaction set = {}, got;
  set.sa_handler = CountSignal;
  set.sa_flags = SA_RESTART | SA_NODEFER;
  sigemptyset(&set.sa_mask);
  sigaddset(&set.sa_mask, SIGUSR2);
  CHECK_OK(sigaction(SIGUSR1, &set, nullptr));
  CHECK_OK(sigaction(SIGUSR1, nullptr, &got));
  CHECK(got.sa_handler == CountSignal && sigismember(&got.sa_mask, SIGUSR2) &&
        !sigismember(&got.sa_mask, SIGUSR1));
  RECORD("flags %#x", got.sa_flags & ~0x04000000);
  signal(SIGUSR1, SIG_DFL);
}

TEST(unknown_sigaction_flags_are_not_kept) {
  struct {
    void* handler;
    unsigned long flags;
    void* restorer;
    unsigned long mask;
  } set = {reinterpret_cast<void*>(SIG_IGN), 0xffffffffffffffff, nullptr, ~0ul}, got = {};
  CHECK_OK(syscall(SYS_rt_sigaction, SIGUSR1, &set, nullptr, 8));
  CHECK_OK(syscall(SYS_rt_sigaction, SIGUSR1, nullptr, &got, 8));
  RECORD("flags %#lx mask %#lx", got.flags, got.mask);  // KILL and STOP are taken out of the mask
  signal(SIGUSR1, SIG_DFL);
}

TEST(sigaction_matrix) {
  struct {
    void* handler;
    unsigned long flags;
    void* restorer;
    unsigned long mask;
  } set = {}, got;
  for (int signal : {0, -1, 65, SIGKILL, SIGSTOP, 64, SIGUSR1}) {
    RECORD("signal %d: set %s, get %s, wild new %s, wild old %s, size 4 %s, both null %s", signal,
           Res(syscall(SYS_rt_sigaction, signal, &set, nullptr, 8)),
           Res(syscall(SYS_rt_sigaction, signal, nullptr, &got, 8)),
           Res(syscall(SYS_rt_sigaction, signal, Wild(), nullptr, 8)),
           Res(syscall(SYS_rt_sigaction, signal, nullptr, Wild(), 8)),
           Res(syscall(SYS_rt_sigaction, signal, &set, nullptr, 4)),
           Res(syscall(SYS_rt_sigaction, signal, nullptr, nullptr, 8)));
  }
}

TEST(sigprocmask_matrix) {
  unsigned long set = 0, old;
  for (int how : {SIG_BLOCK, SIG_UNBLOCK, 77}) {
    RECORD("how %d: set %s, null set %s, wild set %s, wild old %s, size 4 %s, size 16 %s", how,
           Res(syscall(SYS_rt_sigprocmask, how, &set, &old, 8)),
           Res(syscall(SYS_rt_sigprocmask, how, nullptr, &old, 8)),
           Res(syscall(SYS_rt_sigprocmask, how, Wild(), &old, 8)),
           Res(syscall(SYS_rt_sigprocmask, how, &set, Wild(), 8)),
           Res(syscall(SYS_rt_sigprocmask, how, &set, &old, 4)),
           Res(syscall(SYS_rt_sigprocmask, how, &set, &old, 16)));
  }
}

TEST(sigprocmask_with_a_bad_old_pointer_has_set_the_mask) {
  const unsigned long usr1 = 1ul << (SIGUSR1 - 1), none = 0;
  CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &usr1, Wild(), 8), EFAULT);
  RECORD("in the mask %d", InMask(SIGUSR1));
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, 8);
}

TEST(kill_and_stop_cannot_be_blocked) {
  sigset_t all, old, now;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_sigmask(SIG_SETMASK, &old, &now);
  CHECK(!sigismember(&now, SIGKILL) && !sigismember(&now, SIGSTOP) && sigismember(&now, SIGSYS));
}

TEST(sigsys_can_be_blocked_and_handled_like_any_other) {
  Handler handler(SIGSYS, CountSignal);
  {
    Blocked blocked(SIGSYS);
    CHECK_OK(Tgkill(Tid(), SIGSYS));
    CHECK_EQ(getpid(), getpid());
    CHECK_EQ(g_signals, 0);
    CHECK(Pending(SIGSYS));
  }
  CHECK_EQ(g_signals, 1);
}

TEST(blocked_signal_is_pending_once_and_delivered_at_unblocking) {
  Handler handler(SIGUSR1, CountSignal);
  {
    Blocked blocked(SIGUSR1);
    for (int i = 0; i < 3; ++i) Tgkill(Tid(), SIGUSR1);
    CHECK(Pending(SIGUSR1));
    CHECK_EQ(g_signals, 0);
  }
  CHECK_EQ(g_signals, 1);
  CHECK(!Pending(SIGUSR1));
}

TEST(realtime_signals_queue_in_order) {
  static int values[8], count;
  count = 0;
  Handler handler(SIGRTMIN + 1,
                  [](int, siginfo_t* info, void*) { values[count++] = info->si_value.sival_int; });
  Handler handler2(SIGRTMIN,
                   [](int, siginfo_t* info, void*) { values[count++] = info->si_value.sival_int; });
  {
    Blocked blocked(SIGRTMIN, SIGRTMIN + 1);
    for (int i = 1; i <= 3; ++i) {
      sigval v;
      v.sival_int = i;
      sigqueue(getpid(), SIGRTMIN + 1, v);
      v.sival_int = 10 + i;
      sigqueue(getpid(), SIGRTMIN, v);
    }
  }
  RECORD("%d: %d %d %d %d %d %d", count, values[0], values[1], values[2], values[3], values[4],
         values[5]);
}

TEST(order_of_several_pending_signals) {
  // Linux builds the frames lowest number first: the handler of the highest one runs first, the
  // lowest one last.
  const auto note = [](int s) {
    Append(s == SIGHUP ? 'h' : s == SIGUSR1 ? 'u' : s == SIGTERM ? 't' : 's');
  };
  g_order[0] = 0;
  Handler hup(SIGHUP, note), usr1(SIGUSR1, note), term(SIGTERM, note), segv(SIGSEGV, note);
  sigset_t set = SigSet(SIGHUP, SIGUSR1), old;
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGSEGV);
  pthread_sigmask(SIG_BLOCK, &set, &old);
  for (int s : {SIGTERM, SIGUSR1, SIGHUP, SIGSEGV}) Tgkill(Tid(), s);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  RECORD("%s", g_order);
}

TEST(thread_directed_comes_before_process_directed) {
  g_order[0] = 0;
  const auto note = [](int s) { Append(s == SIGUSR1 ? '1' : '2'); };
  Handler one(SIGUSR1, note), two(SIGUSR2, note);
  sigset_t set = SigSet(SIGUSR1, SIGUSR2), old;
  pthread_sigmask(SIG_BLOCK, &set, &old);
  kill(getpid(), SIGUSR1);
  Tgkill(Tid(), SIGUSR2);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  RECORD("%s", g_order);
}

TEST(pending_of_a_thread_is_its_own_and_the_process_s) {
  Handler handler(SIGUSR1, CountSignal), handler2(SIGUSR2, CountSignal);
  Blocked blocked(SIGUSR1, SIGUSR2);
  Tgkill(Tid(), SIGUSR1);
  kill(getpid(), SIGUSR2);
  Thread t([] {
    RECORD("in a thread: of main %d, of the process %d", Pending(SIGUSR1), Pending(SIGUSR2));
  });
  t.Join();
  CHECK(Pending(SIGUSR1) && Pending(SIGUSR2));
}

TEST(process_signal_goes_to_a_thread_that_does_not_block_it) {
  static pid_t got;
  got = 0;
  Handler handler(SIGUSR1, [](int) { got = Tid(); });
  bool stop = false;
  Thread t([&] {
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) SleepMs(1);
  });
  {
    Blocked blocked(SIGUSR1);
    kill(getpid(), SIGUSR1);
    for (int i = 0; i < 1000 && got == 0; ++i) SleepMs(1);
    CHECK_EQ(got, t.tid());
  }
  __atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
}

TEST(new_thread_inherits_the_mask_but_no_pending_signal) {
  Handler handler(SIGUSR1, CountSignal);
  Blocked blocked(SIGUSR1);
  Tgkill(Tid(), SIGUSR1);
  Thread t([] {
    CHECK(InMask(SIGUSR1));
    CHECK(!Pending(SIGUSR1));
  });
}

TEST(handler_runs_with_its_signal_and_sa_mask_blocked) {
  static bool own, other, third;
  struct sigaction action = {}, old;
  action.sa_handler = [](int) {
    own = InMask(SIGUSR1);
    other = InMask(SIGUSR2);
    third = InMask(SIGHUP);
  };
  action.sa_mask = SigSet(SIGUSR2);
  sigaction(SIGUSR1, &action, &old);
  {
    Blocked blocked(SIGHUP);
    raise(SIGUSR1);
  }
  CHECK(own && other && third);
  CHECK(!InMask(SIGUSR1) && !InMask(SIGUSR2) && !InMask(SIGHUP));
  sigaction(SIGUSR1, &old, nullptr);
}

TEST(nodefer_lets_the_handler_nest) {
  static int depth, deepest;
  depth = deepest = 0;
  const auto body = [](int) {
    if (++depth > deepest) deepest = depth;
    if (deepest < 4 && g_signals++ < 10) raise(SIGUSR1);
    --depth;
  };
  {
    Handler handler(SIGUSR1, body, SA_NODEFER);
    raise(SIGUSR1);
    CHECK_EQ(deepest, 4);
  }
  depth = deepest = 0;
  g_signals = 0;
  Handler handler(SIGUSR1, body);
  raise(SIGUSR1);
  CHECK_EQ(deepest, 1);
}

TEST(resethand_resets_to_default) {
  Handler handler(SIGUSR1, CountSignal, SA_RESETHAND);
  raise(SIGUSR1);
  CHECK_EQ(g_signals, 1);
  struct sigaction now;
  sigaction(SIGUSR1, nullptr, &now);
  CHECK(now.sa_handler == SIG_DFL);
}

TEST(nested_handlers_return_in_order) {
  g_order[0] = 0;
  Handler outer(SIGUSR1, [](int) {
    Append('a');
    raise(SIGUSR2);
    Append('c');
  });
  Handler inner(SIGUSR2, [](int) { Append('b'); });
  raise(SIGUSR1);
  Append('d');
  RECORD("%s", g_order);
}

TEST(handler_may_change_the_mask_for_itself_only) {
  Handler handler(SIGUSR1, [](int) {
    const sigset_t hup = SigSet(SIGHUP);
    pthread_sigmask(SIG_BLOCK, &hup, nullptr);
  });
  raise(SIGUSR1);
  CHECK(!InMask(SIGHUP));
}

TEST(siglongjmp_out_of_a_handler_restores_the_mask) {
  Handler handler(SIGUSR1, [](int) { siglongjmp(g_jump, 1); });
  static int rounds;
  rounds = 0;
  if (sigsetjmp(g_jump, 1) != 0) ++rounds;
  if (rounds < 3) raise(SIGUSR1);
  CHECK_EQ(rounds, 3);
  CHECK(!InMask(SIGUSR1));
}

TEST(sigsuspend_swaps_the_mask_and_returns_EINTR) {
  Handler handler(SIGUSR1, CountSignal);
  Blocked blocked(SIGUSR1);
  Tgkill(Tid(), SIGUSR1);
  sigset_t none = SigSet();
  CHECK_ERRNO(sigsuspend(&none), EINTR);
  CHECK_EQ(g_signals, 1);
  CHECK(InMask(SIGUSR1));
  RECORD("size 4 %s, wild %s", Res(syscall(SYS_rt_sigsuspend, &none, 4)),
         Res(syscall(SYS_rt_sigsuspend, Wild(), 8)));
}

TEST(sigsuspend_blocks_until_another_thread_sends) {
  Handler handler(SIGUSR1, CountSignal);
  int error = 0;
  Thread t([&] {
    const sigset_t none = SigSet();
    sigsuspend(&none);
    error = errno;
  });
  t.AwaitBlocked(SYS_rt_sigsuspend);
  Tgkill(t.tid(), SIGUSR1);
  t.Join();
  CHECK_EQ(error, EINTR);
}

TEST(pause_returns_EINTR_even_with_SA_RESTART) {
  Handler handler(SIGUSR1, CountSignal, SA_RESTART);
  long result = 0;
  int error = 0;
  Thread t([&] {
    result = syscall(SYS_pause);
    error = errno;
  });
  t.AwaitBlocked(SYS_pause);
  Tgkill(t.tid(), SIGUSR1);
  t.Join();
  CHECK(result == -1 && error == EINTR);
}

TEST(sigtimedwait_takes_a_pending_signal_without_the_handler) {
  Handler handler(SIGUSR1, CountSignal);
  Blocked blocked(SIGUSR1);
  Tgkill(Tid(), SIGUSR1);
  const sigset_t set = SigSet(SIGUSR1);
  siginfo_t info;
  const timespec zero = {0, 0};
  CHECK_EQ(sigtimedwait(&set, &info, &zero), SIGUSR1);
  CHECK_EQ(info.si_pid, getpid());
  RECORD("code %d", info.si_code);
  CHECK_ERRNO(sigtimedwait(&set, &info, &zero), EAGAIN);
  CHECK_EQ(g_signals, 0);
}

TEST(sigtimedwait_times_out_is_woken_and_interrupted) {
  Handler handler(SIGUSR2, CountSignal, SA_RESTART);
  Blocked blocked(SIGUSR1);
  const sigset_t set = SigSet(SIGUSR1);
  const timespec t = FromNs(15 * kMs);
  const int64_t start = Now();
  CHECK_ERRNO(sigtimedwait(&set, nullptr, &t), EAGAIN);
  CHECK_GE(Now() - start, 15 * kMs);
  for (int signal : {SIGUSR1, SIGUSR2}) {
    long result = 0;
    int error = 0;
    Thread waiter([&] {
      result = syscall(SYS_rt_sigtimedwait, &set, nullptr, nullptr, 8);
      error = errno;
    });
    waiter.AwaitBlocked(SYS_rt_sigtimedwait);
    Tgkill(waiter.tid(), signal);
    waiter.Join();
    RECORD("signal %d: %ld %s", signal, result, result < 0 ? ErrnoName(error) : "");
  }
}

TEST(process_directed_signal_reaches_a_sigwait_in_another_thread) {
  Blocked blocked(SIGUSR1);
  int got = 0;
  Thread waiter([&] {
    const sigset_t set = SigSet(SIGUSR1);
    sigwait(&set, &got);
  });
  waiter.AwaitBlocked(SYS_rt_sigtimedwait);
  kill(getpid(), SIGUSR1);
  waiter.Join();
  CHECK_EQ(got, SIGUSR1);
}

TEST(sigtimedwait_matrix) {
  const unsigned long set = 0;
  const timespec zero = {0, 0}, bad = {0, 1000000000}, negative = {-1, 0};
  RECORD("zero %s, bad %s, negative %s, wild time %s, wild set %s, size 4 %s",
         Res(syscall(SYS_rt_sigtimedwait, &set, nullptr, &zero, 8)),
         Res(syscall(SYS_rt_sigtimedwait, &set, nullptr, &bad, 8)),
         Res(syscall(SYS_rt_sigtimedwait, &set, nullptr, &negative, 8)),
         Res(syscall(SYS_rt_sigtimedwait, &set, nullptr, Wild(), 8)),
         Res(syscall(SYS_rt_sigtimedwait, Wild(), nullptr, &zero, 8)),
         Res(syscall(SYS_rt_sigtimedwait, &set, nullptr, &zero, 4)));
}

TEST(kill_errors) {
  RECORD(
      "signal 65 %s, -1 %s, no such process %s, signal 0 to itself %s, bad signal and no process "
      "%s",
      Res(kill(getpid(), 65)), Res(kill(getpid(), -1)), Res(kill(0x3ffffff, 0)),
      Res(kill(getpid(), 0)), Res(kill(0x3ffffff, 99)));
  RECORD("tkill: tid 0 %s, -1 %s, no such %s, signal 65 %s", Res(syscall(SYS_tkill, 0, 0)),
         Res(syscall(SYS_tkill, -1, 0)), Res(syscall(SYS_tkill, 0x3ffffff, 0)),
         Res(syscall(SYS_tkill, Tid(), 65)));
  siginfo_t info = {};
  info.si_code = SI_QUEUE;
  RECORD("rt_sigqueueinfo: own SI_QUEUE signal 0 %s, wild %s, signal 65 %s",
         Res(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &info)),
         Res(syscall(SYS_rt_sigqueueinfo, getpid(), 0, Wild())),
         Res(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &info)));
  RECORD("rt_tgsigqueueinfo: %s, tid 0 %s",
         Res(syscall(SYS_rt_tgsigqueueinfo, getpid(), Tid(), 0, &info)),
         Res(syscall(SYS_rt_tgsigqueueinfo, getpid(), 0, 0, &info)));
}

TEST(ignored_signal_is_dropped_even_if_blocked_or_not) {
  Handler ignored(SIGUSR1, SIG_IGN);
  CHECK_OK(raise(SIGUSR1));
  {
    Blocked blocked(SIGUSR1);
    Tgkill(Tid(), SIGUSR1);
    RECORD("pending while blocked and ignored: %d", Pending(SIGUSR1));
    signal(SIGUSR1, SIG_IGN);
    RECORD("after setting SIG_IGN again: %d", Pending(SIGUSR1));
  }
}

TEST(altstack_rules) {
  stack_t now, old;
  CHECK_OK(sigaltstack(nullptr, &now));
  RECORD("at first: flags %d size %zu", now.ss_flags, now.ss_size);
  static char stack[65536];
  stack_t set = {};
  set.ss_sp = stack;
  set.ss_size = 1000;
  CHECK_ERRNO(sigaltstack(&set, nullptr), ENOMEM);
  set.ss_size = sizeof stack;
  set.ss_flags = 77;
  CHECK_ERRNO(sigaltstack(&set, nullptr), EINVAL);
  RECORD("wild new %s, wild old %s", Res(syscall(SYS_sigaltstack, Wild(), nullptr)),
         Res(syscall(SYS_sigaltstack, nullptr, Wild())));
  set.ss_flags = 0;
  CHECK_OK(sigaltstack(&set, &old));
  CHECK_OK(sigaltstack(nullptr, &now));
  CHECK(now.ss_sp == stack && now.ss_size == sizeof stack && now.ss_flags == 0);
  static bool inside;
  static int flags, change, disable;
  Handler handler(
      SIGUSR1,
      [](int) {
        char here;
        inside = &here >= stack && &here < stack + sizeof stack;
        stack_t s, other = {};
        sigaltstack(nullptr, &s);
        flags = s.ss_flags;
        other.ss_sp = stack;
        other.ss_size = 32768;
        change = sigaltstack(&other, nullptr) == 0 ? 0 : errno;
        other.ss_flags = SS_DISABLE;
        disable = sigaltstack(&other, nullptr) == 0 ? 0 : errno;
      },
      SA_ONSTACK);
  raise(SIGUSR1);
  CHECK(inside);
  CHECK_EQ(flags, SS_ONSTACK);
  CHECK_EQ(change, EPERM);
  CHECK_EQ(disable, EPERM);
  CHECK_OK(sigaltstack(nullptr, &now));
  CHECK_EQ(now.ss_flags, 0);
  {
    Handler plain(SIGUSR2, [](int) {
      char here;
      inside = &here >= stack && &here < stack + sizeof stack;
    });
    raise(SIGUSR2);
    CHECK(!inside);
  }
  Thread t([] {
    stack_t s;
    sigaltstack(nullptr, &s);
    RECORD("in a new thread: flags %d", s.ss_flags);
  });
  t.Join();
  set.ss_flags = SS_DISABLE;
  CHECK_OK(sigaltstack(&set, nullptr));
  sigaltstack(nullptr, &now);
  RECORD("disabled: flags %d size %zu", now.ss_flags, now.ss_size);
}

TEST(altstack_autodisarm) {
  static char stack[65536];
  stack_t set = {}, old;
  set.ss_sp = stack;
  set.ss_size = sizeof stack;
  set.ss_flags = static_cast<int>(1u << 31);  // SS_AUTODISARM
  CHECK_OK(sigaltstack(&set, &old));
  static int inside;
  Handler handler(
      SIGUSR1,
      [](int) {
        stack_t s;
        sigaltstack(nullptr, &s);
        inside = s.ss_flags;
      },
      SA_ONSTACK);
  raise(SIGUSR1);
  stack_t now;
  sigaltstack(nullptr, &now);
  RECORD("inside %#x, after %#x", inside, now.ss_flags);
  set.ss_flags = SS_DISABLE;
  sigaltstack(&set, nullptr);
}

TEST(stack_overflow_is_handled_on_the_altstack) {
  const int status = ChildStatus([] {
    static char stack[65536];
    stack_t set = {};
    set.ss_sp = stack;
    set.ss_size = sizeof stack;
    sigaltstack(&set, nullptr);
    Handler handler(
        SIGSEGV, [](int) { _exit(33); }, SA_ONSTACK);
    // A thread's stack has a guard page: no need to fill 8 MB.
    struct Recurse {
      static int Down(int n) {
        volatile char frame[4096];  // without end: g_signals is never negative
        frame[0] = static_cast<char>(n);
        return g_signals < 0 ? 0 : Down(n + 1) + frame[0];
      }
    };
    Thread t([] {
      static char mine[65536];
      stack_t s = {};
      s.ss_sp = mine;
      s.ss_size = sizeof mine;
      sigaltstack(&s, nullptr);
      Recurse::Down(0);
    });
    t.Join();
    return 0;
  });
  RECORD("%s", StatusText(status));
}

TEST(segv_information) {
  char* page =
      static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  int signal = FaultOf([] { *static_cast<volatile int*>(Wild()) = 1; });
  RECORD("unmapped: signal %d code %d, address %p", signal, g_fault.si_code, g_fault.si_addr);
  signal = FaultOf([] { (void)*reinterpret_cast<volatile int*>(8); });
  RECORD("null page: signal %d code %d, address %p", signal, g_fault.si_code, g_fault.si_addr);
  signal = FaultOf([&] { *static_cast<volatile char*>(page + 5) = 1; });
  CHECK(g_fault.si_addr == page + 5);
  RECORD("read-only: signal %d code %d", signal, g_fault.si_code);
  mprotect(page, 4096, PROT_NONE);
  signal = FaultOf([&] { (void)*static_cast<volatile char*>(page + 9); });
  CHECK(g_fault.si_addr == page + 9);
  RECORD("no access: signal %d code %d", signal, g_fault.si_code);
  mprotect(page, 4096, PROT_READ);
  signal = FaultOf([&] { reinterpret_cast<void (*)()>(page)(); });
  CHECK(g_fault.si_addr == page);
  RECORD("not executable: signal %d code %d", signal, g_fault.si_code);
  signal = FaultOf([] { *reinterpret_cast<volatile int*>(0x8000000000000000) = 1; });
  RECORD("not canonical: signal %d code %d, address %p", signal, g_fault.si_code, g_fault.si_addr);
  signal = FaultOf([] { *reinterpret_cast<volatile int*>(0xffff888000000000) = 1; });
  RECORD("kernel: signal %d code %d, address %p", signal, g_fault.si_code, g_fault.si_addr);
  munmap(page, 4096);
}

TEST(fpe_ill_trap_bus_information) {
  int signal = FaultOf([] {
    volatile int zero = 0, one = 1;
    asm volatile("cltd\n idivl %1" : : "a"(one), "m"(zero) : "edx");
  });
  RECORD("divide by zero: signal %d code %d", signal, g_fault.si_code);
  signal = FaultOf([] { asm volatile("ud2"); });
  RECORD("ud2: signal %d code %d", signal, g_fault.si_code);
  signal = FaultOf([] { asm volatile("int3"); });
  RECORD("int3: signal %d code %d", signal, g_fault.si_code);
  signal = FaultOf([] { asm volatile("hlt"); });
  RECORD("hlt: signal %d code %d address %p", signal, g_fault.si_code, g_fault.si_addr);
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "f", 0));
  char* page = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0));
  signal = FaultOf([&] { (void)*static_cast<volatile char*>(page); });
  CHECK(g_fault.si_addr == page);
  RECORD("beyond the end of a file: signal %d code %d", signal, g_fault.si_code);
  munmap(page, 4096);
  close(fd);
  signal = FaultOf([] {
    unsigned mxcsr = 0x1f80 & ~0x200u;  // unmask divide by zero
    asm volatile("ldmxcsr %0" : : "m"(mxcsr));
    double one = 1, zero = 0;
    asm volatile("divsd %1, %0" : "+x"(one) : "x"(zero));
  });
  const unsigned mxcsr = 0x1f80;
  asm volatile("ldmxcsr %0" : : "m"(mxcsr));
  RECORD("sse divide by zero: signal %d code %d", signal, g_fault.si_code);
}

TEST(many_faults_in_a_row) {
  for (int i = 0; i < 1000; ++i) {
    if (FaultOf([] { (void)*static_cast<volatile int*>(Wild()); }) != SIGSEGV)
      ABI_FAIL("round %d", i);
  }
}

TEST(fault_in_a_thread_goes_to_that_thread) {
  static pid_t got;
  Handler handler(SIGSEGV, [](int) {
    got = Tid();
    siglongjmp(g_jump, 1);
  });
  Thread t([] {
    if (sigsetjmp(g_jump, 1) == 0) (void)*static_cast<volatile int*>(Wild());
    CHECK_EQ(got, Tid());
  });
}

TEST(unhandled_blocked_and_ignored_faults_kill) {
  const auto fault = [] {
    (void)*static_cast<volatile int*>(Wild());
    return 0;
  };
  RECORD("default: %s", StatusText(ChildStatus(fault)));
  RECORD("ignored: %s", StatusText(ChildStatus([&] {
           signal(SIGSEGV, SIG_IGN);
           return fault();
         })));
  RECORD("blocked: %s", StatusText(ChildStatus([&] {
           signal(SIGSEGV, [](int) { _exit(9); });
           const sigset_t set = SigSet(SIGSEGV);
           sigprocmask(SIG_BLOCK, &set, nullptr);
           return fault();
         })));
  RECORD("in its own handler: %s", StatusText(ChildStatus([&] {
           signal(SIGSEGV, [](int) { (void)*static_cast<volatile int*>(Wild()); });
           return fault();
         })));
  RECORD("ud2: %s", StatusText(ChildStatus([] {
           asm volatile("ud2");
           return 0;
         })));
  RECORD("divide: %s", StatusText(ChildStatus([] {
           volatile int zero = 0;
           asm volatile("cltd\n idivl %1" : : "a"(1), "m"(zero) : "edx");
           return 0;
         })));
}

TEST(frame_that_does_not_fit_kills) {
  RECORD("handler on a bad stack: %s", StatusText(ChildStatus([] {
           void* page = mmap(nullptr, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
           stack_t set = {};
           set.ss_sp = page;
           set.ss_size = 65536;
           sigaltstack(&set, nullptr);
           Handler handler(
               SIGUSR1, [](int) { _exit(9); }, SA_ONSTACK);
           raise(SIGUSR1);
           return 8;
         })));
}

TEST(handler_without_restorer_kills) {  // x86-64: SA_RESTORER is required
  RECORD("%s", StatusText(ChildStatus([] {
           struct {
             void (*handler)(int);
             unsigned long flags;
             void* restorer;
             unsigned long mask;
           } set = {[](int) { _exit(9); }, 0, nullptr, 0};
           if (syscall(SYS_rt_sigaction, SIGUSR1, &set, nullptr, 8) != 0) return 7;
           syscall(SYS_tkill, Tid(), SIGUSR1);
           return 8;
         })));
}

TEST(default_actions) {
  for (int signal = 1; signal <= 64; ++signal) {
    if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU ||
        signal == 32 || signal == 33)
      continue;
    const int status = ChildStatus([=] {
      struct {
        unsigned long words[4];
      } set = {};
      syscall(SYS_rt_sigaction, signal, &set, nullptr, 8);
      syscall(SYS_kill, getpid(), signal);
      return 0;
    });
    RECORD("signal %d: %s", signal, StatusText(status));
  }
}

TEST(sigpipe_from_write) {
  int p[2];
  CHECK_OK(pipe(p));
  close(p[0]);
  Handler handler(SIGPIPE, SaveInfo);
  CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
  CHECK_EQ(g_signals, 1);
  CHECK_EQ(g_info.si_pid, getpid());
  RECORD("code %d", g_info.si_code);
  signal(SIGPIPE, SIG_DFL);
  RECORD("default: %s",
         StatusText(ChildStatus([&] { return static_cast<int>(write(p[1], "x", 1)); })));
  close(p[1]);
}

TEST(sigchld_tells_who_and_how) {
  Handler handler(SIGCHLD, SaveInfo);
  const pid_t pid = Spawn([] { return 7; });
  while (g_signals == 0) SleepMs(1);
  CHECK_EQ(g_info.si_pid, pid);
  RECORD("code %d status %d", g_info.si_code, g_info.si_status);
  CHECK_EQ(WEXITSTATUS(WaitFor(pid)), 7);
}

TEST(alarm_fires_and_is_replaced) {
  Handler handler(SIGALRM, SaveInfo);
  CHECK_EQ(alarm(1000), 0);
  RECORD("alarm of 1000 replaced: %u", alarm(500));
  RECORD("alarm of 500 cancelled: %u", alarm(0));
  CHECK_EQ(alarm(0), 0);
  Blocked blocked(SIGALRM);
  const sigset_t none = SigSet();
  itimerval t = {{0, 0}, {0, 20000}}, old;
  const int64_t start = Now();
  CHECK_OK(setitimer(ITIMER_REAL, &t, &old));
  CHECK_ERRNO(sigsuspend(&none), EINTR);
  CHECK_EQ(g_signals, 1);
  CHECK_GE(Now() - start, 20 * kMs);
  RECORD("code %d", g_info.si_code);
}

TEST(alarm_of_one_second_interrupts_pause) {
  Handler handler(SIGALRM, CountSignal);
  const int64_t start = Now();
  alarm(1);
  CHECK_ERRNO(pause(), EINTR);
  CHECK_EQ(g_signals, 1);
  CHECK_GE(Now() - start, 1000 * kMs);
}

TEST(interval_timer_repeats_and_reads) {
  Handler handler(SIGALRM, CountSignal);
  itimerval t = {{0, 5000}, {0, 5000}}, now;
  CHECK_OK(setitimer(ITIMER_REAL, &t, nullptr));
  while (g_signals < 4) pause();
  CHECK_OK(getitimer(ITIMER_REAL, &now));
  CHECK(now.it_interval.tv_sec == 0 && now.it_interval.tv_usec == 5000);
  memset(&t, 0, sizeof t);
  CHECK_OK(setitimer(ITIMER_REAL, &t, nullptr));
  t.it_value.tv_usec = 1000000;
  RECORD("usec 1000000 %s, which 9 %s, null %s, wild %s", Res(setitimer(ITIMER_REAL, &t, nullptr)),
         Res(syscall(SYS_setitimer, 9, &t, nullptr)),
         Res(syscall(SYS_setitimer, 0, nullptr, nullptr)),
         Res(syscall(SYS_setitimer, 0, Wild(), nullptr)));
}

TEST(signal_to_a_thread_that_computes) {
  Handler handler(SIGUSR1, CountSignal);
  Thread t([] {
    while (g_signals == 0) asm volatile("pause" ::: "memory");  // no system call at all
  });
  SleepMs(10);
  Tgkill(t.tid(), SIGUSR1);
}

TEST(abort_kills_even_if_handled_or_blocked) {
  RECORD("handled: %s", StatusText(ChildStatus([] {
           signal(SIGABRT, CountSignal);
           abort();
           return 0;
         })));
}

TEST(sigreturn_restores_the_blocked_mask_of_the_interrupted_code) {
  Handler handler(SIGUSR1, CountSignal), other(SIGUSR2, [](int) { Tgkill(Tid(), SIGUSR1); });
  Blocked blocked(SIGUSR1);
  raise(SIGUSR2);
  CHECK_EQ(g_signals, 0);
  CHECK(InMask(SIGUSR1) && Pending(SIGUSR1));
}
