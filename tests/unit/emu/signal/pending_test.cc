// Pending: order of taking, coalescing, discarding.
#include "emu/signal/pending.h"

#include <catch2/catch.hpp>
#include <vector>

using detent::signal::Pending;
using detent::signal::SigSet;

namespace {

constexpr int kRealtime = 34;

siginfo_t info_of(int sig, int code = SI_USER, int value = 0) {
  siginfo_t info{};
  info.si_signo = sig;
  info.si_code = code;
  info.si_int = value;
  return info;
}

std::vector<int> take_all(Pending& pending, SigSet wanted = SigSet::all()) {
  std::vector<int> taken;
  while (const auto info = pending.take(wanted)) taken.push_back(info->si_signo);
  return taken;
}

}  // namespace

TEST_CASE("nothing is pending at first") {
  Pending pending;
  CHECK(pending.set().empty());
  CHECK(pending.size() == 0);
  CHECK_FALSE(pending.take(SigSet::all()));
  CHECK_FALSE(pending.take_fault(SigSet::all()));
}

TEST_CASE("the lowest number comes first, whatever came first") {
  Pending pending;
  for (int sig : {SIGTERM, kRealtime, SIGHUP, SIGUSR1, 64}) CHECK(pending.add(info_of(sig)));
  CHECK(take_all(pending) == std::vector<int>{SIGHUP, SIGUSR1, SIGTERM, kRealtime, 64});
  CHECK(pending.set().empty());
}

TEST_CASE("synchronous signals come before lower numbers") {
  Pending pending;
  for (int sig : {SIGHUP, SIGINT, SIGSEGV, SIGBUS}) pending.add(info_of(sig));
  CHECK(take_all(pending) == std::vector<int>{SIGBUS, SIGSEGV, SIGHUP, SIGINT});
}

TEST_CASE("a standard signal is pending once, with the first one's information") {
  Pending pending;
  CHECK(pending.add(info_of(SIGUSR1, SI_QUEUE, 1)));
  CHECK_FALSE(pending.add(info_of(SIGUSR1, SI_QUEUE, 2)));
  CHECK(pending.size() == 1);
  CHECK(pending.take(SigSet::all())->si_int == 1);
  CHECK_FALSE(pending.take(SigSet::all()));
  CHECK(pending.add(info_of(SIGUSR1, SI_QUEUE, 3)));
}

TEST_CASE("real-time signals queue in order, 32 and 33 too") {
  const int sig = GENERATE(32, 33, kRealtime, 64);
  Pending pending;
  for (int value = 0; value < 3; ++value) CHECK(pending.add(info_of(sig, SI_QUEUE, value)));
  CHECK(pending.size() == 3);
  for (int value = 0; value < 3; ++value) {
    CHECK(pending.set() == SigSet::of(sig));
    CHECK(pending.take(SigSet::all())->si_int == value);
  }
  CHECK(pending.set().empty());
}

TEST_CASE("each POSIX timer has an entry of its own") {
  Pending pending;
  CHECK(pending.add(info_of(SIGALRM, SI_TIMER)));
  CHECK(pending.add(info_of(SIGALRM, SI_TIMER)));
  CHECK(pending.take(SigSet::all()));
  CHECK(pending.set() == SigSet::of(SIGALRM));
  CHECK(pending.take(SigSet::all()));
  CHECK(pending.set().empty());
}

TEST_CASE("only wanted signals are taken") {
  Pending pending;
  for (int sig : {SIGHUP, SIGUSR1, SIGSEGV}) pending.add(info_of(sig));
  CHECK(take_all(pending, SigSet::of(SIGUSR1)) == std::vector<int>{SIGUSR1});
  CHECK(pending.set() == (SigSet::of(SIGHUP) | SigSet::of(SIGSEGV)));
}

TEST_CASE("a fault is what an instruction raised, the oldest first") {
  Pending pending;
  pending.add(info_of(SIGHUP));
  pending.add(info_of(SIGBUS, SI_USER));  // from kill(2)
  pending.add(info_of(SIGSEGV, SEGV_MAPERR));
  pending.add(info_of(SIGFPE, FPE_INTDIV));
  CHECK_FALSE(pending.take_fault(~(SigSet::of(SIGSEGV) | SigSet::of(SIGFPE))));
  CHECK(pending.take_fault(SigSet::all())->si_signo == SIGSEGV);
  CHECK(pending.take_fault(SigSet::all())->si_signo == SIGFPE);
  CHECK_FALSE(pending.take_fault(SigSet::all()));
  CHECK(take_all(pending) == std::vector<int>{SIGBUS, SIGHUP});
}

TEST_CASE("discard drops every instance and nothing else") {
  Pending pending;
  for (int value = 0; value < 3; ++value) pending.add(info_of(kRealtime, SI_QUEUE, value));
  pending.add(info_of(SIGTSTP));
  pending.add(info_of(SIGUSR1));
  pending.discard(SigSet::of(kRealtime) | SigSet::of(SIGTSTP) | SigSet::of(SIGHUP));
  CHECK(pending.set() == SigSet::of(SIGUSR1));
  CHECK(pending.size() == 1);
  pending.discard(SigSet::all());
  CHECK(pending.set().empty());
  CHECK(pending.size() == 0);
}
