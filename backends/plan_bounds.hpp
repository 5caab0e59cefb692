#pragma once
/// What the cores of a Plan have of a program's nodes, for backends whose threads or blocks play
/// the cores.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "mapping/plan.hpp"
#include "snn/program.hpp"

namespace spikeloom {

inline constexpr std::uint32_t kNoPopulation = ~std::uint32_t{0};

/// By node: the population that says how its outputs are divided among the cores. That of its own
/// neurons, or of those that its weights lead to, where there are as many: sums are made where they
/// are wanted. kNoPopulation: nobody says. kShape: a Plan of another program, with the command that
/// makes one for `target`.
Result<std::vector<std::uint32_t>> dividing_populations(const Program& program,
                                                        const mapping::Plan& plan,
                                                        std::string_view target);

/// Neurons of a population before each core's part, then all.
std::vector<std::size_t> core_bounds(const mapping::Plan& plan, std::uint32_t population);

}  // namespace spikeloom
