#include "emu/arch/x86_64/point_finder.h"

#include <catch2/catch.hpp>

#include "emu/arch/x86_64/patch_plan.h"

namespace detent::arch {
namespace {

using Code = std::vector<std::uint8_t>;

Code joined(std::initializer_list<Code> parts) {
  Code code;
  for (const Code& part : parts) code.insert(code.end(), part.begin(), part.end());
  return code;
}

const Code kLockInc = {0xf0, 0xff, 0x07};               // lock incl (%rdi)
const Code kLongLock = {0xf0, 0xff, 0x05, 1, 2, 3, 4};  // lock incl 0x04030201(%rip)
const Code kXchg = {0x87, 0x07};                        // xchg %eax, (%rdi)
const Code kReturn = {0xc3};

std::vector<std::uint64_t> offsets(const Code& code, bool has_pads = false) {
  std::vector<std::uint64_t> found;
  for (const FoundPoint& point : find_points(code, has_pads)) found.push_back(point.offset);
  return found;
}
using Offsets = std::vector<std::uint64_t>;

TEST_CASE("atomic instructions and pauses are points, and nothing else is", "[points]") {
  CHECK(offsets(joined({kLockInc, kXchg, {0xf3, 0x90}, kReturn})) == Offsets{0, 3, 5});
  CHECK(offsets({0x87, 0xc3, 0x90, 0xf3, 0x48, 0x0f, 0xb8, 0xc7, 0xc3}).empty());
}

TEST_CASE("data behind the end is not taken for code", "[points]") {
  CHECK(offsets(joined({kReturn, kLockInc})).empty());
  CHECK(offsets(joined({{0xeb, 0x03}, kLockInc, kReturn})).empty());  // jumped over
  // With an indirect jump, or landing pads, somebody may come there.
  CHECK(offsets(joined({{0xff, 0xe0}, kLockInc, kReturn})) == Offsets{2});
  CHECK(offsets(joined({kReturn, kLockInc, kReturn}), true) == Offsets{1});
}

TEST_CASE("branches lead to what they skip", "[points]") {
  // jne over a return; the point is behind it
  CHECK(offsets(joined({{0x75, 0x01}, kReturn, kLockInc, kReturn})) == Offsets{3});
}

TEST_CASE("a walk ends where it can't be sure", "[points]") {
  CHECK(offsets(joined({{0x06}, kLockInc})).empty());  // no instruction in 64-bit mode
  // Its first half is sound, but who knows what jumps there from the other.
  const auto found = find_points(joined({kLongLock, {0x06}}), false);
  REQUIRE(found.size() == 1);
  CHECK(found[0].entered_inside);
  // A jump into the middle of an instruction that is no LOCK.
  CHECK(offsets({0x75, 0x01, 0xb8, 0xf0, 0xff, 0x07, 0xc3, 0xc3}).empty());
}

TEST_CASE("the idiom that skips a LOCK keeps its second entry", "[points]") {
  const auto found = find_points(joined({{0x74, 0x01}, kLongLock, kReturn}), false);
  REQUIRE(found.size() == 1);
  CHECK((found[0].offset == 2 && found[0].entered_inside));
  const auto plain = find_points(joined({{0x90}, kLongLock, kReturn}), false);
  REQUIRE(plain.size() == 1);
  CHECK(!plain[0].entered_inside);
}

TEST_CASE("operands are told by base, index, displacement and segment", "[points]") {
  const auto shape = shape_of(Code{0x64, 0xf0, 0x4c, 0x0f, 0xb1, 0x44, 0xcb, 0xf0});
  REQUIRE(shape);  // lock cmpxchg %r8, %fs:-0x10(%rbx,%rcx,8)
  const MemoryOperand& operand = shape->operand;
  CHECK((shape->length == 8 && shape->point == PointKind::kAtomic));
  CHECK((operand.base == 3 && operand.index == 1 && operand.shift == 3));
  CHECK((operand.displacement == -16 && operand.segment == MemoryOperand::Segment::kFs));
  const auto relative = shape_of(kLongLock);
  REQUIRE(relative);
  CHECK((relative->operand.base == MemoryOperand::kRip && relative->displacement == 3));
}

TEST_CASE("a point moves alone if it is long enough, and never together with another", "[points]") {
  Code code = joined({kLongLock, kReturn});
  code.resize(kSiteWindow, 0xff);
  const auto alone = plan_point(0x1000, code, *shape_of(code));
  REQUIRE(alone);
  CHECK((alone->count == 1 && alone->length == 7 && alone->starts == 0));
  Code two = joined({kXchg, kLockInc, kReturn});
  two.resize(kSiteWindow, 0xff);
  CHECK(!plan_point(0x1000, two, *shape_of(two)));
  Code short_one = joined({kXchg, {0x89, 0xc3, 0x85, 0xc0}, kReturn});
  short_one.resize(kSiteWindow, 0xff);
  const auto moved = plan_point(0x1000, short_one, *shape_of(short_one));
  REQUIRE(moved);
  CHECK((moved->count == 3 && moved->length == 6 && moved->starts == (1 << 2 | 1 << 4)));
}

TEST_CASE("an int3 replaces one byte", "[points]") {
  Code code = kLongLock;
  code.resize(kSiteWindow, 0xff);
  const auto patch = make_trap_patch(0x7ffff7d00000, code, *shape_of(code), 0x7ffff8000000);
  REQUIRE(patch);
  CHECK((patch->length == 1 && patch->replacement[0] == 0xcc && patch->original[0] == 0xf0));
  CHECK(patch->original_of(patch->trampoline) == patch->site);
  CHECK(patch->original_of(patch->trampoline + patch->moves[1].to) == patch->site + 7);
  CHECK(!patch->moved_to(patch->site));
}

}  // namespace
}  // namespace detent::arch
