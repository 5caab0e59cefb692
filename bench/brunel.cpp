/// The network brunel_dc: recurrent excitatory and inhibitory LIF neurons under constant drive.
///
/// After Brunel, J. Comput. Neurosci. 8:183 (2000), without external noise, so that simulators can
/// be compared by rate: N neurons, 80 % excitatory first; each draws K sources with replacement,
/// round(0.8 K) of them excitatory; exact exponential LIF, dt 0.1 ms, tau 20 ms, threshold 20 mV,
/// reset and rest 0 mV, refractory for 2 ms, drive 40 mV; jumps of 125 mV / K and -5 times that,
/// 1.5 ms after the spike; membranes start uniform in [0, 20) mV. A warm-up is not timed.
///
/// Prints one JSON object: rate, spikes, wall and processor seconds, synaptic events a second,
/// real-time factor (wall time over simulated time), peak memory.

#include <chrono>
#include <cmath>
#include <ctime>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/backend.hpp"
#include "base/random.hpp"
#include "bench/process_memory.hpp"
#include "snn/lowering.hpp"

namespace spikeloom {
namespace {

struct Options {
  std::int64_t neurons = 12500, degree = 1250;
  std::uint64_t seed = 1;
  std::string backend = "cpu";
  int threads = 1;
  double warm_up_ms = 100.0, run_ms = 1000.0;
  bool repeats = true;
};

Tensor one(double value) { return Tensor::scalar(static_cast<float>(value)); }
Tensor integers(std::vector<std::int64_t> values) {
  return Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

Result<Program> brunel_dc(const Options& options) {
  const std::int64_t excitatory = std::llround(0.8 * static_cast<double>(options.neurons));
  const std::int64_t from_excitatory = std::llround(0.8 * static_cast<double>(options.degree));
  const auto weight = static_cast<float>(125.0 / static_cast<double>(options.degree));

  node::Lif lif{one(20), one(1), one(40), one(20), one(0)};
  lif.t_ref = one(2);
  const RandomStream random{options.seed, 1};
  std::vector<float> initial;
  for (std::int64_t i = 0; i < options.neurons; ++i) {
    initial.push_back(static_cast<float>(20.0 * random.uniform(static_cast<std::uint64_t>(i))));
  }
  lif.v_initial = Tensor::of<float>({options.neurons}, initial);

  node::RandomSparse synapses;
  synapses.shape = integers({options.neurons, options.neurons});
  synapses.source_start = integers({0, excitatory});
  synapses.source_count = integers({excitatory, options.neurons - excitatory});
  synapses.degree = integers({from_excitatory, options.degree - from_excitatory});
  synapses.weight = Tensor::of<float>({2}, std::vector<float>{weight, -5.0F * weight});
  synapses.repeats = Tensor::scalar<std::int64_t>(options.repeats ? 1 : 0);
  synapses.seed = Tensor::scalar(static_cast<std::int64_t>(options.seed));

  // A link out of a neuron takes one step, the Delay the other 14.
  NetworkBuilder builder;
  builder.add("neurons", lif);
  builder.add("delay", node::Delay{one(1.4)});
  builder.add("synapses", synapses);
  builder.connect("neurons", "delay");
  builder.connect("delay", "synapses");
  builder.connect("synapses", "neurons");
  SPIKELOOM_TRY(const Network network, std::move(builder).build());
  Discretisation d;
  d.dt = 0.1;
  d.time_unit = TimeUnit::kMilliseconds;
  d.integrator = Integrator::kRaw;  // exact decay; a weight is a jump of the membrane
  d.spike_rule = SpikeRule::kGreaterEqual;
  d.link_delay = 1;
  return lower(network, d);
}

std::uint64_t spikes_of(const Session& session) {
  const RunStats stats = session.stats();
  for (const NodeStats& node : stats.nodes) {
    if (node.name == "neurons") return node.events_out;
  }
  return 0;
}

Status run(const Options& options) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::time_point from) {
    return std::chrono::duration<double>(Clock::now() - from).count();
  };
  auto start = Clock::now();
  std::unique_ptr<Session> session;
  std::int64_t synapses = 0;
  {
    SPIKELOOM_TRY(const Program program, brunel_dc(options));
    for (const ProgramNode& node : program.nodes) synapses += node.weights;
    RunOptions run_options;
    run_options.threads = options.threads;
    SPIKELOOM_TRY(const auto executable, compile(options.backend, program, run_options));
    SPIKELOOM_TRY(session, executable->open());
  }
  const double build = seconds(start);
  const auto time = [](double ms) { return static_cast<Time>(std::llround(ms * 1e6)); };
  SPIKELOOM_CHECK(session->advance(time(options.warm_up_ms)));
  const std::uint64_t before = spikes_of(*session);
  start = Clock::now();
  const std::clock_t clock = std::clock();
  SPIKELOOM_CHECK(session->advance(time(options.warm_up_ms + options.run_ms)));
  const double wall = seconds(start);
  const double cpu = static_cast<double>(std::clock() - clock) / CLOCKS_PER_SEC;
  const auto spikes = static_cast<double>(spikes_of(*session) - before);
  const double simulated = options.run_ms * 1e-3;
  fmt::print(
      "{{\"engine\": \"spikeloom {}\", \"neurons\": {}, \"degree\": {}, \"repeats\": {}, "
      "\"seed\": {}, \"synapses\": {}, \"rate_hz\": {:.4f}, \"spikes\": {:.0f}, "
      "\"build_s\": {:.3f}, \"wall_s\": {:.4f}, \"cpu_s\": {:.4f}, \"rtf\": {:.4f}, "
      "\"events_per_s\": {:.4g}, "
      "\"peak_mb\": {:.1f}}}\n",
      options.backend, options.neurons, options.degree, options.repeats, options.seed, synapses,
      spikes / static_cast<double>(options.neurons) / simulated, spikes, build, wall, cpu,
      wall / simulated, spikes * static_cast<double>(options.degree) / wall,
      bench::peak_memory_mb());
  return {};
}

}  // namespace
}  // namespace spikeloom

int main(int argc, char** argv) {
  spikeloom::Options options;
  CLI::App app("brunel_dc on one backend; one line of JSON");
  app.add_option("--neurons", options.neurons)->capture_default_str();
  app.add_option("--degree", options.degree, "sources per neuron")->capture_default_str();
  app.add_option("--seed", options.seed)->capture_default_str();
  app.add_option("--backend", options.backend)->capture_default_str();
  app.add_option("--threads", options.threads)->capture_default_str();
  app.add_option("--warm-up", options.warm_up_ms, "ms, not timed")->capture_default_str();
  app.add_option("--run", options.run_ms, "ms, timed")->capture_default_str();
  app.add_flag("!--no-repeats", options.repeats, "draw sources without replacement");
  CLI11_PARSE(app, argc, argv);
  const spikeloom::Status status = spikeloom::run(options);
  if (!status.ok()) fmt::print(stderr, "{}\n", status.error().message());
  return status.ok() ? 0 : 1;
}
