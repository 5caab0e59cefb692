#pragma once
/// The cuda backend with a Plan for gpu: thread blocks own what it gave the cores.
///
///     SPIKELOOM_TRY(auto graph, mapping::population_graph(program));
///     SPIKELOOM_TRY(auto target, mapping::load_target("gpu"));
///     SPIKELOOM_TRY(auto plan, mapping::map(graph, target));
///     SPIKELOOM_TRY(auto executable, cuda::compile_planned(program, options, "cuda", plan));
///
/// Sparse rows: a block adds up the targets of a core, in the Plan's order; of several cores where
/// lists of where rows begin would otherwise take more memory than synapses. Dense layers: of as
/// many cores as its threads have outputs for. Convolutions: rows of as many cores as its shared
/// memory holds. All else is divided evenly, as without a Plan. No sum changes, so no spike does.

#include <memory>
#include <string_view>

#include "backends/backend.hpp"
#include "mapping/plan.hpp"

namespace spikeloom::cuda {

/// `backend`: "cuda", "cuda-host", or either with ":N": device d then has the d-th part of the
/// Plan's cores. kShape: a Plan of another program. kUnsupported: of a target that is no GPU, or a
/// network that the backend does not run.
Result<std::shared_ptr<const Executable>> compile_planned(const Program& program,
                                                          const RunOptions& options,
                                                          std::string_view backend,
                                                          const mapping::Plan& plan);

}  // namespace spikeloom::cuda
