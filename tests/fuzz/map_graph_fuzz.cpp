/// Reads bytes as a population graph; small ones are mapped onto a board, or do not fit.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mapping/fit.hpp"
#include "mapping/graph_file.hpp"
#include "mapping/plan_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeloom::mapping;
  const auto graph = parse_graph({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!graph.ok()) return 0;
  if (!check(*graph).ok()) std::abort();
  std::uint64_t neurons = 0;
  for (const Population& population : graph->populations) neurons += population.neurons();
  if (neurons > 20'000 || graph->populations.size() > 100) return 0;
  static const auto target = load_target("spinnaker1:board");
  const auto report = fit(*graph, *target);
  if (report.ok() && report->fits && !check(*report->plan).ok()) std::abort();
  return 0;
}
