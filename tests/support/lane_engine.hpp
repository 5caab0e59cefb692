#pragma once
/// Threads of a block as fibers of one thread, and the kernels that run on them (lane_kernels.cpp).

#include <cstddef>
#include <cstdint>
#include <functional>

namespace spikeloom::test {

/// Runs body(thread) for each of `threads` threads, a multiple of 32, which take turns where they
/// wait. False if some wait for others that never come.
bool run_fibers(std::uint32_t threads, std::uint64_t seed,
                const std::function<void(std::uint32_t)>& body);

/// In a fiber: its thread.
std::uint32_t current_thread();
/// What the 32 lanes of the warp gave, when all have; there until the next but one.
const std::uint64_t* meet_lanes(std::uint64_t own);
/// When all threads of the block have come.
void meet_block();

/// A kernel of layers, whose type is named by numbers: it is another in the twin namespace.
struct LaneKernel {
  /// LayerInputKernel<V>, LayerKernel<V, channels, form, head>, PoolLayer<V, form>
  enum class Kind { kInput, kLayer, kPool } kind = Kind::kLayer;
  bool real = false;  ///< V
  std::uint32_t channels = 1;
  int form = 0, head = 0;
  friend bool operator==(const LaneKernel&, const LaneKernel&) = default;
};
struct LaneLaunch {
  const void* kernel = nullptr;
  std::size_t size = 0;  ///< its bytes
  std::uint32_t blocks = 0, threads = 0;
  std::size_t shared = 0;
};
/// False if the kernel is not known, or lanes wait for ever.
bool run_twin(const LaneKernel& which, const LaneLaunch& launch, std::uint64_t seed);

}  // namespace spikeloom::test
