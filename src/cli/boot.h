// From a boot record to a running guest: the second life of the detent image (docs/adr/0002).
#pragma once

#include "emu/process/boot.h"

namespace detent::cli {

/// Loads the record's program, builds the kernel and enters the guest on the stack the host built.
[[noreturn]] void boot_guest(const process::Booted& booted);

}  // namespace detent::cli
