// Symbols: from registers and a piece of stack to functions, files and lines. Works on the files that the
// guest had mapped, long after it is gone (elfutils' libdwfl).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "explore/kernel_report.h"

namespace detent::explore {

struct Frame {
  std::string function;  ///< demangled; empty if unknown
  std::string file;      ///< as the compiler was told; empty without debug information
  int line = 0;
  std::string module;        ///< base name of the file that the code is from
  std::uint64_t offset = 0;  ///< in it
  bool system = false;       ///< of a library that came with the system
};

class Symbols {
 public:
  explicit Symbols(const std::vector<Module>& modules);
  ~Symbols();
  Symbols(const Symbols&) = delete;
  Symbols& operator=(const Symbols&) = delete;

  /// From the innermost frame outwards, as far as the piece of stack reaches, at most kMost.
  [[nodiscard]] std::vector<Frame> unwind(const Standing& standing) const;
  static constexpr std::size_t kMost = 32;

 private:
  struct Session;
  std::unique_ptr<Session> session_;
};

/// Those of a list of modules, kept from one call to the next: reading debug information takes long.
const Symbols& symbols_for(const std::vector<Module>& modules);

/// "worker, races.c:31", or "pthread_mutex_lock, libc.so.6".
std::string frame_text(const Frame& frame);
/// The innermost frame with a known line that is not of a system library; null if there is none.
const Frame* own_frame(const std::vector<Frame>& frames);

}  // namespace detent::explore
