#pragma once
/// Quantising: a float network becomes one that runs in integer arithmetic (docs/integer.md has
/// the recipe, step by step).
///
///     SPIKELOOM_TRY(auto made, quantize(network, discretisation, {.bits = 8}));
///     SPIKELOOM_TRY(auto program, lower(made.network, made.discretisation));
///     SPIKELOOM_TRY(auto integer, to_integer(program));   // holds: quantize() has proved it

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "models/quantize/input_activity.hpp"
#include "snn/discretisation.hpp"
#include "snn/network.hpp"

namespace spikeloom {

struct QuantizeOptions {
  int bits = 8;             ///< of a weight, 2 .. 16; above 8 they are stored as int16
  bool per_channel = true;  ///< one scale per output (channel) where the neurons behind allow it
  FixedPoint rounding = FixedPoint::kLoihi;  ///< of leak products
  int fraction = 12;                         ///< most fractional bits of a membrane, 0 .. 16
  std::int32_t input_bound = 255;  ///< an input value of a step that the overflow proof must allow
  /// What reached the weight nodes on recordings. A node that is in it gets the scales and integers
  /// that fit it best; another one the scale of its largest weight and the nearest integers.
  ActivityProfile activity = {};
};

/// What became of one weight node.
struct QuantizedLayer {
  std::string name, kind;
  int bits = 0;
  std::int64_t weights = 0;
  double smallest_scale = 0.0, largest_scale = 0.0;  ///< real weight = scale x integer
  double rms_error = 0.0;  ///< root mean square error over root mean square weight
  double max_error = 0.0;  ///< largest error over largest weight
  bool fitted = false;     ///< to the recordings
};

struct QuantizedNetwork {
  Network network;                ///< the same graph with integers for its numbers
  Discretisation discretisation;  ///< to be run with; its rounding is QuantizeOptions::rounding
  std::vector<QuantizedLayer> layers;
  int fraction = 0;                ///< fractional bits of leaky membranes
  std::int32_t input_limit = 0;    ///< largest input value of a step
  std::vector<std::string> notes;  ///< what was bent on the way
};

/// kUnsupported names the node that has no integer form and what to do; errors of lower() as they
/// are. kShape: an activity with another number of elements than its node's input. `discretisation`
/// is that of the float network.
Result<QuantizedNetwork> quantize(const Network& network, const Discretisation& discretisation,
                                  const QuantizeOptions& options = {});

}  // namespace spikeloom
