#include "emu/fd/epoll.h"

#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "emu/arch/x86_64/kernel_fds.h"
#include "emu/fd/eventfd.h"
#include "recorder.h"

namespace detent::fd {
namespace {

using boost::intrusive_ptr;

struct Instance {
  explicit Instance(sched::HostPoller& poller)
      : file(new Epoll(poller, arch::to_kernel_fd(epoll_create1(0)).value())) {}
  Epoll* operator->() const { return file.get(); }
  Epoll& operator*() const { return *file; }
  intrusive_ptr<Epoll> file;
};

epoll_event event(std::uint32_t events, std::uint64_t data = 0) {
  epoll_event result{};
  result.events = events;
  result.data.u64 = data;
  return result;
}

// Errno, or 0.
int control(Epoll& epoll, int op, int fd, File& file, std::uint32_t events) {
  return epoll.control(op, Fd{fd}, file, event(events, static_cast<std::uint64_t>(fd)))
      .error()
      .value;
}
int add(Epoll& epoll, int fd, File& file, std::uint32_t events) {
  return control(epoll, EPOLL_CTL_ADD, fd, file, events);
}

// The data of the collected events, in order.
std::vector<int> wait(Epoll& epoll, std::size_t max = 8) {
  std::array<epoll_event, 8> out;
  waitq::Attempt<std::size_t> tried = epoll.wait(std::span(out).first(max));
  std::vector<int> data;
  if (tried.blocked()) return data;
  const std::size_t count = std::move(tried).result().value();
  for (std::size_t i = 0; i < count; ++i) data.push_back(static_cast<int>(out[i].data.u64));
  return data;
}
using Data = std::vector<int>;

// A waiter as a task in epoll_wait is one: exclusive, in the instance's own queue.
struct Sleeper final : waitq::Waiter {
  explicit Sleeper(Epoll& epoll) : Waiter(waitq::kIn, true) {
    std::array<epoll_event, 8> out;
    const waitq::Attempt<std::size_t> tried = epoll.wait(out);
    REQUIRE(tried.blocked());
    tried.blocked_on().queue->add(*this);
  }
  bool wake(waitq::PollMask) override {
    const bool first = wakes++ == 0;
    return first;
  }
  int wakes = 0;
};

struct Fixture {
  sched::HostPoller poller;
  Instance epoll{poller};
  intrusive_ptr<EventFd> file{new EventFd(0, false)};
};

TEST_CASE_METHOD(Fixture, "a level-triggered member is reported while it is ready", "[epoll]") {
  CHECK(add(*epoll, 3, *file, EPOLLIN) == 0);
  CHECK(wait(*epoll).empty());
  write_count(*file, 1);
  CHECK(wait(*epoll) == Data{3});
  CHECK(wait(*epoll) == Data{3});
  CHECK(read_count(*file) == 1);
  CHECK(wait(*epoll).empty());
}

TEST_CASE_METHOD(Fixture, "a member that is ready when it is added is reported", "[epoll]") {
  write_count(*file, 1);
  CHECK(add(*epoll, 3, *file, EPOLLIN | EPOLLET) == 0);
  CHECK(wait(*epoll) == Data{3});
  CHECK(wait(*epoll).empty());
}

TEST_CASE_METHOD(Fixture, "F9: every write is an edge, also of 0 if there is something",
                 "[epoll]") {
  CHECK(add(*epoll, 3, *file, EPOLLIN | EPOLLET) == 0);
  write_count(*file, 0);
  CHECK(wait(*epoll).empty());  // F9c
  for (int i = 0; i < 5; ++i) {
    write_count(*file, 1);
    CHECK(wait(*epoll) == Data{3});
    CHECK(wait(*epoll).empty());
  }
  write_count(*file, 0);
  CHECK(wait(*epoll) == Data{3});  // F9b
  for (int i = 0; i < 3; ++i) write_count(*file, 1);
  CHECK(wait(*epoll) == Data{3});  // F9d
  CHECK(wait(*epoll).empty());
}

TEST_CASE_METHOD(Fixture, "F10: a modification reports a ready member again", "[epoll]") {
  write_count(*file, 1);
  CHECK(add(*epoll, 3, *file, EPOLLIN | EPOLLET) == 0);
  CHECK(wait(*epoll) == Data{3});
  CHECK(control(*epoll, EPOLL_CTL_MOD, 3, *file, EPOLLIN | EPOLLET) == 0);
  CHECK(wait(*epoll) == Data{3});
}

TEST_CASE_METHOD(Fixture, "F11: a read of a semaphore is no edge for what is left", "[epoll]") {
  const intrusive_ptr<EventFd> semaphore(new EventFd(3, true));
  CHECK(add(*epoll, 3, *semaphore, EPOLLIN | EPOLLET) == 0);
  CHECK(wait(*epoll) == Data{3});
  CHECK(read_count(*semaphore) == 1);
  CHECK(wait(*epoll).empty());
}

TEST_CASE_METHOD(Fixture, "F12: a registration lives as long as the description", "[epoll]") {
  CHECK(add(*epoll, 3, *file, EPOLLIN) == 0);
  intrusive_ptr<EventFd> duplicate = file;
  file.reset();  // close(3)
  const intrusive_ptr<EventFd> other(new EventFd(0, false));
  write_count(*duplicate, 1);
  CHECK(wait(*epoll) == Data{3});
  CHECK(control(*epoll, EPOLL_CTL_DEL, 3, *other, 0) == ENOENT);
  duplicate.reset();
  CHECK(epoll->size() == 0);
  CHECK(wait(*epoll).empty());
}

TEST_CASE_METHOD(Fixture, "F14: ONESHOT reports once until modified", "[epoll]") {
  CHECK(add(*epoll, 3, *file, EPOLLIN | EPOLLONESHOT) == 0);
  write_count(*file, 1);
  CHECK(wait(*epoll) == Data{3});
  write_count(*file, 1);
  CHECK(wait(*epoll).empty());
  CHECK(control(*epoll, EPOLL_CTL_MOD, 3, *file, EPOLLIN | EPOLLONESHOT) == 0);
  CHECK(wait(*epoll) == Data{3});
}

TEST_CASE_METHOD(Fixture, "level-triggered members take turns", "[epoll]") {
  std::vector<intrusive_ptr<EventFd>> files;
  for (int i = 0; i < 3; ++i) {
    files.emplace_back(new EventFd(1, false));
    CHECK(add(*epoll, i, *files.back(), EPOLLIN) == 0);
  }
  CHECK(wait(*epoll, 2) == Data{0, 1});
  CHECK(wait(*epoll, 2) == Data{2, 0});
  CHECK(wait(*epoll, 2) == Data{1, 2});
  CHECK(wait(*epoll) == Data{0, 1, 2});
}

TEST_CASE_METHOD(Fixture, "members are reported in the order of their events", "[epoll]") {
  const intrusive_ptr<EventFd> second(new EventFd(0, false));
  CHECK(add(*epoll, 1, *file, EPOLLIN) == 0);
  CHECK(add(*epoll, 2, *second, EPOLLIN) == 0);
  write_count(*second, 1);
  write_count(*file, 1);
  CHECK(wait(*epoll) == Data{2, 1});
}

TEST_CASE_METHOD(Fixture, "an event that can't be delivered stays first in line", "[epoll]") {
  struct Broken final : EventSink {
    bool put(const epoll_event&) override { return room-- > 0; }
    epoll_event* place(std::size_t) override { return nullptr; }
    void advance(std::size_t) override {}
    int room = 0;
  } sink;
  const intrusive_ptr<EventFd> second(new EventFd(1, false));
  write_count(*file, 1);
  CHECK(add(*epoll, 1, *file, EPOLLIN) == 0);
  CHECK(add(*epoll, 2, *second, EPOLLIN | EPOLLET) == 0);
  CHECK(epoll->wait(8, sink).result().error() == Errno{EFAULT});
  sink.room = 1;
  CHECK(epoll->wait(8, sink).result().value() == 1);
  CHECK(wait(*epoll) == Data{2, 1});
}

TEST_CASE_METHOD(Fixture, "errors of control, in Linux's order", "[epoll]") {
  const intrusive_ptr<EventFd> other(new EventFd(0, false));
  CHECK(control(*epoll, EPOLL_CTL_ADD, 3, *epoll, EPOLLIN) == EINVAL);
  CHECK(control(*epoll, EPOLL_CTL_MOD, 3, *file, EPOLLIN) == ENOENT);
  CHECK(control(*epoll, EPOLL_CTL_DEL, 3, *file, EPOLLIN) == ENOENT);
  CHECK(control(*epoll, 77, 3, *file, EPOLLIN) == EINVAL);
  CHECK(add(*epoll, 3, *file, EPOLLIN) == 0);
  CHECK(add(*epoll, 3, *file, EPOLLIN) == EEXIST);
  CHECK(add(*epoll, 4, *file, EPOLLIN) == 0);  // a duplicate is a member of its own
  CHECK(control(*epoll, EPOLL_CTL_DEL, 3, *other, 0) == ENOENT);
  CHECK(control(*epoll, EPOLL_CTL_DEL, 3, *file, 0) == 0);
  CHECK(epoll->size() == 1);
}

TEST_CASE_METHOD(Fixture, "EXCLUSIVE may be added only, alone, and not to an instance", "[epoll]") {
  const Instance inner(poller);
  CHECK(add(*epoll, 4, *inner, EPOLLIN | EPOLLEXCLUSIVE) == EINVAL);
  CHECK(add(*epoll, 3, *file, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT) == EINVAL);
  CHECK(add(*epoll, 3, *file, EPOLLPRI | EPOLLEXCLUSIVE) == EINVAL);
  CHECK(add(*epoll, 3, *file, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET) == 0);
  CHECK(control(*epoll, EPOLL_CTL_MOD, 3, *file, EPOLLIN | EPOLLEXCLUSIVE) == EINVAL);
  CHECK(control(*epoll, EPOLL_CTL_MOD, 3, *file, EPOLLIN) == EINVAL);
}

TEST_CASE_METHOD(Fixture, "an exclusive wake goes to the first instance that somebody waits on",
                 "[epoll]") {
  const Instance idle(poller);
  const Instance second(poller);
  for (Epoll* each : {&*idle, &*epoll, &*second}) {
    CHECK(add(*each, 3, *file, EPOLLIN | EPOLLEXCLUSIVE) == 0);
  }
  Sleeper first_sleeper(*epoll);
  Sleeper second_sleeper(*second);
  write_count(*file, 1);
  CHECK(first_sleeper.wakes == 1);
  CHECK(second_sleeper.wakes == 0);
}

TEST_CASE_METHOD(Fixture, "one event wakes one of several waiters", "[epoll]") {
  CHECK(add(*epoll, 3, *file, EPOLLIN | EPOLLET) == 0);
  Sleeper first(*epoll);
  Sleeper second(*epoll);
  write_count(*file, 1);
  CHECK(first.wakes == 1);
  CHECK(second.wakes == 0);
}

TEST_CASE_METHOD(Fixture, "what is left ready wakes the next waiter", "[epoll]") {
  CHECK(add(*epoll, 3, *file, EPOLLIN) == 0);
  Sleeper waiting(*epoll);
  waiting.wakes = 1;  // woken already: the next wake looks for somebody else
  Sleeper next(*epoll);
  write_count(*file, 1);
  CHECK(next.wakes == 1);
  CHECK(wait(*epoll) == Data{3});
  CHECK(waiting.wakes > 1);
}

TEST_CASE_METHOD(Fixture, "an instance inside another is ready when a member is", "[epoll]") {
  const Instance outer(poller);
  CHECK(add(*epoll, 3, *file, EPOLLIN) == 0);
  CHECK(add(*outer, 9, *epoll, EPOLLIN) == 0);
  Sleeper sleeper(*outer);
  CHECK(outer->poll() == 0);
  write_count(*file, 1);
  CHECK(sleeper.wakes == 1);
  CHECK(outer->poll() == (waitq::kIn | waitq::kRdNorm));
  CHECK(wait(*outer) == Data{9});
  CHECK(read_count(*file) == 1);
  CHECK(wait(*outer).empty());
  CHECK(wait(*epoll).empty());
}

TEST_CASE_METHOD(Fixture, "taking events from the inner instance is no edge for the outer",
                 "[epoll]") {
  const Instance outer(poller);
  write_count(*file, 1);
  CHECK(add(*epoll, 3, *file, EPOLLIN) == 0);
  CHECK(add(*outer, 9, *epoll, EPOLLIN | EPOLLET) == 0);
  CHECK(wait(*outer) == Data{9});
  CHECK(wait(*outer).empty());
  CHECK(wait(*epoll) == Data{3});
  CHECK(wait(*outer).empty());
  write_count(*file, 1);
  CHECK(wait(*outer) == Data{9});
}

TEST_CASE_METHOD(Fixture, "cycles and chains of more than five are ELOOP", "[epoll]") {
  std::vector<Instance> chain;
  for (int i = 0; i < 8; ++i) chain.emplace_back(poller);
  for (std::size_t i = 0; i < 4; ++i) CHECK(add(*chain[i + 1], 3, *chain[i], EPOLLIN) == 0);
  CHECK(add(*chain[0], 3, *chain[4], EPOLLIN) == ELOOP);
  CHECK(add(*chain[5], 3, *chain[4], EPOLLIN) == ELOOP);
  CHECK(add(*chain[0], 3, *chain[5], EPOLLIN) == ELOOP);
  CHECK(add(*chain[6], 3, *chain[5], EPOLLIN) == 0);
  CHECK(add(*chain[7], 3, *chain[6], EPOLLIN) == 0);
  CHECK(control(*chain[1], EPOLL_CTL_DEL, 3, *chain[0], 0) == 0);
  CHECK(add(*chain[5], 3, *chain[4], EPOLLIN) == ELOOP);  // 3 below, 2 above, and itself
  CHECK(add(*chain[0], 3, *chain[5], EPOLLIN) == 0);
}

struct Pipe {
  Pipe() { REQUIRE(pipe(ends) == 0); }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  void put() const { REQUIRE(write(ends[1], "x", 1) == 1); }
  int ends[2] = {};
};

TEST_CASE_METHOD(Fixture, "host members keep the guest's data", "[epoll]") {
  const Pipe pipe;
  const Fd fd{pipe.ends[0]};
  CHECK(epoll->control_host(EPOLL_CTL_ADD, fd, event(EPOLLIN | EPOLLET, 42), false).ok());
  CHECK(epoll->control_host(EPOLL_CTL_ADD, fd, event(EPOLLIN), false).error() == Errno{EEXIST});
  CHECK(epoll->watches_outside());
  CHECK(wait(*epoll).empty());
  pipe.put();
  CHECK(wait(*epoll) == Data{42});
  CHECK(wait(*epoll).empty());
  CHECK(epoll->control_host(EPOLL_CTL_DEL, fd, event(0), false).ok());
  CHECK(!epoll->watches_outside());
}

TEST_CASE_METHOD(Fixture, "emulated and host members take turns", "[epoll]") {
  const Pipe pipe;
  pipe.put();
  CHECK(add(*epoll, 3, *file, EPOLLIN) == 0);
  write_count(*file, 1);
  CHECK(epoll->control_host(EPOLL_CTL_ADD, Fd{pipe.ends[0]}, event(EPOLLIN, 42), false).ok());
  CHECK(wait(*epoll, 1) == Data{3});
  CHECK(wait(*epoll, 1) == Data{42});
  CHECK(wait(*epoll, 1) == Data{3});
  CHECK(wait(*epoll) == Data{42, 3});
}

TEST_CASE_METHOD(Fixture, "a host event wakes a waiter, also of an outer instance", "[epoll]") {
  const Pipe pipe;
  const Instance outer(poller);
  CHECK(epoll->control_host(EPOLL_CTL_ADD, Fd{pipe.ends[0]}, event(EPOLLIN, 42), false).ok());
  CHECK(add(*outer, 9, *epoll, EPOLLIN) == 0);
  {
    Sleeper inside(*epoll);
    Sleeper outside(*outer);
    CHECK(poller.wait(Duration()) == 0);
    pipe.put();
    CHECK(poller.wait(Duration()) == 1);
    CHECK(inside.wakes == 1);
    CHECK(outside.wakes == 1);
  }
  CHECK(wait(*outer) == Data{9});
  CHECK(wait(*epoll) == Data{42});
}

TEST_CASE_METHOD(Fixture, "a host member that is added during a wait is seen", "[epoll]") {
  const Pipe pipe;
  Sleeper sleeper(*epoll);
  CHECK(epoll->control_host(EPOLL_CTL_ADD, Fd{pipe.ends[0]}, event(EPOLLIN, 42), false).ok());
  pipe.put();
  CHECK(poller.wait(Duration()) == 1);
  CHECK(sleeper.wakes == 1);
}

TEST_CASE_METHOD(Fixture, "an instance may die before or after its members", "[epoll]") {
  auto inner = std::make_unique<Instance>(poller);
  CHECK(add(**inner, 3, *file, EPOLLIN) == 0);
  CHECK(add(*epoll, 4, **inner, EPOLLIN) == 0);
  write_count(*file, 1);
  inner.reset();
  CHECK(epoll->size() == 0);
  CHECK(wait(*epoll).empty());
  write_count(*file, 1);
}

TEST_CASE_METHOD(Fixture, "100,000 members: an event costs what it is worth", "[epoll]") {
  constexpr int kMembers = 100'000;
  std::vector<intrusive_ptr<EventFd>> files;
  for (int i = 0; i < kMembers; ++i) {
    files.emplace_back(new EventFd(0, false));
    REQUIRE(add(*epoll, i, *files.back(), EPOLLIN) == 0);
  }
  for (int i = 0; i < kMembers; i += 7) {
    write_count(*files[static_cast<std::size_t>(i)], 1);
    REQUIRE(wait(*epoll) == Data{i});
    REQUIRE(read_count(*files[static_cast<std::size_t>(i)]) == 1);
  }
}

}  // namespace
}  // namespace detent::fd
