// T01: a timer is disarmed after epoll has reported it, and then read.
//
// Seen in: libinput (the pointer froze until the next timer),
//   https://review.tizen.org/git/?a=commit&h=c2ef1854d82ebd6f484c59759f69dd30b4b3593b&p=platform%2Fupstream%2Flibinput.git
// Bug: epoll_wait returns {device, timer}. The device's handler runs first and disarms (or re-arms)
//   the timer, which also takes back the expiry that was reported. The timer's handler still reads,
//   and its descriptor blocks. Only if the expiry arrives between the device's event and the moment
//   at which the main loop looks are both in one batch, in this order.
// Oracle: a hang: the main thread sleeps in read() of a timer that nobody will arm.
// Fix: TFD_NONBLOCK; EAGAIN means "it did not expire after all".
#include <sys/epoll.h>

#include "race.h"

#ifdef FIXED
enum { kTimerFlags = TFD_NONBLOCK };
#else
enum { kTimerFlags = 0 };
#endif

enum { kReports = 6 };

static const int64_t kTapTime = 180 * NS_PER_MS;
static int device;  // an eventfd plays the touchpad: each report adds one
static int timer;   // runs out if a finger stays down for kTapTime
static int seen;    // reports
static int long_presses;

static void handle_device(void) {
  seen += (int)event_take(device);
  const bool finger_down = seen % 2 == 1;
  timer_set(timer, 0, finger_down ? kTapTime : 0, 0);
}

static void handle_timer(void) {
  if (event_take(timer)) ++long_presses;
}

/// The user: presses, and lets go just when the timer is about to run out.
static void* touch(void* unused) {
  for (int i = 0; i < kReports; ++i) {
    event_add(device, 1);
    work();
    sleep_ns(kTapTime - 2 * NS_PER_US);
  }
  return unused;
}

int main(void) {
  device = eventfd(0, EFD_NONBLOCK);
  timer = timerfd_create(CLOCK_MONOTONIC, kTimerFlags);
  const int loop = epoll_create1(0);
  epoll_ctl(loop, EPOLL_CTL_ADD, device, &(struct epoll_event){EPOLLIN, {.fd = device}});
  epoll_ctl(loop, EPOLL_CTL_ADD, timer, &(struct epoll_event){EPOLLIN, {.fd = timer}});
  const pthread_t user = start(touch, NULL);
  while (seen < kReports) {
    struct epoll_event batch[2];
    const int events = epoll_wait(loop, batch, 2, -1);
    for (int i = 0; i < events; ++i) {
      if (batch[i].data.fd == device) handle_device();
      if (batch[i].data.fd == timer) handle_timer();
    }
  }
  join(user);
  return 0;
}
