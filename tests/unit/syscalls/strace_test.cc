#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <ctime>

#include "syscalls/strace_names.h"

namespace detent::syscalls {

TEST_CASE("strace names errnos and tells restart codes apart") {
  CHECK(error_text(Errno{ENOENT}) == "-1 ENOENT (No such file or directory)");
  CHECK(error_text(Errno{EAGAIN}) == "-1 EAGAIN (Resource temporarily unavailable)");
  CHECK(error_text(kRestartSys) == "? ERESTARTSYS");
  CHECK(error_text(kRestartNoIntr) == "? ERESTARTNOINTR");
  CHECK(error_text(kRestartNoHand) == "? ERESTARTNOHAND");
  CHECK(error_text(kRestartBlock) == "? ERESTART_RESTARTBLOCK");
  CHECK(error_text(Errno{4000}) == "-1 (errno 4000)");
}

TEST_CASE("strace names signals, real-time ones by number") {
  CHECK(signal_text(SIGUSR1) == "SIGUSR1");
  CHECK(signal_text(31) == "SIGSYS");
  CHECK(signal_text(32) == "SIGRT_0");
  CHECK(signal_text(64) == "SIGRT_32");
  CHECK(signal_text(0) == "0");
  CHECK(signal_text(65) == "65");
}

TEST_CASE("strace names clocks, and prints CPU clocks of others as numbers") {
  CHECK(clock_text(CLOCK_MONOTONIC) == "CLOCK_MONOTONIC");
  CHECK(clock_text(CLOCK_TAI) == "CLOCK_TAI");
  CHECK(clock_text(static_cast<std::uint64_t>(-6)) == "-6");
}

TEST_CASE("strace names futex operations with their flags") {
  CHECK(futex_op_text(FUTEX_WAIT_PRIVATE) == "FUTEX_WAIT_PRIVATE");
  CHECK(futex_op_text(FUTEX_WAKE) == "FUTEX_WAKE");
  CHECK(futex_op_text(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME) ==
        "FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME");
  CHECK(futex_op_text(99) == "0x63");
  CHECK(futex_op_text(99 | FUTEX_PRIVATE_FLAG) == "0x63|FUTEX_PRIVATE_FLAG");
  CHECK(futex_op_has_timeout(FUTEX_WAIT_PRIVATE));
  CHECK(futex_op_has_timeout(FUTEX_LOCK_PI));
  CHECK_FALSE(futex_op_has_timeout(FUTEX_WAKE_OP_PRIVATE));
  CHECK_FALSE(futex_op_has_timeout(FUTEX_REQUEUE));
}

TEST_CASE("strace names flags and keeps unknown bits") {
  CHECK(protection_text(PROT_NONE) == "PROT_NONE");
  CHECK(protection_text(PROT_READ | PROT_EXEC) == "PROT_READ|PROT_EXEC");
  CHECK(open_flags_text(O_RDONLY) == "O_RDONLY");
  CHECK(open_flags_text(O_RDWR | O_CREAT | O_CLOEXEC) == "O_RDWR|O_CREAT|O_CLOEXEC");
  CHECK(open_flags_text(O_WRONLY | O_SYNC) == "O_WRONLY|O_SYNC");
  CHECK(open_flags_text(O_TMPFILE | O_RDWR) == "O_RDWR|O_TMPFILE");
  CHECK(open_flags_text(0x80000000) == "O_RDONLY|0x80000000");
  CHECK(map_flags_text(MAP_PRIVATE | MAP_ANONYMOUS) == "MAP_PRIVATE|MAP_ANONYMOUS");
  CHECK(map_flags_text(MAP_SHARED_VALIDATE | MAP_SYNC) == "MAP_SHARED_VALIDATE|MAP_SYNC");
  CHECK(map_flags_text(0) == "0");
}

TEST_CASE("strace names clone flags, the signal last") {
  CHECK(clone_flags_text(SIGCHLD) == "SIGCHLD");
  CHECK(clone_flags_text(CLONE_VM | CLONE_VFORK | SIGCHLD) == "CLONE_VM|CLONE_VFORK|SIGCHLD");
  CHECK(clone_flags_text(0) == "0");
}

TEST_CASE("strace quotes bytes as C does") {
  CHECK(quoted("plain", false) == "\"plain\"");
  CHECK(quoted("a\n\t\r\"\\", true) == R"("a\n\t\r\"\\"...)");
  CHECK(quoted(std::string_view("\0\x7f\xff", 3), false) == R"("\x00\x7f\xff")");
  CHECK(quoted("", false) == "\"\"");
}

TEST_CASE("strace prints modes in octal") {
  CHECK(mode_text(0644) == "0644");
  CHECK(mode_text(0) == "0000");
  CHECK(mode_text(04755) == "4755");
}

}  // namespace detent::syscalls
