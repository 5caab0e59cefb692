#pragma once
/// The unit of every value of a quantised network: real value = unit x integer.

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "models/quantize/quantize.hpp"
#include "snn/program.hpp"

namespace spikeloom::detail {

/// Units of the elements of one node's input or output: one for all, or one per channel (the
/// slowest axis; an element's channel is its index over the elements of a channel).
struct Unit {
  std::vector<double> channel = {1.0};
  bool uniform() const { return channel.size() == 1; }
  double at(std::size_t element, std::size_t elements) const {
    return uniform() ? channel[0] : channel[element / (elements / channel.size())];
  }
};

/// Weights of a node as integers.
struct QuantizedWeights {
  std::vector<double> integers;  ///< in the program's order
  std::vector<double> bias;      ///< integers, one per row, or empty
};

/// What the units of a program are, and the integers that follow from them.
struct UnitPlan {
  std::vector<Unit> in, out;                ///< per program node
  std::vector<QuantizedWeights> weights;    ///< per program node; empty where there are none
  std::vector<std::vector<double>> factor;  ///< op::Scale, integers
  std::vector<QuantizedLayer> layers;
};

/// Chooses scales: values that add up share their unit. kUnsupported names the node.
Result<UnitPlan> plan_units(const Program& program, const QuantizeOptions& options);

}  // namespace spikeloom::detail
