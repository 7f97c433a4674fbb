// `detent syscalls`: the table of system calls as text.
#pragma once

#include <string>

namespace detent::syscalls {

/// One line a call, in the order of numbers: number, name, who serves it, and why it is not served.
std::string table_to_text();

}  // namespace detent::syscalls
