#pragma once
/// Which kernels sessions take, for tests and measurements; sessions opened later go by it.

#include <cstdint>

namespace spikeloom::cuda {

/// kChunks: launches per node (kernels/neurons.hpp and its neighbours). kResident: a launch per
/// network wherever one block can hold it (kernels/resident.hpp). kLayers: a launch per layer, its
/// neurons included, wherever there is no cycle (kernels/layer.hpp).
struct Tuning {
  /// kAuto: as the backend is named.
  enum class Way : std::uint8_t { kAuto, kChunks, kResident, kLayers };
  Way way = Way::kAuto;
  // Of resident networks; 0 chooses.
  std::uint32_t threads = 0;      ///< of a block
  std::uint32_t team = 0;         ///< blocks that share a batch element
  std::uint32_t steps = 0;        ///< of a launch
  std::uint32_t phases = 0;       ///< of a step, at least
  std::uint32_t shares = 0;       ///< parts that a warp's fair share of a phase is cut into
  std::uint32_t front_bytes = 0;  ///< at most so much of an element in shared memory
  std::uint32_t channels = 0;     ///< layers: 8 instead of 16 for a thread of a convolution
  std::uint32_t chunks = 0;       ///< layers: of `steps` each, most that go through at once
  bool lazy = true;               ///< neurons that rest are left out
  /// The processor's threads come in descending order: between two barriers any must do.
  bool backwards = false;
};

/// Not while a session opens or runs in another thread.
Tuning& tuning();

}  // namespace spikeloom::cuda
