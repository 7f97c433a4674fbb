// Clocks that are changed from outside: --epoch, --step, --slew, --suspend, --scenario. The options of
// each test are in run_clocks.py. In virtual time every figure is exact.
#include "clocks_test.h"

using namespace abi;
using namespace clocks;

namespace {

bool Near(int64_t got, int64_t want, int64_t by) { return got >= want - by && got <= want + by; }

}  // namespace

TEST(step_moves_realtime_and_tai_only) {
  const Clocks before;
  Sleep(2 * kSecond);
  const Clocks d = Clocks() - before;
  CHECK_GE(d.monotonic, 2 * kSecond);
  CHECK_EQ(d.raw, d.monotonic);
  CHECK_EQ(d.boottime, d.monotonic);
  CHECK_EQ(d.realtime, d.monotonic - kHour);
  CHECK_EQ(d.tai, d.monotonic - kHour);
}

TEST(step_at_a_date) {
  constexpr int64_t kTwo = 1774746000LL * kSecond;  // 2026-03-29T02:00:00+01:00
  const int64_t start = Now(CLOCK_REALTIME);
  CHECK(start >= kTwo - 10 * kSecond && start < kTwo - 9 * kSecond);
  const int64_t begin = Now();
  const timespec half_past = FromNs(kTwo + kHour / 2);
  CHECK_OK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &half_past, nullptr));
  CHECK(Near(Now(), begin + 10 * kSecond, kSecond));
  CHECK(Near(Now(CLOCK_REALTIME), kTwo + kHour, kSecond));
}

TEST(absolute_waits_follow_a_step_and_relative_ones_do_not) {
  const int64_t real = Now(CLOCK_REALTIME), mono = Now();
  TimerFd absolute(CLOCK_REALTIME), relative(CLOCK_REALTIME);
  CHECK_OK(absolute.Set(real + kHour, TFD_TIMER_ABSTIME));
  CHECK_OK(relative.Set(3 * kSecond));
  CHECK(absolute.Readable(-1));
  CHECK(Near(Now(), mono + kSecond, kMs));
  CHECK(!relative.Readable());
  CHECK(relative.Readable(-1));
  CHECK(Near(Now(), mono + 3 * kSecond, kMs));
}

TEST(steps_cancel_timerfds) {
  TimerFd t(CLOCK_REALTIME, 0);
  const int64_t mono = Now();
  CHECK_OK(t.Set(Now(CLOCK_REALTIME) + kHour, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET));
  CHECK_EQ(t.Read(), -ECANCELED);
  CHECK(Near(Now(), mono + kSecond, kMs));
  CHECK_EQ(t.Read(), -ECANCELED);
  CHECK(Near(Now(), mono + 2 * kSecond, kMs));
  CHECK_EQ(t.Read(), 1);
  CHECK(Near(Now(), mono + kHour, kMs));
}

TEST(suspend_moves_boottime_and_realtime) {
  const Clocks before;
  TimerFd monotonic(CLOCK_MONOTONIC), boottime(CLOCK_BOOTTIME), realtime(CLOCK_REALTIME);
  CHECK_OK(monotonic.Set(5 * kSecond));
  CHECK_OK(boottime.Set(kHour));
  CHECK_OK(realtime.Set(before.realtime + kHour, TFD_TIMER_ABSTIME));
  CHECK(boottime.Readable(-1));
  CHECK(realtime.Readable());
  CHECK(!monotonic.Readable());
  CHECK(Near(Now(), before.monotonic + 3 * kSecond, kMs));
  CHECK(monotonic.Readable(-1));
  CHECK(Near(Now(), before.monotonic + 5 * kSecond, kMs));
  const Clocks d = Clocks() - before;
  CHECK_EQ(d.raw, d.monotonic);
  CHECK_EQ(d.boottime, d.monotonic + 8 * kHour);
  CHECK_EQ(d.realtime, d.monotonic + 8 * kHour);
  CHECK_EQ(d.tai, d.monotonic + 8 * kHour);
}

// The machine wakes for each, at its time, and sleeps on.
TEST(suspend_fires_alarms_in_their_order) {
  const Clocks before;
  TimerFd second(CLOCK_BOOTTIME_ALARM), first(CLOCK_REALTIME_ALARM), plain(CLOCK_BOOTTIME);
  CHECK_OK(second.Set(2 * kHour));
  CHECK_OK(first.Set(before.realtime + kHour, TFD_TIMER_ABSTIME));
  CHECK_OK(plain.Set(kHour + kHour / 2));
  const TimerFd* const order[] = {&first, &second};
  for (int i = 0; i < 2; ++i) {
    pollfd p[] = {{first.fd(), POLLIN, 0}, {second.fd(), POLLIN, 0}};
    CHECK_EQ(poll(p, 2, -1), 1);
    CHECK_EQ(order[i]->Read(), 1);
    CHECK(Near(Now(CLOCK_BOOTTIME), before.boottime + (i + 1) * kHour, kMs));
    CHECK_EQ(plain.Readable(), i == 1);
  }
  CHECK(Near(Now(), before.monotonic + 3 * kSecond, kMs));
  Sleep(kSecond);
  const Clocks d = Clocks() - before;
  CHECK_EQ(d.boottime, d.monotonic + 8 * kHour);
}

TEST(suspend_cancels_timerfds) {
  TimerFd t(CLOCK_REALTIME, 0);
  CHECK_OK(t.Set(Now(CLOCK_REALTIME) + 100 * kHour, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET));
  const int64_t mono = Now();
  CHECK_EQ(t.Read(), -ECANCELED);
  CHECK(Near(Now(), mono + 3 * kSecond, kMs));
}

// While it works the machine stays awake; BOOTTIME goes on from the alarm.
TEST(alarms_of_a_busy_program_end_the_suspend) {
  const Clocks before;
  TimerFd alarm(CLOCK_BOOTTIME_ALARM);
  CHECK_OK(alarm.Set(kHour));
  CHECK(alarm.Readable(-1));
  for (int i = 0; i < 1000; ++i) getppid();
  const Clocks awake = Clocks() - before;
  CHECK(Near(awake.boottime, kHour, 10 * kMs));
  Sleep(kMs);
  const Clocks d = Clocks() - before;
  CHECK_EQ(d.boottime, d.monotonic + 8 * kHour);
}

TEST(slew_bends_all_clocks_but_raw) {
  const Clocks before;
  Sleep(2000 * kSecond);
  const Clocks d = Clocks() - before;
  CHECK_EQ(d.realtime, d.monotonic);
  CHECK_EQ(d.boottime, d.monotonic);
  // 500 ppm over the first 1000 s of MONOTONIC: 1000 s - 1000 s / 1.0005.
  CHECK(Near(d.monotonic - d.raw, 499750125, 2000));
}

TEST(epoch_is_where_realtime_starts) {
  CHECK(Near(Now(CLOCK_REALTIME), 946684799 * kSecond + kSecond / 2, kSecond / 10));
}

TEST(a_scenario_file) {
  constexpr int64_t kEpoch = 1774742400LL * kSecond;  // 2026-03-29T00:00:00Z
  const Clocks before;
  CHECK(Near(before.realtime, kEpoch, kMs * 100));
  Sleep(3 * kSecond);
  const Clocks d = Clocks() - before;
  // Both steps come at 1 s: the first one passes the date of the second.
  CHECK_EQ(d.realtime, d.monotonic + kHour * 3 / 2);
  CHECK_EQ(d.boottime, d.monotonic + kHour * 3 / 2);
}

// argv: --child, and what MONOTONIC, REALTIME and RAW showed before the exec.
int AbiChildMain(int argc, char** argv) {
  if (argc == 3) return Now() >= atoll(argv[2]) ? 42 : 5;
  const int64_t mono = atoll(argv[2]), real = atoll(argv[3]), raw = atoll(argv[4]);
  const int64_t now = Now(), now_real = Now(CLOCK_REALTIME);
  if (!Near(now, mono + 2 * kSecond, 100 * kMs)) return 1;
  if (!Near(now_real - real, now - mono + kHour, kMs)) return 2;
  Sleep(2 * kSecond);
  Sleep(100 * kSecond);
  const int64_t later = Now(), later_real = Now(CLOCK_REALTIME),
                later_raw = Now(CLOCK_MONOTONIC_RAW);
  if (!Near(later_real - real, later - mono + 2 * kHour, kMs)) return 3;
  // 100 ppm over 100 s.
  if (!Near((later - mono) - (later_raw - raw), 10 * kMs, 100000)) return 4;
  return 42;
}

TEST(events_survive_exec) {
  const Clocks before;
  Sleep(2 * kSecond);
  char mono[32], real[32], raw[32];
  snprintf(mono, sizeof mono, "%lld", static_cast<long long>(before.monotonic));
  snprintf(real, sizeof real, "%lld", static_cast<long long>(before.realtime));
  snprintf(raw, sizeof raw, "%lld", static_cast<long long>(before.raw));
  const int status = ChildStatus([&] {
    execl("/proc/self/exe", "guest", "--child", mono, real, raw, static_cast<char*>(nullptr));
    return 9;
  });
  CHECK_EQ(WEXITSTATUS(status), 42);
}

TEST(events_reach_forked_processes) {
  const Clocks before;
  const pid_t child = Spawn([&] {
    Sleep(3 * kSecond);
    const Clocks d = Clocks() - before;
    CHECK(Near(d.realtime, d.monotonic + 2 * kHour, kMs));
    CHECK(Near(d.boottime, d.monotonic + kHour, kMs));
    return 42;
  });
  Sleep(3 * kSecond);
  const Clocks d = Clocks() - before;
  CHECK(Near(d.realtime, d.monotonic + 2 * kHour, kMs));
  CHECK(Near(d.boottime, d.monotonic + kHour, kMs));
  CHECK_EQ(WEXITSTATUS(WaitFor(child)), 42);
}

// Once, an exec put scaled time back to the host's.
TEST(scaled_time_goes_on_over_exec) {
  Sleep(20 * kSecond);
  char mono[32];
  snprintf(mono, sizeof mono, "%lld", static_cast<long long>(Now()));
  const int status = ChildStatus([&] {
    execl("/proc/self/exe", "guest", "--child", mono, static_cast<char*>(nullptr));
    return 9;
  });
  CHECK_EQ(WEXITSTATUS(status), 42);
}

TEST(step_in_real_time) {
  const Clocks before;
  Sleep(kSecond);
  const Clocks d = Clocks() - before;
  CHECK_GE(d.monotonic, kSecond);
  CHECK(Near(d.realtime, d.monotonic - kHour, kSecond));
  CHECK(Near(d.boottime, d.monotonic, kSecond));
}

TEST(suspend_in_real_time) {
  const Clocks before;
  TimerFd alarm(CLOCK_BOOTTIME_ALARM);
  CHECK_OK(alarm.Set(kHour));
  CHECK(alarm.Readable(-1));
  CHECK_GE(Now(CLOCK_BOOTTIME) - before.boottime, kHour);
  Sleep(kSecond);
  const Clocks d = Clocks() - before;
  CHECK(Near(d.boottime, d.monotonic + 2 * kHour, kSecond));
}

// 10 % fast: a lower bound, since the machine may be busy.
TEST(slew_in_real_time) {
  const Clocks before;
  Sleep(kSecond);
  const Clocks d = Clocks() - before;
  CHECK_GE(d.monotonic, kSecond);
  CHECK_GE(d.monotonic * 10, d.raw * 10 + d.raw / 2);
}

TEST(epoch_in_real_time) { CHECK(Near(Now(CLOCK_REALTIME), 86400000 * kSecond, 60 * kSecond)); }
