#pragma once
/// Input that keeps a small network busy, and what has to be equal between two runs of it.

#include <cstdint>
#include <string>

#include "snn/input_coding.hpp"
#include "snn/run_stats.hpp"

namespace spikeloom::test {

/// `steps` steps with a third of `elements` active, with values 1, 1, 2, -1; drawn from `stream`.
CodedInput busy_input(std::int64_t elements, std::int64_t steps, std::uint64_t stream);

/// Equal, where not-a-number equals itself.
bool same(double a, double b);

/// Says where the defined counts of two runs differ first (docs/counting.md), not what was
/// executed; empty when they are equal. Sums of values may differ by `slack`.
std::string difference(const RunStats& expected, const RunStats& got, double slack = 0.0);

}  // namespace spikeloom::test
