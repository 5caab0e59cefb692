#pragma once
/// Files of population graphs, for mapping without a model:
///
///     {"name": "ring",
///      "populations": [{"name": "a", "neurons": 10000, "rate": 0.01}, ...],
///      "projections": [{"source": 0, "target": 1, "pattern": "all", "delay": 1,
///                       "synapses": 12345}, ...]}
///
/// `rate`: events a neuron sends a tick (0.05). `pattern`: "all" (the default), "one-to-one" or
/// "random", which needs `synapses`. `weight_bytes` (1), `delay` (1), `state_values` (1), `sums`
/// (1) may be given. Errors: kFormat, naming the entry; those of files and of check().

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "mapping/population_graph.hpp"

namespace spikeloom::mapping {

Result<PopulationGraph> read_graph_file(const std::string& path);
/// `name` is what errors call the text.
Result<PopulationGraph> parse_graph(std::string_view text, const std::string& name);
/// True for JSON text that has populations.
bool looks_like_graph(std::string_view text);

}  // namespace spikeloom::mapping
