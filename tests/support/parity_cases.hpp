#pragma once
/// The one list of networks that every backend has to run like the reference.
///
/// Weights, inputs and parameters are multiples of 1/8 and decays are 1/2, so that within the
/// test's few steps no arithmetic rounds: results have to be equal, not close. A new operation or
/// neuron kind adds a case here.

#include <string>
#include <utility>
#include <vector>

#include "snn/network.hpp"

namespace spikeloom::test {

struct ParityCase {
  std::string name;
  Network network;
  Shape input;
  /// (option, value) pairs on top of preset nir with dt 1.
  std::vector<std::pair<std::string, std::string>> options = {};
};

const std::vector<ParityCase>& parity_cases();

}  // namespace spikeloom::test
