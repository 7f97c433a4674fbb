#include "emu/trace/event.h"

#include <sys/syscall.h>

#include <cerrno>

#include "emu/trace/rng.h"

namespace detent::trace {
namespace {

using Space = Object::Space;

constexpr CallShape file(Access access, std::uint8_t argument = 0) {
  return {Space::kFile, argument, access};
}

bool is_file(Space space) { return space == Space::kFile || space == Space::kFiles; }

// Calls whose objects are not files; the first argument of most others is a file descriptor.
CallShape shape_without_file(long number) {
  switch (number) {
    case SYS_futex:
      return {Space::kMemory, 0, Access::kWrite};
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
      return {Space::kFiles, 0, Access::kRead};
    case SYS_exit:
    case SYS_exit_group:
    case SYS_clone:
    case SYS_clone3:
    case SYS_fork:
    case SYS_vfork:
    case SYS_execve:
    case SYS_execveat:
    case SYS_kill:
    case SYS_tkill:
    case SYS_tgkill:
    case SYS_rt_sigaction:
    case SYS_rt_sigprocmask:
    case SYS_rt_sigpending:
    case SYS_rt_sigqueueinfo:
    case SYS_rt_sigsuspend:
    case SYS_rt_sigtimedwait:
    case SYS_rt_tgsigqueueinfo:
    case SYS_pause:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_timer_settime:
    case SYS_timer_delete:
    case SYS_setitimer:
    case SYS_alarm:
    case SYS_clock_settime:
      return {Space::kProcess, 0, Access::kWrite};
    default:
      return {};
  }
}

CallShape shape_with_file(long number) {
  switch (number) {
    case SYS_read:
    case SYS_readv:
    case SYS_write:
    case SYS_writev:
    case SYS_close:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_bind:
    case SYS_listen:
    case SYS_shutdown:
    case SYS_dup:
    case SYS_dup2:
    case SYS_dup3:
    case SYS_lseek:
    case SYS_ftruncate:
    case SYS_flock:
    case SYS_fcntl:
    case SYS_ioctl:
    case SYS_epoll_ctl:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_timerfd_settime:
    case SYS_pwrite64:
    case SYS_splice:
      return file(Access::kWrite);
    case SYS_fstat:
    case SYS_timerfd_gettime:
    case SYS_pread64:
    case SYS_getsockopt:
    case SYS_getsockname:
    case SYS_getpeername:
      return file(Access::kRead);
    default:
      return {};
  }
}

}  // namespace

bool conflicts(const Event& a, const Event& b) {
  if (a.access != Access::kWrite && b.access != Access::kWrite) return false;
  if (a.access == Access::kNone || b.access == Access::kNone) return false;
  if (a.object == b.object) return true;
  const bool several = a.object.space == Space::kFiles || b.object.space == Space::kFiles;
  return several && is_file(a.object.space) && is_file(b.object.space);
}

std::uint64_t key_of(const Object& object) {
  return mix(object.id + (static_cast<std::uint64_t>(object.space) << 60));
}

CallShape shape_of(long number) {
  const CallShape shape = shape_with_file(number);
  return shape.access != Access::kNone ? shape : shape_without_file(number);
}

bool is_progress(long number, long result, bool emulated) {
  if (result < 0) return false;
  switch (number) {
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_writev:
      return !emulated && result != 0;
    case SYS_futex:
    case SYS_sched_yield:
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_epoll_ctl:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_clock_gettime:
    case SYS_gettimeofday:
    case SYS_time:
    case SYS_times:
    case SYS_getrusage:
    case SYS_timerfd_settime:
    case SYS_timerfd_gettime:
    case SYS_timer_settime:
    case SYS_timer_gettime:
    case SYS_timer_getoverrun:
    case SYS_setitimer:
    case SYS_getitimer:
    case SYS_alarm:
    case SYS_kill:
    case SYS_tkill:
    case SYS_tgkill:
    case SYS_rt_sigaction:
    case SYS_rt_sigprocmask:
    case SYS_rt_sigpending:
    case SYS_rt_sigreturn:
    case SYS_rt_sigtimedwait:
    case SYS_restart_syscall:
    case SYS_gettid:
    case SYS_getpid:
    case SYS_getppid:
    case SYS_fcntl:
    case SYS_ioctl:
      return false;
    default:
      return true;
  }
}

bool makes_file(long number) {
  switch (number) {
    case SYS_open:
    case SYS_openat:
    case SYS_openat2:
    case SYS_creat:
    case SYS_socket:
    case SYS_accept:
    case SYS_accept4:
    case SYS_eventfd:
    case SYS_eventfd2:
    case SYS_epoll_create:
    case SYS_epoll_create1:
    case SYS_timerfd_create:
    case SYS_signalfd:
    case SYS_signalfd4:
    case SYS_memfd_create:
    case SYS_inotify_init:
    case SYS_inotify_init1:
      return true;
    default:
      return false;
  }
}

bool concerns_time(long number) {
  switch (number) {
    case SYS_clock_gettime:
    case SYS_gettimeofday:
    case SYS_time:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_timerfd_settime:
    case SYS_timerfd_gettime:
    case SYS_timer_settime:
    case SYS_timer_gettime:
    case SYS_setitimer:
    case SYS_getitimer:
    case SYS_alarm:
      return true;
    default:
      return false;
  }
}

long normalised_result(long number, long result) {
  if (result < 0) return result;
  switch (number) {
    // Addresses.
    case SYS_mmap:
    case SYS_mremap:
    case SYS_brk:
    case SYS_shmat:
    // Ids given by the host.
    case SYS_getpid:
    case SYS_getppid:
    case SYS_gettid:
    case SYS_getpgid:
    case SYS_getpgrp:
    case SYS_getsid:
    case SYS_setsid:
    case SYS_set_tid_address:
    case SYS_clone:
    case SYS_clone3:
    case SYS_fork:
    case SYS_vfork:
    case SYS_wait4:
    case SYS_shmget:
    case SYS_semget:
    case SYS_msgget:
    // Either: what the interrupted code had in rax.
    case SYS_rt_sigreturn:
    // Texts that hold them.
    case SYS_readlink:
    case SYS_readlinkat:
    case SYS_getcwd:
      return 0;
    default:
      return result;
  }
}

}  // namespace detent::trace
