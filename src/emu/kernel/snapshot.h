// Snapshot: lets copies of this process (forks of the fork server) go their own ways. A host fork shares
// open file descriptions: a byte that one copy leaves in a pipe would be read by the next. So before
// the first fork all descriptions are looked at, and each copy makes its own.
//
// Made anew: pipes and socket pairs that have both ends here, epoll instances, positions in files. Not
// shared in the first place: emulated objects, private memory. What is left (listening and connected
// sockets, half a pipe, writable shared mappings) cannot be copied: take() says so. What a copy writes to
// files on disk stays, as it does between two runs.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <string>
#include <vector>

namespace detent::emu {

class Kernel;

class Snapshot {
 public:
  /// Plans the copies. Returns what cannot be copied, in words; empty if nothing. Nothing is changed.
  std::string take(Kernel& kernel);
  /// In a copy: makes everything that take() planned, with `out` and `err` in the place of what stdout and
  /// stderr were; takes both.
  void become_copy(int out, int err);

 private:
  struct Placed {
    int fd;
    bool close_on_exec;
    int status_flags;
  };
  struct File {
    Placed at;
    std::int64_t offset;
  };
  struct Pair {      // of a pipe: readers and writers; of a socket pair: the two ends
    int family = 0;  // AF_UNIX for sockets; 0 for a pipe
    int type = 0;
    std::vector<Placed> first;
    std::vector<Placed> second;
    int unread = 0;
  };
  struct Member {
    int fd;
    epoll_event event;
  };
  struct Instance {
    std::vector<Placed> at;
    std::vector<Member> members;
  };

  std::string look_at(Kernel& kernel, int fd);
  std::string look_at_pipe(const Placed& at, std::uint64_t inode);
  std::string look_at_socket(Kernel& kernel, const Placed& at);
  void look_at_epolls(Kernel& kernel);
  std::string check_pairs() const;
  static void copy_file(const File& file);
  static void copy_pair(const Pair& pair);
  static void copy_instance(const Instance& instance);
  static void place(int fd, const std::vector<Placed>& at);

  std::vector<File> files_;
  std::vector<std::pair<std::uint64_t, Pair>> pairs_;  // by inode, or by a socket pair's name
  std::vector<Instance> instances_;
  std::vector<Placed> outs_;
  std::vector<Placed> errs_;
};

}  // namespace detent::emu
