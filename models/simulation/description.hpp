#pragma once
/// Networks to simulate, described in TOML for people who do not write C++.
///
///     dt = 0.1                       # ms
///     time = 1000.0                  # ms to simulate, after warm_up
///     [populations.E]
///     size = 800
///     model = "iaf_psc_exp"          # a name of snn/simulation/neuron_models.hpp
///     V_m = { normal = [-60, 5] }    # any parameter of the model: a number or a distribution
///     [projections.E_to_all]
///     from = "E"
///     to = ["E", "I"]
///     rule = "fixed_in_degree"
///     degree = 80
///     weight = 20.0
///     delay = { normal = [1.5, 0.75], low = 0.1 }
///     [stimuli.noise]
///     kind = "poisson"
///     to = ["E", "I"]
///     rate = 8000.0                  # Hz
///     weight = 20.0
///
/// The whole format: docs/simulation.md. Every complaint names file, line and column, and what was
/// expected: kFormat, and for edge lists the errors of edge_list.hpp.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom {

struct SimulationDescription {
  simulation::Network network = {};  ///< has passed check()
  double time = 1000.0;              ///< ms
  double warm_up = 0.0;              ///< ms before
};

/// Edge lists are found beside the file.
Result<SimulationDescription> read_simulation(const std::string& path);

/// `name` is what errors call the text; files that it names are looked for in `folder`.
Result<SimulationDescription> parse_simulation(std::string_view text, const std::string& name,
                                               const std::string& folder = ".");

}  // namespace spikeloom
