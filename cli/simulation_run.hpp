#pragma once
/// Runs a simulated network and keeps what was asked for; `simulate` prints it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/simulation/engine.hpp"
#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/console.hpp"
#include "cli/run_directory.hpp"
#include "snn/simulation/network.hpp"
#include "snn/simulation/statistics.hpp"

namespace spikeloom::cli {

struct SimulationRequest {
  std::string name;  ///< for messages and the report
  simulation::Network network = {};
  double warm_up = 0.0, time = 1000.0;    ///< ms
  std::string backend = "cpu";            ///< the engine; or "cuda", "reference"
  simulation::EngineOptions engine = {};  ///< with ranks: all call run_simulation()
  bool statistics = true;
  std::string load = {}, save = {};  ///< checkpoints of the engine, files; empty: none
  double save_every = 0.0;           ///< ms; 0: at the end only
};

/// Times count from the end of the warm-up, or from a checkpoint behind it.
struct SimulationOutcome {
  std::int64_t steps = 0;                                          ///< without those of the warm-up
  std::vector<simulation::PopulationStatistics> populations = {};  ///< empty without statistics
  StoredRecording recording = {};
  std::vector<StoredTrace> traces = {};
  std::uint64_t spikes = 0, synaptic_events = 0;  ///< without those of the warm-up
  double synapses = 0.0;
  double build_seconds = 0.0, warm_up_seconds = 0.0, wall_seconds = 0.0, cpu_seconds = 0.0;
  double predicted_bytes = 0.0, peak_bytes = 0.0;  ///< peak: of the whole process
};

/// Shows progress and obeys Ctrl-C.
Result<SimulationOutcome> run_simulation(SimulationRequest request, Console& console);

Value simulation_value(const SimulationRequest& request, const SimulationOutcome& outcome);
std::string simulation_text(const SimulationRequest& request, const SimulationOutcome& outcome);

/// run.json, recordings.h5, spikes.h5 (SONATA) and statistics.npz in a new folder
/// (docs/simulation.md).
Status write_simulation(const std::string& folder, const SimulationRequest& request,
                        const SimulationOutcome& outcome);

}  // namespace spikeloom::cli
