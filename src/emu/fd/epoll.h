// Epoll: an interest list and its ready list.
//
// Emulated members are EpollItems: each is a waiter in its file's queue and enters the ready list when
// the file notifies. Host members (pipes, sockets, ...) live in a host epoll instance of our own and are
// asked for when events are collected; together they take one turn in the ready list, so that neither
// kind starves the other. The order among emulated members is Linux's; a host member's place is not.
//
// Made by the epoll adapters, which also wait: wait() answers Blocked, and after the wait they call
// wait_ended(). Source: epoll(7), epoll_ctl(2), fs/eventpoll.c.
#pragma once

#include <sys/epoll.h>

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

#include "detent/ids.h"
#include "emu/fd/file.h"
#include "emu/sched/host_poller.h"

namespace detent::fd {

class Epoll;

struct EpollReadyTag;
/// Place in a ready list.
class EpollReady : public boost::intrusive::list_base_hook<
                       boost::intrusive::tag<EpollReadyTag>,
                       boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {};

/// One registration of an emulated file. Owned by its Epoll; ends with EPOLL_CTL_DEL, with the Epoll or
/// with the file's last descriptor (not with the closing of `fd`: F12).
class EpollItem final : public waitq::Waiter, public File::Watcher, public EpollReady {
 public:
  EpollItem(Epoll& owner, File& file, Fd fd, const epoll_event& event);

  [[nodiscard]] Epoll& owner() const { return owner_; }
  [[nodiscard]] File& file() const { return file_; }
  [[nodiscard]] Fd fd() const { return fd_; }
  [[nodiscard]] std::uint32_t events() const { return events_; }
  [[nodiscard]] std::uint64_t data() const { return data_; }
  /// EPOLL_CTL_MOD.
  void change(const epoll_event& event);
  /// EPOLLONESHOT has been reported: no events until the next change().
  void disable();
  /// What the file shows now of what is asked for, with the user's data.
  [[nodiscard]] epoll_event ready_event();

 private:
  bool wake(waitq::PollMask events) override;
  void file_gone() override;

  Epoll& owner_;
  File& file_;
  Fd fd_;
  std::uint32_t events_ = 0;
  std::uint64_t data_ = 0;
};

/// Takes collected events one by one.
class EventSink {
 public:
  /// False if the event could not be delivered (EFAULT): it stays ready.
  virtual bool put(const epoll_event& event) = 0;
  /// Where the next `room` events go, for the host to write its own there: what it cannot write stays
  /// ready. Null or a bad address is EFAULT, if there are any.
  virtual epoll_event* place(std::size_t room) = 0;
  /// `count` events have been written at place().
  virtual void advance(std::size_t count) = 0;

 protected:
  ~EventSink() = default;
};

class Epoll final : public File {
 public:
  /// `host_fd`: a host epoll instance, a kernel fd (arch/x86_64/kernel_fds.h) that this object closes.
  Epoll(sched::HostPoller& poller, int host_fd);
  ~Epoll() override;

  /// epoll_ctl(2) for an emulated target, known as `fd`. EINVAL, ELOOP, EEXIST, ENOENT.
  Result<void> control(int op, Fd fd, File& target, epoll_event event);
  /// epoll_ctl(2) for a host target; errors are the host's. `inside`: see FdTable::is_inside.
  Result<void> control_host(int op, Fd fd, const epoll_event& event, bool inside);

  /// `item`'s file became the host's, open under `fd`: the registration goes on as a host member, which may
  /// report once more what an edge-triggered one has reported. Destroys the item.
  void move_to_host(EpollItem& item, Fd fd);
  /// Other processes share the host instance from now on. `host_time`: they may add members at any time, so
  /// it is looked at even where this process knows of none.
  void share(bool host_time);
  [[nodiscard]] bool shared_by_host() const override { return shared_ && items_.empty(); }

  /// Collects up to `max` (> 0) events. Blocked if none is ready. EFAULT if the first one could not be
  /// delivered.
  waitq::Attempt<std::size_t> wait(std::size_t max, EventSink& sink);
  waitq::Attempt<std::size_t> wait(std::span<epoll_event> out);
  void wait_ended() override;

  waitq::PollMask poll() override;
  [[nodiscard]] bool can_read() const override { return false; }
  [[nodiscard]] const char* kind() const override { return "eventpoll"; }
  /// A line for each emulated member; the host's are in the fdinfo of host_fd().
  [[nodiscard]] std::string fdinfo() override;
  [[nodiscard]] int host_fd() const { return host_fd_; }
  /// True if a host member may be made ready by somebody outside this process.
  [[nodiscard]] bool watches_outside() const { return outside_members_ != 0; }
  /// Number of emulated members; for reports and tests.
  [[nodiscard]] std::size_t size() const { return items_.size(); }

 private:
  friend class EpollItem;
  struct Key {
    const File* file;
    int fd;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  // Hears of the host instance's readiness.
  class HostRelay final : public waitq::Waiter {
   public:
    explicit HostRelay(Epoll& owner) : Waiter(waitq::kIn), owner_(owner) {}

   private:
    bool wake(waitq::PollMask events) override;
    Epoll& owner_;
  };
  using ReadyList = boost::intrusive::list<EpollReady, boost::intrusive::base_hook<EpollReady>,
                                           boost::intrusive::constant_time_size<false>>;

  Result<void> add(const Key& key, File& target, const epoll_event& event);
  Result<void> modify(EpollItem& item, const epoll_event& event);
  void enqueue_if_ready(EpollItem& item);
  unsigned item_ready(EpollItem& item);
  unsigned announce();

  /// What became of a member whose turn it was.
  enum class Turn { kNothing, kTaken, kFault };
  Turn take_turn(EpollItem& item, EventSink& sink);
  std::size_t take_host_turn(std::size_t room, EventSink& sink, bool& fault);
  [[nodiscard]] bool has_ready_items() const;
  bool find_ready_item();
  void watch_host();

  bool closes_loop(Epoll& target);
  unsigned depth_below(Epoll& root, bool& loop);
  unsigned depth_above();

  sched::HostPoller& poller_;
  int host_fd_;
  unsigned host_members_ = 0;
  unsigned outside_members_ = 0;
  bool shared_ = false;
  bool watches_all_ = false;  // share() with host_time
  std::unordered_map<Key, std::unique_ptr<EpollItem>, KeyHash> items_;
  ReadyList ready_;
  EpollReady host_turn_;      // in ready_ while there are host members
  waitq::WaitQueue waiters_;  // tasks in wait(); those who poll this file are in queue()
  HostRelay relay_;
  std::uint64_t visit_ = 0;  // of the walk that depth_ belongs to
  unsigned depth_ = 0;
};

}  // namespace detent::fd
