#include "emu/trace/strategies.h"

namespace detent::trace {
namespace {

class Fifo final : public Strategy {
 public:
  std::uint32_t pick_task(Choice, std::span<const Candidate>) override { return 0; }
  std::uint32_t pick(Choice, std::uint32_t) override { return 0; }
};

}  // namespace

std::unique_ptr<Strategy> make_fifo() { return std::make_unique<Fifo>(); }

}  // namespace detent::trace
