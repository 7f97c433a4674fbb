#include "emu/sched/turns.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <ctime>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/interrupts.h"
#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/sched/host_process.h"
#include "emu/sched/session_page.h"

namespace detent::sched {

using arch::host_call;

namespace {

// Virtual time for which a process runs on while others have something to do.
constexpr Duration kQuantum = Duration::milliseconds(1);
// How long a process sleeps before it looks whether the holder still lives.
constexpr long kPatience = 100'000'000;  // ns
// So often in a row it may be found asleep in the host, where it waits for something that needs us.
constexpr unsigned kSleepingLooks = 20;

constexpr std::uint32_t kNobody = 0;
std::uint32_t offered(int slot) { return static_cast<std::uint32_t>(slot + 1) << 1; }
std::uint32_t taken(int slot) { return offered(slot) | 1; }
int slot_of(std::uint32_t baton) { return static_cast<int>(baton >> 1) - 1; }

// While alive, the holder sleeps in the host for a good reason.
class WaitScope {
 public:
  explicit WaitScope(std::atomic<std::uint32_t>& waits)
      : waits_(waits), before_(waits.exchange(1)) {}
  ~WaitScope() { waits_ = before_; }
  WaitScope(const WaitScope&) = delete;
  WaitScope& operator=(const WaitScope&) = delete;

 private:
  std::atomic<std::uint32_t>& waits_;
  std::uint32_t before_;  // they nest
};

}  // namespace

Session::Slot& Turns::slot(int index) const {
  return session_.page_->slots[static_cast<std::size_t>(index)];
}

bool Turns::is_holder() const { return session_.page_->baton == taken(session_.slot()); }

void Turns::create() {
  const arch::KernelFdRoom room;
  const auto fd = static_cast<int>(host_call(SYS_epoll_create1, EPOLL_CLOEXEC).value());
  watch_fd_ = arch::to_kernel_fd(fd).value();
  session_.page_->baton = taken(session_.slot());
  run();
}

void Turns::attach(int watch_fd) {
  watch_fd_ = watch_fd;
  release_lender();
  if (!is_holder()) acquire();
  run();
}

// Edge-triggered: an event that its process has not taken yet is told once.
void Turns::add_poller(int epoll_fd) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  host_call(SYS_epoll_ctl, watch_fd_, EPOLL_CTL_ADD, epoll_fd, &event).value();
}

void Turns::start() {
  acquire();
  run();
}

void Turns::lend() { own().lent = 1; }

void Turns::borrow(int lender) {
  own().lender = lender + 1;
  std::uint32_t expected = taken(lender);
  if (!session_.page_->baton.compare_exchange_strong(expected, taken(session_.slot()))) acquire();
  run();
}

void Turns::take_back() {
  own().lent = 0;
  if (!is_holder()) acquire();
  run();
}

// The parent of a vfork goes on, from its next turn.
void Turns::release_lender() {
  const std::int32_t lender = own().lender.exchange(0);
  if (lender != 0) slot(lender - 1).lent = 0;
}

std::int64_t Turns::next_end() {
  std::int64_t end = session_.page_->now + kQuantum.ns();
  for (int i = 0; i < session_.page_->used; ++i) {
    const Session::Slot& other = slot(i);
    const bool sleeps = other.pid > 0 && other.idle != 0 && other.stopped == 0 && other.lent == 0;
    if (sleeps && i != session_.slot()) end = std::min<std::int64_t>(end, other.deadline);
  }
  return end;
}

void Turns::run() {
  own().idle = 0;
  ++session_.page_->activity;
  end_ = next_end();
}

void Turns::yield() {
  pass();
  run();
}

void Turns::rest(std::int64_t deadline, std::uint32_t waits_for) {
  own().deadline = deadline;
  own().waits_for = waits_for;
  own().idle = 1;
  looked();
}

void Turns::looked() { own().looked = session_.page_->activity.load(); }

bool Turns::has_something_to_do(int index) const {
  const Session::Slot& other = slot(index);
  return other.idle == 0 || other.attention != 0 || other.looked != session_.page_->activity ||
         other.deadline <= session_.page_->now;
}

// False for slots without a process, and for processes that cannot take a turn now.
bool Turns::takes_part(int index) {
  Session::Slot& other = slot(index);
  if (other.pid <= 0 || other.lent != 0) return false;
  if (session_.gone(index)) {
    const WaitScope waiting(session_.page_->waits);
    await_end(other.pid);
    session_.release_slot(index);
    ++session_.page_->activity;
    return false;
  }
  if (other.stopped != 0 && life_of(other.pid) == Life::kStopped) return false;
  other.stopped = 0;
  return true;
}

// The first slot after the own one, in a circle, that takes part and passes `test`; -1: none.
template <class Test>
int Turns::next_slot(Test test) {
  const int used = session_.page_->used;
  for (int step = 1; step < used; ++step) {
    const int index = (session_.slot() + step) % used;
    if (test(index) && takes_part(index)) return index;
  }
  return -1;
}

bool Turns::pass() {
  const int next = next_slot([this](int index) { return has_something_to_do(index); });
  if (next >= 0) {
    give(next);
  } else if (is_holder()) {
    return false;
  }
  acquire();
  return true;
}

void Turns::give(int next) {
  std::uint32_t mine = taken(session_.slot());
  if (!session_.page_->baton.compare_exchange_strong(mine, offered(next))) return;
  ++slot(next).call;
  static_cast<void>(host_call(SYS_futex, &slot(next).call, FUTEX_WAKE, 1));
}

void Turns::acquire() {
  for (unsigned looks = 0;;) {
    const std::uint32_t call = own().call;
    if (try_take()) break;
    sleep_until_called(call, looks);
  }
  own().attention = 0;
  finish_leaving();
}

// Before the baton is taken comes a host call: what was sent to this process before acts at its end,
// a stop as well as a signal that is recorded.
bool Turns::try_take() {
  std::uint32_t baton = session_.page_->baton;
  if (baton != kNobody && baton != offered(session_.slot())) return is_holder();
  static_cast<void>(host_call(SYS_getpid));
  return session_.page_->baton.compare_exchange_strong(baton, taken(session_.slot()));
}

void Turns::sleep_until_called(std::uint32_t call, unsigned& looks) {
  const timespec span{0, kPatience};
  const auto sleep =
      arch::interrupt_pending() ? arch::host_syscall : arch::host_syscall_interruptible;
  const long answer =
      sleep(SYS_futex, arch::host_arg(&own().call), FUTEX_WAIT, call, arch::host_arg(&span), 0, 0);
  const bool wants_turn = arch::interrupt_pending() || own().idle == 0;
  if (wants_turn && own().attention.exchange(1) == 0 && session_.page_->waits != 0) {
    const std::uint64_t one = 1;
    host_call(SYS_write, session_.doorbell(), &one, sizeof(one)).value();
  }
  if (answer == -ETIMEDOUT) check_holder(looks);
}

// Called now and then while the turn does not come: takes the baton from who will not give it. Not
// repeatable, as what has made it necessary is not.
void Turns::check_holder(unsigned& looks) {
  std::uint32_t baton = session_.page_->baton;
  const int holder = slot_of(baton);
  if (holder < 0 || holder == session_.slot()) return;
  Session::Slot& other = slot(holder);
  const Life life = session_.gone(holder) ? Life::kGone
                    : other.pid > 0       ? life_of(other.pid)
                                          : Life::kRunning;
  looks = life == Life::kSleeping && session_.page_->waits == 0 ? looks + 1 : 0;
  if (life != Life::kGone && life != Life::kStopped && looks < kSleepingLooks) return;
  if (life == Life::kStopped) other.stopped = 1;
  if (!session_.page_->baton.compare_exchange_strong(baton, offered(session_.slot()))) return;
  session_.page_->waits = 0;
  if (life == Life::kGone) session_.page_->leaving = holder + 1;
  session_.page_->leaving_stops = 0;
  ++session_.page_->activity;
}

// Who held the baton before is about to end or stop: its effects on others come before anything else.
void Turns::finish_leaving() {
  Session::Page& page = *session_.page_;
  const int leaving = page.leaving - 1;
  if (leaving < 0) return;
  Session::Slot& other = slot(leaving);
  const WaitScope waiting(page.waits);
  if (page.leaving_stops != 0) {
    await_stop(other.pid, other.stopped);
  } else {
    await_end(other.pid);
    session_.release_slot(leaving);
  }
  page.leaving = 0;
  ++page.activity;
}

std::optional<std::int64_t> Turns::next_deadline() {
  for (;;) {
    int first = -1;
    for (int i = 0; i < session_.page_->used; ++i) {
      const Session::Slot& other = slot(i);
      const bool waits = other.pid > 0 && other.stopped == 0 && other.lent == 0;
      if (!waits || other.deadline == Session::kNever) continue;
      if (first < 0 || other.deadline < slot(first).deadline) first = i;
    }
    if (first < 0) return std::nullopt;
    if (first == session_.slot() || takes_part(first)) return slot(first).deadline;
  }
}

std::uint32_t Turns::waits_for() const {
  std::uint32_t all = 0;
  for (int i = 0; i < session_.page_->used; ++i) {
    if (slot(i).pid > 0) all |= slot(i).waits_for;
  }
  return all;
}

void Turns::disturb() { ++session_.page_->activity; }

bool Turns::await_outside(std::optional<Duration> timeout) {
  timespec span{};
  if (timeout) {
    span.tv_sec = timeout->ns() / kNanosPerSecond;
    span.tv_nsec = timeout->ns() % kNanosPerSecond;
  }
  pollfd entry{watch_fd_, POLLIN, 0};
  long ready = 1;
  {
    // A signal that comes to a process from now on makes it write to the doorbell; one that came before is
    // seen here.
    const WaitScope waiting(session_.page_->waits);
    const auto may_act = [this](int index) { return has_something_to_do(index); };
    if (next_slot(may_act) < 0) {
      ready = arch::host_syscall_interruptible(SYS_ppoll, arch::host_arg(&entry), 1,
                                               timeout ? arch::host_arg(&span) : 0, 0, 8);
    }
  }
  if (ready == 0) return false;
  std::array<epoll_event, 64> events;
  static_cast<void>(
      host_call(SYS_epoll_pwait, watch_fd_, events.data(), events.size(), 0, nullptr, 8));
  disturb();
  return true;
}

void Turns::leave(Leaving how) {
  if (!active()) return;
  Session::Page& page = *session_.page_;
  release_lender();
  own().deadline = Session::kNever;
  own().waits_for = 0;
  own().idle = 1;
  own().stopped = how == Leaving::kStop ? 1 : 0;
  if (!is_holder()) return;
  ++page.activity;
  page.leaving_stops = how == Leaving::kStop ? 1 : 0;
  page.leaving = session_.slot() + 1;
  const int next = next_slot([](int) { return true; });
  if (next >= 0) return give(next);
  page.leaving = 0;
  page.baton = kNobody;
}

void Turns::come_back() {
  if (!active()) return;
  own().stopped = 0;
  own().idle = 0;
  acquire();
  run();
}

std::vector<int> Turns::reached_by(int target) const {
  std::vector<int> pids;
  if (!active()) return pids;
  const long group = target == 0 ? host_call(SYS_getpgid, 0).value() : -std::int64_t{target};
  for (int i = 0; i < session_.page_->used; ++i) {
    const int pid = slot(i).pid;
    if (pid <= 0 || i == session_.slot()) continue;
    const auto in_group = [&] {
      const Result<long> found = host_call(SYS_getpgid, pid);
      return found.ok() && found.value() == group;
    };
    if (target == pid || target == -1 || (target <= 0 && in_group())) pids.push_back(pid);
  }
  return pids;
}

void Turns::await_signal(int sig, const std::vector<int>& pids) {
  const WaitScope waiting(session_.page_->waits);
  for (int i = 0; i < session_.page_->used; ++i) {
    const int pid = slot(i).pid;
    if (std::ranges::find(pids, pid) == pids.end()) continue;
    if (sig == SIGKILL) await_end(pid);
    if (sig == SIGCONT) await_sleep(pid);
    if (sig != SIGSTOP) continue;
    slot(i).stopped = 1;
    await_stop(pid, slot(i).stopped);
  }
}

}  // namespace detent::sched
