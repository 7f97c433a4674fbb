// System V semaphores and message queues, and POSIX message queues: blocking, wake-up, time-outs, interruption, removal.
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>

#include "abi_test.h"

using namespace abi;

namespace {

union semun {
  int val;
  unsigned short* array;
};

class Semaphores {
 public:
  explicit Semaphores(int count = 1) : id_(semget(IPC_PRIVATE, count, 0600)) {
    CHECK(id_ >= 0);
    for (int i = 0; i < count; ++i) Set(i, 0);
  }
  ~Semaphores() { Remove(); }
  int id() const { return id_; }
  void Set(int index, int value) { CHECK_OK(semctl(id_, index, SETVAL, semun{value})); }
  int Get(int index) { return semctl(id_, index, GETVAL); }
  int Op(int index, int delta, int flags = 0) {
    sembuf op = {static_cast<unsigned short>(index), static_cast<short>(delta),
                 static_cast<short>(flags)};
    return semop(id_, &op, 1);
  }
  int TimedOp(int index, int delta, const timespec* timeout) {
    sembuf op = {static_cast<unsigned short>(index), static_cast<short>(delta), 0};
    return semtimedop(id_, &op, 1, timeout);
  }
  void Remove() {
    if (id_ >= 0) semctl(id_, 0, IPC_RMID);
    id_ = -1;
  }

 private:
  int id_;
};

struct Message {
  long type;
  char text[16];
};

class Queue {
 public:
  Queue() : id_(msgget(IPC_PRIVATE, 0600)) { CHECK(id_ >= 0); }
  ~Queue() { Remove(); }
  int Send(long type, const char* text, int flags = 0) {
    Message message = {type, {}};
    snprintf(message.text, sizeof message.text, "%s", text);
    return msgsnd(id_, &message, strlen(text), flags);
  }
  long Receive(Message& message, long type = 0, int flags = 0) {
    message = {};
    return msgrcv(id_, &message, sizeof message.text, type, flags);
  }
  void Limit(unsigned long bytes) {
    msqid_ds state;
    CHECK_OK(msgctl(id_, IPC_STAT, &state));
    state.msg_qbytes = bytes;
    CHECK_OK(msgctl(id_, IPC_SET, &state));
  }
  int id() const { return id_; }
  void Remove() {
    if (id_ >= 0) msgctl(id_, IPC_RMID, nullptr);
    id_ = -1;
  }

 private:
  int id_;
};

// A POSIX queue without a name any more; -1 where the kernel or a limit does not let us have one.
class PosixQueue {
 public:
  explicit PosixQueue(int flags = 0) {
    char name[64];
    snprintf(name, sizeof name, "/detent-abi-%d", getpid());
    mq_attr attributes = {};
    attributes.mq_maxmsg = 2;
    attributes.mq_msgsize = 16;
    mq_ = mq_open(name, O_RDWR | O_CREAT | O_EXCL | flags, 0600, &attributes);
    if (mq_ >= 0) mq_unlink(name);
  }
  ~PosixQueue() {
    if (mq_ >= 0) mq_close(mq_);
  }
  operator mqd_t() const { return mq_; }

 private:
  mqd_t mq_;
};

}  // namespace

TEST(semop_blocks_and_is_woken) {
  Semaphores s;
  int result = -1;
  bool done = false;
  Thread waiter([&] {
    result = s.Op(0, -2);
    __atomic_store_n(&done, true, __ATOMIC_SEQ_CST);
  });
  waiter.AwaitBlocked(SYS_semtimedop);
  CHECK_OK(s.Op(0, 1));
  SleepMs(5);
  CHECK(!__atomic_load_n(&done, __ATOMIC_SEQ_CST));
  CHECK_OK(s.Op(0, 1));
  waiter.Join();
  CHECK_EQ(result, 0);
  CHECK_EQ(s.Get(0), 0);
}

TEST(semop_waits_for_zero_and_for_several_at_once) {
  Semaphores s(2);
  s.Set(0, 1);
  int result = -1;
  Thread waiter([&] {
    sembuf ops[2] = {{0, 0, 0}, {1, -1, 0}};
    result = semop(s.id(), ops, 2);
  });
  waiter.AwaitBlocked(SYS_semtimedop);
  CHECK_OK(s.Op(1, 1));
  SleepMs(5);
  CHECK_EQ(s.Get(1), 1);  // all or nothing
  CHECK_OK(s.Op(0, -1));
  waiter.Join();
  CHECK_EQ(result, 0);
  CHECK_EQ(s.Get(1), 0);
}

TEST(semctl_setval_wakes) {
  Semaphores s;
  int result = -1;
  Thread waiter([&] { result = s.Op(0, -3); });
  waiter.AwaitBlocked(SYS_semtimedop);
  s.Set(0, 5);
  waiter.Join();
  CHECK_EQ(result, 0);
  CHECK_EQ(s.Get(0), 2);
}

TEST(semop_without_waiting) {
  Semaphores s(2);
  CHECK_ERRNO(s.Op(0, -1, IPC_NOWAIT), EAGAIN);
  // The first obstacle decides: its own flag counts.
  sembuf nowait_first[2] = {{0, -1, IPC_NOWAIT}, {1, -1, 0}};
  CHECK_ERRNO(semop(s.id(), nowait_first, 2), EAGAIN);
  s.Set(0, 1);
  sembuf nowait_second[2] = {{0, -1, 0}, {1, -1, IPC_NOWAIT}};
  CHECK_ERRNO(semop(s.id(), nowait_second, 2), EAGAIN);
  CHECK_EQ(s.Get(0), 1);
}

TEST(semop_with_mixed_flags_waits_at_its_obstacle) {
  Semaphores s(2);
  s.Set(1, 1);
  int result = -1;
  Thread waiter([&] {
    sembuf ops[2] = {{0, -1, 0}, {1, -1, IPC_NOWAIT}};
    result = semop(s.id(), ops, 2);
  });
  waiter.AwaitBlocked(SYS_semtimedop);
  CHECK_OK(s.Op(0, 1));
  waiter.Join();
  CHECK_EQ(result, 0);
  CHECK_EQ(s.Get(1), 0);
}

TEST(semtimedop_times_out) {
  Semaphores s;
  const timespec t = FromNs(40 * kMs), zero = {};
  const int64_t start = Now();
  CHECK_ERRNO(s.TimedOp(0, -1, &t), EAGAIN);
  CHECK_GE(Now() - start, 40 * kMs);
  CHECK_ERRNO(s.TimedOp(0, -1, &zero), EAGAIN);
  CHECK_EQ(s.TimedOp(0, 0, &zero), 0);
}

TEST(semop_errors) {
  Semaphores s(2);
  sembuf op = {0, 1, 0}, outside = {2, 1, 0};
  timespec bad = {0, 1000000000};
  RECORD("count 0: %s", Res(semop(s.id(), &op, 0)));
  RECORD("count 1000000: %s", Res(semop(s.id(), &op, 1000000)));
  RECORD("no id: %s", Res(semop(-1, &op, 1)));
  RECORD("wild: %s", Res(semop(s.id(), static_cast<sembuf*>(Wild()), 1)));
  RECORD("wild and no id: %s", Res(semop(-1, static_cast<sembuf*>(Wild()), 1)));
  RECORD("outside: %s", Res(semop(s.id(), &outside, 1)));
  RECORD("bad time-out: %s", Res(semtimedop(s.id(), &op, 1, &bad)));
  RECORD("wild time-out: %s", Res(semtimedop(s.id(), &op, 1, static_cast<timespec*>(Wild()))));
  op.sem_op = 32767;
  CHECK_OK(semop(s.id(), &op, 1));
  RECORD("overflow: %s", Res(semop(s.id(), &op, 1)));
}

TEST(removal_ends_a_semop_with_EIDRM) {
  Semaphores s;
  int error = 0;
  Thread waiter([&] {
    CHECK_EQ(s.Op(0, -1), -1);
    error = errno;
  });
  waiter.AwaitBlocked(SYS_semtimedop);
  s.Remove();
  waiter.Join();
  CHECK_EQ(error, EIDRM);
}

TEST(semop_is_never_restarted) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    Semaphores s;
    int error = 0;
    Thread waiter([&] {
      CHECK_EQ(s.Op(0, -1), -1);
      error = errno;
    });
    waiter.AwaitBlocked(SYS_semtimedop);
    Tgkill(waiter.tid(), SIGUSR1);
    waiter.Join();
    CHECK_EQ(error, EINTR);
  }
}

TEST(semaphore_hands_a_turn_to_and_fro) {
  Semaphores s(2);
  const auto play = [&](int mine, int other) {
    for (int i = 0; i < 200; ++i) {
      CHECK_OK(s.Op(mine, -1));
      CHECK_OK(s.Op(other, 1));
    }
  };
  Thread partner([&] { play(1, 0); });
  s.Op(0, 1);
  play(0, 1);
  partner.Join();
  CHECK_EQ(s.Get(0), 1);
}

TEST(semaphore_between_processes) {
  Semaphores s;
  const pid_t child = Spawn([&] {
    SleepMs(10);
    return s.Op(0, 1) == 0 ? 0 : 1;
  });
  CHECK_OK(s.Op(0, -1));
  CHECK_EQ(WaitFor(child), 0);
}

TEST(msgrcv_blocks_until_a_message_of_its_type) {
  Queue q;
  Message message;
  long result = -1;
  Thread reader([&] { result = q.Receive(message, 7); });
  reader.AwaitBlocked(SYS_msgrcv);
  CHECK_OK(q.Send(3, "other"));
  SleepMs(5);
  CHECK_OK(q.Send(7, "mine"));
  reader.Join();
  CHECK_EQ(result, 4);
  CHECK_EQ(message.type, 7);
  CHECK(memcmp(message.text, "mine", 4) == 0);
  CHECK_ERRNO(q.Receive(message, 7, IPC_NOWAIT), ENOMSG);
  CHECK_EQ(q.Receive(message, 0), 5);
}

TEST(msgsnd_waits_for_room) {
  Queue q;
  q.Limit(16);
  CHECK_OK(q.Send(1, "0123456789"));
  CHECK_ERRNO(q.Send(1, "0123456789", IPC_NOWAIT), EAGAIN);
  int result = -1;
  Thread writer([&] { result = q.Send(2, "abcdefghij"); });
  writer.AwaitBlocked(SYS_msgsnd);
  Message message;
  CHECK_EQ(q.Receive(message), 10);
  writer.Join();
  CHECK_EQ(result, 0);
  CHECK_EQ(q.Receive(message), 10);
  CHECK_EQ(message.type, 2);
}

TEST(removal_ends_msgrcv_and_msgsnd_with_EIDRM) {
  Queue q, full;
  full.Limit(4);
  CHECK_OK(full.Send(1, "full"));
  int read_error = 0, write_error = 0;
  Thread reader([&] {
    Message message;
    CHECK_EQ(q.Receive(message), -1);
    read_error = errno;
  });
  Thread writer([&] {
    CHECK_EQ(full.Send(1, "more"), -1);
    write_error = errno;
  });
  reader.AwaitBlocked(SYS_msgrcv);
  writer.AwaitBlocked(SYS_msgsnd);
  q.Remove();
  full.Remove();
  reader.Join();
  writer.Join();
  CHECK_EQ(read_error, EIDRM);
  CHECK_EQ(write_error, EIDRM);
}

TEST(msgrcv_is_never_restarted) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    Queue q;
    int error = 0;
    Thread reader([&] {
      Message message;
      CHECK_EQ(q.Receive(message), -1);
      error = errno;
    });
    reader.AwaitBlocked(SYS_msgrcv);
    Tgkill(reader.tid(), SIGUSR1);
    reader.Join();
    CHECK_EQ(error, EINTR);
  }
}

TEST(message_errors) {
  Queue q;
  Message message = {0, "text"};
  RECORD("type 0: %s", Res(msgsnd(q.id(), &message, 4, IPC_NOWAIT)));
  message.type = 1;
  RECORD("no id: %s", Res(msgsnd(-1, &message, 4, IPC_NOWAIT)));
  RECORD("size -1: %s", Res(msgsnd(q.id(), &message, ~size_t{0}, IPC_NOWAIT)));
  RECORD("wild: %s", Res(msgsnd(q.id(), Wild(), 4, IPC_NOWAIT)));
  CHECK_OK(msgsnd(q.id(), &message, 4, 0));
  RECORD("too long: %s", Res(msgrcv(q.id(), &message, 2, 0, 0)));
  RECORD("truncated: %s", Res(msgrcv(q.id(), &message, 2, 0, MSG_NOERROR)));
  RECORD("receive without id: %s", Res(msgrcv(-1, &message, 2, 0, 0)));
  RECORD("empty: %s", Res(msgrcv(q.id(), &message, 2, 0, IPC_NOWAIT)));
}

TEST(mq_blocks_and_is_woken_both_ways) {
  PosixQueue q;
  REQUIRE(q >= 0);
  char buffer[16] = {};
  unsigned priority = 0;
  long result = -1;
  Thread reader([&] { result = mq_receive(q, buffer, sizeof buffer, &priority); });
  reader.AwaitBlocked(SYS_mq_timedreceive);
  CHECK_OK(mq_send(q, "urgent", 6, 5));
  reader.Join();
  CHECK_EQ(result, 6);
  CHECK_EQ(priority, 5);
  CHECK_OK(mq_send(q, "a", 1, 1));
  CHECK_OK(mq_send(q, "b", 1, 9));
  int sent = -1;
  Thread writer([&] { sent = mq_send(q, "c", 1, 0); });
  writer.AwaitBlocked(SYS_mq_timedsend);
  CHECK_EQ(mq_receive(q, buffer, sizeof buffer, &priority), 1);
  CHECK_EQ(priority, 9);
  writer.Join();
  CHECK_EQ(sent, 0);
}

TEST(mq_timeouts_are_absolute) {
  PosixQueue q;
  REQUIRE(q >= 0);
  char buffer[16];
  const timespec past = {1, 0};
  const int64_t end = Now(CLOCK_REALTIME) + 40 * kMs;
  const timespec until = FromNs(end);
  CHECK_ERRNO(mq_timedreceive(q, buffer, sizeof buffer, nullptr, &until), ETIMEDOUT);
  CHECK_GE(Now(CLOCK_REALTIME), end);
  CHECK_ERRNO(mq_timedreceive(q, buffer, sizeof buffer, nullptr, &past), ETIMEDOUT);
  CHECK_EQ(mq_timedsend(q, "x", 1, 0, &past), 0);  // room: the time is not looked at
  CHECK_EQ(mq_timedsend(q, "y", 1, 0, &past), 0);
  CHECK_ERRNO(mq_timedsend(q, "z", 1, 0, &past), ETIMEDOUT);
  CHECK_EQ(mq_timedreceive(q, buffer, sizeof buffer, nullptr, &past), 1);
}

TEST(mq_errors_and_their_order) {
  PosixQueue q, other(O_NONBLOCK);
  REQUIRE(q >= 0);
  char buffer[16];
  const timespec bad = {0, 1000000000}, negative = {-1, 0};
  for (const timespec* t : {&bad, &negative}) {
    RECORD("bad time: %s", Res(mq_timedreceive(q, buffer, sizeof buffer, nullptr, t)));
    RECORD("bad time, no fd: %s", Res(mq_timedreceive(-1, buffer, sizeof buffer, nullptr, t)));
    RECORD("bad time, send: %s", Res(mq_timedsend(q, "x", 1, 0, t)));
  }
  RECORD("wild time: %s", Res(syscall(SYS_mq_timedsend, q + 0, "x", 1, 0, Wild())));
  RECORD("short buffer: %s", Res(mq_receive(q, buffer, 1, nullptr)));
  RECORD("long message: %s", Res(mq_send(q, "01234567890123456789", 20, 0)));
  RECORD("priority: %s", Res(mq_send(q, "x", 1, 32768)));
  RECORD("no fd: %s", Res(mq_send(-1, "x", 1, 0)));
  RECORD("another file: %s", Res(mq_send(1, "x", 1, 0)));
  if (other >= 0) RECORD("nonblocking: %s", Res(mq_receive(other, buffer, sizeof buffer, nullptr)));
}

TEST(mq_receive_is_restarted_with_SA_RESTART) {
  for (int flags : {0, SA_RESTART}) {
    Handler handler(SIGUSR1, CountSignal, flags);
    g_signals = 0;
    PosixQueue q;
    REQUIRE(q >= 0);
    char buffer[16];
    long result = 0;
    int error = 0;
    Thread reader([&] {
      result = mq_receive(q, buffer, sizeof buffer, nullptr);
      error = errno;
    });
    reader.AwaitBlocked(SYS_mq_timedreceive);
    Tgkill(reader.tid(), SIGUSR1);
    while (g_signals == 0) SleepMs(1);
    if (flags) CHECK_OK(mq_send(q, "x", 1, 0));
    reader.Join();
    CHECK_EQ(result, flags ? 1 : -1);
    if (!flags) CHECK_EQ(error, EINTR);
  }
}
