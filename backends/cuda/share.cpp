#include "backends/cuda/share.hpp"

#include <fmt/format.h>

namespace spikeloom::cuda {

Result<std::vector<Share>> shares_of(const Program& program, const mapping::Plan& plan) {
  const bool flat = plan.target.topology == mapping::Topology::kFlat;
  if (!flat || plan.cores.empty() || plan.target.name == "cpu") {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "cuda runs Plans whose cores are thread blocks of a GPU",
                 .expected = "a Plan for gpu, or a target of your own like it",
                 .got = fmt::format("a Plan for {}", plan.target.name),
                 .next = "map with --target gpu, or run with --backend cpu or emulator"};
  }
  const std::size_t cores = plan.cores.size();
  std::vector<Share> shares(program.nodes.size());
  for (const mapping::PlanPopulation& population : plan.populations) {
    const auto node = static_cast<std::size_t>(population.node);
    const std::uint64_t neurons =
        std::uint64_t{population.shape[0]} * population.shape[1] * population.shape[2];
    if (population.node < 0 || node >= program.nodes.size() ||
        static_cast<std::uint64_t>(program.nodes[node].out_size) != neurons) {
      return Error{.code = ErrorCode::kShape,
                   .what = "the Plan was made from another network",
                   .where = fmt::format("population '{}'", population.name),
                   .next = "map this one: spikeloom map MODEL --target gpu -o FILE"};
    }
    Share& share = shares[node];
    share.bounds.assign(cores + 1, 0);
    for (std::uint32_t i = 0; i < population.slices; ++i) {
      const mapping::PlanSlice& slice = plan.slices[population.first_slice + i];
      share.bounds[slice.core + std::size_t{1}] += slice.count;
    }
    for (std::size_t c = 0; c < cores; ++c) share.bounds[c + 1] += share.bounds[c];
    share.order = population.order;
    // Bounds speak of cores in order; slices that are not do not.
    for (std::uint32_t i = 1; i < population.slices; ++i) {
      const std::uint32_t slice = population.first_slice + i;
      if (plan.slices[slice].core < plan.slices[slice - 1].core) share = {};
    }
  }
  for (const mapping::PlanProjection& projection : plan.projections) {
    const auto target = static_cast<std::size_t>(plan.populations[projection.target].node);
    for (const std::uint32_t node : projection.nodes) {
      if (node >= program.nodes.size() || !shares[node].bounds.empty() ||
          program.nodes[node].out_size != program.nodes[target].out_size) {
        continue;
      }
      shares[node] = shares[target];
    }
  }
  return shares;
}

std::vector<std::uint32_t> block_bounds(const std::vector<std::uint32_t>& cores, std::uint32_t fill,
                                        std::uint32_t most) {
  std::vector<std::uint32_t> bounds{0};
  std::uint32_t end = 0;  // of the cores that wait for a block
  const auto close = [&] {
    const std::uint32_t first = bounds.back();
    const std::uint64_t size = end - first, pieces = (size + most - 1) / most;
    for (std::uint64_t i = 1; i <= pieces; ++i) {
      bounds.push_back(first + static_cast<std::uint32_t>(size * i / pieces));
    }
  };
  for (std::size_t c = 0; c + 1 < cores.size(); ++c) {
    if (cores[c + 1] - bounds.back() > fill) close();
    end = cores[c + 1];
  }
  close();
  return bounds;
}

}  // namespace spikeloom::cuda
