#pragma once
/// Kernels of cuda run as a GPU runs them, on the processor: with the lines that only a device
/// compiles. The 32 threads of a warp exchange words (ballots, shuffles) and wait for one another
/// there, the threads of a block between phases. Slow, and for what no loop over threads can show:
/// what lanes tell each other, and lanes that would wait for ever.

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/cuda/machine.hpp"
#include "tests/support/lane_engine.hpp"

namespace spikeloom::test {

/// A machine that runs kernels of layers so, their threads in an order by `seed`; other kernels,
/// and lanes that wait for ever, are errors. What it ran is added to `ran`.
std::shared_ptr<cuda::Machine> make_lanes_machine(std::uint64_t seed,
                                                  std::vector<LaneKernel>* ran = nullptr);

}  // namespace spikeloom::test
