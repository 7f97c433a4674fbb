// RLIMIT_AS and RLIMIT_DATA count the kernel's own reserved address space, of which next to nothing is
// ever used. So the host's limits are kept higher by that much, and the guest sees them without it.
#pragma once

#include <sys/resource.h>

#include "detent/result.h"

namespace detent::mem {

/// True for the two limits that differ between host and guest.
bool is_shifted_limit(int resource);
/// The same limit as the host holds it and as the guest sees it. Other resources are left as they are.
rlimit to_host_limit(int resource, rlimit guest);
rlimit to_guest_limit(int resource, rlimit host);

/// Once, by the command line: raises this process's limits from the guest's to the host's form. EPERM if a
/// hard limit may not be raised.
Result<void> make_room_in_address_space();

}  // namespace detent::mem
