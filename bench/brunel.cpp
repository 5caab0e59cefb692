/// brunel_dc (models/brunel/brunel_network.hpp) on one backend, after a warm-up that is not timed.
///
/// Prints one JSON object: rate, spikes, wall and processor seconds, synaptic events a second,
/// real-time factor (wall time over simulated time), peak memory.

#include <chrono>
#include <cmath>
#include <ctime>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/backend.hpp"
#include "bench/process_memory.hpp"
#include "models/brunel/brunel_network.hpp"
#include "snn/lowering.hpp"

namespace spikeloom {
namespace {

struct Options {
  BrunelOptions network;
  std::string backend = "cpu";
  int threads = 1;
  std::string schedule = "auto";
  double warm_up_ms = 100.0, run_ms = 1000.0;
};

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
    SPIKELOOM_TRY(const Network network, make_brunel_network(options.network));
    SPIKELOOM_TRY(const Program program, lower(network, brunel_discretisation()));
    for (const ProgramNode& node : program.nodes) synapses += node.weights;
    RunOptions run_options;
    run_options.threads = options.threads;
    SPIKELOOM_TRY(run_options.schedule, parse_schedule(options.schedule));
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
      options.backend, options.network.neurons, options.network.degree, options.network.repeats,
      options.network.seed, synapses,
      spikes / static_cast<double>(options.network.neurons) / simulated, spikes, build, wall, cpu,
      wall / simulated, spikes * static_cast<double>(options.network.degree) / wall,
      bench::peak_memory_mb());
  return {};
}

}  // namespace
}  // namespace spikeloom

int main(int argc, char** argv) {
  spikeloom::Options options;
  CLI::App app("brunel_dc on one backend; one line of JSON");
  app.add_option("--neurons", options.network.neurons)->capture_default_str();
  app.add_option("--degree", options.network.degree, "sources per neuron")->capture_default_str();
  app.add_option("--seed", options.network.seed)->capture_default_str();
  app.add_option("--backend", options.backend)->capture_default_str();
  app.add_option("--threads", options.threads)->capture_default_str();
  app.add_option("--schedule", options.schedule, "auto, rows or bitmask")->capture_default_str();
  app.add_option("--warm-up", options.warm_up_ms, "ms, not timed")->capture_default_str();
  app.add_option("--run", options.run_ms, "ms, timed")->capture_default_str();
  app.add_flag("!--no-repeats", options.network.repeats, "draw sources without replacement");
  CLI11_PARSE(app, argc, argv);
  const spikeloom::Status status = spikeloom::run(options);
  if (!status.ok()) fmt::print(stderr, "{}\n", status.error().message());
  return status.ok() ? 0 : 1;
}
