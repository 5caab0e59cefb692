#pragma once
/// What a run on an emulated machine says to the mapper: how often neurons fire, which cores had
/// too much to do, which links are busy.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "mapping/map.hpp"
#include "mapping/population_graph.hpp"
#include "mapping/relief.hpp"

namespace spikeloom::cli {

struct RunFeedback {
  mapping::Plan plan;                 ///< that was run
  double steps = 0.0;                 ///< over all recordings
  double tick_cycles = 0.0;           ///< of a core; 0: no limit
  std::vector<double> rates;          ///< events a neuron and tick, by population of the Plan
  std::vector<double> slice_packets;  ///< a tick, by slice
  std::vector<double> wanted;         ///< most cycles that a tick asked for, by core
};

/// From the folder of `run --backend emulator --out`. kFormat: another folder, or a damaged one.
Result<RunFeedback> read_run_feedback(const std::string& folder);

/// Gives the graph the measured rates, and `options` smaller slices for populations that had cores
/// with more work than a tick. Says what it did. kInvalidArgument: a run of another network.
Result<std::vector<std::string>> use_feedback(const RunFeedback& feedback,
                                              mapping::PopulationGraph& graph,
                                              mapping::MapOptions& options);

/// Leads trees of a Plan made with it round the busiest links; says what came of it.
Result<std::string> relieve_links(const RunFeedback& feedback, mapping::Plan& plan);

}  // namespace spikeloom::cli
