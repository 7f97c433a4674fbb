// Message: a guest's struct msghdr as it was when its call began.
//
// The first try of a call gives the host the guest's own structure, which the host fills in. Only what
// goes on after a part was moved needs a shortened vector, and that lives here.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "detent/ids.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

class Message {
 public:
  /// Bad memory or counts make it empty: the host's first try answers with the right errno.
  explicit Message(UserPtr<msghdr> at);

  /// Bytes that its vector has room for.
  [[nodiscard]] std::uint64_t size() const;
  /// One host sendmsg(2) from byte `done` on; a raw answer. Control data goes with the first byte.
  [[nodiscard]] long send(Fd fd, std::uint64_t done, unsigned flags) const;
  /// One host recvmsg(2) behind byte `done`; a raw answer.
  [[nodiscard]] long receive(Fd fd, std::uint64_t done, unsigned flags) const;
  /// True if the last receive() delivered control data, behind which Linux glues no more bytes
  /// (unix_stream_read_generic() in net/unix/af_unix.c).
  [[nodiscard]] bool got_control() const;
  /// The kind of an emulated file among the fds that SCM_RIGHTS passes, or null.
  [[nodiscard]] const char* emulated_right(Task& task) const;

 private:
  [[nodiscard]] std::vector<iovec> vector_from(std::uint64_t done) const;

  UserPtr<msghdr> at_;
  msghdr header_{};
  std::vector<iovec> vector_;
};

}  // namespace detent::syscalls
