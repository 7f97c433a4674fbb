// Memory: mmap(2), munmap(2), mprotect(2), mremap(2), brk(2), madvise(2), msync(2), mincore(2).
// Never an address printed.
#include <sys/mman.h>

#include "abi_test.h"

using namespace abi;

namespace {

constexpr size_t kPage = 4096;

char* Map(size_t pages, int protection = PROT_READ | PROT_WRITE,
          int flags = MAP_PRIVATE | MAP_ANONYMOUS) {
  return static_cast<char*>(mmap(nullptr, pages * kPage, protection, flags, -1, 0));
}
// Is the page mapped? (mincore fails with ENOMEM for a hole.)
bool Mapped(void* page) {
  unsigned char vector;
  return mincore(page, kPage, &vector) == 0;
}
const char* MapResult(void* p) { return p == MAP_FAILED ? ErrnoName(errno) : "ok"; }

}  // namespace

TEST(fresh_memory_is_zero_and_can_be_written) {
  char* p = Map(4);
  for (size_t i = 0; i < 4 * kPage; ++i) {
    if (p[i] != 0) ABI_FAIL("byte %zu", i);
  }
  memset(p, 1, 4 * kPage);
  CHECK_OK(munmap(p, 4 * kPage));
  CHECK(!Mapped(p));
}

TEST(munmap_of_the_middle_leaves_the_ends) {
  char* p = Map(3);
  CHECK_OK(munmap(p + kPage, kPage));
  CHECK(Mapped(p) && !Mapped(p + kPage) && Mapped(p + 2 * kPage));
  p[0] = p[2 * kPage] = 1;
  CHECK_OK(munmap(p, 3 * kPage));  // a hole inside is no error
}

TEST(fixed_mapping_replaces_and_noreplace_refuses) {
  char* p = Map(2);
  p[0] = p[kPage] = 7;
  CHECK(mmap(p, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        p);
  CHECK(p[0] == 0 && p[kPage] == 7);
  RECORD("noreplace over a mapping %s",
         MapResult(
             mmap(p, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)));
  munmap(p, kPage);
  CHECK(mmap(p, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == p);
  munmap(p, 2 * kPage);
}

TEST(hint_is_taken_where_it_is_free) {
  char* p = Map(1);
  munmap(p, kPage);
  CHECK(mmap(p, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p);
  munmap(p, kPage);
}

TEST(mmap_errors) {
  const int file = static_cast<int>(syscall(SYS_memfd_create, "f", 0)),
            read_only = open("/proc/self/exe", O_RDONLY);
  int p[2];
  CHECK_OK(pipe(p));
  const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  RECORD("length 0 %s", MapResult(mmap(nullptr, 0, PROT_READ, anonymous, -1, 0)));
  RECORD("neither shared nor private %s",
         MapResult(mmap(nullptr, kPage, PROT_READ, MAP_ANONYMOUS, -1, 0)));
  RECORD("bad fd %s", MapResult(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, 999, 0)));
  RECORD("bad fd and length 0 %s", MapResult(mmap(nullptr, 0, PROT_READ, MAP_PRIVATE, 999, 0)));
  RECORD("pipe %s", MapResult(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, p[0], 0)));
  RECORD("odd offset %s", MapResult(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, file, 5)));
  RECORD("shared write of a read-only file %s",
         MapResult(mmap(nullptr, kPage, PROT_WRITE, MAP_SHARED, read_only, 0)));
  RECORD("odd fixed address %s", MapResult(mmap(reinterpret_cast<void*>(0x10000001), kPage,
                                                PROT_READ, anonymous | MAP_FIXED, -1, 0)));
  RECORD("fixed in the kernel %s", MapResult(mmap(reinterpret_cast<void*>(0xffff800000000000),
                                                  kPage, PROT_READ, anonymous | MAP_FIXED, -1, 0)));
  RECORD("too much %s", MapResult(mmap(nullptr, 1ull << 60, PROT_READ, anonymous, -1, 0)));
  RECORD("all %s", MapResult(mmap(nullptr, ~size_t{0}, PROT_READ, anonymous, -1, 0)));
  for (int fd : {file, read_only, p[0], p[1]}) close(fd);
}

TEST(munmap_and_mprotect_errors) {
  char* p = Map(2);
  RECORD("munmap: odd %s, length 0 %s, hole %s, kernel %s, huge %s", Res(munmap(p + 1, kPage)),
         Res(munmap(p, 0)), Res(munmap(Wild(), kPage)),
         Res(munmap(reinterpret_cast<void*>(0xffff800000000000), kPage)),
         Res(munmap(p, ~size_t{0})));
  RECORD("mprotect: odd %s, length 0 %s, hole %s, kernel %s, bad bits %s",
         Res(mprotect(p + 1, kPage, PROT_READ)), Res(mprotect(p, 0, PROT_READ)),
         Res(mprotect(Wild(), kPage, PROT_READ)),
         Res(mprotect(reinterpret_cast<void*>(0xffff800000000000), kPage, PROT_READ)),
         Res(mprotect(p, kPage, 0x1000)));
  munmap(p + kPage, kPage);
  p[0] = 1;
  RECORD("mprotect over the end of a mapping %s", Res(mprotect(p, 2 * kPage, PROT_READ)));
  int fds[2];
  CHECK_OK(pipe(fds));
  RECORD("read into the part before it: %s",
         Res(write(fds[1], "x", 1) == 1 ? read(fds[0], p, 1) : -1));
  close(fds[0]);
  close(fds[1]);
  munmap(p, kPage);
}

TEST(protection_is_kept_by_system_calls_too) {
  char* p = Map(1, PROT_READ);
  int fds[2];
  CHECK_OK(pipe(fds));
  CHECK_EQ(write(fds[1], "ab", 2), 2);
  CHECK_ERRNO(read(fds[0], p, 1), EFAULT);
  CHECK_OK(mprotect(p, kPage, PROT_READ | PROT_WRITE));
  CHECK_EQ(read(fds[0], p, 1), 1);
  CHECK_OK(mprotect(p, kPage, PROT_NONE));
  CHECK_ERRNO(write(fds[1], p, 1), EFAULT);
  close(fds[0]);
  close(fds[1]);
  munmap(p, kPage);
}

TEST(code_can_be_written_and_run) {
  char* p = Map(1);
  memcpy(p, "\xb8\x2a\x00\x00\x00\xc3", 6);  // mov $42, %eax; ret
  CHECK_OK(mprotect(p, kPage, PROT_READ | PROT_EXEC));
  CHECK_EQ(reinterpret_cast<int (*)()>(p)(), 42);
  munmap(p, kPage);
}

TEST(system_call_from_generated_code) {
  char* p = Map(1);
  memcpy(p, "\xb8\x27\x00\x00\x00\x0f\x05\xc3", 8);  // mov $39, %eax; syscall; ret
  CHECK_OK(mprotect(p, kPage, PROT_READ | PROT_EXEC));
  for (int i = 0; i < 3; ++i) CHECK_EQ(reinterpret_cast<int (*)()>(p)(), getpid());
  CHECK_OK(mprotect(p, kPage, PROT_READ | PROT_WRITE));
  RECORD("the code reads as written: %d", memcmp(p, "\xb8\x27\x00\x00\x00\x0f\x05\xc3", 8) == 0);
  p[1] = 0x66;  // getuid
  CHECK_OK(mprotect(p, kPage, PROT_READ | PROT_EXEC));
  CHECK_EQ(reinterpret_cast<unsigned (*)()>(p)(), getuid());
  munmap(p, kPage);
}

TEST(mremap_grows_shrinks_moves) {
  char* p = Map(2);
  p[0] = 'a';
  p[kPage] = 'b';
  CHECK(mremap(p, 2 * kPage, kPage, 0) == p);
  CHECK(!Mapped(p + kPage));
  char* q = static_cast<char*>(mremap(p, kPage, 64 * kPage, MREMAP_MAYMOVE));
  REQUIRE(q != MAP_FAILED);
  CHECK(q[0] == 'a' && q[kPage] == 0 && q[63 * kPage] == 0);
  char* target = Map(64);
  CHECK(mremap(q, 64 * kPage, 64 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
  CHECK(target[0] == 'a' && !Mapped(q));
  char* wall = Map(2);
  RECORD("grow into a neighbour without MAYMOVE %s", MapResult(mremap(wall, kPage, 2 * kPage, 0)));
  RECORD(
      "odd %s, new size 0 %s, hole %s, bad flags %s, FIXED alone %s, overlap %s",
      MapResult(mremap(wall + 1, kPage, kPage, 0)), MapResult(mremap(wall, kPage, 0, 0)),
      MapResult(mremap(Wild(), kPage, 2 * kPage, MREMAP_MAYMOVE)),
      MapResult(mremap(wall, kPage, kPage, 0x100)),
      MapResult(mremap(wall, kPage, kPage, MREMAP_FIXED, target)),
      MapResult(mremap(wall, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, wall + kPage)));
  munmap(wall, 2 * kPage);
  munmap(target, 64 * kPage);
}

TEST(brk_grows_and_shrinks_and_refuses) {
  const long start = syscall(SYS_brk, 0);
  const long grown = syscall(SYS_brk, start + 10 * static_cast<long>(kPage));
  CHECK_EQ(grown, start + 10 * static_cast<long>(kPage));
  auto* p =
      reinterpret_cast<char*>((start + static_cast<long>(kPage) - 1) & -static_cast<long>(kPage));
  for (size_t i = 0; i < 9 * kPage; i += kPage) {
    CHECK_EQ(p[i], 0);
    p[i] = 1;
  }
  CHECK_EQ(syscall(SYS_brk, 1), grown);  // below the start: nothing happens, the break is returned
  CHECK_EQ(syscall(SYS_brk, ~0ul >> 1), grown);  // too high
  CHECK_EQ(syscall(SYS_brk, start), start);
  CHECK(!Mapped(p + 5 * kPage));
  CHECK(sbrk(0) != nullptr);
}

TEST(memory_given_back_by_brk_is_zero_when_taken_again) {
  const long start = syscall(SYS_brk, 0), end = start + 4 * static_cast<long>(kPage);
  for (int round = 0; round < 2; ++round) {
    CHECK_EQ(syscall(SYS_brk, end), end);
    auto* p = reinterpret_cast<char*>(end) - 8;
    CHECK_EQ(*p, 0);
    *p = 9;
    CHECK_EQ(syscall(SYS_brk, start), start);
  }
}

TEST(madvise_dontneed_zeroes_and_errors) {
  char* p = Map(2);
  p[0] = p[kPage] = 5;
  CHECK_OK(madvise(p, kPage, MADV_DONTNEED));
  CHECK(p[0] == 0 && p[kPage] == 5);
  RECORD("odd %s, bad advice %s, hole %s, length 0 %s, willneed %s, hugepage %d",
         Res(madvise(p + 1, kPage, MADV_DONTNEED)), Res(madvise(p, kPage, 9999)),
         Res(madvise(Wild(), kPage, MADV_DONTNEED)), Res(madvise(p, 0, MADV_DONTNEED)),
         Res(madvise(p, kPage, MADV_WILLNEED)), madvise(p, kPage, MADV_NORMAL));
  munmap(p, 2 * kPage);
}

TEST(shared_file_mapping_and_file_agree) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "f", 0));
  CHECK_OK(ftruncate(fd, 2 * kPage));
  char* shared =
      static_cast<char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  char* second = static_cast<char*>(mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, kPage));
  char* copy = static_cast<char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  shared[0] = 'x';
  char c = 0;
  CHECK_EQ(pread(fd, &c, 1, 0), 1);
  CHECK_EQ(c, 'x');
  CHECK_EQ(copy[0], 'x');
  copy[0] = 'y';
  CHECK_EQ(shared[0], 'x');
  CHECK_EQ(pwrite(fd, "z", 1, kPage), 1);
  CHECK_EQ(second[0], 'z');
  CHECK_OK(msync(shared, kPage, MS_SYNC));
  RECORD("msync: bad flags %s, both %s, odd %s, hole %s", Res(msync(shared, kPage, 77)),
         Res(msync(shared, kPage, MS_SYNC | MS_ASYNC)), Res(msync(shared + 1, kPage, MS_SYNC)),
         Res(msync(Wild(), kPage, MS_SYNC)));
  for (char* p : {shared, second, copy}) munmap(p, kPage);
  close(fd);
}

TEST(mincore_errors) {
  char* p = Map(1);
  unsigned char vector[2];
  RECORD("odd %s, hole %s, wild vector %s", Res(mincore(p + 1, kPage, vector)),
         Res(mincore(Wild(), kPage, vector)),
         Res(mincore(p, kPage, static_cast<unsigned char*>(Wild()))));
  munmap(p, kPage);
}

TEST(many_mappings) {
  char* pages[500];
  for (auto& p : pages) {
    p = Map(2);
    REQUIRE(p != MAP_FAILED);
    p[0] = 1;
    CHECK_OK(mprotect(p + kPage, kPage, PROT_NONE));
  }
  for (auto& p : pages) CHECK_OK(munmap(p, 2 * kPage));
}

TEST(large_allocations_and_reallocations) {
  char* p = static_cast<char*>(malloc(1 << 20));
  memset(p, 3, 1 << 20);
  p = static_cast<char*>(realloc(p, 64 << 20));
  CHECK(p[(1 << 20) - 1] == 3);
  p = static_cast<char*>(realloc(p, 1 << 20));
  CHECK(p[(1 << 20) - 1] == 3);
  free(p);
}

TEST(reserved_address_space_costs_nothing) {
  void* p =
      mmap(nullptr, 1ull << 38, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(p != MAP_FAILED);
  munmap(p, 1ull << 38);
}

TEST(stack_grows_on_demand) {
  struct Recurse {
    static int Down(int n) {
      volatile char frame[4096];
      frame[0] = static_cast<char>(n);
      return n == 0 ? 0 : Down(n - 1) + (frame[0] != static_cast<char>(n));
    }
  };
  CHECK_EQ(Recurse::Down(1000), 0);  // 4 MB of the 8
}
