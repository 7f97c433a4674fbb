#include "detent/periodic_interval.h"

#include "detent/assert.h"
#include "timebase/setting.h"

namespace detent {

std::uint64_t PeriodicSchedule::take(Instant<Monotonic> now) {
  if (now < next_) return 0;
  if (policy_ == MissedTicks::kBurst) {
    next_ = next_ + period_;
    return 1;
  }
  const timebase::Setting setting{next_.ns(), period_.ns(), true};
  const timebase::Setting::Advance advanced = setting.advance(now.ns());
  next_ = policy_ == MissedTicks::kSkip ? Instant<Monotonic>::from_ns(advanced.setting.next)
                                        : now + period_;
  return advanced.expirations;
}

Result<PeriodicInterval> PeriodicInterval::create(TimerService& service, Duration period,
                                                  MissedTicks policy,
                                                  std::optional<Instant<Monotonic>> first) {
  if (period <= Duration()) return Errno{EINVAL};
  const Instant<Monotonic> begin = first ? *first : service.now() + period;
  return PeriodicInterval(service, PeriodicSchedule(begin, period, policy));
}

PeriodicInterval::PeriodicInterval(TimerService& service, const PeriodicSchedule& schedule)
    : service_(&service), schedule_(schedule), sleeper_(std::make_unique<HrSleeper>(service)) {}

std::uint64_t PeriodicInterval::await() {
  for (;;) {
    if (const std::uint64_t ticks = poll(); ticks != 0) return ticks;
    sleeper_->start(schedule_->next());
    DETENT_ASSERT(sleeper_->wait());
  }
}

}  // namespace detent
