#pragma once
/// What `map` and `fit` start from: a model, or a file of a population graph, and a target.

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/common_options.hpp"
#include "cli/network_file.hpp"
#include "cli/run_feedback.hpp"
#include "cli/run_flags.hpp"
#include "mapping/map.hpp"
#include "snn/program.hpp"

namespace spikeloom::cli {

struct MapFlags {
  std::string model, target;
  std::string faults;    ///< file
  std::string rates;     ///< run folder or run.json
  std::string from_run;  ///< folder of a run on the emulator
  double rate = 0.05;    ///< events a neuron sends a tick, where no run says
  std::uint32_t neurons_per_core = 0;
  std::uint32_t weight_bits = 0;
  bool real_time = false;
  RunFlags run;
  ModelFlags files;
};
void add_map_flags(CLI::App& command, MapFlags& flags);

struct MapInput {
  mapping::PopulationGraph graph;
  std::optional<Program> program;  ///< what the graph was made of; none of a file of a graph
  mapping::Target target;
  mapping::MapOptions options;
  std::vector<std::string> notes;
  std::optional<RunFeedback> feedback;  ///< of `from_run`
};
/// Chips send packets from one tick to the next: for them link-delay is 1 unless a flag says else.
Result<MapInput> map_input(const MapFlags& flags, const CommonOptions& common);

}  // namespace spikeloom::cli
