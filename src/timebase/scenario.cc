#include "timebase/scenario.h"

#include <algorithm>

namespace detent::timebase {

void Scenario::start(const TimeEvents& events) {
  const std::int64_t now = clocks_.monotonic().ns();
  for (std::uint32_t i = 0; i < events.count; ++i) {
    TimeEvent event = events.list[i];
    if (event.when == TimeEvent::When::kSinceStart) {
      event.when = TimeEvent::When::kMonotonic;
      event.at = saturating_add(event.at, now);
    }
    arm(events_.emplace_back(*this, event));
  }
}

TimeEvents Scenario::pending() {
  TimeEvents left;
  const auto add = [&](const TimeEvent& event) {
    if (left.count < TimeEvents::kCapacity) left.list[left.count++] = event;
  };
  if (asleep_ > Duration()) {
    add({TimeEvent::Kind::kSuspend, TimeEvent::When::kMonotonic, clocks_.monotonic().ns(),
         asleep_.ns()});
  }
  for (const EventTimer& timer : events_) {
    if (!timer.happened()) add(timer.event());
  }
  return left;
}

void Scenario::rearm() {
  for (EventTimer& timer : events_) {
    if (!timer.happened()) arm(timer);
  }
}

bool Scenario::on_idle() {
  if (asleep_ == Duration()) return false;
  sleep_on();
  return true;
}

void Scenario::EventTimer::on_expire() {
  happened_ = true;
  scenario_.happen(event_);
}

void Scenario::arm(EventTimer& timer) {
  const bool on_realtime = timer.event().when == TimeEvent::When::kRealtime;
  timers_.arm(timer, on_realtime ? Base::kRealtime : Base::kMonotonic, timer.event().at);
}

void Scenario::happen(const TimeEvent& event) {
  switch (event.kind) {
    case TimeEvent::Kind::kStep:
      // As clock_settime(2): REALTIME never shows less than MONOTONIC (do_settimeofday64()).
      clocks_.step_realtime(
          Duration::nanoseconds(std::max(event.amount, -clocks_.offset(Base::kRealtime))));
      break;
    case TimeEvent::Kind::kSlew:
      clocks_.set_slew(Frequency::from_ppb(event.amount));
      break;
    case TimeEvent::Kind::kSuspend:
      asleep_ = asleep_ + Duration::nanoseconds(event.amount);
      sleep_on();
      break;
  }
}

// To the next ALARM timer, or to the end. An event of ours inside the suspend, on REALTIME, waits for the
// next stretch: a sleeping machine sets no clock.
void Scenario::sleep_on() {
  Duration stretch = asleep_;
  if (const auto alarm = timers_.next_alarm()) {
    stretch = std::clamp(*alarm - clocks_.monotonic(), Duration(), asleep_);
  }
  asleep_ = asleep_ - stretch;
  clocks_.suspend(stretch);
}

}  // namespace detent::timebase
