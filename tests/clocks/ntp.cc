// adjtimex(2) beyond rates: phase offsets, error bounds, leap seconds, and what setting the clock ends. The
// expected figures are those of kernel/time/ntp.c and timekeeping.c, since a native run would change the
// machine's clock. The guests that cross the end of a day start 10 s before it (run_clocks.py).
#include "clocks_test.h"

using namespace abi;
using namespace clocks;

namespace {

constexpr int64_t kMidnight = 1483228800 * kSecond;  // 2017-01-01T00:00:00Z, after a leap second

bool Near(int64_t got, int64_t want, int64_t by = kMs) {
  return got >= want - by && got <= want + by;
}

// With a status, the error bound starts at 0: at its limit the clock would be wrong again a second later.
timex Ask(unsigned modes = 0, int status = 0) {
  timex request = {};
  request.modes = modes | ((modes & ADJ_STATUS) != 0 ? ADJ_MAXERROR : 0);
  request.status = status;
  CHECK_GE(adjtimex(&request), 0);
  return request;
}

int State() {
  timex request = {};
  return adjtimex(&request);
}

// To an instant of REALTIME that is passed once: by a clock that no leap second moves.
void SleepToReal(int64_t real) { Sleep(real - Now(CLOCK_REALTIME)); }

}  // namespace

TEST(a_leap_second_is_inserted) {
  CHECK_EQ(State(), TIME_ERROR);  // nobody has said yet that the clock is right
  Ask(ADJ_STATUS, STA_INS);
  CHECK_EQ(State(), TIME_OK);
  SleepToReal(kMidnight - 5 * kSecond);
  CHECK_EQ(State(), TIME_INS);
  TimerFd cancelled(CLOCK_REALTIME), at_midnight(CLOCK_REALTIME), relative(CLOCK_REALTIME);
  CHECK_OK(cancelled.Set(kMidnight + kHour, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET));
  CHECK_OK(at_midnight.Set(kMidnight, TFD_TIMER_ABSTIME));
  CHECK_OK(relative.Set(kMidnight - Now(CLOCK_REALTIME)));
  SleepToReal(kMidnight - kSecond / 2);
  const Clocks before;
  CHECK_EQ(State(), TIME_INS);
  Sleep(kSecond);
  const Clocks d = Clocks() - before;
  CHECK_EQ(d.realtime, d.monotonic - kSecond);
  CHECK_EQ(d.boottime, d.monotonic);
  CHECK_EQ(d.tai, d.monotonic);
  CHECK(Near(Now(CLOCK_REALTIME), kMidnight - kSecond / 2));
  timex during = {};
  CHECK_EQ(adjtimex(&during), TIME_OOP);
  CHECK_EQ(during.tai, 1);
  CHECK_EQ(cancelled.Read(), -ECANCELED);
  CHECK(!at_midnight.Readable());
  CHECK(relative.Readable());
  CHECK(at_midnight.Readable(-1));
  CHECK(Near(Now(CLOCK_REALTIME), kMidnight));
  CHECK_EQ(State(), TIME_WAIT);
  for (int i = 0; i < 12; ++i) {  // three days: there is one leap second
    Sleep(6 * kHour);
    Ask(ADJ_MAXERROR);
  }
  CHECK_EQ(State(), TIME_WAIT);
  CHECK_EQ(Ask(ADJ_STATUS).tai, 1);
  Sleep(kSecond);
  CHECK_EQ(State(), TIME_OK);
}

TEST(a_leap_second_is_deleted) {
  Ask(ADJ_STATUS, STA_DEL);
  SleepToReal(kMidnight - 3 * kSecond / 2);
  CHECK_EQ(State(), TIME_DEL);
  const Clocks before;
  TimerFd at_midnight(CLOCK_REALTIME);
  CHECK_OK(at_midnight.Set(kMidnight, TFD_TIMER_ABSTIME));
  CHECK(at_midnight.Readable(-1));
  const Clocks d = Clocks() - before;
  CHECK(Near(d.monotonic, kSecond / 2));  // 23:59:59 was left out
  CHECK_EQ(d.realtime, d.monotonic + kSecond);
  CHECK_EQ(d.tai, d.monotonic);
  timex after = {};
  CHECK_EQ(adjtimex(&after), TIME_WAIT);
  CHECK_EQ(after.tai, -1);
}

TEST(a_leap_second_may_be_called_off) {
  Ask(ADJ_STATUS, STA_INS);
  SleepToReal(kMidnight - 5 * kSecond);
  CHECK_EQ(State(), TIME_INS);
  Ask(ADJ_STATUS);
  CHECK_EQ(State(), TIME_INS);
  Sleep(kSecond);
  CHECK_EQ(State(), TIME_OK);
  const Clocks before;
  Sleep(10 * kSecond);
  const Clocks d = Clocks() - before;
  CHECK_EQ(d.realtime, d.monotonic);
}

TEST(a_clock_that_is_set_has_no_leap_second) {
  Ask(ADJ_STATUS, STA_INS);
  Sleep(2 * kSecond);
  CHECK_EQ(State(), TIME_INS);
  const timespec when = FromNs(kMidnight - 5 * kSecond);
  CHECK_OK(clock_settime(CLOCK_REALTIME, &when));
  CHECK_EQ(State(), TIME_ERROR);
  const Clocks before;
  Sleep(10 * kSecond);
  const Clocks d = Clocks() - before;
  CHECK_EQ(d.realtime, d.monotonic);
  CHECK_EQ(Ask().tai, 0);
}

// argv: --child, MONOTONIC and REALTIME before the exec.
int AbiChildMain(int, char** argv) {
  if (State() != TIME_INS) return 1;
  Sleep(20 * kSecond);
  const int64_t mono = Now() - atoll(argv[2]), real = Now(CLOCK_REALTIME) - atoll(argv[3]);
  if (!Near(real, mono - kSecond)) return 2;
  return State() == TIME_WAIT ? 42 : 3;
}

TEST(a_leap_second_survives_exec_and_fork) {
  Ask(ADJ_STATUS, STA_INS);
  Sleep(2 * kSecond);
  const int status = ChildStatus([] {
    CHECK_EQ(State(), TIME_INS);
    char mono[32], real[32];
    snprintf(mono, sizeof mono, "%lld", static_cast<long long>(Now()));
    snprintf(real, sizeof real, "%lld", static_cast<long long>(Now(CLOCK_REALTIME)));
    execl("/proc/self/exe", "guest", "--child", mono, real, static_cast<char*>(nullptr));
    return 9;
  });
  CHECK_EQ(WEXITSTATUS(status), 42);
}

// A quarter of what is left, each second (time constant 0): in the end the clocks have gained all of it.
TEST(a_phase_offset_is_worked_off) {
  const Clocks before;
  timex request = {};
  request.modes = ADJ_STATUS | ADJ_NANO | ADJ_OFFSET | ADJ_TIMECONST;
  request.status = STA_PLL | STA_FREQHOLD;
  request.offset = 4 * kMs;
  CHECK_GE(adjtimex(&request), 0);
  CHECK(Near(request.offset, 4 * kMs, 1000));
  CHECK_EQ(request.constant, 0);
  SleepToReal((Now(CLOCK_REALTIME) / kSecond + 1) * kSecond + kMs);
  CHECK(Near(Ask().offset, 3 * kMs, 1000));
  Sleep(kSecond);
  CHECK(Near(Ask().offset, 2250000, 1000));
  Sleep(200 * kSecond);
  CHECK(Near(Ask().offset, 0, 1000));
  const Clocks d = Clocks() - before;
  CHECK(Near(d.monotonic - d.raw, 4 * kMs, 10000));
  CHECK_EQ(d.realtime, d.monotonic);
}

TEST(an_offset_without_the_loop_is_ignored) {
  timex request = {};
  request.modes = ADJ_OFFSET;
  request.offset = 1000;
  CHECK_GE(adjtimex(&request), 0);
  CHECK_EQ(request.offset, 0);
}

// The loop turns offset * interval into a frequency: 10 ms after 16 s at time constant 4 is 10 ms * 16 / 2^16
// a second.
TEST(offsets_steer_the_frequency) {
  timex request = {};
  request.modes = ADJ_STATUS | ADJ_NANO | ADJ_OFFSET | ADJ_TIMECONST;
  request.status = STA_PLL;
  request.constant = 4;
  CHECK_GE(adjtimex(&request), 0);
  CHECK_EQ(request.freq, 0);
  Sleep(16 * kSecond);
  request.modes = ADJ_OFFSET;
  request.offset = 10 * kMs;
  CHECK_GE(adjtimex(&request), 0);
  CHECK(Near(request.freq, 10'000'000 * 16 * 65536LL / 65536 / 1000, 1));
  CHECK_EQ(request.status & STA_MODE, 0);
  // Over long intervals the frequency-locked loop takes part: 10 ms / 3000 s / 4, and the PLL's 128 s at most.
  const int64_t before = request.freq;
  Sleep(3000 * kSecond);
  request.offset = kMs;
  CHECK_GE(adjtimex(&request), 0);
  CHECK(request.status & STA_MODE);
  const int64_t fll = kMs * 65536 / 4 / 3000 / 1000, pll = kMs * 128 * 65536LL / 65536 / 1000;
  CHECK(Near(request.freq - before, fll + pll, 2));
  request.modes = ADJ_OFFSET | ADJ_MICRO;
  request.offset = 10'000'000;
  CHECK_GE(adjtimex(&request), 0);
  CHECK(Near(request.offset, 500'000, 1));  // us; half a second is the most
}

TEST(the_error_bound_grows_until_the_clock_is_wrong) {
  timex request = {};
  request.modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR;
  request.status = STA_PLL;
  request.maxerror = 1000;
  request.esterror = 77;
  CHECK_EQ(adjtimex(&request), TIME_OK);
  CHECK_EQ(request.maxerror, 1000);
  Sleep(10 * kSecond);
  const timex later = Ask();
  CHECK_EQ(later.maxerror, 1000 + 10 * 500);
  CHECK_EQ(later.esterror, 77);
  CHECK_EQ(State(), TIME_OK);
  Sleep(9 * kHour);
  CHECK_EQ(Ask().maxerror, 16'000'000);
  CHECK(Ask().status & STA_UNSYNC);
  CHECK_EQ(State(), TIME_ERROR);
}

TEST(setting_the_clock_ends_its_correction) {
  timex request = {};
  request.modes = ADJ_STATUS | ADJ_NANO | ADJ_OFFSET | ADJ_TIMECONST | ADJ_MAXERROR;
  request.status = STA_PLL;
  request.constant = 6;
  request.offset = 100 * kMs;
  CHECK_EQ(adjtimex(&request), TIME_OK);
  const timeval delta = {0, 500000};
  CHECK_OK(adjtime(&delta, nullptr));
  Sleep(5 * kSecond);
  const timespec when = FromNs(Now(CLOCK_REALTIME) + kHour);
  CHECK_OK(clock_settime(CLOCK_REALTIME, &when));
  const timex after = Ask();
  CHECK_EQ(after.offset, 0);
  CHECK_EQ(after.maxerror, 16'000'000);
  CHECK_EQ(after.esterror, 16'000'000);
  CHECK_EQ(after.status, STA_PLL | STA_NANO | STA_UNSYNC);
  CHECK_EQ(State(), TIME_ERROR);
  timeval left = {1, 1};
  CHECK_OK(adjtime(nullptr, &left));
  CHECK_EQ(left.tv_sec * 1000000 + left.tv_usec, 0);
  const Clocks before;
  Sleep(100 * kSecond);
  const Clocks d = Clocks() - before;
  CHECK(Near(d.monotonic - d.raw, 0, 10000));
}

TEST(a_step_from_outside_ends_it_too) {
  Ask(ADJ_STATUS, STA_PLL);
  CHECK_EQ(State(), TIME_OK);
  Sleep(2 * kSecond);
  CHECK_EQ(State(), TIME_ERROR);
}

TEST(a_suspend_is_no_step) {
  Ask(ADJ_STATUS, STA_PLL);
  Sleep(2 * kSecond);
  CHECK_EQ(State(), TIME_OK);
}

TEST(switching_the_loop_off_forgets_the_leap_second) {
  Ask(ADJ_STATUS, STA_PLL | STA_INS);
  Sleep(2 * kSecond);
  CHECK_EQ(State(), TIME_INS);
  Ask(ADJ_STATUS);
  CHECK_EQ(State(), TIME_OK);
}
