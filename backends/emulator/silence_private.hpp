#pragma once
/// What the nodes of a Program give while all neurons and everything outside are silent.

#include <vector>

#include "backends/emulator/core_numbers.hpp"
#include "backends/emulator/linear_path_private.hpp"
#include "base/result.hpp"
#include "snn/program.hpp"

namespace spikeloom::emulator {

/// By node and element, empty for neurons, Delay and Input: what they give along links of cycles
/// that take no time. This is what a link with `bias_at_start` holds before step 0. kUnsupported: a
/// recurrent layer in such a cycle.
Result<std::vector<std::vector<double>>> outputs_in_silence(const Program& program,
                                                            const CoreNumbers& numbers,
                                                            LinearNodes& nodes);

}  // namespace spikeloom::emulator
