/// Reads bytes as a hypergraph; small ones are partitioned, within their limits or with an error.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mapping/partition/hgr_file.hpp"
#include "mapping/partition/partition.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeloom::mapping;
  const auto graph = parse_hgr({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!graph.ok() || graph->vertices > 200 || graph->pin.size() > 2000) return 0;
  if (!check(*graph).ok()) std::abort();
  const auto found = partition(*graph, {.parts = 3, .capacity = {1000}, .cycles = 1});
  if (!found.ok()) return 0;
  for (const std::uint32_t load : part_use(*graph, *found).load) {
    if (load > 1000) std::abort();
  }
  return 0;
}
