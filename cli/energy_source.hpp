#pragma once
/// Where the counts of `energy` and `report` come from: a run folder, its run.json, or a model
/// that is run now.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/run_batch.hpp"
#include "energy/layer_description.hpp"
#include "snn/run_stats.hpp"

namespace spikeloom::cli {

struct EnergySource {
  std::string name;  ///< the model's file
  std::vector<LayerDescription> layers;
  RunStats stats;           ///< summed over the recordings
  double inferences = 0.0;  ///< recordings
  double step_seconds = 0.0;
  Value run;  ///< the whole document of the run, as run.json has it
};

/// True for a run folder, or a file that ends in .json.
bool is_run(const std::string& path);

/// kFormat: not a run.json of a version that describes its network.
Result<EnergySource> read_energy_source(const std::string& path);

/// Runs the job; its recordings become the source.
Result<EnergySource> run_energy_source(const RunJob& job, Console& console);

/// From the document of a run (run.json).
Result<EnergySource> energy_source_from(const Value& run, const std::string& where);

}  // namespace spikeloom::cli
