#include "backends/cuda/share.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "backends/plan_bounds.hpp"

namespace spikeloom::cuda {
namespace {

/// Bounds speak of cores in order; slices that are not do not.
bool in_order(const mapping::Plan& plan, const mapping::PlanPopulation& population) {
  const auto first = plan.slices.begin() + population.first_slice;
  return std::is_sorted(first, first + population.slices,
                        [](const auto& a, const auto& b) { return a.core < b.core; });
}

}  // namespace

Result<std::vector<Share>> shares_of(const Program& program, const mapping::Plan& plan) {
  const bool flat = plan.target.topology == mapping::Topology::kFlat;
  if (!flat || plan.cores.empty() || plan.target.name == "cpu") {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "cuda runs Plans whose cores are thread blocks of a GPU",
                 .expected = "a Plan for gpu, or a target of your own like it",
                 .got = fmt::format("a Plan for {}", plan.target.name),
                 .next = "map with --target gpu, or run with --backend cpu or emulator"};
  }
  SPIKELOOM_TRY(const auto populations, dividing_populations(program, plan, "gpu"));
  std::vector<Share> shares(populations.size());
  for (std::size_t node = 0; node < shares.size(); ++node) {
    const std::uint32_t population = populations[node];
    if (population == kNoPopulation || !in_order(plan, plan.populations[population])) continue;
    const auto bounds = core_bounds(plan, population);
    shares[node].bounds.assign(bounds.begin(), bounds.end());
    shares[node].order = plan.populations[population].order;
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
