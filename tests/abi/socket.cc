// Sockets that block: socketpair, connect, accept, and the send and receive families over TCP (loopback) and AF_UNIX.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "abi_test.h"

using namespace abi;

namespace {

class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  ~Socket() { Close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  operator int() const { return fd_; }
  void Set(int fd) {
    Close();
    fd_ = fd;
  }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

struct Pair {
  explicit Pair(int type = SOCK_STREAM) {
    int fds[2] = {-1, -1};
    CHECK_OK(socketpair(AF_UNIX, type, 0, fds));
    a.Set(fds[0]);
    b.Set(fds[1]);
  }
  Socket a, b;
};

// A listening TCP socket on a free loopback port.
struct Listener {
  explicit Listener(int backlog = 8) : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_OK(bind(socket, Address(), sizeof address));
    CHECK_OK(listen(socket, backlog));
    socklen_t size = sizeof address;
    CHECK_OK(getsockname(socket, Address(), &size));
  }
  sockaddr* Address() { return reinterpret_cast<sockaddr*>(&address); }
  Socket socket;
  sockaddr_in address;
};

// Two connected TCP sockets.
struct TcpPair {
  TcpPair() : client(::socket(AF_INET, SOCK_STREAM, 0)) {
    Listener listener;
    CHECK_OK(connect(client, listener.Address(), sizeof listener.address));
    server.Set(accept(listener.socket, nullptr, nullptr));
    CHECK(server >= 0);
  }
  Socket client, server;
};

void SetTimeout(int fd, int option, int ms) {
  const timeval value = {ms / 1000, ms % 1000 * 1000};
  CHECK_OK(setsockopt(fd, SOL_SOCKET, option, &value, sizeof value));
}

// What has passed at least when SetTimeout(.., 40) is over: Linux counts jiffies, and was measured 0.2 ms early.
constexpr int64_t kLeast = 30 * kMs;

void SetInt(int fd, int option, int value) {
  CHECK_OK(setsockopt(fd, SOL_SOCKET, option, &value, sizeof value));
}

char Pattern(long index) { return static_cast<char>(index * 7 + index / 251); }

// Reads to the end of the stream in small pieces; the number of bytes, or -1 if one is not the pattern's.
long DrainPattern(int fd, size_t piece) {
  static thread_local char buffer[65536];
  long total = 0;
  for (;;) {
    const ssize_t n = recv(fd, buffer, piece, 0);
    if (n <= 0) return n == 0 ? total : -2;
    for (ssize_t i = 0; i < n; ++i) {
      if (buffer[i] != Pattern(total + i)) return -1;
    }
    total += n;
  }
}

constexpr long kBig = 3 << 20;
char* BigPattern() {
  static char* bytes = nullptr;
  if (!bytes) {
    bytes = static_cast<char*>(malloc(kBig));
    for (long i = 0; i < kBig; ++i) bytes[i] = Pattern(i);
  }
  return bytes;
}

int SendFd(int socket, int fd) {
  char byte = 'f';
  iovec part = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return static_cast<int>(sendmsg(socket, &message, 0));
}

int ReceiveFd(int socket, int flags = MSG_CMSG_CLOEXEC) {
  char byte = 0;
  iovec part = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  CHECK_EQ(recvmsg(socket, &message, flags), 1);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS) return -1;
  int fd = -1;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

}  // namespace

TEST(tcp_echo_between_two_threads) {
  Listener listener;
  Thread server([&] {
    sockaddr_in peer = {};
    socklen_t size = sizeof peer;
    Socket connection(accept(listener.socket, reinterpret_cast<sockaddr*>(&peer), &size));
    CHECK(connection >= 0);
    CHECK_EQ(size, sizeof peer);
    CHECK_EQ(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK);
    char buffer[64];
    for (ssize_t n; (n = recv(connection, buffer, sizeof buffer, 0)) > 0;)
      CHECK_EQ(send(connection, buffer, n, 0), n);
  });
  server.AwaitBlocked(SYS_accept);
  Socket client(socket(AF_INET, SOCK_STREAM, 0));
  CHECK_OK(connect(client, listener.Address(), sizeof listener.address));
  for (int round = 0; round < 200; ++round) {
    char out[32], in[32] = {};
    const int length = snprintf(out, sizeof out, "message %d", round);
    CHECK_EQ(send(client, out, length, 0), length);
    CHECK_EQ(recv(client, in, length, MSG_WAITALL), length);
    CHECK(memcmp(in, out, length) == 0);
  }
  CHECK_OK(shutdown(client, SHUT_WR));
  server.Join();
  char byte;
  CHECK_EQ(recv(client, &byte, 1, 0), 0);
}

TEST(accept_is_woken_by_connect_and_takes_no_flags_over) {
  Listener listener;
  CHECK_OK(fcntl(listener.socket, F_SETFL, O_NONBLOCK));
  CHECK_ERRNO(accept(listener.socket, nullptr, nullptr), EAGAIN);
  CHECK_OK(fcntl(listener.socket, F_SETFL, 0));
  int accepted = -1;
  Thread server(
      [&] { accepted = accept4(listener.socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); });
  server.AwaitBlocked(SYS_accept4);
  Socket client(socket(AF_INET, SOCK_STREAM, 0));
  CHECK_OK(connect(client, listener.Address(), sizeof listener.address));
  server.Join();
  Socket connection(accepted);
  CHECK(accepted >= 0);
  CHECK_EQ(fcntl(connection, F_GETFD), FD_CLOEXEC);
  CHECK((fcntl(connection, F_GETFL) & O_NONBLOCK) != 0);
  CHECK_EQ(fcntl(listener.socket, F_GETFL) & O_NONBLOCK, 0);
  Socket second(socket(AF_INET, SOCK_STREAM, 0));
  CHECK_OK(connect(second, listener.Address(), sizeof listener.address));
  Socket plain(accept(listener.socket, nullptr, nullptr));
  CHECK_EQ(fcntl(plain, F_GETFD), 0);
  CHECK_EQ(fcntl(plain, F_GETFL) & O_NONBLOCK, 0);
}

TEST(two_accepting_threads_get_a_connection_each) {
  Listener listener;
  int fds[2] = {-1, -1};
  Thread one([&] { fds[0] = accept(listener.socket, nullptr, nullptr); });
  Thread two([&] { fds[1] = accept(listener.socket, nullptr, nullptr); });
  one.AwaitBlocked(SYS_accept);
  two.AwaitBlocked(SYS_accept);
  Socket a(socket(AF_INET, SOCK_STREAM, 0)), b(socket(AF_INET, SOCK_STREAM, 0));
  CHECK_OK(connect(a, listener.Address(), sizeof listener.address));
  CHECK_OK(connect(b, listener.Address(), sizeof listener.address));
  one.Join();
  two.Join();
  Socket first(fds[0]), second(fds[1]);
  CHECK(first >= 0 && second >= 0 && first != second);
}

TEST(accept_errors) {
  Listener listener;
  Socket plain(socket(AF_INET, SOCK_STREAM, 0)), datagram(socket(AF_INET, SOCK_DGRAM, 0));
  TcpPair connected;
  int pipe_fds[2];
  CHECK_OK(pipe(pipe_fds));
  RECORD("not listening %s", Res(accept(plain, nullptr, nullptr)));
  RECORD("connected %s", Res(accept(connected.client, nullptr, nullptr)));
  RECORD("datagram %s", Res(accept(datagram, nullptr, nullptr)));
  RECORD("pipe %s", Res(accept(pipe_fds[0], nullptr, nullptr)));
  RECORD("no fd %s", Res(accept(-1, nullptr, nullptr)));
  RECORD("bad flags %s", Res(accept4(listener.socket, nullptr, nullptr, 0x40)));
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST(connect_is_refused_and_other_errors) {
  sockaddr_in address;
  {
    Listener listener;
    address = listener.address;
  }
  sockaddr* to = reinterpret_cast<sockaddr*>(&address);
  Socket client(socket(AF_INET, SOCK_STREAM, 0));
  CHECK_ERRNO(connect(client, to, sizeof address), ECONNREFUSED);
  CHECK_ERRNO(connect(client, to, sizeof address), ECONNREFUSED);
  CHECK_EQ(fcntl(client, F_GETFL) & O_NONBLOCK, 0);
  CHECK_ERRNO(connect(client, to, 3), EINVAL);
  CHECK_ERRNO(connect(client, static_cast<sockaddr*>(Wild()), sizeof address), EFAULT);
  CHECK_ERRNO(connect(-1, to, sizeof address), EBADF);
  Listener listener;
  CHECK_OK(connect(client, listener.Address(), sizeof listener.address));
  CHECK_ERRNO(connect(client, listener.Address(), sizeof listener.address), EISCONN);
}

TEST(nonblocking_connect_reports_through_poll) {
  Listener listener;
  Socket client(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  const long result = connect(client, listener.Address(), sizeof listener.address);
  CHECK(result == 0 || errno == EINPROGRESS);
  pollfd entry = {client, POLLOUT, 0};
  CHECK_EQ(poll(&entry, 1, -1), 1);
  int error = -1;
  socklen_t size = sizeof error;
  CHECK_OK(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &size));
  CHECK_EQ(error, 0);
  CHECK((fcntl(client, F_GETFL) & O_NONBLOCK) != 0);
}

TEST(unix_connect_waits_for_room_in_the_backlog) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "detent-abi-socket-%d", getpid());
  sockaddr* to = reinterpret_cast<sockaddr*>(&address);
  Socket listener(socket(AF_UNIX, SOCK_STREAM, 0));
  CHECK_OK(bind(listener, to, sizeof address));
  CHECK_OK(listen(listener, 0));
  Socket first(socket(AF_UNIX, SOCK_STREAM, 0)), second(socket(AF_UNIX, SOCK_STREAM, 0));
  Socket third(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  CHECK_OK(connect(first, to, sizeof address));
  CHECK_ERRNO(connect(third, to, sizeof address), EAGAIN);
  bool done = false;
  Thread waiter([&] {
    CHECK_OK(connect(second, to, sizeof address));
    __atomic_store_n(&done, true, __ATOMIC_SEQ_CST);
  });
  waiter.AwaitBlocked(SYS_connect);
  CHECK(!__atomic_load_n(&done, __ATOMIC_SEQ_CST));
  Socket a(accept(listener, nullptr, nullptr)), b(accept(listener, nullptr, nullptr));
  waiter.Join();
  CHECK(a >= 0 && b >= 0);
}

TEST(blocked_reader_does_not_stop_other_threads) {
  for (int type : Ints{SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    Pair p(type);
    char buffer[8] = {};
    Thread reader([&] { CHECK_EQ(recv(p.a, buffer, sizeof buffer, 0), 5); });
    reader.AwaitBlocked(SYS_recvfrom);
    int done = 0;
    Thread worker([&] {
      SleepMs(5);
      done = 1;
    });
    worker.Join();
    CHECK_EQ(done, 1);
    CHECK_EQ(send(p.b, "hello", 5, 0), 5);
    reader.Join();
    CHECK(memcmp(buffer, "hello", 5) == 0);
  }
}

TEST(reader_and_writer_wait_on_one_socket) {
  Pair p;
  SetInt(p.a, SO_SNDBUF, 4096);
  long sent = 0, received = 0;
  char reply[4] = {};
  Thread writer([&] { sent = send(p.a, BigPattern(), 1 << 20, 0); });
  writer.AwaitBlocked(SYS_sendto);
  Thread reader([&] { received = recv(p.a, reply, 4, MSG_WAITALL); });
  reader.AwaitBlocked(SYS_recvfrom);
  static char sink[1 << 20];
  CHECK_EQ(recv(p.b, sink, sizeof sink, MSG_WAITALL), 1 << 20);
  writer.Join();
  CHECK_EQ(sent, 1 << 20);
  CHECK(memcmp(sink, BigPattern(), sizeof sink) == 0);
  CHECK_EQ(send(p.b, "pong", 4, 0), 4);
  reader.Join();
  CHECK_EQ(received, 4);
}

TEST(message_boundaries_and_truncation) {
  for (int type : Ints{SOCK_DGRAM, SOCK_SEQPACKET}) {
    Pair p(type);
    CHECK_EQ(send(p.a, "first", 5, 0), 5);
    CHECK_EQ(send(p.a, "second!", 7, 0), 7);
    char buffer[4];
    CHECK_EQ(recv(p.b, buffer, 4, MSG_PEEK), 4);
    CHECK_EQ(recv(p.b, buffer, 4, MSG_TRUNC), 5);
    iovec parts[2] = {{buffer, 2}, {buffer + 2, 2}};
    msghdr message = {};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    CHECK_EQ(recvmsg(p.b, &message, MSG_WAITALL), 4);
    CHECK_EQ(message.msg_flags & MSG_TRUNC, MSG_TRUNC);
    CHECK(memcmp(buffer, "seco", 4) == 0);
    CHECK_ERRNO(recv(p.b, buffer, 4, MSG_DONTWAIT), EAGAIN);
  }
}

TEST(receive_timeout_is_EAGAIN_and_not_early) {
  for (int type : Ints{SOCK_STREAM, SOCK_DGRAM}) {
    Pair p(type);
    SetTimeout(p.a, SO_RCVTIMEO, 40);
    char byte;
    int64_t start = Now();
    CHECK_ERRNO(recv(p.a, &byte, 1, 0), EAGAIN);
    CHECK_GE(Now() - start, kLeast);
    iovec part = {&byte, 1};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    start = Now();
    CHECK_ERRNO(recvmsg(p.a, &message, 0), EAGAIN);
    CHECK_GE(Now() - start, kLeast);
    CHECK_ERRNO(recv(p.a, &byte, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(send(p.b, "x", 1, 0), 1);
    CHECK_EQ(recv(p.a, &byte, 1, 0), 1);
  }
  Listener listener;
  SetTimeout(listener.socket, SO_RCVTIMEO, 40);
  const int64_t start = Now();
  CHECK_ERRNO(accept(listener.socket, nullptr, nullptr), EAGAIN);
  CHECK_GE(Now() - start, kLeast);
}

TEST(wait_all_with_a_timeout_gives_what_came) {
  Pair p;
  SetTimeout(p.a, SO_RCVTIMEO, 40);
  CHECK_EQ(send(p.b, "abc", 3, 0), 3);
  char buffer[8];
  CHECK_EQ(recv(p.a, buffer, 8, MSG_WAITALL), 3);
  CHECK_EQ(send(p.b, "de", 2, 0), 2);
  CHECK_EQ(recv(p.a, buffer, 8, MSG_WAITALL | MSG_DONTWAIT), 2);
}

TEST(send_timeout_gives_what_was_sent_then_EAGAIN) {
  Pair p;
  SetInt(p.a, SO_SNDBUF, 4096);
  SetTimeout(p.a, SO_SNDTIMEO, 40);
  const int64_t start = Now();
  const long sent = send(p.a, BigPattern(), kBig, 0);
  CHECK_GE(Now() - start, kLeast);
  CHECK(sent > 0 && sent < kBig);
  CHECK_ERRNO(send(p.a, BigPattern(), kBig, 0), EAGAIN);
}

TEST(big_sends_to_a_slow_reader_are_complete) {
  for (bool tcp : {false, true}) {
    TcpPair t;
    Pair u;
    Socket& out = tcp ? t.client : u.a;
    Socket& in = tcp ? t.server : u.b;
    SetInt(out, SO_SNDBUF, tcp ? 100000 : 8192);
    long drained = 0;
    Thread reader([&] { drained = DrainPattern(in, 50000); });
    CHECK_EQ(send(out, BigPattern(), kBig, 0), kBig);
    CHECK_OK(shutdown(out, SHUT_WR));
    reader.Join();
    CHECK_EQ(drained, kBig);
  }
}

TEST(big_sendmsg_of_several_parts_is_complete) {
  for (bool tcp : {false, true}) {
    TcpPair t;
    Pair u;
    Socket& out = tcp ? t.client : u.a;
    Socket& in = tcp ? t.server : u.b;
    SetInt(out, SO_SNDBUF, tcp ? 100000 : 8192);
    long drained = 0;
    Thread reader([&] { drained = DrainPattern(in, 30011); });
    char* bytes = BigPattern();
    iovec parts[4] = {
        {bytes, 1}, {bytes + 1, 0}, {bytes + 1, 100000}, {bytes + 100001, kBig - 100001}};
    msghdr message = {};
    message.msg_iov = parts;
    message.msg_iovlen = 4;
    CHECK_EQ(sendmsg(out, &message, 0), kBig);
    CHECK_OK(shutdown(out, SHUT_WR));
    reader.Join();
    CHECK_EQ(drained, kBig);
  }
}

TEST(nonblocking_send_is_partial) {
  Pair p;
  CHECK_OK(fcntl(p.a, F_SETFL, O_NONBLOCK));
  const long sent = send(p.a, BigPattern(), kBig, 0);
  CHECK(sent > 0 && sent < kBig);
  CHECK_ERRNO(send(p.a, BigPattern(), kBig, 0), EAGAIN);
  CHECK_OK(fcntl(p.a, F_SETFL, 0));
  CHECK_ERRNO(send(p.a, BigPattern(), kBig, MSG_DONTWAIT), EAGAIN);
}

TEST(wait_all_collects_pieces) {
  for (bool tcp : {false, true}) {
    TcpPair t;
    Pair u;
    Socket& out = tcp ? t.client : u.a;
    Socket& in = tcp ? t.server : u.b;
    char buffer[12] = {}, tail[8] = {};
    long got = 0, got_message = 0;
    Thread reader([&] {
      got = recv(in, buffer, 12, MSG_WAITALL);
      iovec parts[3] = {{tail, 1}, {tail + 1, 3}, {tail + 4, 4}};
      msghdr message = {};
      message.msg_iov = parts;
      message.msg_iovlen = 3;
      got_message = recvmsg(in, &message, MSG_WAITALL);
    });
    for (const char* piece : {"abcd", "efgh", "ijkl", "0", "12", "3456"}) {
      reader.AwaitBlocked(strlen(piece) == 4 && piece[0] != '3' ? SYS_recvfrom : SYS_recvmsg);
      CHECK_EQ(send(out, piece, strlen(piece), 0), strlen(piece));
    }
    CHECK_OK(shutdown(out, SHUT_WR));
    reader.Join();
    CHECK_EQ(got, 12);
    CHECK(memcmp(buffer, "abcdefghijkl", 12) == 0);
    CHECK_EQ(got_message, 7);
    CHECK(memcmp(tail, "0123456", 7) == 0);
  }
}

TEST(datagram_sender_waits_for_a_full_peer) {
  Pair p(SOCK_DGRAM);
  int queued = 0;
  while (send(p.a, "datagram", 8, MSG_DONTWAIT) == 8) ++queued;
  CHECK_EQ(errno, EAGAIN);
  CHECK(queued > 0);
  bool done = false;
  Thread sender([&] {
    CHECK_EQ(send(p.a, "the last", 8, 0), 8);
    __atomic_store_n(&done, true, __ATOMIC_SEQ_CST);
  });
  sender.AwaitBlocked(SYS_sendto);
  CHECK(!__atomic_load_n(&done, __ATOMIC_SEQ_CST));
  char buffer[16];
  for (int i = 0; i <= queued; ++i) CHECK_EQ(recv(p.b, buffer, sizeof buffer, 0), 8);
  sender.Join();
  CHECK(memcmp(buffer, "the last", 8) == 0);
}

TEST(datagram_sendto_an_unconnected_full_peer_waits) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "detent-abi-dgram-%d", getpid());
  sockaddr* to = reinterpret_cast<sockaddr*>(&address);
  Socket receiver(socket(AF_UNIX, SOCK_DGRAM, 0)), sender(socket(AF_UNIX, SOCK_DGRAM, 0));
  CHECK_OK(bind(receiver, to, sizeof address));
  int queued = 0;
  while (sendto(sender, "datagram", 8, MSG_DONTWAIT, to, sizeof address) == 8) ++queued;
  CHECK_EQ(errno, EAGAIN);
  Thread waiter([&] { CHECK_EQ(sendto(sender, "the last", 8, 0, to, sizeof address), 8); });
  waiter.AwaitBlocked(SYS_sendto);
  char buffer[16];
  for (int i = 0; i <= queued; ++i) CHECK_EQ(recv(receiver, buffer, sizeof buffer, 0), 8);
  waiter.Join();
}

TEST(pipe_end_passed_as_SCM_RIGHTS) {
  Pair p;
  int fds[2];
  CHECK_OK(pipe(fds));
  int received = -1;
  Thread receiver([&] { received = ReceiveFd(p.b); });
  receiver.AwaitBlocked(SYS_recvmsg);
  CHECK_EQ(SendFd(p.a, fds[1]), 1);
  receiver.Join();
  REQUIRE(received >= 0);
  CHECK_EQ(fcntl(received, F_GETFD), FD_CLOEXEC);
  close(fds[1]);
  CHECK_EQ(write(received, "via", 3), 3);
  close(received);
  char buffer[8];
  CHECK_EQ(read(fds[0], buffer, 8), 3);
  CHECK_EQ(read(fds[0], buffer, 8), 0);
  close(fds[0]);
  CHECK_ERRNO(SendFd(p.a, 999), EBADF);
}

TEST(shutdown_and_end_of_file) {
  for (bool tcp : {false, true}) {
    TcpPair t;
    Pair u;
    Socket& a = tcp ? t.client : u.a;
    Socket& b = tcp ? t.server : u.b;
    long got = -1;
    char byte;
    Thread reader([&] { got = recv(b, &byte, 1, 0); });
    reader.AwaitBlocked(SYS_recvfrom);
    CHECK_OK(shutdown(a, SHUT_WR));
    reader.Join();
    CHECK_EQ(got, 0);
    CHECK_EQ(send(b, "y", 1, 0), 1);
    CHECK_EQ(recv(a, &byte, 1, 0), 1);
    Thread second([&] { got = recv(a, &byte, 1, 0); });
    second.AwaitBlocked(SYS_recvfrom);
    CHECK_OK(shutdown(a, SHUT_RD));  // by its own process
    second.Join();
    CHECK_EQ(got, 0);
  }
}

TEST(shutdown_wakes_accept) {
  Listener listener;
  int error = 0;
  Thread server([&] {
    CHECK_EQ(accept(listener.socket, nullptr, nullptr), -1);
    error = errno;
  });
  server.AwaitBlocked(SYS_accept);
  CHECK_OK(shutdown(listener.socket, SHUT_RD));
  server.Join();
  CHECK_EQ(error, EINVAL);
}

TEST(EPIPE_comes_with_SIGPIPE_unless_refused) {
  Handler handler(SIGPIPE, CountSignal);
  Pair p;
  p.b.Close();
  CHECK_ERRNO(send(p.a, "x", 1, MSG_NOSIGNAL), EPIPE);
  CHECK_EQ(g_signals, 0);
  CHECK_ERRNO(send(p.a, "x", 1, 0), EPIPE);
  CHECK_EQ(g_signals, 1);
  iovec part = {const_cast<char*>("x"), 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  CHECK_ERRNO(sendmsg(p.a, &message, 0), EPIPE);
  CHECK_EQ(g_signals, 2);
  Pair d(SOCK_DGRAM);
  d.b.Close();
  g_signals = 0;
  const char* result = Res(send(d.a, "x", 1, 0));
  RECORD("datagram: %s, %d signals", result, static_cast<int>(g_signals));
}

TEST(SIGPIPE_goes_to_the_sending_thread) {
  Handler handler(SIGPIPE, CountSignal);
  Pair p;
  p.b.Close();
  int in_thread = 0;
  Thread sender([&] {
    const sigset_t set = SigSet(SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    CHECK_ERRNO(send(p.a, "x", 1, 0), EPIPE);
    sigset_t pending;
    sigpending(&pending);
    in_thread = sigismember(&pending, SIGPIPE);
    const timespec zero = {};
    CHECK_EQ(sigtimedwait(&set, nullptr, &zero), SIGPIPE);
  });
  sender.Join();
  CHECK_EQ(in_thread, 1);
  CHECK_EQ(g_signals, 0);
}

TEST(peer_that_closes_ends_a_blocked_send) {
  Handler handler(SIGPIPE, CountSignal);
  Pair p;
  SetInt(p.a, SO_SNDBUF, 4096);
  long sent = -1;
  Thread sender([&] { sent = send(p.a, BigPattern(), kBig, 0); });
  sender.AwaitBlocked(SYS_sendto);
  p.b.Close();
  sender.Join();
  CHECK(sent > 0 && sent < kBig);
  CHECK_EQ(g_signals, 0);
  RECORD("next send: %s", Res(send(p.a, "x", 1, MSG_NOSIGNAL)));
  RECORD("the one after: %s", Res(send(p.a, "x", 1, MSG_NOSIGNAL)));
}

TEST(SIGPIPE_kills_by_default) {
  const int status = ChildStatus([] {
    Pair p;
    p.b.Close();
    send(p.a, "x", 1, 0);
    return 0;
  });
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

TEST(signals_interrupt_or_restart_a_receive) {
  for (int flags : {0, SA_RESTART}) {
    for (bool timed : {false, true}) {
      Handler handler(SIGUSR1, CountSignal, flags);
      g_signals = 0;
      Pair p;
      if (timed) SetTimeout(p.a, SO_RCVTIMEO, 100'000);
      long result = 0;
      int error = 0;
      char byte;
      Thread reader([&] {
        result = recv(p.a, &byte, 1, 0);
        error = errno;
      });
      reader.AwaitBlocked(SYS_recvfrom);
      Tgkill(reader.tid(), SIGUSR1);
      while (g_signals == 0) SleepMs(1);
      if (flags && !timed) CHECK_EQ(send(p.b, "x", 1, 0), 1);
      reader.Join();
      const bool restarts = flags && !timed;
      CHECK_EQ(result, restarts ? 1 : -1);
      if (!restarts) CHECK_EQ(error, EINTR);
    }
  }
}

TEST(signal_ends_a_partial_send_with_a_count) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    Pair p;
    SetInt(p.a, SO_SNDBUF, 4096);
    long sent = -1;
    Thread sender([&] { sent = send(p.a, BigPattern(), kBig, 0); });
    sender.AwaitBlocked(SYS_sendto);
    Tgkill(sender.tid(), SIGUSR1);
    sender.Join();
    CHECK(sent > 0 && sent < kBig);
  }
}

TEST(sendmmsg_and_recvmmsg_move_batches) {
  Pair p(SOCK_DGRAM);
  char texts[3][4] = {"one", "two", "tri"};
  mmsghdr out[3] = {}, in[4] = {};
  iovec out_parts[3], in_parts[4];
  char buffers[4][8] = {};
  for (int i = 0; i < 3; ++i) {
    out_parts[i] = {texts[i], 3};
    out[i].msg_hdr.msg_iov = &out_parts[i];
    out[i].msg_hdr.msg_iovlen = 1;
  }
  for (int i = 0; i < 4; ++i) {
    in_parts[i] = {buffers[i], sizeof buffers[i]};
    in[i].msg_hdr.msg_iov = &in_parts[i];
    in[i].msg_hdr.msg_iovlen = 1;
  }
  CHECK_EQ(sendmmsg(p.a, out, 3, 0), 3);
  CHECK_EQ(out[2].msg_len, 3);
  CHECK_EQ(recvmmsg(p.b, in, 4, MSG_WAITFORONE, nullptr), 3);
  CHECK_EQ(in[1].msg_len, 3);
  CHECK(memcmp(buffers[1], "two", 3) == 0);
  CHECK_ERRNO(recvmmsg(p.b, in, 4, MSG_DONTWAIT, nullptr), EAGAIN);
  int got = -1;
  Thread reader([&] { got = recvmmsg(p.b, in, 2, 0, nullptr); });
  reader.AwaitBlocked(SYS_recvmmsg);
  CHECK_EQ(send(p.a, "a", 1, 0), 1);
  reader.AwaitBlocked(SYS_recvmmsg);
  CHECK_EQ(send(p.a, "b", 1, 0), 1);
  reader.Join();
  CHECK_EQ(got, 2);
}

TEST(recvmmsg_timeout_is_looked_at_after_a_message) {
  Pair p(SOCK_DGRAM);
  char buffer[2][8];
  iovec parts[2] = {{buffer[0], 8}, {buffer[1], 8}};
  mmsghdr in[2] = {};
  for (int i = 0; i < 2; ++i) {
    in[i].msg_hdr.msg_iov = &parts[i];
    in[i].msg_hdr.msg_iovlen = 1;
  }
  timespec timeout = {};
  CHECK_EQ(send(p.a, "a", 1, 0), 1);
  CHECK_EQ(send(p.a, "b", 1, 0), 1);
  CHECK_EQ(recvmmsg(p.b, in, 2, 0, &timeout), 1);  // over when the first is there
  CHECK_EQ(ToNs(timeout), 0);
  timeout = {1000, 0};
  CHECK_EQ(send(p.a, "c", 1, 0), 1);
  CHECK_EQ(recvmmsg(p.b, in, 2, 0, &timeout), 2);
  CHECK(ToNs(timeout) >= 900'000 * kMs && ToNs(timeout) <= 1000'000 * kMs);
  for (const timespec bad : {timespec{-1, 0}, timespec{0, -1}, timespec{0, 1000000000}}) {
    timespec t = bad;
    CHECK_ERRNO(recvmmsg(p.b, in, 2, 0, &t), EINVAL);
    CHECK_ERRNO(recvmmsg(-1, in, 2, 0, &t), EINVAL);
  }
  CHECK_ERRNO(syscall(SYS_recvmmsg, p.b + 0, in, 2, 0, Wild()), EFAULT);
}

TEST(batches_and_bad_arguments) {
  Pair p(SOCK_DGRAM);
  char text[4] = "abc";
  iovec part = {text, 3};
  mmsghdr batch[2] = {};
  batch[0].msg_hdr.msg_iov = &part;
  batch[0].msg_hdr.msg_iovlen = 1;
  batch[1].msg_hdr.msg_iov = static_cast<iovec*>(Wild());
  batch[1].msg_hdr.msg_iovlen = 1;
  int fds[2];
  CHECK_OK(pipe(fds));
  CHECK_EQ(sendmmsg(p.a, batch, 2, 0), 1);
  CHECK_EQ(recv(p.b, text, 4, 0), 3);
  CHECK_ERRNO(sendmmsg(p.a, batch + 1, 1, 0), EFAULT);
  for (unsigned count : {0u, 1u}) {
    RECORD("%u: no fd %s", count, Res(sendmmsg(-1, batch, count, 0)));
    RECORD("%u: pipe %s", count, Res(sendmmsg(fds[0], batch, count, 0)));
    RECORD("%u: no fd %s", count, Res(recvmmsg(-1, batch, count, MSG_DONTWAIT, nullptr)));
    RECORD("%u: pipe %s", count, Res(recvmmsg(fds[0], batch, count, MSG_DONTWAIT, nullptr)));
    RECORD("%u: socket %s", count, Res(recvmmsg(p.b, batch, count, MSG_DONTWAIT, nullptr)));
  }
  close(fds[0]);
  close(fds[1]);
}

TEST(bad_arguments_of_send_and_receive) {
  Pair p;
  Socket unconnected(socket(AF_INET, SOCK_STREAM, 0));
  char byte;
  RECORD("recv unconnected %s", Res(recv(unconnected, &byte, 1, 0)));
  RECORD("send unconnected %s", Res(send(unconnected, &byte, 1, MSG_NOSIGNAL)));
  RECORD("send wild %s", Res(send(p.a, Wild(), 1, 0)));
  CHECK_EQ(send(p.a, "x", 1, 0), 1);
  RECORD("recv wild %s", Res(recv(p.b, Wild(), 1, MSG_DONTWAIT)));
  RECORD("recvmsg wild %s", Res(recvmsg(p.b, static_cast<msghdr*>(Wild()), 0)));
  RECORD("sendmsg wild %s", Res(sendmsg(p.a, static_cast<msghdr*>(Wild()), 0)));
  msghdr message = {};
  message.msg_iovlen = 1025;
  RECORD("too many parts: send %s", Res(sendmsg(p.a, &message, 0)));
  RECORD("too many parts: receive %s", Res(recvmsg(p.b, &message, MSG_DONTWAIT)));
  RECORD("socketpair wild %s", Res(socketpair(AF_UNIX, SOCK_STREAM, 0, static_cast<int*>(Wild()))));
  int fds[2];
  RECORD("socketpair inet %s", Res(socketpair(AF_INET, SOCK_STREAM, 0, fds)));
  RECORD("socketpair type %s", Res(socketpair(AF_UNIX, 77, 0, fds)));
  RECORD("peek out of band %s", Res(recv(p.b, &byte, 1, MSG_OOB)));
  RECORD("error queue %s", Res(recv(unconnected, &byte, 1, MSG_ERRQUEUE)));
}

TEST(sendfile_to_a_slow_socket_sends_all) {
  char path[] = "/tmp/detent-abi-XXXXXX";
  Socket file(mkstemp(path));
  unlink(path);
  for (long done = 0; done < kBig;) {
    const ssize_t n = write(file, BigPattern() + done, kBig - done);
    if (n <= 0) break;
    done += n;
  }
  for (bool tcp : {false, true}) {
    TcpPair t;
    Pair u;
    Socket& out = tcp ? t.client : u.a;
    Socket& in = tcp ? t.server : u.b;
    long drained = 0;
    Thread reader([&] { drained = DrainPattern(in, 40000); });
    off_t offset = 0;
    long sent = 0;
    while (sent < kBig) {
      const ssize_t n = sendfile(out, file, &offset, kBig - sent);
      if (n <= 0) break;
      sent += n;
    }
    CHECK_EQ(sent, kBig);
    CHECK_EQ(offset, kBig);
    CHECK_OK(shutdown(out, SHUT_WR));
    reader.Join();
    CHECK_EQ(drained, kBig);
  }
}

TEST(splice_and_tee_wait_for_pipes_and_sockets) {
  Pair p;
  int in[2], out[2];
  CHECK_OK(pipe(in));
  CHECK_OK(pipe(out));
  long moved = 0, copied = 0;
  Thread splicer([&] { moved = splice(in[0], nullptr, out[1], nullptr, 4, 0); });
  splicer.AwaitBlocked(SYS_splice);
  CHECK_EQ(write(in[1], "abcd", 4), 4);
  splicer.Join();
  CHECK_EQ(moved, 4);
  Thread from_socket([&] { moved = splice(p.a, nullptr, in[1], nullptr, 100, 0); });
  from_socket.AwaitBlocked(SYS_splice);
  CHECK_EQ(send(p.b, "socket", 6, 0), 6);
  from_socket.Join();
  CHECK_EQ(moved, 6);
  char buffer[8] = {};
  CHECK_EQ(read(out[0], buffer, 8), 4);
  CHECK_EQ(tee(in[0], out[1], 100, 0), 6);
  CHECK_EQ(read(in[0], buffer, 8), 6);
  CHECK_ERRNO(splice(in[0], nullptr, out[1], nullptr, 4, SPLICE_F_NONBLOCK), EAGAIN);
  Thread teeing([&] { copied = tee(in[0], out[1], 100, 0); });
  teeing.AwaitBlocked(SYS_tee);
  iovec part = {const_cast<char*>("vm"), 2};
  CHECK_EQ(vmsplice(in[1], &part, 1, 0), 2);
  teeing.Join();
  CHECK_EQ(copied, 2);
  RECORD("same pipe %s", Res(splice(in[0], nullptr, in[1], nullptr, 1, 0)));
  RECORD("no pipe %s", Res(splice(p.a, nullptr, p.b, nullptr, 1, 0)));
  RECORD("no fd %s", Res(splice(-1, nullptr, in[1], nullptr, 1, 0)));
  RECORD("nothing %s", Res(splice(-1, nullptr, -1, nullptr, 0, 0)));
  for (int fd : {in[0], in[1], out[0], out[1]}) close(fd);
}
