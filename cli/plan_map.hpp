#pragma once
/// The Plan that a run on the emulator goes by: read, or mapped here.

#include "base/result.hpp"
#include "cli/console.hpp"
#include "cli/mapped_run.hpp"
#include "mapping/plan.hpp"
#include "mapping/population_graph.hpp"
#include "snn/program.hpp"

namespace spikeloom::cli {

/// Most neurons of a core, by population, that spread the synapses evenly over `cores` of them;
/// populations of events from outside get one core each. kResource: fewer cores than populations.
Result<std::vector<std::uint32_t>> spread(const mapping::PopulationGraph& graph,
                                          std::uint32_t cores);

/// `flags.plan`, or a Plan for `flags.target` (spinnaker2), which a note says.
Result<mapping::Plan> find_plan(const Program& program, const MappedFlags& flags, Console& console);

/// What the machine is loaded with: read from `flags.images`, or laid out here. A note says for
/// which layers there is none. kShape: a Plan of another network.
Result<mapping::PlanImages> find_images(const Program& program, const mapping::Plan& plan,
                                        const MappedFlags& flags, Console& console);

}  // namespace spikeloom::cli
