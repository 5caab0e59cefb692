#pragma once
/// From a graph of populations to a complete Plan: cut, place, keys, trees, tables with proof.
///
///     SPIKELOOM_TRY(auto graph, population_graph(program));
///     SPIKELOOM_TRY(auto target, load_target("spinnaker2"));
///     SPIKELOOM_TRY(auto plan, map(graph, target));
///
/// One thread; the same graph, target, faults and options, seed included, give the same Plan.

#include <cstdint>

#include "base/result.hpp"
#include "mapping/plan.hpp"
#include "mapping/resources.hpp"

namespace spikeloom::mapping {

struct MapOptions {
  ResourceOptions resources = {};
  Faults faults = {};
  std::uint64_t seed = 0;  ///< of the exchanges that placement tries; kept with the Plan
};

/// Wall-clock seconds of the steps.
struct MapSeconds {
  double cut = 0.0, place = 0.0, keys = 0.0, trees = 0.0, tables = 0.0;
  double mend = 0.0;  ///< remap() instead of all these
  double total() const { return cut + place + keys + trees + tables + mend; }
};

/// Errors name what does not fit, with numbers: see cut(), place(), allocate_keys(), TreeFinder;
/// kResource as well for a table that stays too long after compression, and for out-axons.
Result<Plan> map(const PopulationGraph& graph, const Target& target, const MapOptions& options = {},
                 MapSeconds* seconds = nullptr);

/// What a Plan costs on the machine.
struct PlanCost {
  std::uint64_t cores = 0, chips = 0;
  std::uint64_t tree_links = 0;      ///< links of a slice's tree, summed over slices
  double packets = 0.0;              ///< copies that arrive at cores, a tick
  double hops = 0.0;                 ///< links that packets cross, a tick
  double max_link_load = 0.0;        ///< packets over the busiest link, a tick
  std::uint64_t max_link_trees = 0;  ///< slices whose trees cross the link with most
  std::uint64_t raw_max = 0, raw_sum = 0, table_max = 0, table_sum = 0;  ///< entries
  double max_cycles = 0.0;        ///< of the busiest core, a tick
  double all_cycles = 0.0;        ///< of all cores together, a tick
  double sent = 0.0;              ///< packets that leave their cores, a tick
  std::uint64_t longest_way = 0;  ///< links from a core to the farthest that hears it
  /// Seconds of a tick until the last core is done, at core.clock: the busiest core's cycles or the
  /// busiest link's packets, whichever take longer, and the longest way through routers and links.
  /// Of mean rates: ticks with more events take longer.
  double busy_seconds = 0.0;
};
PlanCost cost(const Plan& plan);

}  // namespace spikeloom::mapping
