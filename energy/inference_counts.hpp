#pragma once
/// What one inference did, from the statistics of a run: the counts that cost tables will price.
///
/// Pure functions of RunStats; docs/counting.md defines each count. With N inferences in the run
/// (recordings, or decision windows) every figure is a mean per inference.

#include <cstdint>

#include "base/result.hpp"
#include "base/value.hpp"
#include "snn/run_stats.hpp"

namespace spikeloom {

struct InferenceCounts {
  double steps = 0.0;
  double events = 0.0;  ///< events out of all nodes but Output
  double ac = 0.0, mac = 0.0;
  double synaptic_operations = 0.0;  ///< ac + mac
  double dense_macs = 0.0;           ///< the same network dense, every step
  double neuron_updates = 0.0;
  /// dense_macs / synaptic_operations; infinite for a silent network, 1 for an empty one.
  double dense_ratio = 1.0;
};

/// kInvalidArgument for zero inferences.
Result<InferenceCounts> count_inference(const RunStats& stats, std::uint64_t inferences);

Value to_value(const InferenceCounts& counts);

}  // namespace spikeloom
