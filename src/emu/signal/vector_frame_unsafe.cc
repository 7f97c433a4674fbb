#include "emu/signal/vector_frame_unsafe.h"

#include <cpuid.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "emu/mem/user_copy_unsafe.h"
#include "emu/signal/frame.h"

namespace detent::signal {
namespace {

using arch::UserState;
using frame::SwReserved;

constexpr std::uint64_t kX87 = 1;
constexpr std::uint64_t kSse = 2;
constexpr std::uint64_t kAvx = 4;
constexpr std::uint64_t kLegacyFeatures = kX87 | kSse;
// XFEATURE_MASK_USER_DYNAMIC: AMX tiles (8 KiB) are in a frame only where they are in use. Linux asks
// whether the process has permission (arch_prctl); permission without use is rare, and a smaller frame
// never overruns an alternate stack that was big enough.
constexpr std::uint64_t kTiles = 1ULL << 18;
constexpr std::size_t kMxcsrOffset = 24;
constexpr std::uint32_t kInitialMxcsr = 0x1f80;
constexpr std::uint32_t kMxcsrReserved = ~0xffffU;

// The XSAVE header, bytes 512..575 of an image.
struct Header {
  std::uint64_t features;    // XSTATE_BV
  std::uint64_t compaction;  // XCOMP_BV
  std::uint64_t must_be_zero;
  std::uint64_t ignored[5];
};
static_assert(frame::kLegacySize + sizeof(Header) == frame::kHeaderEnd);

template <class T>
T load(const unsigned char* image, std::size_t offset) {
  T value;
  std::memcpy(&value, image + offset, sizeof(T));
  return value;
}

template <class T>
void store(unsigned char* image, std::size_t offset, const T& value) {
  std::memcpy(image + offset, &value, sizeof(T));
}

std::uint32_t compute_end(int feature) {
  std::uint32_t size = 0;
  std::uint32_t offset = 0;
  std::uint32_t ecx = 0;
  std::uint32_t edx = 0;
  __get_cpuid_count(0xd, static_cast<unsigned>(feature), &size, &offset, &ecx, &edx);
  return offset + size;
}

// Bytes of a standard image that has the components in `features`.
std::uint32_t image_size(std::uint64_t features) {
  static const auto ends = [] {
    std::array<std::uint32_t, 64> table{};
    for (int i = 2; i < 64; ++i) {
      if ((UserState::xsave_features() >> i) & 1)
        table[static_cast<std::size_t>(i)] = compute_end(i);
    }
    return table;
  }();
  std::uint32_t size = frame::kHeaderEnd;
  for (std::size_t i = 2; i < 64; ++i) {
    if ((features >> i) & 1) size = std::max(size, ends[i]);
  }
  return std::min(size, UserState::xsave_size());
}

std::uint64_t frame_features(const UserState& state) {
  const auto in_use = load<std::uint64_t>(state.xsave(), frame::kLegacySize);
  return UserState::xsave_features() & (~kTiles | in_use);
}

// As Linux, the frame always claims to hold x87 and SSE, so that a handler may change them without
// knowing of XSTATE_BV (fpu/signal.c save_xstate_epilog). What was in its initial state is made so.
void claim_legacy(unsigned char* image) {
  auto header = load<Header>(image, frame::kLegacySize);
  if (!(header.features & kX87)) {
    std::memset(image, 0, kMxcsrOffset);
    std::memset(image + 32, 0, 128);
    store<std::uint16_t>(image, 0, 0x37f);
  }
  if (!(header.features & kSse)) std::memset(image + 160, 0, 256);
  header = Header{header.features | kLegacyFeatures, 0, 0, {}};
  store(image, frame::kLegacySize, header);
}

// check_xstate_in_sigframe(): an image without the magic words is taken for a plain FXSAVE one, as
// programs make that know nothing of XSAVE.
Result<bool> is_extended(const SwReserved& sw, std::uint64_t address) {
  if (sw.magic1 != frame::kMagic1 || sw.xstate_size < frame::kHeaderEnd ||
      sw.xstate_size > UserState::xsave_size() || sw.xstate_size > sw.extended_size) {
    return false;
  }
  return TRY(mem::copy_in(UserPtr<const std::uint32_t>(address + sw.xstate_size))) ==
         frame::kMagic2;
}

// Reads header and extended components as XRSTOR would with `wanted` in EDX:EAX.
Result<void> load_extended(unsigned char* image, std::uint64_t address, std::uint64_t wanted) {
  if (address % 64 != 0) return Errno{EFAULT};
  const auto header = TRY(mem::copy_in(UserPtr<const Header>(address + frame::kLegacySize)));
  const bool foreign = (header.features & ~UserState::xsave_features()) != 0;
  if (foreign || header.compaction != 0 || header.must_be_zero != 0) return Errno{EFAULT};
  const std::uint64_t features = header.features & wanted;
  const std::uint32_t size = image_size(features);
  TRY(mem::copy_in_bytes(image + frame::kHeaderEnd, address + frame::kHeaderEnd,
                         size - frame::kHeaderEnd));
  store(image, frame::kLegacySize, Header{features, 0, 0, {}});
  // XRSTOR loads MXCSR with SSE or AVX, and leaves it initial without them.
  if (!(wanted & (kSse | kAvx))) store(image, kMxcsrOffset, kInitialMxcsr);
  return {};
}

Result<void> load_image(unsigned char* image, std::uint64_t address) {
  TRY(mem::copy_in_bytes(image, address, frame::kLegacySize));
  const auto sw = load<SwReserved>(image, frame::kSwReservedOffset);
  if (TRY(is_extended(sw, address))) {
    TRY(load_extended(image, address, sw.features & UserState::xsave_features()));
  } else {
    if (address % 16 != 0) return Errno{EFAULT};
    store(image, frame::kLegacySize, Header{kLegacyFeatures, 0, 0, {}});
  }
  if (load<std::uint32_t>(image, kMxcsrOffset) & kMxcsrReserved) return Errno{EFAULT};
  return {};
}

}  // namespace

std::uint64_t vector_frame_size(const UserState& state) {
  return image_size(frame_features(state)) + sizeof(frame::kMagic2);
}

Result<void> save_vectors(UserState& state, std::uint64_t address) {
  const std::uint64_t features = frame_features(state);
  const std::uint32_t size = image_size(features);
  const auto with_magic = static_cast<std::uint32_t>(size + sizeof(frame::kMagic2));
  claim_legacy(state.xsave());
  // XRSTOR ignores these bytes: the image itself may carry them.
  store(state.xsave(), frame::kSwReservedOffset,
        SwReserved{frame::kMagic1, with_magic, features, size, {}});
  TRY(mem::copy_out_bytes(address, state.xsave(), size));
  return mem::copy_out(UserPtr<std::uint32_t>(address + size), frame::kMagic2);
}

Result<void> restore_vectors(UserState& state, std::uint64_t address) {
  state.reset_vectors();
  if (address == 0) return {};
  const Result<void> loaded = load_image(state.xsave(), address);
  if (!loaded.ok()) state.reset_vectors();
  return loaded;
}

}  // namespace detent::signal
