#include "emu/arch/x86_64/patch_plan.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

namespace detent::arch {
namespace {

using Code = std::vector<std::uint8_t>;
constexpr std::uint64_t kSite = 0x7ffff7d00123;

// A site with `following` behind the system call and something that is never looked at behind that.
Code site(const Code& following) {
  Code code(kSiteWindow, 0xff);
  code[0] = 0x0f;
  code[1] = 0x05;
  std::ranges::copy(following, code.begin() + 2);
  return code;
}

std::optional<PatchPlan> plan_of(const Code& following) {
  return plan_patch(kSite, site(following));
}

TEST_CASE("what is moved is as much as the jump overwrites") {
  const auto compare = plan_of({0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, 0x77, 0x10});
  REQUIRE(compare);
  CHECK((compare->count == 1 && compare->length == 8 && compare->starts == 1 << 2));
  const auto branch = plan_of({0x85, 0xc0, 0x75, 0x10, 0xff});  // test; jne
  REQUIRE(branch);
  CHECK((branch->count == 2 && branch->length == 6 && branch->starts == (1 << 2 | 1 << 4)));
}

TEST_CASE("a return is followed by padding only") {
  CHECK(plan_of({0xc3, 0x0f, 0x1f, 0x40, 0x00}));
  CHECK(plan_of({0xc3, 0xcc, 0xcc}));
  CHECK(!plan_of({0xc3, 0x48, 0x89, 0xc7}));  // somebody's first instruction
}

TEST_CASE("what can't be moved leaves the site alone") {
  CHECK(!plan_of({0xe8, 0, 0, 0, 0}));              // call
  CHECK(!plan_of({0x0f, 0x05, 0x90}));              // another system call
  CHECK(!plan_of({0xff, 0xe0, 0x90}));              // jmp *%rax
  CHECK(!plan_of({0xc5, 0xf8, 0x77}));              // vzeroupper
  CHECK(!plan_of({0xe3, 0x10, 0x90}));              // jrcxz
  CHECK(!plan_of({0x66, 0x90, 0xeb, 0xfd}));        // a jump into the middle of itself
  CHECK(!plan_of({0x75, 0xfe, 0x48, 0x89, 0xc7}));  // a jump to an instruction that is moved
  CHECK(plan_of({0x75, 0xfc, 0x48, 0x89, 0xc7}));   // a jump to the system call stays one
  CHECK(!plan_patch(kSite, Code{0x0f, 0x05, 0x48, 0x3d}));  // cut off by the end of the mapping
  CHECK(!plan_patch(kSite, Code{0x0f, 0x34, 0x48, 0x89, 0xc7, 0x90}));
}

TEST_CASE("each start of an instruction faults in the jump") {
  const Code code = site({0x85, 0xc0, 0x75, 0x10});
  const auto plan = plan_patch(kSite, code);
  REQUIRE(plan);
  const std::uint64_t region = (kSite & ~0xffffULL) + (6ULL << 24) + (4ULL << 20);
  const auto place = first_safe_place(*plan, kSite, region, region + (8ULL << 20));
  REQUIRE(place);
  const auto patch = make_patch(*plan, kSite, code, *place, 0x70001000);
  REQUIRE(patch);
  CHECK(patch->replacement[0] == 0xe9);
  CHECK(patch->replacement[4] == 0x06);
  const std::uint8_t second = patch->replacement[2];
  CHECK((second == 0x06 || second == 0x07 || second == 0x0e || second == 0xf4 || second == 0x60 ||
         second == 0x61 || second == 0x82 || second == 0x9a || second == 0x16 || second == 0x17));
  CHECK(*patch->moved_to(kSite + 2) == *place + kHeadSize);
  CHECK(*patch->moved_to(kSite + 4) == *place + kHeadSize + 2);
  CHECK(!patch->moved_to(kSite + 3));
  CHECK(patch->original_of(*place + kHeadSize) == kSite + 2);
  CHECK(patch->original_of(*place + kHeadSize + 2) == kSite + 4);
  // The jump back stands for where it leads.
  CHECK(patch->original_of(*place + kHeadSize + 8) == kSite + 6);
}

TEST_CASE("a place out of reach is none") {
  const Code code = site({0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff});
  const auto plan = plan_patch(kSite, code);
  REQUIRE(plan);
  const std::uint64_t far = kSite + (3ULL << 30);
  CHECK(!first_safe_place(*plan, kSite, far, far + (8ULL << 20)));
  CHECK(!make_patch(*plan, kSite, code, far, 0x70001000));
}

}  // namespace
}  // namespace detent::arch
