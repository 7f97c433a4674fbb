// PollMask: readiness bits with the values of poll(2) and epoll_ctl(2), which agree on x86-64.
#pragma once

#include <cstdint>

namespace detent::waitq {

using PollMask = std::uint32_t;

inline constexpr PollMask kIn = 0x001;
inline constexpr PollMask kPri = 0x002;
inline constexpr PollMask kOut = 0x004;
inline constexpr PollMask kErr = 0x008;
inline constexpr PollMask kHup = 0x010;
inline constexpr PollMask kNval = 0x020;
inline constexpr PollMask kRdNorm = 0x040;
inline constexpr PollMask kRdBand = 0x080;
inline constexpr PollMask kWrNorm = 0x100;
inline constexpr PollMask kWrBand = 0x200;
inline constexpr PollMask kMsg = 0x400;
inline constexpr PollMask kRdHup = 0x2000;
/// Every event a poller can be interested in.
inline constexpr PollMask kAllEvents = 0x27ff;
/// For WaitQueue::notify: something happened, and what is not told (wake_up() without a key).
inline constexpr PollMask kUntold = kAllEvents;
/// Reported whether asked for or not.
inline constexpr PollMask kAlways = kErr | kHup;

}  // namespace detent::waitq
