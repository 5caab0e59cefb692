#pragma once
/// Which instruction set the kernels run with.
///
/// The kernels are compiled several times; the first call picks the best version this processor
/// has. Tests and benchmarks force another one. Results do not depend on it, only time does.

#include <string>
#include <string_view>
#include <vector>

namespace spikeloom {

/// Names of the versions this processor can run, best first: "AVX3" (AVX-512), "AVX2", and
/// "SCALAR" or "EMU128" for what every processor has.
std::vector<std::string> kernel_targets();

/// Every later kernel call, of every thread, runs with this version; empty: the best one. False,
/// and nothing changes, for a name that kernel_targets() does not have. Not while kernels run.
bool use_kernel_target(std::string_view name);

}  // namespace spikeloom
