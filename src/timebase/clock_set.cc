#include "timebase/clock_set.h"

#include <limits>

#include "detent/assert.h"

namespace detent::timebase {
namespace {

constexpr std::size_t slot(Base base) { return static_cast<std::size_t>(base); }

void move(std::int64_t& offset, Duration by) { offset = saturating_add(offset, by.ns()); }

}  // namespace

ClockSet::ClockSet(ClockSource& source, Instant<Realtime> realtime, Instant<Boottime> boottime)
    : source_(&source) {
  const std::int64_t start = source.now().ns();
  offsets_[slot(Base::kRealtime)] = saturating_sub(realtime.ns(), start);
  offsets_[slot(Base::kBoottime)] = saturating_sub(boottime.ns(), start);
  offsets_[slot(Base::kTai)] = offsets_[slot(Base::kRealtime)];
}

std::int64_t ClockSet::now(Base base) { return saturating_add(monotonic().ns(), offset(base)); }

Instant<Monotonic> ClockSet::to_monotonic(Base base, std::int64_t when) const {
  if (when == std::numeric_limits<std::int64_t>::max()) return Instant<Monotonic>::max();
  return Instant<Monotonic>::from_ns(saturating_sub(when, offset(base)));
}

void ClockSet::step_realtime(Duration by) {
  ++settings_;
  move_realtime(by);
}

void ClockSet::leap(std::int32_t seconds) {
  tai_seconds_ -= seconds;
  move(offsets_[slot(Base::kRealtime)], Duration::seconds(seconds));
  notify();
}

void ClockSet::move_realtime(Duration by) {
  if (by == Duration()) return;
  move(offsets_[slot(Base::kRealtime)], by);
  move(offsets_[slot(Base::kTai)], by);
  notify();
}

void ClockSet::set_tai_offset(std::int32_t seconds) {
  tai_seconds_ = seconds;
  offsets_[slot(Base::kTai)] = offset(Base::kRealtime);
  move(offsets_[slot(Base::kTai)], Duration::seconds(seconds));
}

void ClockSet::suspend(Duration length) {
  DETENT_ASSERT(length >= Duration());
  move(offsets_[slot(Base::kBoottime)], length);
  move_realtime(length);
}

void ClockSet::set_frequency(Frequency by_guest) {
  if (by_guest == by_guest_) return;
  by_guest_ = by_guest;
  apply_frequency({by_guest_.parts + from_outside_.parts});
}

void ClockSet::set_slew(Frequency from_outside) {
  if (from_outside == from_outside_) return;
  from_outside_ = from_outside;
  apply_frequency({by_guest_.parts + from_outside_.parts});
}

void ClockSet::apply_frequency(Frequency total) {
  if (source_->set_frequency(total)) return;
  source_ = &slewed_.emplace(*source_, 1.0);
  static_cast<void>(source_->set_frequency(total));
  notify();
}

void ClockSet::set_raw_offset(std::int64_t ns) {
  raw_offset_ = saturating_add(ns, saturating_sub(monotonic().ns(), source_->raw()));
}

void ClockSet::add_listener(JumpListener& listener) {
  DETENT_ASSERT(!listener.is_linked());
  listeners_.push_back(listener);
}

void ClockSet::notify() {
  for (auto next = listeners_.begin(); next != listeners_.end();) {
    // Stepped first: the listener may unlink itself.
    JumpListener& listener = *next++;
    listener.on_jump();
  }
}

}  // namespace detent::timebase
