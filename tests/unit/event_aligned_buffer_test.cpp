#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#include <gtest/gtest.h>

#include "event/aligned_buffer.hpp"
#include "event/kernel_targets.hpp"

namespace spikeloom::test {
namespace {

bool starts_at_multiple_of(const void* memory, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(memory) % bytes == 0;
}

TEST(AlignedBuffer, IsZeroedAndAligned) {
  for (const std::size_t size : {1, 7, 16, 1000, 700000}) {
    AlignedBuffer<std::int32_t> buffer(size);
    EXPECT_EQ(buffer.size(), size);
    EXPECT_TRUE(starts_at_multiple_of(buffer.data(), 64));
    EXPECT_TRUE(std::all_of(buffer.begin(), buffer.end(), [](int v) { return v == 0; }));
    std::fill(buffer.begin(), buffer.end(), 5);
    EXPECT_EQ(buffer[size - 1], 5);
  }
}

TEST(AlignedBuffer, LargeArraysStartAtAHugePage) {
  const AlignedBuffer<std::uint8_t> exact(std::size_t{2} << 20), more((std::size_t{5} << 20) + 1);
  EXPECT_TRUE(starts_at_multiple_of(exact.data(), std::size_t{2} << 20));
  EXPECT_TRUE(starts_at_multiple_of(more.data(), std::size_t{2} << 20));
  EXPECT_EQ(more[more.size() - 1], 0);
}

TEST(AlignedBuffer, MovesAndLeavesNothingBehind) {
  AlignedBuffer<float> a(3), b;
  a[1] = 2.0F;
  b = std::move(a);
  EXPECT_EQ(b[1], 2.0F);
  const AlignedBuffer<float> c = std::move(b);
  EXPECT_EQ(c.size(), 3U);
  EXPECT_TRUE(b.empty());  // NOLINT(bugprone-use-after-move): what is left is part of the promise
  EXPECT_EQ(AlignedBuffer<float>(0).data(), nullptr);
}

TEST(AlignedBuffer, SizesBeyondMemoryThrow) {
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  EXPECT_THROW(AlignedBuffer<double>{kMost}, std::bad_alloc);
  EXPECT_THROW(AlignedBuffer<double>{kMost / 8 + 1}, std::bad_alloc);
  EXPECT_THROW(AlignedBuffer<char>{std::size_t{1} << 60}, std::bad_alloc);
}

TEST(KernelTargets, OnlyThoseThatExistAreTaken) {
  EXPECT_FALSE(kernel_targets().empty());
  EXPECT_FALSE(use_kernel_target("ABACUS"));
  EXPECT_TRUE(use_kernel_target(kernel_targets().back()));
  EXPECT_TRUE(use_kernel_target(""));
}

}  // namespace
}  // namespace spikeloom::test
