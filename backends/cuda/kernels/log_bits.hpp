#pragma once
/// What was recorded, made small before the host fetches it.

#include "backends/cuda/kernels/kernel.hpp"

namespace spikeloom::cuda {

/// A log of zeros and ones, steps x batch rows of `size` values, as rows of `words` words: all
/// steps from the logs' first to the last one of the chunk that was done last.
template <typename V>
struct LogBitsKernel {
  struct Local {};
  const Clock* clock = nullptr;
  const V* log = nullptr;
  std::uint32_t* bits = nullptr;
  std::uint32_t size = 0, words = 0, batch = 1;
  std::uint64_t room = 0;  ///< words of all steps that the log can hold

  SPIKELOOM_KERNEL std::uint32_t blocks() const {
    constexpr std::uint64_t kMost = 1024;
    const std::uint64_t all = (room + kTile - 1) / kTile;
    return static_cast<std::uint32_t>(all < kMost ? all : kMost);
  }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 1; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t, Local&) const {
    const auto steps = static_cast<std::uint64_t>(clock->first + clock->count - clock->log_base);
    const std::uint64_t all = steps * batch * words, stride = std::uint64_t{blocks()} * kTile;
    for (std::uint64_t w = std::uint64_t{place.block} * kTile + place.thread; w < all;
         w += stride) {
      const auto first = static_cast<std::uint32_t>(w % words * 32);
      const V* const value = log + w / words * size + first;
      const std::uint32_t count = size - first < 32 ? size - first : 32;
      std::uint32_t word = 0;
      for (std::uint32_t i = 0; i < count; ++i) word |= (value[i] != V{0} ? 1U : 0U) << i;
      bits[w] = word;
    }
  }
};

}  // namespace spikeloom::cuda
