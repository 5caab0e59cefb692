#include "backends/plan_bounds.hpp"

#include <fmt/format.h>

namespace spikeloom {

Result<std::vector<std::uint32_t>> dividing_populations(const Program& program,
                                                        const mapping::Plan& plan,
                                                        std::string_view target) {
  std::vector<std::uint32_t> by_node(program.nodes.size(), kNoPopulation);
  for (std::uint32_t p = 0; p < plan.populations.size(); ++p) {
    const mapping::PlanPopulation& population = plan.populations[p];
    const auto node = static_cast<std::size_t>(population.node);
    const std::uint64_t neurons =
        std::uint64_t{population.shape[0]} * population.shape[1] * population.shape[2];
    if (population.node < 0 || node >= program.nodes.size() ||
        static_cast<std::uint64_t>(program.nodes[node].out_size) != neurons) {
      return Error{
          .code = ErrorCode::kShape,
          .what = "the Plan was made from another network",
          .where = fmt::format("population '{}'", population.name),
          .next = fmt::format("map this one: spikeloom map MODEL --target {} -o FILE", target)};
    }
    by_node[node] = p;
  }
  for (const mapping::PlanProjection& projection : plan.projections) {
    const auto neurons = static_cast<std::size_t>(plan.populations[projection.target].node);
    for (const std::uint32_t node : projection.nodes) {
      if (node >= program.nodes.size() || by_node[node] != kNoPopulation ||
          program.nodes[node].out_size != program.nodes[neurons].out_size) {
        continue;
      }
      by_node[node] = by_node[neurons];
    }
  }
  return by_node;
}

std::vector<std::size_t> core_bounds(const mapping::Plan& plan, std::uint32_t population) {
  const std::size_t cores = plan.cores.size();
  std::vector<std::size_t> bounds(cores + 1, 0);
  const mapping::PlanPopulation& all = plan.populations[population];
  for (std::uint32_t i = 0; i < all.slices; ++i) {
    const mapping::PlanSlice& slice = plan.slices[all.first_slice + i];
    bounds[slice.core + std::size_t{1}] += slice.count;
  }
  for (std::size_t c = 0; c < cores; ++c) bounds[c + 1] += bounds[c];
  return bounds;
}

}  // namespace spikeloom
