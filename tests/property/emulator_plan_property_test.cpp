/// Random integer networks, mapped anyhow, in integer and ring16: no packet is dropped, and unless
/// slots stop the emulator sends what cpu sends.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "mapping/from_program.hpp"
#include "mapping/map.hpp"
#include "tests/property/random_network.hpp"
#include "tests/property/session_runs.hpp"
#include "tests/support/emulated_plan.hpp"

namespace spikeloom::test {
namespace {

/// What does not fit a machine says so and is no case. Whatever is mapped is emulated.
template <typename T>
bool is_refused(const Result<T>& result) {
  if (result.ok()) return false;
  RC_LOG() << result.error().message();
  RC_ASSERT(result.error().code == ErrorCode::kResource);
  return true;
}

RC_GTEST_PROP(EmulatedPlan, SendsWhatCpuSends, ()) {
  constexpr std::int64_t kSteps = 25;
  const Program program = random_program({Numbers::kInteger});
  RC_LOG() << describe(program);
  InputByStep input(kSteps);
  for (const InputEvent& event : random_input(program, Numbers::kInteger, kSteps)) {
    input[static_cast<std::size_t>(event.step)].push_back(
        {program.inputs[event.port], event.index, event.value});
  }
  const auto graph = mapping::population_graph(program);
  RC_PRE(graph.ok());
  const std::vector<std::string> names = {"spinnaker2", "spinnaker2:board", "spinnaker1", "loihi"};
  const auto target = mapping::load_target(names[static_cast<std::size_t>(between(0, 3))]);
  RC_ASSERT(target.ok());
  mapping::MapOptions options;
  options.resources.neurons_per_core = static_cast<std::uint32_t>(between(1, 40));
  options.seed = static_cast<std::uint64_t>(between(0, 1000));
  const auto plan = mapping::map(*graph, *target, options);
  RC_PRE(plan.ok());
  emulator::PlanOptions how;
  if (one_in(2)) how.arithmetic = Arithmetic::kRing16;
  const auto emulated = run_plan(program, *plan, input, how);
  RC_PRE(!is_refused(emulated));
  RC_ASSERT(emulated->total.dropped == 0U);
  RC_CLASSIFY(how.arithmetic == Arithmetic::kRing16, "ring16");
  RC_CLASSIFY(program.discretisation.reset_timing == ResetTiming::kNextStep, "late spikes");
  RC_CLASSIFY(emulated->rows_from_images, "rows from images");
  RC_CLASSIFY(emulated->total.saturated > 0, "saturated");
  RC_PRE(emulated->total.saturated == 0U);
  const auto expected = sent_on_cpu(program, input, emulated->nodes, how.arithmetic);
  RC_ASSERT(expected.ok());
  RC_CLASSIFY(expected->size() > 20, "busy");
  const std::string apart = difference(*expected, emulated->sent, program);
  RC_LOG() << to_string(how.arithmetic) << " on " << target->name << "\n" << apart << "\n";
  RC_ASSERT(apart == "");
}

}  // namespace
}  // namespace spikeloom::test
