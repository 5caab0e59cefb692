#pragma once
/// The weights of every kind of weight node in one form.

#include <cstddef>
#include <optional>
#include <vector>

#include "models/quantize/input_activity.hpp"
#include "snn/program.hpp"

namespace spikeloom::detail {

/// The numbers of a weight node: values, row and source of each, scale and bias of each row.
struct WeightView {
  std::vector<double> value;
  std::vector<std::size_t> row;
  std::vector<std::size_t> source;  ///< input element, or channel of a convolution
  std::vector<double> row_scale, bias;
  std::size_t rows = 0, sources = 0;
  bool channels = true;  ///< a row is a channel of the output
};

/// Nothing for an operation without weights.
std::optional<WeightView> view_weights(const Operation& operation);

/// The moments of each source of a weight node: of a channel and of repeated inputs, the average.
/// To each square a tenth of the node's average is added, so that an input that happened to be
/// silent is not taken to be always so.
InputActivity moments(const WeightView& view, const InputActivity& activity, bool channels);

}  // namespace spikeloom::detail
