/// A simulated network on the engine: the microcircuit, a sparsely active network, or one that
/// grows with the ranks; under mpirun, on all ranks.
///
/// Prints one JSON object (rank 0; with --every-rank, a line each): real-time factor, synaptic
/// events a second, where the time goes, bytes a synapse, memory predicted and measured, a digest
/// of the spikes.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/cuda/machine.hpp"
#include "backends/mpi/mpi_ranks.hpp"
#include "backends/simulation/cuda_simulator.hpp"
#include "backends/simulation/engine.hpp"
#include "bench/measuring.hpp"
#include "bench/process_memory.hpp"
#include "models/simulation/fly.hpp"
#include "models/simulation/microcircuit.hpp"

namespace spikeloom {
namespace {

using simulation::Constant;
using simulation::Engine;
using simulation::EngineOptions;
using simulation::Network;
using simulation::Normal;

struct Options {
  std::string network = "microcircuit", backend = "cpu";
  double scale = 1.0;
  std::int64_t neurons = 20000, degree = 1000, active = 450;
  std::uint64_t seed = 1;
  double warm_up_ms = 500.0, run_ms = 1000.0;
  bool digest = false, no_phases = false, every_rank = false, beside_exact = false;
  EngineOptions engine = {.threads = 1};
};

/// Excitation and inhibition in balance, K sources a neuron, a delay of 1.5 ms: about 20 Hz.
Network balanced(std::int64_t neurons, std::int64_t degree, std::uint64_t seed) {
  Network n;
  n.seed = seed;
  const std::map<std::string, simulation::Distribution> lif = {
      {"V_m", simulation::Uniform{-70.0, -55.0}},
      {"tau_syn_ex", Constant{0.5}},
      {"tau_syn_in", Constant{0.5}},
      {"I_e", Constant{500.0}}};
  const std::int64_t excitatory = neurons * 4 / 5;
  n.populations = {{"E", excitatory, "iaf_psc_exp", lif},
                   {"I", neurons - excitatory, "iaf_psc_exp", lif}};
  const double w = 50.0 * std::sqrt(1000.0 / static_cast<double>(degree));
  for (std::uint32_t target = 0; target < 2; ++target) {
    n.projections.push_back({"", 0, target, simulation::FixedInDegree{degree * 4 / 5},
                             Normal{w, w / 10, 0.0}, Constant{1.5}});
    n.projections.push_back({"", 1, target, simulation::FixedInDegree{degree / 5},
                             Normal{-6 * w, 0.6 * w, -1e9, 0.0}, Constant{1.5}});
  }
  return n;
}

struct Digest {
  std::uint64_t value = 0xcbf29ce484222325ULL;
  simulation::SpikeSink sink(bool wanted) {
    if (!wanted) return {};
    return [this](std::int64_t step, std::span<const std::uint32_t> neurons) {
      for (const std::uint32_t n : neurons) {
        value = (value ^ static_cast<std::uint64_t>(step) ^ (std::uint64_t{n} << 32)) *
                0x100000001b3ULL;
      }
      return true;
    };
  }
};

Result<Network> make_network(const Options& options) {
  const int ranks = options.engine.ranks == nullptr ? 1 : options.engine.ranks->size();
  if (options.network == "microcircuit") {
    return make_microcircuit({.scale = options.scale, .seed = options.seed});
  }
  if (options.network == "sparse") {
    return make_fly({.neurons = options.neurons,
                     .active = options.active,
                     .connections = options.neurons * options.degree,
                     .seed = options.seed});
  }
  if (options.network == "balanced") {
    return balanced(options.neurons, options.degree, options.seed);
  }
  return balanced(options.neurons * ranks, options.degree, options.seed);
}

/// Runs the network in closed form and exactly, from t = 0 to `until`, and prints where the spikes
/// part: the first step in which other neurons fire.
Status compare_with_exact(const Network& network, EngineOptions options, std::int64_t until) {
  using Spikes = std::vector<std::pair<std::int64_t, std::uint32_t>>;
  std::array<std::unique_ptr<Engine>, 2> engines;  // closed form, exact
  for (const bool exact : {false, true}) {
    options.closed_form = !exact;
    SPIKELOOM_TRY(engines[exact ? 1 : 0], Engine::make(network, options));
  }
  constexpr std::int64_t kTogether = 1000;
  std::uint64_t equal = 0;
  for (std::int64_t done = 0; done < until; done += kTogether) {
    std::array<Spikes, 2> spikes;
    for (std::size_t e = 0; e < 2; ++e) {
      SPIKELOOM_CHECK(
          engines[e]->advance(std::min(kTogether, until - done),
                              [&](std::int64_t step, std::span<const std::uint32_t> neurons) {
                                for (const std::uint32_t n : neurons)
                                  spikes[e].emplace_back(step, n);
                                return true;
                              }));
    }
    const auto [closed, exact] =
        std::mismatch(spikes[0].begin(), spikes[0].end(), spikes[1].begin(), spikes[1].end());
    equal += static_cast<std::uint64_t>(closed - spikes[0].begin());
    if (closed == spikes[0].end() && exact == spikes[1].end()) continue;
    const bool early = exact == spikes[1].end() || (closed != spikes[0].end() && *closed < *exact);
    const auto [step, neuron] = early ? *closed : *exact;
    fmt::print(
        "{{\"equal_spikes\": {}, \"first_difference\": {{\"step\": {}, \"ms\": {}, "
        "\"neuron\": {}, \"only_in\": \"{}\"}}}}\n",
        equal, step, static_cast<double>(step) * network.dt, neuron,
        early ? "closed form" : "exact");
    return {};
  }
  fmt::print("{{\"equal_spikes\": {}, \"first_difference\": null}}\n", equal);
  return {};
}

/// On a GPU, or by its kernels on the processor.
Status run_on_device(const Options& options) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::time_point from) {
    return std::chrono::duration<double>(Clock::now() - from).count();
  };
  SPIKELOOM_TRY(const Network network, make_network(options));
  const auto steps = [&](double ms) { return std::llround(ms / network.dt); };
  std::shared_ptr<cuda::Machine> machine;
  if (options.backend == "cuda") {
    SPIKELOOM_TRY(machine, cuda::make_device_machine());
  } else {
    machine = cuda::make_host_machine();
  }
  auto start = Clock::now();
  SPIKELOOM_TRY(const auto simulator,
                simulation::CudaSimulator::make(network, machine, options.engine.threads));
  const double build = seconds(start);
  SPIKELOOM_CHECK(simulator->advance(steps(options.warm_up_ms)));
  const auto before = simulator->counts();
  Digest digest;
  const double began = wall_clock();
  start = Clock::now();
  SPIKELOOM_CHECK(simulator->advance(steps(options.run_ms), digest.sink(options.digest)));
  const double wall = seconds(start);
  const double ended = wall_clock();
  const auto after = simulator->counts();
  const double simulated = options.run_ms * 1e-3;
  const auto events = static_cast<double>(after.synaptic_events - before.synaptic_events);
  const auto spikes = static_cast<double>(after.spikes - before.spikes);
  const auto neurons = static_cast<double>(neuron_count(network));
  fmt::print(
      "{{\"engine\": \"spikeloom {}\", \"network\": \"{}\", \"neurons\": {}, \"synapses\": {}, "
      "\"seed\": {}, \"build_s\": {:.3f}, \"wall_s\": {:.4f}, \"rtf\": {:.4f}, \"rate_hz\": "
      "{:.4f}, "
      "\"spikes\": {:.0f}, \"events\": {:.6g}, \"events_per_s\": {:.4g}, \"device_bytes\": {}, "
      "\"began\": {:.3f}, \"ended\": {:.3f}, \"digest\": \"{:016x}\"}}\n",
      options.backend, options.network, neurons, simulator->synapses(), options.seed, build, wall,
      wall / simulated, spikes / neurons / simulated, spikes, events, events / wall,
      simulator->device_bytes(), began, ended, digest.value);
  return {};
}

Status run(Options options) {
  if (options.backend != "cpu") return run_on_device(options);
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::time_point from) {
    return std::chrono::duration<double>(Clock::now() - from).count();
  };
  SPIKELOOM_TRY(options.engine.ranks, simulation::join_ranks());
  const simulation::Ranks* ranks = options.engine.ranks.get();
  SPIKELOOM_TRY(const Network network, make_network(options));
  SPIKELOOM_TRY(const auto estimate, simulation::estimate_memory(network, options.engine));
  const auto steps = [&](double ms) { return std::llround(ms / network.dt); };
  if (options.beside_exact) {
    return compare_with_exact(network, options.engine, steps(options.warm_up_ms + options.run_ms));
  }
  const double base_mb = bench::peak_memory_mb();
  auto start = Clock::now();
  SPIKELOOM_TRY(const auto engine, Engine::make(network, options.engine));
  const double build = seconds(start);
  const double peak_mb = (bench::peak_memory_mb() - base_mb) * 1.048576;
  SPIKELOOM_CHECK(engine->advance(steps(options.warm_up_ms)));
  const auto before = engine->counts();
  engine->measure_phases(!options.no_phases);
  Digest digest;
  const std::uint64_t sent = ranks == nullptr ? 0 : ranks->bytes_sent();
  start = Clock::now();
  const std::clock_t clock = std::clock();
  SPIKELOOM_CHECK(engine->advance(steps(options.run_ms), digest.sink(options.digest)));
  const double wall = seconds(start);
  const double cpu = static_cast<double>(std::clock() - clock) / CLOCKS_PER_SEC;
  const auto after = engine->counts();
  const auto phases = engine->phases();
  const double simulated = options.run_ms * 1e-3;
  const auto events = static_cast<double>(after.synaptic_events - before.synaptic_events);
  const auto spikes = static_cast<double>(after.spikes - before.spikes);
  const auto neurons = static_cast<double>(neuron_count(network));
  const double delivery = options.no_phases ? wall : phases.delivery;
  const auto synapses = static_cast<double>(engine->synapses());
  if (ranks != nullptr && ranks->rank() != 0 && !options.every_rank) return {};
  fmt::print(
      "{{\"engine\": \"spikeloom\", \"network\": \"{}\", \"rank\": {}, \"ranks\": {}, "
      "\"threads\": {}, \"procedural\": {}, \"closed_form\": {}, \"neurons\": {}, \"synapses\": "
      "{:.0f}, "
      "\"seed\": {}, \"build_s\": {:.3f}, \"wall_s\": {:.4f}, \"cpu_s\": {:.4f}, \"rtf\": {:.4f}, "
      "\"rate_hz\": {:.4f}, \"spikes\": {:.0f}, \"events\": {:.6g}, \"events_per_s\": {:.4g}, "
      "\"delivery_events_per_s\": {:.4g}, \"delivery_s\": {:.4f}, \"neurons_s\": {:.4f}, "
      "\"stimuli_s\": {:.4f}, \"exchange_s\": {:.4f}, \"bytes_per_synapse\": {:.3f}, "
      "\"predicted_mb\": {:.1f}, \"built_mb\": {:.1f}, \"sent_bytes_per_s\": {:.4g}, "
      "\"digest\": \"{:016x}\"}}\n",
      options.network, ranks == nullptr ? 0 : ranks->rank(), ranks == nullptr ? 1 : ranks->size(),
      options.engine.threads, options.engine.procedural, options.engine.closed_form, neurons,
      synapses, options.seed, build, wall, cpu, wall / simulated, spikes / neurons / simulated,
      spikes, events, events / wall, events / delivery, phases.delivery, phases.neurons,
      phases.stimuli, phases.exchange,
      synapses > 0 ? static_cast<double>(engine->synapse_bytes()) / synapses : 0.0,
      estimate.total() / 1e6, peak_mb,
      ranks == nullptr ? 0.0 : static_cast<double>(ranks->bytes_sent() - sent) / simulated,
      digest.value);
  return {};
}

}  // namespace
}  // namespace spikeloom

int main(int argc, char** argv) {
  spikeloom::Options options;
  CLI::App app("A simulated network on the engine; one line of JSON");
  app.add_option("--network", options.network, "microcircuit, sparse, balanced or weak (N a rank)")
      ->check(CLI::IsMember({"microcircuit", "sparse", "balanced", "weak"}))
      ->capture_default_str();
  app.add_option("--backend", options.backend, "cuda-host: the kernels of cuda as loops")
      ->check(CLI::IsMember({"cpu", "cuda", "cuda-host"}))
      ->capture_default_str();
  app.add_option("--scale", options.scale, "of the microcircuit")->capture_default_str();
  app.add_option("--neurons", options.neurons, "of the others")->capture_default_str();
  app.add_option("--degree", options.degree, "synapses a neuron")->capture_default_str();
  app.add_option("--active", options.active, "neurons of sparse that fire by themselves")
      ->capture_default_str();
  app.add_option("--seed", options.seed)->capture_default_str();
  app.add_option("--threads", options.engine.threads)->capture_default_str();
  app.add_flag("--procedural", options.engine.procedural, "regenerate synapses at each spike");
  app.add_flag("--closed-form", options.engine.closed_form, "neurons move when they are reached");
  app.add_flag("--beside-exact", options.beside_exact,
               "print the first spike in which closed form and exact mode part");
  app.add_flag("--double", options.engine.in_double, "neurons in double");
  app.add_option("--warm-up", options.warm_up_ms, "ms, not timed")->capture_default_str();
  app.add_option("--run", options.run_ms, "ms, timed")->capture_default_str();
  app.add_flag("--digest", options.digest, "hash the timed spikes");
  app.add_flag("--no-phases", options.no_phases, "do not time the phases");
  app.add_flag("--every-rank", options.every_rank, "a line for each rank");
  CLI11_PARSE(app, argc, argv);
  const spikeloom::Status status = spikeloom::run(std::move(options));
  if (!status.ok()) fmt::print(stderr, "{}\n", status.error().message());
  return status.ok() ? 0 : 1;
}
