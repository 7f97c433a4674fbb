// Whole files of the host, by host calls alone: what the kernel reads in /proc for itself.
#pragma once

#include <string>

namespace detent::arch {

/// What `path` holds; empty if it cannot be read. Allocates.
std::string read_host_file(const char* path);

}  // namespace detent::arch
