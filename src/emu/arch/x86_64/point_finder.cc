#include "emu/arch/x86_64/point_finder.h"

#include <algorithm>

namespace detent::arch {
namespace {

constexpr std::uint8_t kLock = 0xf0;

// A byte that no point begins with is told by looking: most functions are not walked at all.
bool may_have_points(std::span<const std::uint8_t> code) {
  for (std::size_t i = 0; i + 1 < code.size(); ++i) {
    const std::uint8_t byte = code[i];
    if (byte == kLock || (byte == 0xf3 && code[i + 1] == 0x90)) return true;
    if ((byte == 0x86 || byte == 0x87) && code[i + 1] < 0xc0) return true;
  }
  return false;
}

class Finder {
 public:
  explicit Finder(std::span<const std::uint8_t> code) : code_(code), marks_(code.size(), 0) {}

  std::vector<FoundPoint> run(bool has_pads) {
    starts_.push_back(0);
    walk_all();
    if (has_pads || has_indirect_) walk_rest();
    if (overlaps_) return {};
    std::ranges::sort(points_, {}, &FoundPoint::offset);
    for (FoundPoint& point : points_) {
      point.entered_inside = !complete_ || is_entered(point.offset + 1, point.shape.length - 1U);
    }
    return std::move(points_);
  }

 private:
  enum Mark : std::uint8_t { kStart = 1, kInside = 2, kTarget = 4 };

  void walk_all() {
    while (!starts_.empty()) {
      const std::size_t at = starts_.back();
      starts_.pop_back();
      walk(at);
    }
  }

  // In the order of addresses, each from where an instruction ended.
  void walk_rest() {
    for (std::size_t at = 0; at < code_.size() && complete_; ++at) {
      if ((marks_[at] & (kStart | kInside)) != 0) continue;
      walk(at);
      walk_all();
    }
  }

  void walk(std::size_t at) {
    while (at < code_.size() && (marks_[at] & kStart) == 0) {
      const std::optional<Shape> shape = shape_of(code_.subspan(at));
      if (!shape) {
        complete_ = false;
        return;
      }
      if (!enter(at, shape->length)) return;
      if (shape->point != PointKind::kNone) points_.push_back({at, *shape, false});
      at += shape->length;
      if (shape->flow == Flow::kJump || shape->flow == Flow::kBranch)
        note_target(at, shape->offset);
      if (shape->flow == Flow::kIndirect) has_indirect_ = true;
      if (shape->flow != Flow::kNext && shape->flow != Flow::kBranch) return;
    }
  }

  // False if the instruction is one that is known already but for its LOCK prefix, or overlaps another.
  bool enter(std::size_t at, std::size_t length) {
    if ((marks_[at] & kInside) != 0) {
      overlaps_ = overlaps_ || at == 0 || code_[at - 1] != kLock || (marks_[at - 1] & kStart) == 0;
      return false;
    }
    for (std::size_t i = 1; i < length; ++i) {
      // The one without the prefix may have been walked first.
      const bool behind_lock = i == 1 && code_[at] == kLock;
      if ((marks_[at + i] & kStart) != 0 && !behind_lock) overlaps_ = true;
    }
    marks_[at] |= kStart;
    for (std::size_t i = 1; i < length; ++i) marks_[at + i] |= kInside;
    return true;
  }

  void note_target(std::size_t behind, std::int32_t offset) {
    const auto target = static_cast<std::int64_t>(behind) + offset;
    if (target < 0 || target >= static_cast<std::int64_t>(code_.size())) return;
    const auto at = static_cast<std::size_t>(target);
    marks_[at] |= kTarget;
    starts_.push_back(at);
  }

  [[nodiscard]] bool is_entered(std::uint64_t from, std::size_t count) const {
    for (std::uint64_t at = from; at < from + count; ++at) {
      if ((marks_[at] & (kTarget | kStart)) != 0) return true;
    }
    return false;
  }

  std::span<const std::uint8_t> code_;
  std::vector<std::uint8_t> marks_;
  std::vector<std::size_t> starts_;
  std::vector<FoundPoint> points_;
  bool has_indirect_ = false;
  bool complete_ = true;
  bool overlaps_ = false;
};

}  // namespace

std::vector<FoundPoint> find_points(std::span<const std::uint8_t> function, bool has_pads) {
  if (!may_have_points(function)) return {};
  return Finder(function).run(has_pads);
}

}  // namespace detent::arch
