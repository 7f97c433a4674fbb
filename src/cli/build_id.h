// Which build of a program this is, so that a schedule says what it was found with.
#pragma once

#include <string>

namespace detent::cli {

/// The GNU build-id of the ELF file behind `fd` in hexadecimal; without one, 16 digits that depend on all
/// bytes of the file. Empty if it cannot be read. At most 40 digits.
std::string build_id_of(int fd);

}  // namespace detent::cli
