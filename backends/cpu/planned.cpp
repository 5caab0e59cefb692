#include "backends/cpu/planned.hpp"

#include <fmt/format.h>

#include "backends/cpu/executable.hpp"

namespace spikeloom::cpu {
namespace {

/// By node: elements before each core's part, then all. Empty for nodes that the Plan cuts not at
/// all.
Result<std::vector<std::vector<std::size_t>>> owners_of(const Program& program,
                                                        const mapping::Plan& plan) {
  const std::size_t cores = plan.cores.size();
  std::vector<std::vector<std::size_t>> owners(program.nodes.size());
  for (const mapping::PlanPopulation& population : plan.populations) {
    const auto node = static_cast<std::size_t>(population.node);
    const std::uint64_t neurons =
        std::uint64_t{population.shape[0]} * population.shape[1] * population.shape[2];
    if (population.node < 0 || node >= program.nodes.size() ||
        static_cast<std::uint64_t>(program.nodes[node].out_size) != neurons) {
      return Error{.code = ErrorCode::kShape,
                   .what = "the Plan was made from another network",
                   .where = fmt::format("population '{}'", population.name),
                   .next = "map this one: spikeloom map MODEL --target cpu -o FILE"};
    }
    std::vector<std::size_t> held(cores + 1, 0);
    for (std::uint32_t i = 0; i < population.slices; ++i) {
      const mapping::PlanSlice& slice = plan.slices[population.first_slice + i];
      held[slice.core + std::size_t{1}] += slice.count;
    }
    for (std::size_t c = 0; c < cores; ++c) held[c + 1] += held[c];
    owners[node] = std::move(held);
  }
  // Weights are added up where the neurons are that they lead to.
  for (const mapping::PlanProjection& projection : plan.projections) {
    const auto target = static_cast<std::size_t>(plan.populations[projection.target].node);
    for (const std::uint32_t node : projection.nodes) {
      if (node >= program.nodes.size() || !owners[node].empty() ||
          program.nodes[node].out_size != program.nodes[target].out_size) {
        continue;
      }
      owners[node] = owners[target];
    }
  }
  return owners;
}

}  // namespace

Result<std::shared_ptr<const Executable>> compile_planned(const Program& program,
                                                          RunOptions options,
                                                          const mapping::Plan& plan) {
  if (plan.target.topology != mapping::Topology::kFlat || plan.cores.empty()) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "cpu runs Plans of one chip without routers",
                 .got = fmt::format("a Plan for {}", plan.target.name),
                 .next = "map with --target cpu, or run with --backend emulator"};
  }
  SPIKELOOM_TRY(const auto owners, owners_of(program, plan));
  options.threads = static_cast<int>(plan.cores.size());
  const Support support = spikeloom::supports("cpu", program, options);
  if (!support.yes) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "cpu cannot run this network",
                 .where = support.reasons.empty() ? "" : support.reasons.front()};
  }
  const bool whole =
      options.arithmetic == Arithmetic::kInteger || options.arithmetic == Arithmetic::kRing16;
  return whole ? compile_cpu<std::int32_t>(program, options, owners)
               : compile_cpu<float>(program, options, owners);
}

}  // namespace spikeloom::cpu
