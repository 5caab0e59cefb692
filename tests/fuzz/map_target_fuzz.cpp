/// Reads bytes as a target; small machines get a network of two populations, or an error.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mapping/map.hpp"
#include "mapping/plan_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeloom::mapping;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)parse_faults(text, "fuzz");
  const auto target = parse_target(text, "fuzz");
  if (!target.ok() || target->rows.size() * static_cast<std::size_t>(target->width) > 400) return 0;
  PopulationGraph graph;
  graph.populations = {{.name = "a", .shape = {1, 1, 300}}, {.name = "b", .shape = {1, 1, 20}}};
  graph.projections = {{.source = 0, .target = 1}, {.source = 1, .target = 1}};
  const auto plan = map(graph, *target);
  if (plan.ok() && !check(*plan).ok()) std::abort();
  return 0;
}
