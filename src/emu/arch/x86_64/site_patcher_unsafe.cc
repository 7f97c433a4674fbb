#include "emu/arch/x86_64/site_patcher_unsafe.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "emu/arch/x86_64/host_call.h"
#include "emu/arch/x86_64/host_file.h"

extern "C" long detent_copy(void* to, const void* from, std::size_t size);

namespace detent::arch {

// Writes past the protection, as a debugger does: the mapping and what the guest sees of it stay as they are.
class TextWriter {
 public:
  TextWriter() {
    const Result<long> fd =
        host_call(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR | O_CLOEXEC, 0);
    if (fd.ok()) fd_ = fd.value();
  }
  ~TextWriter() {
    if (fd_ >= 0) host_call(SYS_close, fd_).value();
  }
  TextWriter(const TextWriter&) = delete;
  TextWriter& operator=(const TextWriter&) = delete;
  [[nodiscard]] bool write(std::uint64_t address, std::span<const std::uint8_t> bytes) const {
    if (fd_ < 0) return false;
    const auto size = static_cast<std::int64_t>(bytes.size());
    const Result<long> written =
        host_call(SYS_pwrite64, fd_, static_cast<const void*>(bytes.data()), size,
                  static_cast<std::int64_t>(address));
    return written.ok() && written.value() == size;
  }

 private:
  std::int64_t fd_ = -1;
};

namespace {

constexpr unsigned kRefused = ~0U;
constexpr std::uint64_t kRegionSize = 8ULL << 20;
constexpr std::uint64_t kRegionAlignment = 64ULL << 10;
constexpr std::size_t kMaxRegions = 64;
constexpr std::uint64_t kLibraries =
    0x7f0000000000;  // from here on it is mmap that chose the place
constexpr std::uint64_t kUserEnd = 0x7ffffffff000;

bool read_text(std::uint64_t address, std::span<std::uint8_t> to) {
  return detent_copy(to.data(), reinterpret_cast<const void*>(address), to.size()) == 0;
}

bool holds(std::uint64_t address, std::span<const std::uint8_t> bytes) {
  std::array<std::uint8_t, kSiteWindow> found{};
  const std::span<std::uint8_t> part(found.data(), bytes.size());
  return read_text(address, part) && std::ranges::equal(part, bytes);
}

std::span<const std::uint8_t> replacement_of(const Patch& patch) {
  return {patch.replacement.data(), patch.length};
}

// Calls visit(begin, end, rest of the line) for each line of /proc/self/maps.
template <class Visit>
void for_each_mapping(Visit visit) {
  const std::string text = read_host_file("/proc/self/maps");
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    const char* last = line.data() + line.size();
    const auto first_number = std::from_chars(line.data(), last, begin, 16);
    if (first_number.ptr == last) continue;
    const auto second_number = std::from_chars(first_number.ptr + 1, last, end, 16);
    visit(begin, end, line.substr(static_cast<std::size_t>(second_number.ptr - line.data())));
  }
}

// The stack of the first thread grows down to this far below where it is now.
std::uint64_t stack_limit() {
  rlimit limit{};
  host_call(SYS_prlimit64, 0, RLIMIT_STACK, nullptr, &limit).value();
  constexpr std::uint64_t kMargin = 4ULL << 20;
  return std::min<std::uint64_t>(limit.rlim_cur, kUserEnd / 2) + kMargin;
}

std::vector<AddressRange> find_holes() {
  std::vector<AddressRange> holes;
  std::uint64_t behind = 1ULL << 20;
  for_each_mapping([&](std::uint64_t begin, std::uint64_t end, std::string_view rest) {
    std::uint64_t limit = std::min(begin, kUserEnd);
    if (rest.ends_with("[stack]")) limit -= std::min(stack_limit(), limit);
    if (limit > behind) holes.push_back({behind, limit});
    behind = end;
  });
  return holes;
}

// Spans to look for room in, best first: where the guest's own mappings do not grow by themselves. Those of
// mmap grow down from the top, the heap up from a program's end.
std::vector<std::int64_t> spans_for(std::uint64_t site) {
  std::vector<std::int64_t> ahead(kSpansAhead.begin(), kSpansAhead.end());
  const std::vector<std::int64_t> behind(kSpansBehind.begin(), kSpansBehind.end());
  const bool among_libraries = site >= kLibraries;
  if (!among_libraries) std::ranges::reverse(ahead);
  std::vector<std::int64_t> spans = among_libraries ? ahead : behind;
  const std::vector<std::int64_t>& others = among_libraries ? behind : ahead;
  spans.insert(spans.end(), others.begin(), others.end());
  return spans;
}

// A region in the middle of a span, so that it is in the same span of sites nearby.
std::optional<std::uint64_t> find_room(std::uint64_t site) {
  constexpr std::uint64_t kMargin = ((16ULL << 20) - kRegionSize) / 2;
  const std::vector<AddressRange> holes = find_holes();
  for (const std::int64_t span : spans_for(site)) {
    const auto from = static_cast<std::int64_t>(site + kMargin) + span * (1LL << 24);
    if (from <= 0) continue;
    const std::uint64_t begin = static_cast<std::uint64_t>(from) & ~(kRegionAlignment - 1);
    const bool free = std::ranges::any_of(holes, [&](const AddressRange& hole) {
      return begin >= hole.begin && begin + kRegionSize <= hole.end;
    });
    if (free) return begin;
  }
  return std::nullopt;
}

}  // namespace

SitePatcher& site_patcher() {
  static SitePatcher patcher;
  return patcher;
}

void SitePatcher::enable(Policy policy, std::uint32_t entry) {
  policy_ = std::move(policy);
  entry_ = entry;
}

bool SitePatcher::on_trap(std::uint64_t return_address) {
  if (!policy_ || suspended_) return false;
  unsigned& traps = traps_[return_address];
  if (traps == kRefused || ++traps < kThreshold) return false;
  const bool done = patch(return_address - kSyscallSize);
  traps_[return_address] = kRefused;
  return done;
}

bool SitePatcher::patch(std::uint64_t site) {
  const Mapping* mapping = mapping_of(site);
  if (mapping == nullptr || !mapping->patchable) return false;
  if (!policy_(mapping->path, mapping->file_offset + (site - mapping->range.begin))) return false;
  std::array<std::uint8_t, kSiteWindow> bytes{};
  const std::span<std::uint8_t> code(
      bytes.data(), std::min<std::uint64_t>(bytes.size(), mapping->range.end - site));
  if (!read_text(site, code)) return false;
  const std::optional<PatchPlan> plan = plan_patch(site, code);
  if (!plan) return false;
  if (overlaps(site, plan->length)) return false;
  const std::optional<std::uint64_t> place = find_place(*plan, site);
  if (!place) return false;
  const std::optional<Patch> patch = make_patch(*plan, site, code, *place, entry_);
  return patch && carry_out(TextWriter(), *patch);
}

bool SitePatcher::overlaps(std::uint64_t site, std::size_t length) const {
  const auto next = sites_.upper_bound(site);
  return (next != sites_.end() && next->first < site + length) || at(site) != nullptr;
}

bool SitePatcher::carry_out(const TextWriter& writer, const Patch& patch) {
  if (!writer.write(patch.trampoline, patch.code)) return false;
  if (!writer.write(patch.site, replacement_of(patch))) return false;
  trampolines_.emplace(patch.trampoline, patch);
  sites_.emplace(patch.site, patch.trampoline);
  return true;
}

void SitePatcher::add_points(std::span<const Point> points, const PointSlots& slots,
                             const Policy& policy) {
  if (!policy_ || suspended_) return;
  const TextWriter writer;
  for (const Point& point : points) {
    const std::uint64_t site = point.function + point.found.offset;
    const Mapping* mapping = mapping_of(site);
    if (mapping == nullptr || !mapping->patchable) continue;
    const std::uint64_t offset = mapping->file_offset + (site - mapping->range.begin);
    if (!policy(mapping->path, offset)) continue;
    std::array<std::uint8_t, kSiteWindow> bytes{};
    const std::span<std::uint8_t> code(
        bytes.data(), std::min<std::uint64_t>(bytes.size(), mapping->range.end - site));
    if (!read_text(site, code)) continue;
    const std::optional<Patch> patch = patch_of(point, code, slots);
    if (!patch || !carry_out(writer, *patch)) continue;
    const bool by_jump = patch->door == PatchDoor::kPoint;
    ++(by_jump ? point_counts_.jumps : point_counts_.traps);
    if (by_jump) points_.push_back(&trampolines_.at(patch->trampoline));
  }
}

// By jump if that is possible, else by int3.
std::optional<Patch> SitePatcher::patch_of(const Point& point, std::span<const std::uint8_t> code,
                                           const PointSlots& slots) {
  const std::uint64_t site = point.function + point.found.offset;
  const Shape& shape = point.found.shape;
  const auto plan = point.found.entered_inside ? std::nullopt : plan_point(site, code, shape);
  if (plan && !overlaps(site, plan->length)) {
    const std::optional<std::uint64_t> place = find_place(*plan, site);
    const auto number = static_cast<std::uint32_t>(points_.size());
    if (place) {
      auto patch = make_point_patch(*plan, site, code, shape, *place, slots, number);
      if (patch) return patch;
    }
  }
  if (overlaps(site, 1)) return std::nullopt;
  const std::optional<std::uint64_t> place = find_place({}, site);
  return place ? make_trap_patch(site, code, shape, *place) : std::nullopt;
}

const Patch& SitePatcher::point_behind(std::uint64_t return_address) const {
  const std::uint64_t trampoline = return_address - kPointAsked;
  std::uint32_t number = 0;
  std::memcpy(&number, reinterpret_cast<const void*>(trampoline + kPointNumber), sizeof(number));
  return *points_[number];
}

const Patch* SitePatcher::trapped_at(std::uint64_t address) const {
  const auto site = sites_.find(address - 1);
  if (site == sites_.end()) return nullptr;
  const Patch& patch = trampolines_.at(site->second);
  const bool is_ours =
      patch.door == PatchDoor::kTrapPoint && holds(patch.site, replacement_of(patch));
  return is_ours ? &patch : nullptr;
}

std::optional<std::uint64_t> SitePatcher::find_place(const PatchPlan& plan, std::uint64_t site) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    for (const AddressRange& region : regions_) {
      const std::optional<std::uint64_t> place = find_place_in(region, plan, site);
      if (!place) continue;
      next_place_ = *place + kTrampolineSize;
      return place;
    }
    if (attempt == 1 || !add_region(site)) break;
  }
  return std::nullopt;
}

// From where the last one was found on, then from the start: places are many, and looked for in thousands.
std::optional<std::uint64_t> SitePatcher::find_place_in(const AddressRange& region,
                                                        const PatchPlan& plan,
                                                        std::uint64_t site) const {
  const bool inside = next_place_ > region.begin && next_place_ < region.end;
  const std::uint64_t middle = inside ? next_place_ : region.begin;
  for (const AddressRange part : {AddressRange{middle, region.end}, {region.begin, middle}}) {
    auto place = first_safe_place(plan, site, part.begin, part.end);
    while (place && trampolines_.contains(*place)) {
      place = first_safe_place(plan, site, *place + kTrampolineSize, part.end);
    }
    if (place) return place;
  }
  return std::nullopt;
}

bool SitePatcher::add_region(std::uint64_t site) {
  if (regions_.size() >= kMaxRegions) return false;
  const std::optional<std::uint64_t> at = find_room(site);
  if (!at) return false;
  const Result<long> mapped =
      host_call(SYS_mmap, static_cast<std::int64_t>(*at), static_cast<std::int64_t>(kRegionSize),
                PROT_READ | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (!mapped.ok()) return false;
  // A trampoline must not cost 2 MiB.
  static_cast<void>(host_call(SYS_madvise, mapped.value(), static_cast<std::int64_t>(kRegionSize),
                              MADV_NOHUGEPAGE));
  const auto begin = static_cast<std::uint64_t>(mapped.value());
  regions_.push_back({begin, begin + kRegionSize});
  return true;
}

const SitePatcher::Mapping* SitePatcher::mapping_of(std::uint64_t address) {
  const auto covers = [&](const Mapping& mapping) {
    return address >= mapping.range.begin && address < mapping.range.end;
  };
  const auto known = std::ranges::find_if(mappings_, covers);
  if (known != mappings_.end()) return &*known;
  std::optional<Mapping> found;
  for_each_mapping([&](std::uint64_t begin, std::uint64_t end, std::string_view rest) {
    if (address < begin || address >= end) return;
    // " r-xp 00026000 08:01 1835 [blanks] /path"
    const std::size_t slash = rest.find('/');
    const std::string_view path = slash == rest.npos ? "" : rest.substr(slash);
    std::uint64_t offset = 0;
    if (rest.size() > 15) std::from_chars(rest.data() + 6, rest.data() + rest.size(), offset, 16);
    const bool text = rest.starts_with(" r-xp ") && !path.empty() && !path.starts_with("/memfd:") &&
                      !path.ends_with(" (deleted)");
    found = Mapping{{begin, end}, text, offset, std::string(path)};
  });
  if (!found) return nullptr;
  mappings_.push_back(std::move(*found));
  return &mappings_.back();
}

template <class Visit>
void SitePatcher::for_sites(std::uint64_t begin, std::uint64_t end, Visit visit) {
  auto site = sites_.lower_bound(begin - std::min<std::uint64_t>(begin, kSiteWindow));
  while (site != sites_.end() && site->first < end) {
    const Patch& patch = trampolines_.at(site->second);
    const bool inside = patch.site + patch.length > begin;
    if (inside) visit(patch);
    site = inside ? sites_.erase(site) : std::next(site);
  }
  std::erase_if(mappings_, [&](const Mapping& mapping) {
    return mapping.range.begin < end && begin < mapping.range.end;
  });
  traps_.erase(traps_.lower_bound(begin), traps_.lower_bound(std::max(begin, end)));
}

void SitePatcher::forget(std::uint64_t begin, std::uint64_t end) {
  if (policy_) for_sites(begin, end, [](const Patch&) {});
}

void SitePatcher::restore(std::uint64_t begin, std::uint64_t end) {
  if (!policy_) return;
  for_sites(begin, end, [](const Patch& patch) {
    // Not where the guest has written in the meantime.
    if (holds(patch.site, replacement_of(patch))) {
      static_cast<void>(TextWriter().write(patch.site, {patch.original.data(), patch.length}));
    }
  });
}

const Patch* SitePatcher::at(std::uint64_t address) const {
  auto site = sites_.upper_bound(address);
  if (site == sites_.begin()) return nullptr;
  --site;
  const Patch& patch = trampolines_.at(site->second);
  return address < patch.site + patch.length ? &patch : nullptr;
}

std::uint64_t SitePatcher::resume_address(std::uint64_t address) const {
  const Patch* patch = at(address);
  if (patch == nullptr || !holds(patch->site, replacement_of(*patch))) return address;
  return patch->moved_to(address).value_or(address);
}

bool SitePatcher::replaced(std::uint64_t address) const {
  const Patch* patch = at(address);
  return patch != nullptr && patch->moved_to(address) && holds(patch->site, replacement_of(*patch));
}

std::optional<SitePatcher::Place> SitePatcher::original_of(std::uint64_t address) const {
  if (regions_.empty()) return std::nullopt;
  auto found = trampolines_.upper_bound(address);
  if (found == trampolines_.begin()) return std::nullopt;
  --found;
  const Patch& patch = found->second;
  if (address >= patch.trampoline + kTrampolineSize) return std::nullopt;
  const std::uint64_t offset = address - patch.trampoline;
  if (patch.door != PatchDoor::kCall) {
    const bool asks = patch.door == PatchDoor::kPoint && offset < kPointAsked;
    return Place{asks, patch.original_of(address), &patch, offset};
  }
  const bool in_head = offset < kHeadSize;
  return Place{in_head, in_head ? patch.site + kSyscallSize : patch.original_of(address), &patch,
               offset};
}

}  // namespace detent::arch
