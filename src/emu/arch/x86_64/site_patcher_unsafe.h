// SitePatcher: turns system call instructions of the guest into jumps to the kernel (patch_plan.h), and
// knows at any time which bytes of the guest's text are its own.
//
// One per process, as the text is. Only private, executable, not writable mappings of files are touched:
// generated code keeps trapping. Everything here is speed: whatever can't be patched goes on by SIGSYS.
// A forked child inherits patches with the memory; execve leaves them behind.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emu/arch/x86_64/patch_plan.h"
#include "emu/arch/x86_64/point_finder.h"

namespace detent::arch {

struct AddressRange {
  std::uint64_t begin;
  std::uint64_t end;
};

class TextWriter;

class SitePatcher {
 public:
  /// Tells if the site at `offset` in the mapped file `path` may be patched.
  using Policy = std::function<bool(std::string_view path, std::uint64_t offset)>;
  /// A site is patched when it traps for this time: the first traps cost less than a patch.
  static constexpr unsigned kThreshold = 2;

  /// Until it is called nothing is patched. `entry` is the address of the pointer to the kernel's door.
  void enable(Policy policy, std::uint32_t entry);

  /// A SIGSYS came from the instruction in front of `return_address`. True if it is a jump from now on: then
  /// tasks that are to return to this address must do so by full restore (UserState::require_full_restore).
  bool on_trap(std::uint64_t return_address);

  /// [begin, end) is unmapped or replaced: what was patched there is no more.
  void forget(std::uint64_t begin, std::uint64_t end);
  /// [begin, end) is about to be moved or made writable: puts the original bytes back.
  void restore(std::uint64_t begin, std::uint64_t end);
  /// From now on nothing is patched: this process shares its memory with one that could not know (vfork).
  void suspend() { suspended_ = true; }

  /// Where the guest continues that is to continue at `address`: a moved instruction, or `address`.
  [[nodiscard]] std::uint64_t resume_address(std::uint64_t address) const;
  /// True if the bytes at `address` are ours, where an instruction was that is now elsewhere: a fault of an
  /// instruction fetched from there is not the guest's.
  [[nodiscard]] bool replaced(std::uint64_t address) const;

  /// What an address in a trampoline stands for.
  struct Place {
    /// The system call is about to be made, or the kernel to be asked at the preemption point.
    bool in_head;
    std::uint64_t address;  ///< of the original text; in a call's head, the call's return address
    const Patch* patch;
    std::uint64_t offset;  ///< in the trampoline
  };
  [[nodiscard]] std::optional<Place> original_of(std::uint64_t address) const;

  /// A preemption point of a function that is mapped at `function`.
  struct Point {
    std::uint64_t function;
    FoundPoint found;
  };
  /// Makes all of them ask the kernel, as far as that can be, where `policy` allows it. Those in memory
  /// that may not be patched are left alone.
  void add_points(std::span<const Point> points, const PointSlots& slots, const Policy& policy);
  /// The point whose head called the door and gave it this return address.
  [[nodiscard]] const Patch& point_behind(std::uint64_t return_address) const;
  /// The point whose int3 was executed, with `address` behind it; null if it was not one of ours.
  [[nodiscard]] const Patch* trapped_at(std::uint64_t address) const;
  /// Points by jump, and by int3.
  struct PointCounts {
    std::size_t jumps = 0;
    std::size_t traps = 0;
  };
  [[nodiscard]] const PointCounts& point_counts() const { return point_counts_; }

  /// Memory of ours near the guest's text. A guest's mapping may not touch it.
  [[nodiscard]] std::span<const AddressRange> regions() const { return regions_; }
  [[nodiscard]] std::size_t patched_sites() const { return sites_.size(); }

 private:
  struct Mapping {
    AddressRange range;
    bool patchable;
    std::uint64_t file_offset;
    std::string path;
  };

  [[nodiscard]] const Patch* at(std::uint64_t address) const;
  const Mapping* mapping_of(std::uint64_t address);
  bool patch(std::uint64_t site);
  std::optional<std::uint64_t> find_place(const PatchPlan& plan, std::uint64_t site);
  std::optional<std::uint64_t> find_place_in(const AddressRange& region, const PatchPlan& plan,
                                             std::uint64_t site) const;
  bool add_region(std::uint64_t site);
  [[nodiscard]] bool overlaps(std::uint64_t site, std::size_t length) const;
  std::optional<Patch> patch_of(const Point& point, std::span<const std::uint8_t> code,
                                const PointSlots& slots);
  bool carry_out(const TextWriter& writer, const Patch& patch);
  template <class Visit>
  void for_sites(std::uint64_t begin, std::uint64_t end, Visit visit);

  Policy policy_;
  std::uint32_t entry_ = 0;
  bool suspended_ = false;
  std::map<std::uint64_t, unsigned> traps_;       // by return address; kRefused: left alone
  std::map<std::uint64_t, Patch> trampolines_;    // for ever: a task may be inside
  std::map<std::uint64_t, std::uint64_t> sites_;  // site to trampoline
  std::vector<AddressRange> regions_;
  std::vector<Mapping> mappings_;
  std::vector<const Patch*> points_;  // by number
  PointCounts point_counts_;
  std::uint64_t next_place_ = 0;  // where to look first for a point's trampoline
};

/// The process's own.
SitePatcher& site_patcher();

}  // namespace detent::arch
