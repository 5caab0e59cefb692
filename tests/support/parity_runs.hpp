#pragma once
/// A parity case on a backend, beside the reference in double.

#include <cstdint>

#include "tests/support/parity_cases.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom::test {

/// Runs the case as its options say, and records what every node gives and all membranes.
RunRequest watching(const ParityCase& parity);

/// Events, states and counts of `runner` are those of the reference, after `steps` steps of busy
/// input that is drawn from `stream`.
void expect_the_references(const ParityCase& parity, const Runner& runner, std::int64_t steps,
                           std::uint64_t stream);

}  // namespace spikeloom::test
