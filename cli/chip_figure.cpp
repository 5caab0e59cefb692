#include "cli/chip_figure.hpp"

#include <fmt/format.h>

#include "cli/interrupt.hpp"
#include "cli/plan_map.hpp"
#include "cli/plan_report.hpp"
#include "cli/table.hpp"
#include "energy/comparison.hpp"
#include "mapping/from_program.hpp"
#include "mapping/images.hpp"
#include "mapping/map.hpp"

namespace spikeloom::cli {
namespace {

constexpr const char* kTarget = "spinnaker2";

Result<ChipFigure> emulate(const Program& program, const std::vector<StepEvents>& recordings,
                           double inferences, const ChipRequest& request) {
  if (!(inferences > 0.0)) {
    return Error{.code = ErrorCode::kInvalidArgument, .what = "there is no inference to share"};
  }
  SPIKELOOM_TRY(const auto graph, mapping::population_graph(program));
  SPIKELOOM_TRY(auto target, mapping::load_target(kTarget));
  SPIKELOOM_CHECK(mapping::check_events(program, target));
  if (request.tick_seconds > 0.0) target.constants.tick_seconds = request.tick_seconds;
  mapping::MapOptions options;
  if (request.cores > 0) {
    SPIKELOOM_TRY(options.resources.population_neurons, spread(graph, request.cores));
  }
  SPIKELOOM_TRY(const auto plan, mapping::map(graph, target, options));
  SPIKELOOM_TRY(const auto images, mapping::MemoryImages(program, graph, plan).all());
  emulator::PlanOptions how{.arithmetic = request.arithmetic,
                            .free_running = request.tick_seconds <= 0.0};
  how.most_losses = 0;
  emulator::TickRecord total;
  ChipFigure made;
  made.target = kTarget;
  made.cores = plan.cores.size();
  made.inferences = inferences;
  for (const StepEvents& recording : recordings) {
    SPIKELOOM_TRY(auto machine, emulator::PlanEmulator::create(program, plan, how, &images));
    for (const auto& events : recording) {
      if (interrupted()) return interrupted_error();
      SPIKELOOM_CHECK(machine.tick(events));
    }
    machine.finish();
    total.add(machine.total());
    made.steps += static_cast<std::int64_t>(recording.size());
  }
  made.seconds = total.seconds / inferences;
  made.work_seconds = total.busy_seconds / inferences;
  made.lost = total.dropped + total.late;
  if (const auto energy = plan_energy(plan, total)) {
    const double waiting = energy->base + energy->board + energy->sleep;
    made.joules = energy->total() / inferences;
    made.work_joules = (energy->total() - waiting) / inferences;
  }
  return made;
}

}  // namespace

Result<ChipFigure> chip_figure(const Program& program, const std::vector<StepEvents>& recordings,
                               double inferences, const ChipRequest& request) {
  auto made = emulate(program, recordings, inferences, request);
  if (made.ok() || made.error().code == ErrorCode::kCancelled) return made;
  return ChipFigure{.target = kTarget, .why_not = made.error().message()};
}

std::string chip_line(const ChipFigure& figure) {
  if (!figure.why_not.empty()) {
    return fmt::format("not on an emulated {}: {}", figure.target, figure.why_not);
  }
  std::string text = fmt::format(
      "on an emulated {}, {} cores: {} an inference, {} of it work; {}, the work alone {}",
      figure.target, figure.cores, joules_text(figure.joules), joules_text(figure.work_joules),
      seconds_text(figure.seconds), seconds_text(figure.work_seconds));
  text +=
      fmt::format(" (modelled, {} steps)", with_commas(static_cast<std::uint64_t>(figure.steps)));
  if (figure.lost > 0) text += fmt::format("; {} packets lost", with_commas(figure.lost));
  return text;
}

Value to_value(const ChipFigure& figure) {
  Value value = Value::map();
  value.set("target", figure.target);
  if (!figure.why_not.empty()) return value.set("why_not", figure.why_not);
  value.set("cores", figure.cores).set("steps", figure.steps);
  value.set("inferences", figure.inferences).set("joules", figure.joules);
  value.set("work_joules", figure.work_joules).set("seconds", figure.seconds);
  return value.set("work_seconds", figure.work_seconds).set("lost_packets", figure.lost);
}

}  // namespace spikeloom::cli
