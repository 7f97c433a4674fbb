// epoll_create(2), epoll_ctl(2), epoll_wait(2) and their variants.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <ctime>

#include "detent/ids.h"
#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_epoll_create(Task& task, int size);
Result<long> sys_epoll_create1(Task& task, int flags);
Result<long> sys_epoll_ctl(Task& task, Fd epfd, int op, Fd fd, UserPtr<const epoll_event> event);
Result<long> sys_epoll_wait(Task& task, Fd epfd, UserPtr<epoll_event> events, int max_events,
                            int timeout_ms);
Result<long> sys_epoll_pwait(Task& task, Fd epfd, UserPtr<epoll_event> events, int max_events,
                             int timeout_ms, UserPtr<const std::uint64_t> mask,
                             std::uint64_t mask_size);
Result<long> sys_epoll_pwait2(Task& task, Fd epfd, UserPtr<epoll_event> events, int max_events,
                              UserPtr<timespec> timeout, UserPtr<const std::uint64_t> mask,
                              std::uint64_t mask_size);

}  // namespace detent::syscalls
