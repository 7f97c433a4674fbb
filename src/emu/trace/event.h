// Event: what a task is about to do, told before it does it, so that a strategy can see which of the
// waiting steps race with each other.
//
// Objects are named so that a name means the same thing in every schedule of a program: an open file by
// the task that made it and the how-manieth it was, a word of memory by its address (ASLR is off), or by
// its distance from the top of the first stack, which moves with the environment.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

namespace detent::trace {

enum class Access : std::uint8_t { kNone, kRead, kWrite };

struct Object {
  enum class Space : std::uint8_t {
    kNone,     ///< only the task itself is concerned
    kMemory,   ///< a futex word, or that of an atomic instruction
    kStack,    ///< the same on the first task's stack; counted from its top
    kFile,     ///< an open file; id: creating task << 32 | ordinal, or the bare fd number
    kFiles,    ///< several open files (poll, select)
    kProcess,  ///< signals, exit, threads coming and going
    kUser,     ///< what the program does between system calls: any memory
  };
  Space space = Space::kNone;
  std::uint64_t id = 0;

  friend bool operator==(const Object&, const Object&) = default;
};

/// What an event is that is no system call.
inline constexpr std::int32_t kUserCode = -1;  ///< goes on, after a system call or a point
inline constexpr std::int32_t kAtomic = -2;    ///< an atomic instruction of the program
inline constexpr std::int32_t kPause = -3;     ///< PAUSE: it waits for another task in a loop

struct Event {
  std::int32_t call = kUserCode;  ///< system call number, or one of the above
  Object object;
  Access access = Access::kNone;
};

/// True if the order of the two can matter: they touch one object and one of them changes it.
bool conflicts(const Event& a, const Event& b);
/// A number for an object, equal for equal objects; for tables and random draws.
std::uint64_t key_of(const Object& object);

/// Which argument of a system call names its object, and what it does to it.
struct CallShape {
  Object::Space space = Object::Space::kNone;
  std::uint8_t argument = 0;  ///< index of the fd or address
  Access access = Access::kNone;
};
CallShape shape_of(long number);

/// True for calls whose result, if it is no error, is a new open file's number.
bool makes_file(long number);

/// How a result enters the trace hash: addresses, process ids and host-given sizes become 0.
long normalised_result(long number, long result);

/// False for calls that wait, tell the time, send signals or found nothing: a run of many of them in which
/// time stands still goes round in circles. `emulated`: a read or write was of an emulated file.
bool is_progress(long number, long result, bool emulated);

/// True for calls that tell the time, wait for it or arm a timer.
bool concerns_time(long number);

/// An event that happened, for reports.
struct PastEvent {
  std::uint64_t n = 0;     ///< position among all events of the run
  std::int64_t at_ns = 0;  ///< guest's monotonic clock at its start
  Event event;
  std::uint64_t detail = 0;  ///< the object as the program knows it: address or fd
  std::uint64_t choice = 0;  ///< number of choices asked before it
  long result = 0;
  bool finished = false;
};

/// The points (atomic instructions, PAUSE) that a task came by since its last system call, for telling a loop
/// that waits for another task from one that gets something done: see chooser.h, pass_point().
struct PointLoop {
  std::array<std::uint64_t, 4> seen{};  ///< a ring of what its last points looked like
  std::uint32_t next = 0;
  std::uint32_t vain = 0;      ///< weight of those that looked as before
  std::uint32_t in_a_row = 0;  ///< all of them
};

/// What is kept for one task; empty unless the run is recorded.
struct TaskTrace {
  static constexpr std::size_t kPast = 20;

  std::uint32_t number = 0;  ///< 1 for the first task, then in order of creation
  std::uint32_t files = 0;   ///< open files that it made
  Event next;                ///< published; what it does when it runs on
  std::uint64_t detail = 0;
  /// It was preempted by a deviation, and goes on when no other task is ready.
  bool held_up = false;
  std::uint32_t passed_over = 0;  ///< how often since then
  /// It only looks again and again at what another task has to change.
  bool spinning = false;
  std::uint32_t repeats = 0;    ///< of one fruitless call
  std::uint32_t fruitless = 0;  ///< calls in a row that found nothing, of whatever kind
  std::int32_t last_call = -1;
  PointLoop points;
  std::uint64_t events = 0;  ///< of this task so far
  std::unique_ptr<std::array<PastEvent, kPast>>
      past;  ///< a ring; slot events % kPast is the oldest
};

}  // namespace detent::trace
