#pragma once
/// The parity cases as integer networks: what every backend has to run bit for bit.

#include <vector>

#include "tests/support/parity_cases.hpp"

namespace spikeloom::test {

/// Every case of parity_cases() with its numbers times 8, which makes them integers; gains become
/// 1, averages sums, and weight scales go. Each comes with both roundings of leak products.
const std::vector<ParityCase>& integer_cases();

}  // namespace spikeloom::test
