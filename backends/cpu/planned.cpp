#include "backends/cpu/planned.hpp"

#include <fmt/format.h>

#include "backends/cpu/executable.hpp"
#include "backends/plan_bounds.hpp"

namespace spikeloom::cpu {
namespace {

/// By node: elements before each core's part, then all. Empty for nodes that the Plan cuts not at
/// all.
Result<std::vector<std::vector<std::size_t>>> owners_of(const Program& program,
                                                        const mapping::Plan& plan) {
  SPIKELOOM_TRY(const auto populations, dividing_populations(program, plan, "cpu"));
  std::vector<std::vector<std::size_t>> owners(populations.size());
  for (std::size_t node = 0; node < owners.size(); ++node) {
    if (populations[node] != kNoPopulation) owners[node] = core_bounds(plan, populations[node]);
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
