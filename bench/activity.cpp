/// What a step costs against what happens in it. Comma-separated values on standard output.
///
///   spikeloom_activity network   neurons with random synapses, of which input makes 0, 10, 100,
///   1000
///                                spike in every step, the others never: time of a step, memory
///   spikeloom_activity rate DIR  DIR/cnn_sinabs.nir on DIR/nmnist_test100 with fewer or more
///                                events: below 1 each event is kept with that probability, above
///                                it so many recordings are laid over one another
///
/// Times are processor time of one thread.

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/backend.hpp"
#include "base/random.hpp"
#include "bench/process_memory.hpp"
#include "models/load.hpp"
#include "sensors/recording_io.hpp"
#include "snn/input_coding.hpp"
#include "snn/lowering.hpp"
#include "snn/resolve.hpp"

namespace spikeloom {
namespace {

struct Options {
  std::string backend = "cpu";
  std::int64_t neurons = 100000, degree = 1000;
  std::vector<std::int64_t> active = {0, 10, 100, 1000};
  std::string folder;
  std::vector<double> factors = {0, 0.125, 0.25, 0.5, 1, 2, 4};
  std::size_t recordings = 20;
  double seconds = 0.5;  ///< a measurement lasts at least this long
};

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Tensor one(double value) { return Tensor::scalar(static_cast<float>(value)); }
Tensor integers(std::vector<std::int64_t> values) {
  return Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

/// Neurons that receive input and one another's spikes; the latter keep them far below threshold.
Result<Program> random_network(const Options& options) {
  node::Lif lif{one(20), one(1), one(0), one(20), one(0)};
  node::RandomSparse synapses;
  synapses.shape = integers({options.neurons, options.neurons});
  synapses.source_start = integers({0});
  synapses.source_count = integers({options.neurons});
  synapses.degree = integers({options.degree});
  synapses.weight = Tensor::of<float>({1}, std::vector<float>{1e-3F});
  NetworkBuilder builder;
  builder.add("in", node::Input{integers({options.neurons})});
  builder.add("neurons", lif);
  builder.add("synapses", synapses);
  builder.connect("in", "neurons");
  builder.connect("neurons", "synapses");
  builder.connect("synapses", "neurons");
  SPIKELOOM_TRY(const Network network, std::move(builder).build());
  Discretisation d;
  d.dt = 0.1;
  d.time_unit = TimeUnit::kMilliseconds;
  d.integrator = Integrator::kRaw;
  d.link_delay = 1;
  return lower(network, d);
}

/// In each of `steps` steps from `first` on, one input event for each of `active` neurons, spread
/// evenly, that lifts them over their threshold.
Status push_activity(Session& session, const Options& options, std::int64_t active,
                     std::int64_t first, std::int64_t steps) {
  std::vector<Time> time;
  std::vector<std::uint32_t> index;
  for (std::int64_t step = first; step < first + steps; ++step) {
    for (std::int64_t i = 0; i < active; ++i) {
      time.push_back(step * session.step_time());
      index.push_back(static_cast<std::uint32_t>(i * options.neurons / active));
    }
  }
  const std::vector<double> value(index.size(), 1e3);
  return session.push(0, 0, {time, index, value});
}

Status measure_network(const Options& options) {
  fmt::print(
      "backend,neurons,synapses,active,spikes_per_step,synaptic_events_per_step,"
      "us_per_step,peak_mb,bytes_per_synapse\n");
  SPIKELOOM_TRY(const Program program, random_network(options));
  std::int64_t synapses = 0;
  for (const ProgramNode& node : program.nodes) synapses += node.weights;
  SPIKELOOM_TRY(const auto executable, compile(options.backend, program, {}));
  SPIKELOOM_TRY(const auto session, executable->open());
  for (const std::int64_t active : options.active) {
    SPIKELOOM_CHECK(session->reset());
    constexpr std::int64_t kChunk = 100;
    std::int64_t step = 0;
    const auto run_chunk = [&]() -> Result<double> {
      SPIKELOOM_CHECK(push_activity(*session, options, active, step, kChunk));
      step += kChunk;
      const double start = processor_seconds();
      SPIKELOOM_CHECK(session->advance(step * session->step_time()));
      return processor_seconds() - start;
    };
    SPIKELOOM_CHECK(run_chunk());  // reaches the steady state of most membranes, warms caches
    const RunStats before = session->stats();
    double used = 0.0;
    while (used < options.seconds) {
      SPIKELOOM_TRY(const double chunk, run_chunk());
      used += chunk;
    }
    const RunStats after = session->stats();
    const auto steps = static_cast<double>(step - kChunk);
    const auto per_step = [&](std::uint64_t then, std::uint64_t now) {
      return static_cast<double>(now - then) / steps;
    };
    std::uint64_t spikes_before = 0;
    std::uint64_t spikes_after = 0;
    for (std::size_t n = 0; n < after.nodes.size(); ++n) {
      if (after.nodes[n].name != "neurons") continue;
      spikes_before = before.nodes[n].events_out;
      spikes_after = after.nodes[n].events_out;
    }
    const double memory = bench::peak_memory_mb();
    fmt::print("{},{},{},{},{:.2f},{:.1f},{:.4g},{:.1f},{:.3f}\n", options.backend, options.neurons,
               synapses, active, per_step(spikes_before, spikes_after),
               per_step(before.synaptic_operations(), after.synaptic_operations()),
               used / steps * 1e6, memory, memory * 1048576.0 / static_cast<double>(synapses));
    std::fflush(stdout);
  }
  return {};
}

/// Recording `which` with `factor` times its events.
CodedInput changed(const std::vector<CodedInput>& recordings, std::size_t which, double factor) {
  CodedInput made;
  made.steps = recordings[which].steps;
  const auto layers = static_cast<std::size_t>(std::max(1.0, factor));
  const double keep = std::min(1.0, factor);
  const RandomStream random{1, which};
  std::uint64_t draw = 0;
  for (std::int64_t s = 0; s < made.steps; ++s) {
    std::map<std::uint32_t, double> values;
    for (std::size_t layer = 0; layer < layers; ++layer) {
      const CodedInput& from = recordings[(which + layer) % recordings.size()];
      if (s >= from.steps) continue;
      const auto at = static_cast<std::size_t>(s);
      for (std::size_t i = from.step_start[at]; i < from.step_start[at + 1]; ++i) {
        if (random.uniform(draw++) < keep) values[from.index[i]] += from.value[i];
      }
    }
    for (const auto& [index, value] : values) {
      made.index.push_back(index);
      made.value.push_back(value);
    }
    made.step_start.push_back(made.index.size());
  }
  return made;
}

struct Ignore : Sink {
  void events(std::uint32_t, Variable, std::uint32_t, std::int64_t, std::span<const std::uint32_t>,
              std::span<const double>) override {}
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}
};

Status run_recording(Session& session, const CodedInput& input, Sink& sink) {
  SPIKELOOM_CHECK(session.reset());
  std::vector<Time> time;
  for (std::int64_t s = 0; s < input.steps; ++s) {
    const auto at = static_cast<std::size_t>(s);
    time.insert(time.end(), input.step_start[at + 1] - input.step_start[at],
                s * session.step_time());
  }
  SPIKELOOM_CHECK(session.push(0, 0, {time, input.index, input.value}));
  SPIKELOOM_CHECK(session.advance(input.steps * session.step_time()));
  return session.read(sink);
}

Status measure_rate(const Options& options) {
  const std::filesystem::path folder = options.folder;
  SPIKELOOM_TRY(const LoadedModel model, load_model((folder / "cnn_sinabs.nir").string()));
  DiscretisationRequest request;
  request.options = {{"dt", "1e-3"}};
  SPIKELOOM_TRY(const auto resolved, resolve_discretisation(model.network, request));
  SPIKELOOM_TRY(const Program program, lower(model.network, resolved.discretisation));
  std::vector<std::filesystem::path> paths;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "nmnist_test100", failed)) {
    if (entry.path().extension() == ".bs2") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "no recordings *.bs2",
                 .where = (folder / "nmnist_test100").string()};
  }
  paths.resize(std::min(paths.size(), options.recordings));
  std::vector<CodedInput> recordings;
  for (const auto& path : paths) {
    SPIKELOOM_TRY(const ReadRecording read, read_recording(path.string()));
    const EventPacket& events = read.recording.events;
    SPIKELOOM_TRY(auto input, code_recording({events.time, events.x, events.y, events.polarity},
                                             program.nodes[program.inputs[0]].out_shape,
                                             program.discretisation.step_time(), InputCoding{}));
    recordings.push_back(std::move(input));
  }
  SPIKELOOM_TRY(const auto executable, compile(options.backend, program, {}));
  SPIKELOOM_TRY(const auto session, executable->open());
  fmt::print(
      "backend,factor,recordings,steps_per_recording,input_events_per_step,"
      "synaptic_operations_per_step,us_per_step\n");
  Ignore sink;
  for (const double factor : options.factors) {
    std::vector<CodedInput> inputs;
    std::size_t events = 0;
    std::int64_t steps = 0;
    for (std::size_t i = 0; i < recordings.size(); ++i) {
      inputs.push_back(changed(recordings, i, factor));
      events += inputs.back().index.size();
      steps += inputs.back().steps;
    }
    SPIKELOOM_CHECK(run_recording(*session, inputs.front(), sink));
    std::uint64_t operations = 0;
    double rounds = 0.0;
    double used = 0.0;
    while (used < options.seconds) {
      operations = 0;
      for (const CodedInput& input : inputs) {
        const double start = processor_seconds();
        SPIKELOOM_CHECK(run_recording(*session, input, sink));
        used += processor_seconds() - start;
        operations += session->stats().synaptic_operations();
      }
      rounds += 1.0;
    }
    const auto total = static_cast<double>(steps);
    fmt::print("{},{},{},{:.1f},{:.3f},{:.1f},{:.4g}\n", options.backend, factor, recordings.size(),
               total / static_cast<double>(recordings.size()), static_cast<double>(events) / total,
               static_cast<double>(operations) / total, used / rounds / total * 1e6);
    std::fflush(stdout);
  }
  return {};
}

}  // namespace
}  // namespace spikeloom

int main(int argc, char** argv) {
  spikeloom::Options options;
  CLI::App app("time of a step against activity, as comma-separated values");
  app.require_subcommand(1);
  app.add_option("--backend", options.backend)->capture_default_str();
  app.add_option("--seconds", options.seconds, "least time of a measurement");
  auto* network = app.add_subcommand("network", "silent and active neurons");
  network->add_option("--neurons", options.neurons)->capture_default_str();
  network->add_option("--degree", options.degree, "sources per neuron")->capture_default_str();
  network->add_option("--active", options.active, "neurons that spike in every step");
  auto* rate = app.add_subcommand("rate", "cnn_sinabs against its input rate");
  rate->add_option("folder", options.folder)->required();
  rate->add_option("--factor", options.factors);
  rate->add_option("--recordings", options.recordings)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const spikeloom::Status status =
      network->parsed() ? spikeloom::measure_network(options) : spikeloom::measure_rate(options);
  if (!status.ok()) fmt::print(stderr, "{}\n", status.error().message());
  return status.ok() ? 0 : 1;
}
