#include "cli/simulation_run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <map>
#include <numeric>
#include <sys/resource.h>

#include <fmt/format.h>

#include "backends/cuda/machine.hpp"
#include "backends/simulation/cuda_simulator.hpp"
#include "backends/simulation/reference_simulator.hpp"
#include "base/io/file.hpp"
#include "base/io/hdf5.hpp"
#include "base/io/npy.hpp"
#include "base/stopwatch.hpp"
#include "cli/interrupt.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMostCheckpointBytes = std::uint64_t{64} << 30;
using simulation::Network;

double cpu_now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024.0;
}

/// Recordings that are due after each step or interval.
class Recorder {
 public:
  Recorder(const Network& network, SimulationOutcome& outcome)
      : network_(network), outcome_(outcome), first_(first_neurons(network)) {
    of_neuron_.resize(static_cast<std::size_t>(first_.back()));
    for (const simulation::Recording& r : network.recordings) {
      const std::string& node = network.populations[r.population].name;
      if (!r.variable.empty()) {
        traces_.push_back(r);
        outcome.traces.push_back({node, r.variable, r.first, r.count, r.interval, {}});
        continue;
      }
      outcome.recording.events.push_back(
          {node, "spikes", network.populations[r.population].size, {}, {}});
      const auto number = static_cast<std::uint32_t>(outcome.recording.events.size());
      const auto begin = static_cast<std::size_t>(first_[r.population] + r.first);
      for (std::size_t n = begin; n < begin + static_cast<std::size_t>(r.count); ++n) {
        of_neuron_[n].push_back(number - 1);
      }
    }
    spikes_ = !outcome.recording.events.empty();
  }

  void add(std::int64_t step, std::span<const std::uint32_t> neurons) {
    if (!spikes_) return;
    for (const std::uint32_t n : neurons) {
      for (const std::uint32_t r : of_neuron_[n]) {
        StoredEvents& events = outcome_.recording.events[r];
        events.step.push_back(step);
        events.index.push_back(n - first_of(events.node));
      }
    }
  }
  /// Steps until the next sample of a trace, at most `most`.
  std::int64_t until_sample(std::int64_t step, std::int64_t most) const {
    for (const simulation::Recording& r : traces_) {
      most = std::min(most, r.interval - step % r.interval);
    }
    return most;
  }
  Status sample(std::int64_t step, const simulation::Simulator& simulator) {
    for (std::size_t i = 0; i < traces_.size(); ++i) {
      const simulation::Recording& r = traces_[i];
      if (step % r.interval != 0) continue;
      SPIKELOOM_TRY(const auto values, simulator.state(r.population, r.variable));
      const auto begin = values.begin() + r.first;
      auto& kept = outcome_.traces[i].values;
      kept.insert(kept.end(), begin, begin + r.count);
    }
    return {};
  }

 private:
  std::int64_t first_of(const std::string& node) const {
    for (std::size_t p = 0; p < network_.populations.size(); ++p) {
      if (network_.populations[p].name == node) return first_[p];
    }
    return 0;
  }

  const Network& network_;
  SimulationOutcome& outcome_;
  std::vector<std::int64_t> first_;
  std::vector<std::vector<std::uint32_t>> of_neuron_;  ///< recordings of spikes
  std::vector<simulation::Recording> traces_;
  bool spikes_ = false;
};

/// The simulator, and the same as an engine where it is one.
struct Made {
  std::unique_ptr<simulation::Simulator> simulator = nullptr;
  simulation::Engine* engine = nullptr;
};

Result<Made> make_simulator(const SimulationRequest& request) {
  Made made;
  if (request.backend == "reference") {
    SPIKELOOM_TRY(made.simulator, simulation::make_reference_simulator(request.network));
    return made;
  }
  if (request.backend == "cuda") {
    SPIKELOOM_TRY(auto machine, cuda::make_device_machine());
    SPIKELOOM_TRY(made.simulator, simulation::CudaSimulator::make(
                                      request.network, std::move(machine), request.engine.threads));
    return made;
  }
  SPIKELOOM_TRY(auto engine, simulation::Engine::make(request.network, request.engine));
  made.engine = engine.get();
  made.simulator = std::move(engine);
  if (!request.load.empty()) {
    SPIKELOOM_TRY(const auto bytes, io::read_file(request.load, kMostCheckpointBytes));
    Status loaded = made.engine->load(bytes);
    if (!loaded.ok()) return std::move(loaded).error().in(request.load);
  }
  return made;
}

/// Every rank takes part; rank 0 writes.
Status save_checkpoint(const SimulationRequest& request, const simulation::Engine& engine,
                       Console& console) {
  SPIKELOOM_TRY(const auto bytes, engine.save());
  if (request.engine.ranks != nullptr && request.engine.ranks->rank() != 0) return {};
  SPIKELOOM_CHECK(io::write_file_atomic(request.save, bytes));
  console.note(fmt::format("checkpoint after {} ms: {}",
                           static_cast<double>(engine.step()) * request.network.dt, request.save));
  return {};
}

std::int64_t steps_of(double ms, double dt) { return std::llround(ms / dt); }

/// Up to here every step is a double, and sums of steps stay far from overflow.
constexpr double kMostSteps = 0x1p53;

Status check_length(const SimulationRequest& request, double dt) {
  const double longest = std::max(request.warm_up + request.time, request.save_every);
  if (longest / dt <= kMostSteps) return {};
  return Error{.what = "the simulation is too long",
               .where = request.name,
               .expected = fmt::format("at most {:g} ms, which are 2^53 steps", kMostSteps * dt),
               .got = fmt::format("{:g} ms", longest),
               .next = "give a shorter --time, --warm-up or --save-every"};
}

Value distribution_value(const simulation::Distributed& d) {
  Value value = Value::map();
  value.set("mean", d.mean).set("sd", d.sd).set("n", static_cast<std::uint64_t>(d.values.size()));
  Value percentiles = Value::list();
  for (const double p : d.percentiles) percentiles.push(p);
  return value.set("percentiles", std::move(percentiles));
}

std::string bytes_text(double bytes) {
  if (bytes >= 1e9) return fmt::format("{:.2f} GB", bytes / 1e9);
  return fmt::format("{:.1f} MB", bytes / 1e6);
}

/// SONATA spikes: /spikes/<population>/timestamps, node_ids.
Status write_sonata(const std::string& path, const SimulationOutcome& outcome) {
  SPIKELOOM_TRY(auto file, io::Hdf5Writer::create(path));
  SPIKELOOM_TRY(auto spikes, file.root().create_group("spikes"));
  std::map<std::string, int> seen;
  for (const StoredEvents& events : outcome.recording.events) {
    const int again = seen[events.node]++;  // recorded before
    const std::string name = again == 0 ? events.node : fmt::format("{}_{}", events.node, again);
    SPIKELOOM_TRY(auto group, spikes.create_group(name));
    std::vector<double> times;
    for (const std::int64_t step : events.step) {
      times.push_back(static_cast<double>(step + 1) * outcome.recording.step_seconds * 1e3);
    }
    const std::vector<std::uint64_t> nodes(events.index.begin(), events.index.end());
    const Shape shape = {static_cast<std::int64_t>(times.size())};
    constexpr auto kPacked = io::Hdf5Compression::kDeflate;
    SPIKELOOM_CHECK(group.write_tensor("timestamps", Tensor::of<double>(shape, times), kPacked));
    SPIKELOOM_CHECK(
        group.write_tensor("node_ids", Tensor::of<std::uint64_t>(shape, nodes), kPacked));
    SPIKELOOM_CHECK(group.write_attribute("units", "milliseconds", "timestamps"));
    SPIKELOOM_CHECK(group.write_attribute("sorting", "by_time"));
  }
  return file.commit();
}

Status write_statistics(const std::string& path, const SimulationRequest& request,
                        const SimulationOutcome& outcome) {
  io::NamedTensors arrays;
  for (std::size_t p = 0; p < outcome.populations.size(); ++p) {
    const simulation::PopulationStatistics& s = outcome.populations[p];
    const std::string& name = request.network.populations[p].name;
    for (const auto& [what, d] :
         {std::pair("rate", &s.rate), std::pair("cv", &s.cv), std::pair("cc", &s.correlation)}) {
      const std::vector<float> values(d->values.begin(), d->values.end());
      arrays.emplace_back(name + "_" + what,
                          Tensor::of<float>({static_cast<std::int64_t>(values.size())}, values));
    }
  }
  return io::write_npz(path, arrays);
}

}  // namespace

Result<SimulationOutcome> run_simulation(SimulationRequest request, Console& console) {
  SimulationOutcome outcome;
  const Network& network = request.network;
  for (const simulation::Projection& p : network.projections) {
    outcome.synapses += expected_synapses(network, p);
  }
  if (request.backend == "cpu") {
    SPIKELOOM_TRY(const auto estimate, estimate_memory(network, request.engine));
    outcome.predicted_bytes = estimate.total();
    console.debug(fmt::format("{} neurons, {:.4g} synapses: {} of memory expected",
                              neuron_count(network), outcome.synapses,
                              bytes_text(outcome.predicted_bytes)));
  }
  if (request.backend != "cpu" && (!request.load.empty() || !request.save.empty())) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = request.backend + " simulates without checkpoints",
                 .next = "use --backend cpu"};
  }
  SPIKELOOM_CHECK(check_length(request, network.dt));
  const auto building = Clock::now();
  SPIKELOOM_TRY(const Made made, make_simulator(request));
  simulation::Simulator& simulator = *made.simulator;
  outcome.build_seconds = seconds_since(building);

  const std::int64_t end =
      steps_of(request.warm_up, network.dt) + steps_of(request.time, network.dt);
  const std::int64_t warm_up = std::max(steps_of(request.warm_up, network.dt), simulator.step());
  if (warm_up > end) {
    return Error{.what = "the checkpoint is from behind the end of the simulation",
                 .where = request.load,
                 .expected = fmt::format("at most {} ms", static_cast<double>(end) * network.dt),
                 .got = fmt::format("{} ms", static_cast<double>(simulator.step()) * network.dt),
                 .next = "give a longer --time"};
  }
  outcome.steps = end - warm_up;
  outcome.recording.name = request.name;
  outcome.recording.steps = outcome.steps;
  outcome.recording.step_seconds = network.dt * 1e-3;
  Recorder recorder(network, outcome);
  std::unique_ptr<simulation::ActivityStatistics> statistics;
  if (request.statistics) {
    statistics = std::make_unique<simulation::ActivityStatistics>(network, 0, outcome.steps);
  }
  const bool alone = request.engine.ranks == nullptr;
  const auto ms = [&](std::int64_t step) {
    return static_cast<std::int64_t>(static_cast<double>(step) * network.dt);
  };
  const auto sink = [&](std::int64_t step, std::span<const std::uint32_t> neurons) {
    if (step >= warm_up && !neurons.empty()) {
      if (statistics) statistics->add(step - warm_up, neurons);
      recorder.add(step - warm_up, neurons);
    }
    if (step % 64 == 0) console.progress("simulated ms", ms(step), ms(end));
    return !(alone && interrupted());  // with ranks, mpirun ends them all
  };
  const std::int64_t save_steps =
      std::max<std::int64_t>(steps_of(request.save_every, network.dt), 0);
  const auto advance = [&](std::int64_t until) -> Status {
    while (simulator.step() < until) {
      std::int64_t steps = until - simulator.step();
      if (save_steps > 0) steps = std::min(steps, save_steps - simulator.step() % save_steps);
      Status done = simulator.advance(steps, sink);
      if (!done.ok() && interrupted()) return interrupted_error();
      if (!done.ok()) {
        Error error = std::move(done).error();
        if (save_steps > 0 && error.next.empty()) {
          error.next = fmt::format("go on from the last checkpoint: --load {}", request.save);
        }
        return error;
      }
      const bool due = save_steps > 0 && simulator.step() % save_steps == 0;
      if (due && !request.save.empty() && simulator.step() < end) {
        SPIKELOOM_CHECK(save_checkpoint(request, *made.engine, console));
      }
    }
    return {};
  };
  auto start = Clock::now();
  SPIKELOOM_CHECK(advance(warm_up));
  outcome.warm_up_seconds = seconds_since(start);
  const simulation::SimulationCounts before = simulator.counts();
  start = Clock::now();
  const double cpu = cpu_now();
  for (std::int64_t step = 0; step < outcome.steps;) {
    step += recorder.until_sample(step, outcome.steps - step);
    SPIKELOOM_CHECK(advance(warm_up + step));
    SPIKELOOM_CHECK(recorder.sample(step, simulator));
  }
  outcome.wall_seconds = seconds_since(start);
  outcome.cpu_seconds = cpu_now() - cpu;
  console.end_progress();
  if (!request.save.empty()) SPIKELOOM_CHECK(save_checkpoint(request, *made.engine, console));
  const simulation::SimulationCounts after = simulator.counts();
  outcome.spikes = after.spikes - before.spikes;
  outcome.synaptic_events = after.synaptic_events - before.synaptic_events;
  outcome.peak_bytes = peak_bytes();
  for (std::uint32_t p = 0; statistics && p < network.populations.size(); ++p) {
    outcome.populations.push_back(statistics->of(p));
  }
  return outcome;
}

Value simulation_value(const SimulationRequest& request, const SimulationOutcome& outcome) {
  const Network& network = request.network;
  Value value = Value::map();
  value.set("network", request.name).set("backend", request.backend);
  value.set("seed", network.seed).set("dt_ms", network.dt);
  value.set("warm_up_ms", request.warm_up).set("time_ms", request.time);
  value.set("neurons", neuron_count(network)).set("synapses", outcome.synapses);
  value.set("ranks", request.engine.ranks != nullptr ? request.engine.ranks->size() : 1);
  value.set("threads", request.engine.threads).set("procedural", request.engine.procedural);
  value.set("spikes", outcome.spikes).set("synaptic_events", outcome.synaptic_events);
  value.set("build_s", outcome.build_seconds).set("warm_up_s", outcome.warm_up_seconds);
  value.set("wall_s", outcome.wall_seconds).set("cpu_s", outcome.cpu_seconds);
  value.set("real_time_factor", outcome.wall_seconds / std::max(request.time * 1e-3, 1e-12));
  value.set("predicted_bytes", request.backend != "cpu" ? Value() : Value(outcome.predicted_bytes));
  value.set("peak_bytes", outcome.peak_bytes);
  Value populations = Value::list();
  for (std::size_t p = 0; p < network.populations.size(); ++p) {
    Value one = Value::map();
    one.set("name", network.populations[p].name).set("neurons", network.populations[p].size);
    one.set("model", network.populations[p].model);
    if (p < outcome.populations.size()) {
      const simulation::PopulationStatistics& s = outcome.populations[p];
      one.set("spikes", s.spikes).set("rate_hz", distribution_value(s.rate));
      one.set("cv", distribution_value(s.cv));
      one.set("correlation", distribution_value(s.correlation));
    }
    populations.push(std::move(one));
  }
  return value.set("populations", std::move(populations));
}

std::string simulation_text(const SimulationRequest& request, const SimulationOutcome& outcome) {
  const Network& network = request.network;
  std::string text;
  if (!outcome.populations.empty()) {
    Table table({"population", "model", "neurons", "spikes", "rate, Hz", "CV", "correlation"}, 2);
    for (std::size_t p = 0; p < network.populations.size(); ++p) {
      const simulation::Population& population = network.populations[p];
      const simulation::PopulationStatistics& s = outcome.populations[p];
      table.row({population.name, population.model,
                 with_commas(static_cast<std::uint64_t>(population.size)), with_commas(s.spikes),
                 fmt::format("{:.3f}", s.rate.mean),
                 s.cv.values.empty() ? "-" : fmt::format("{:.3f}", s.cv.mean),
                 s.correlation.values.empty() ? "-" : fmt::format("{:.5f}", s.correlation.mean)});
    }
    text += table.text() + "\n";
  }
  text += fmt::format("{} neurons, {} synapses; {} spikes, {} synaptic events in {}\n",
                      with_commas(static_cast<std::uint64_t>(neuron_count(network))),
                      with_commas(static_cast<std::uint64_t>(outcome.synapses)),
                      with_commas(outcome.spikes), with_commas(outcome.synaptic_events),
                      seconds_text(request.time * 1e-3));
  text += fmt::format("built in {:.2f} s, simulated in {:.3f} s: real-time factor {:.3g}\n",
                      outcome.build_seconds, outcome.wall_seconds,
                      outcome.wall_seconds / std::max(request.time * 1e-3, 1e-12));
  text += fmt::format("memory {}", bytes_text(outcome.peak_bytes));
  if (request.backend == "cpu") {
    text += fmt::format(", {} expected of the network", bytes_text(outcome.predicted_bytes));
  }
  return text + "\n";
}

Status write_simulation(const std::string& folder, const SimulationRequest& request,
                        const SimulationOutcome& outcome) {
  SPIKELOOM_TRY(RunDirectory directory, RunDirectory::create(folder));
  SPIKELOOM_CHECK(directory.add(outcome.recording, outcome.traces));
  if (!outcome.recording.events.empty()) {
    SPIKELOOM_CHECK(write_sonata(directory.folder() + "/spikes.h5", outcome));
  }
  if (!outcome.populations.empty()) {
    SPIKELOOM_CHECK(write_statistics(directory.folder() + "/statistics.npz", request, outcome));
  }
  return directory.commit(simulation_value(request, outcome));
}

}  // namespace spikeloom::cli
