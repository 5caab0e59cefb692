#pragma once
/// The cpu backend with a Plan: threads own what it gave the cores.
///
///     SPIKELOOM_TRY(auto graph, mapping::population_graph(program));
///     SPIKELOOM_TRY(auto target, mapping::load_target("cpu:2"));
///     SPIKELOOM_TRY(auto plan, mapping::map(graph, target));
///     SPIKELOOM_TRY(auto executable, cpu::compile_planned(program, options, plan));
///
/// There is a thread for each core of the Plan. In every step, thread t works on as many elements
/// of a node as core t holds, after those of the cores before it, to the nearest vector (64
/// elements; 512 of sparse rows; rows of a convolution; 4,096 neurons). Which thread adds up what
/// changes no spike.

#include <memory>

#include "backends/backend.hpp"
#include "mapping/plan.hpp"

namespace spikeloom::cpu {

/// `options.threads` becomes the number of the Plan's cores. kShape: a Plan of another program.
/// kUnsupported: what the cpu backend does not run, or a target that has routers.
Result<std::shared_ptr<const Executable>> compile_planned(const Program& program,
                                                          RunOptions options,
                                                          const mapping::Plan& plan);

}  // namespace spikeloom::cpu
