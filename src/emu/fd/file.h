// File: an open file description that the kernel emulates (timerfd, eventfd, epoll, signalfd).
//
// Shared by every fd that dup(2) made of it; lives until the last of them is closed and no blocked
// task holds it. A host file (pipe, socket, tty, regular file) has no File: the fd table has no entry
// for it and calls go to the host. Source of the contract: file_operations in include/linux/fs.h.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "detent/ids.h"
#include "detent/result.h"
#include "waitq/attempt.h"

namespace detent::fd {

class EpollItem;

class File : public boost::intrusive_ref_counter<File, boost::thread_unsafe_counter> {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File();

  /// Whether there is a read or write operation at all (FMODE_CAN_READ, FMODE_CAN_WRITE): where there is
  /// none, that is EINVAL before anything else is looked at.
  [[nodiscard]] virtual bool can_read() const { return true; }
  [[nodiscard]] virtual bool can_write() const { return false; }
  /// Takes up to to.size() bytes. Blocked if there is nothing yet; the adapter turns that into EAGAIN
  /// for a non-blocking description. Default: EINVAL, as for a file without a read operation.
  virtual waitq::Attempt<std::size_t> read(std::span<std::byte> to);
  /// Asked with a write's size before its bytes are copied in: EINVAL comes before EFAULT. Default:
  /// EINVAL, as for a file without a write operation.
  [[nodiscard]] virtual Result<void> check_write(std::size_t size) const;
  /// Puts from.size() bytes, all or nothing. Default: EINVAL.
  virtual waitq::Attempt<std::size_t> write(std::span<const std::byte> from);
  /// The events that hold now.
  virtual waitq::PollMask poll() = 0;
  /// Notified whenever poll() may have gained an event.
  [[nodiscard]] waitq::WaitQueue& queue() { return *queue_; }
  /// Called by whoever waited in queue() and has left it: what was set up for waiters may end.
  virtual void wait_ended() {}
  /// The kind's name as /proc/self/fd shows it: "eventfd" for "anon_inode:[eventfd]".
  [[nodiscard]] virtual const char* kind() const = 0;
  /// The kind's own lines of /proc/self/fdinfo/N, each with its newline. Source: proc(5).
  [[nodiscard]] virtual std::string fdinfo() { return {}; }
  /// Biggest read that makes sense, so that adapters size their buffer.
  [[nodiscard]] virtual std::size_t max_read() const { return 8; }

  /// O_NONBLOCK of the description; fcntl(F_SETFL) and ioctl(FIONBIO) keep it and the placeholder's equal.
  bool nonblocking = false;
  /// Before other processes share this description: gives its state to `placeholder`, a host fd of the
  /// same type, which then takes its place under every number. False if no host object can.
  /// `host_time`: the host's clocks run as the guest's do.
  virtual bool hand_over(Fd placeholder, bool host_time);
  /// True if what other processes see of this description is true, since the host keeps it.
  [[nodiscard]] virtual bool shared_by_host() const { return false; }
  /// hand_over() was done: who is blocked in an operation of this file goes on with the host's.
  bool handed_over = false;
  /// This process forked off and goes on with a copy of its parent's object.
  bool copied = false;

 protected:
  /// A file whose news come in a queue of somebody else's, which outlives it (signalfd).
  explicit File(waitq::WaitQueue& queue) : queue_(&queue) {}

 private:
  friend class EpollItem;
  waitq::WaitQueue own_queue_;
  waitq::WaitQueue* queue_ = &own_queue_;
  // Epoll registrations of this description; they end with it (docs/abi/epoll.md, F12).
  struct ItemTag;
  using ItemHook =
      boost::intrusive::list_base_hook<boost::intrusive::tag<ItemTag>,
                                       boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

 public:
  /// Base of EpollItem: told when the description it watches goes away.
  class Watcher : public ItemHook {
   public:
    virtual void file_gone() = 0;

   protected:
    ~Watcher() = default;
  };
  void add_watcher(Watcher& watcher) { watchers_.push_back(watcher); }
  /// Calls f(Watcher&) for every registration.
  template <class F>
  void for_each_watcher(F f) {
    for (Watcher& watcher : watchers_) f(watcher);
  }

 private:
  boost::intrusive::list<Watcher, boost::intrusive::base_hook<ItemHook>,
                         boost::intrusive::constant_time_size<false>>
      watchers_;
};

using FileRef = boost::intrusive_ptr<File>;

}  // namespace detent::fd
