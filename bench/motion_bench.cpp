/// The motion demo's network on the reference backend: what it costs to make, and to run.

#include <cstdint>

#include <benchmark/benchmark.h>

#include "backends/backend.hpp"
#include "models/motion/motion_network.hpp"
#include "sensors/scene.hpp"
#include "snn/input_coding.hpp"
#include "snn/lowering.hpp"

namespace spikeloom {
namespace {

Result<std::shared_ptr<const Executable>> compile_motion() {
  SPIKELOOM_TRY(const Network network, make_motion_network());
  SPIKELOOM_TRY(const Program program, lower(network, motion_discretisation()));
  return compile("reference", program, {});
}

void make_network_and_compile(benchmark::State& state) {
  for (auto _ : state) {
    auto executable = compile_motion();
    if (!executable.ok()) return state.SkipWithError(executable.error().message().c_str());
    benchmark::DoNotOptimize(executable);
  }
}
BENCHMARK(make_network_and_compile)->Unit(benchmark::kMillisecond);

/// The whole scene in a session, as (flat index, time) events.
Status run_scene(Session& session, const CodedInput& input, const std::vector<Time>& time,
                 Time duration) {
  SPIKELOOM_CHECK(session.reset());
  SPIKELOOM_CHECK(session.push(0, 0, {time, input.index, input.value}));
  return session.advance(duration);
}

void run_moving_bar(benchmark::State& state) {
  const MovingBarOptions bar;
  const auto scene = moving_bar(bar);
  const auto executable = compile_motion();
  if (!scene.ok() || !executable.ok()) return state.SkipWithError("no scene or no network");
  InputCoding coding;
  coding.origin = BinOrigin::kZero;
  const EventPacket& events = scene->events;
  const auto input = code_recording({events.time, events.x, events.y, events.polarity},
                                    {2, bar.height, bar.width}, kMotionStep, coding);
  const auto session = (*executable)->open();
  if (!input.ok() || !session.ok()) return state.SkipWithError("no input or no session");
  std::vector<Time> time;
  for (std::int64_t step = 0; step < input->steps; ++step) {
    const auto index = static_cast<std::size_t>(step);
    time.insert(time.end(), input->step_start[index + 1] - input->step_start[index],
                step * kMotionStep);
  }
  for (auto _ : state) {
    const Status status = run_scene(**session, *input, time, bar.duration);
    if (!status.ok()) return state.SkipWithError(status.error().message().c_str());
  }
  const RunStats stats = (*session)->stats();
  using benchmark::Counter;
  state.counters["synaptic_operations/s"] =
      Counter(static_cast<double>(stats.synaptic_operations()), Counter::kIsIterationInvariantRate);
  state.counters["steps/s"] =
      Counter(static_cast<double>(stats.steps), Counter::kIsIterationInvariantRate);
}
BENCHMARK(run_moving_bar)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace spikeloom
