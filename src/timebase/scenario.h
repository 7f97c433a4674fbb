// Scenario: lets the events that a user asked for (--step, --slew, --suspend) happen to a ClockSet.
//
// Each event is a timer, so it comes in its place among all timers: what is due before it fires before it.
// A suspend freezes MONOTONIC and moves the other clocks. If ALARM timers are due inside of it, it is
// cut in stretches, as on a machine that goes back to sleep as soon as nobody works:
//
//   suspend 8h ---- ALARM due after 1h: clocks +1h, it fires, tasks run ... idle ---- clocks +7h
//
// Who calls: the kernel at start, after fork, before execve; the scheduler's idle path.
// Source: timekeeping_inject_sleeptime64(), kernel/time/alarmtimer.c alarmtimer_suspend().
#pragma once

#include <cstdint>
#include <deque>

#include "detent/time_event.h"
#include "timebase/timer_queue.h"

namespace detent::timebase {

class Scenario {
 public:
  /// Both outlive the scenario.
  Scenario(ClockSet& clocks, TimerQueue& timers) : clocks_(clocks), timers_(timers) {}
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;

  /// Arms `events`. kSinceStart counts from the present instant.
  void start(const TimeEvents& events);
  /// What has not happened yet, for the next image: never kSinceStart.
  [[nodiscard]] TimeEvents pending();
  /// After TimerQueue::clear(), in a forked child: arms again what has not happened yet.
  void rearm();
  /// Nothing can run: a machine that was woken out of a suspend sleeps on. True if clocks moved.
  bool on_idle();

 private:
  class EventTimer final : public Timer {
   public:
    EventTimer(Scenario& scenario, const TimeEvent& event) : scenario_(scenario), event_(event) {}
    ~EventTimer() override { scenario_.timers_.cancel(*this); }
    [[nodiscard]] const TimeEvent& event() const { return event_; }
    [[nodiscard]] bool happened() const { return happened_; }

   private:
    void on_expire() override;
    Scenario& scenario_;
    TimeEvent event_;
    bool happened_ = false;
  };

  void arm(EventTimer& timer);
  void happen(const TimeEvent& event);
  void sleep_on();

  ClockSet& clocks_;
  TimerQueue& timers_;
  std::deque<EventTimer> events_;  // a deque, since timers do not move
  Duration asleep_;                // what is left of suspends that ALARM timers interrupted
};

}  // namespace detent::timebase
