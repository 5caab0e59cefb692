/// A network of SLAYER on recordings of gestures: time from the last event of a 1 ms bin to the
/// output, and time of a whole recording, on one core; the reference backend as the measure.
///
///     spikeloom_gesture --model network.yaml --weights DIR clip.bs2...
///
/// Times are processor time of the thread, so that a busy machine does not count; wall time of the
/// whole recordings stands beside.

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/backend.hpp"
#include "bench/measuring.hpp"
#include "models/slayer/slayer_reader.hpp"
#include "sensors/recording_io.hpp"
#include "snn/input_coding.hpp"
#include "snn/lowering.hpp"

namespace {

using namespace spikeloom;

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct GestureNetwork {
  Program program;
  InputCoding coding;
};

Result<GestureNetwork> load(const std::string& path, const std::string& weights,
                            const std::string& layers) {
  SlayerReadOptions options;
  options.weights = weights;
  options.layers = layers;
  SPIKELOOM_TRY(const LoadedModel model, read_slayer(path, options));
  SPIKELOOM_TRY(const Discretisation d,
                discretisation_from_value(*model.run_settings.find("discretisation")));
  GestureNetwork made;
  SPIKELOOM_TRY(made.program, lower(model.network, d));
  SPIKELOOM_TRY(made.coding, input_coding_from_value(*model.run_settings.find("input_coding")));
  return made;
}

/// Counts what the output says.
class Output : public Sink {
 public:
  void events(std::uint32_t, Variable, std::uint32_t, std::int64_t,
              std::span<const std::uint32_t> index, std::span<const double>) override {
    for (const std::uint32_t i : index) {
      if (i >= counts.size()) counts.resize(i + 1);
      ++counts[i];
    }
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}
  std::vector<std::uint64_t> counts;
};

struct Times {
  double wall = 0.0, processor = 0.0;
  std::vector<double> steps;  ///< processor time of every step that had events
  std::size_t decision = 0;
};

/// Step by step, as events would arrive: hand over a bin, advance, read.
Result<Times> run_steps(const Executable& executable, const CodedInput& input) {
  SPIKELOOM_TRY(const auto session, executable.open());
  Output output;
  Times times;
  std::vector<Time> time;
  const double wall = now();
  const double start = processor_seconds();
  for (std::int64_t s = 0; s < input.steps; ++s) {
    const double before = processor_seconds();
    const std::size_t first = input.step_start[static_cast<std::size_t>(s)];
    const std::size_t count = input.step_start[static_cast<std::size_t>(s) + 1] - first;
    time.assign(count, s * session->step_time());
    SPIKELOOM_CHECK(session->push(0, 0,
                                  {time, std::span(input.index).subspan(first, count),
                                   std::span(input.value).subspan(first, count)}));
    SPIKELOOM_CHECK(session->advance((s + 1) * session->step_time()));
    SPIKELOOM_CHECK(session->read(output));
    if (count > 0) times.steps.push_back(processor_seconds() - before);
  }
  times.processor = processor_seconds() - start;
  times.wall = now() - wall;
  std::sort(times.steps.begin(), times.steps.end());
  times.decision = static_cast<std::size_t>(
      std::max_element(output.counts.begin(), output.counts.end()) - output.counts.begin());
  return times;
}

double quantile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0.0;
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

Status run_all(const GestureNetwork& network, const std::vector<std::string>& clips, int repeats) {
  RunOptions options;
  options.arithmetic = Arithmetic::kInteger;
  SPIKELOOM_TRY(const auto cpu, compile("cpu", network.program, options));
  SPIKELOOM_TRY(const auto reference, compile("reference", network.program, options));
  const Shape shape = network.program.nodes[network.program.inputs[0]].out_shape;
  const Time step = network.program.discretisation.step_time();
  fmt::print("{:<28} {:>8} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9}\n", "recording", "decision",
             "median us", "p99 us", "clip ms", "wall ms", "real time", "reference");
  for (const std::string& clip : clips) {
    SPIKELOOM_TRY(const ReadRecording read, read_recording(clip, {}));
    const EventPacket& e = read.recording.events;
    SPIKELOOM_TRY(const CodedInput input,
                  code_recording({e.time, e.x, e.y, e.polarity}, shape, step, network.coding));
    Times best;
    for (int i = 0; i < repeats; ++i) {
      SPIKELOOM_TRY(Times times, run_steps(*cpu, input));
      if (i == 0 || times.processor < best.processor) best = std::move(times);
    }
    SPIKELOOM_TRY(const Times slow, run_steps(*reference, input));
    const double length = to_seconds(input.steps * step);
    fmt::print("{:<28} {:>8} {:>10.1f} {:>10.1f} {:>10.1f} {:>10.1f} {:>9.1f}x {:>8.1f}x\n",
               clip.substr(clip.find_last_of('/') + 1), best.decision,
               1e6 * quantile(best.steps, 0.5), 1e6 * quantile(best.steps, 0.99),
               1e3 * best.processor, 1e3 * best.wall, length / best.processor,
               slow.processor / best.processor);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A network of SLAYER on recordings, on one core");
  std::string model, weights;
  std::string layers = "2x128x128 4a 16c5z 2a 32c3z 2a 512 11";
  std::vector<std::string> clips;
  int repeats = 3;
  app.add_option("--model", model, "network.yaml")->required();
  app.add_option("--weights", weights, "folder of its weights")->required();
  app.add_option("--layers", layers, "its layers");
  app.add_option("--repeats", repeats, "the best of so many runs is shown");
  app.add_option("CLIPS", clips, "recordings")->required();
  CLI11_PARSE(app, argc, argv);
  const auto network = load(model, weights, layers);
  const Status status = network.ok() ? run_all(*network, clips, repeats) : network.error();
  return exit_code(status);
}
