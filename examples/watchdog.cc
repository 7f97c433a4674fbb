// A timer of detent's core in a program of your own: a watchdog that has to be fed. Built by Meson as
// `example-watchdog`; runs as a test.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "detent/hrtimer.h"

using detent::Duration;
using detent::HrTimerCall;
using detent::HrTimerRestart;
using detent::Monotonic;

namespace {

// Checks every second whether it was fed since; gives up after three barks.
class Watchdog {
 public:
  explicit Watchdog(detent::TimerService& service) : timer(service, *this) {}
  void feed() { fed_ = true; }
  [[nodiscard]] int barks() const { return barks_; }

 private:
  HrTimerRestart on_timer(HrTimerCall<Monotonic>& call) {
    const bool hungry = !fed_;
    fed_ = false;
    if (hungry)
      std::printf("%.1f s: hungry (bark %d)\n", static_cast<double>(call.now().ns()) / 1e9,
                  ++barks_);
    if (barks_ == 3) return HrTimerRestart::kNoRestart;
    call.forward_now(Duration::seconds(1));
    return HrTimerRestart::kRestart;
  }

  bool fed_ = false;
  int barks_ = 0;

 public:
  detent::HrTimer<&Watchdog::on_timer> timer;
};

}  // namespace

int main() {
  const auto service = detent::TimerService::with_virtual_time();
  Watchdog dog(*service);
  {
    const auto handle = dog.timer.start_after(Duration::seconds(1));
    for (int i = 0; i < 10; ++i) {
      if (i < 5) handle.target().feed();
      service->run_until(service->now() + Duration::milliseconds(900));
    }
    std::printf("armed: %s\n", handle.timer().is_armed() ? "yes" : "no");
  }  // the handle's end cancels
  return dog.barks() == 3 ? EXIT_SUCCESS : EXIT_FAILURE;
}
