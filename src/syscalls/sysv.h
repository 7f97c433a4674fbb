// System V semaphores and message queues, and POSIX message queues: the calls that may block. Objects
// are the host's, shared with its other processes; the rest of the calls goes to the host as it is.
// Contract: semop(2), msgop(2), mq_send(3), mq_receive(3).
//
// What differs from Linux: those who wait for a System V object try again rather than queue, so they
// are served in no particular order, and semctl(GETNCNT, GETZCNT) does not count them. Undo values
// (SEM_UNDO) belong to the process, as with CLONE_SYSVSEM.
#pragma once

#include <sys/sem.h>

#include <cstdint>
#include <ctime>

#include "detent/ids.h"
#include "detent/result.h"
#include "detent/user_ptr.h"
#include "emu/task/task.h"

namespace detent::syscalls {

Result<long> sys_semop(Task& task, int semaphores, UserPtr<sembuf> operations, unsigned count);
Result<long> sys_semtimedop(Task& task, int semaphores, UserPtr<sembuf> operations, unsigned count,
                            UserPtr<timespec> timeout);
/// Passed on; a change wakes those who wait here without a delay.
Result<long> sys_semctl(Task& task, int semaphores, int index, int command, std::uint64_t argument);

Result<long> sys_msgsnd(Task& task, int queue, UserPtr<void> message, std::uint64_t size,
                        int flags);
Result<long> sys_msgrcv(Task& task, int queue, UserPtr<void> message, std::uint64_t size, long type,
                        int flags);
/// As sys_semctl.
Result<long> sys_msgctl(Task& task, int queue, int command, std::uint64_t argument);

Result<long> sys_mq_timedsend(Task& task, Fd queue, UserPtr<void> message, std::uint64_t size,
                              unsigned priority, UserPtr<timespec> until);
Result<long> sys_mq_timedreceive(Task& task, Fd queue, UserPtr<void> message, std::uint64_t size,
                                 UserPtr<unsigned> priority, UserPtr<timespec> until);

}  // namespace detent::syscalls
