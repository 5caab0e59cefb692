#pragma once
/// Which kernels sessions take, for tests and measurements; sessions opened later go by it.

#include <cstdint>

namespace spikeloom::cuda {

/// kChunks: launches per node (kernels/neurons.hpp and its neighbours). kLayers: a launch per
/// layer, its neurons included, wherever that can be (kernels/layer.hpp).
struct Tuning {
  enum class Way : std::uint8_t { kChunks, kLayers };
  // Of layers; 0 chooses.
  std::uint32_t steps = 0;     ///< of a launch
  std::uint32_t channels = 0;  ///< 8 instead of 16 for a thread of a convolution
  std::uint32_t chunks = 0;    ///< of `steps` each, most that go through at once
  /// The processor's threads come in descending order, and of calls that wait for nothing more the
  /// last: between two barriers any thread must do, and any such call.
  bool backwards = false;
};

/// Not while a session opens or runs in another thread.
Tuning& tuning();

}  // namespace spikeloom::cuda
