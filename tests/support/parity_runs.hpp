#pragma once
/// A parity case on a backend, beside the reference in double.

#include <cstdint>

#include "tests/support/parity_cases.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom::test {

/// Runs the case as its options say, and records what every node gives and all membranes.
RunRequest watching(const ParityCase& parity);

/// A case on the reference in double: its input, what was asked for and what came.
struct ReferenceRun {
  CodedInput input;
  RunRequest request;
  RunResult expected;
};

/// `steps` steps of busy input that is drawn from `stream`. Fails the test if the run fails.
void run_reference(const ParityCase& parity, std::int64_t steps, std::uint64_t stream,
                   ReferenceRun& run);

/// Events, states and counts of `runner` are those of the reference, after `steps` steps of busy
/// input that is drawn from `stream`.
void expect_the_references(const ParityCase& parity, const Runner& runner, std::int64_t steps,
                           std::uint64_t stream);

}  // namespace spikeloom::test
