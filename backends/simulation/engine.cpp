#include "backends/simulation/engine.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <new>
#include <string>

#include <fmt/format.h>

#include "backends/simulation/detail/delivery.hpp"
#include "backends/simulation/detail/neurons.hpp"
#include "backends/simulation/detail/rows.hpp"
#include "backends/simulation/detail/slices.hpp"
#include "backends/simulation/detail/stimuli.hpp"
#include "backends/simulation/detail/workers.hpp"
#include "event/aligned_buffer.hpp"
#include "snn/simulation/connectivity.hpp"
#include "snn/simulation/weight_units.hpp"

namespace spikeloom::simulation {
namespace {

constexpr int kMostThreads = 1024;

/// Bytes that Linux says could be had; 0 where it does not say.
double available_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kName = "MemAvailable:";
    if (line.starts_with(kName)) return std::strtod(line.c_str() + kName.size(), nullptr) * 1024.0;
  }
  return 0.0;
}

/// Adds up the time between its calls.
class PhaseClock {
 public:
  explicit PhaseClock(bool on) : on_(on) {
    if (on_) last_ = Clock::now();
  }
  void add_to(double& phase) {
    if (!on_) return;
    const auto now = Clock::now();
    phase += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  bool on_;
  Clock::time_point last_;
};

/// A slice and everything that one thread touches while it moves it.
struct SliceState {
  Slice slice;
  AlignedBuffer<std::int32_t> accumulators;
  std::vector<std::unique_ptr<NeuronGroup>> neurons;  ///< of each part
  std::vector<Stimuli> stimuli;
  std::vector<std::uint32_t> first;  ///< number of each part's first neuron
  Rows rows;
  Deliveries deliveries{1};
  std::vector<std::vector<std::uint32_t>> part_spikes;
  std::vector<std::uint32_t> spikes[2];  ///< of even and odd steps
  std::uint64_t events = 0;

  void step(std::int64_t step, EnginePhases& phases, bool measure);

 private:
  void move(bool currents_in_accumulators, std::int64_t step);
};

void SliceState::move(bool currents_in_accumulators, std::int64_t step) {
  for (std::size_t p = 0; p < neurons.size(); ++p) {
    if (neurons[p]->accumulates_currents() != currents_in_accumulators) continue;
    part_spikes[p].clear();
    neurons[p]->step(stimuli[p].current(step), first[p], part_spikes[p]);
  }
}

void SliceState::step(std::int64_t step, EnginePhases& phases, bool measure) {
  PhaseClock clock(measure);
  move(true, step);
  clock.add_to(phases.neurons);
  events += deliveries.deliver(accumulators.data());
  clock.add_to(phases.delivery);
  for (const Stimuli& s : stimuli) {
    if (s.has_poisson()) s.add_poisson(step, accumulators.data());
  }
  clock.add_to(phases.stimuli);
  move(false, step);
  std::vector<std::uint32_t>& all = spikes[step % 2];
  all.clear();
  for (const auto& part : part_spikes) all.insert(all.end(), part.begin(), part.end());
  clock.add_to(phases.neurons);
}

class SlicedEngine final : public Engine {
 public:
  Status build(Network network, const EngineOptions& options);

  const Network& network() const override { return network_; }
  std::int64_t step() const override { return step_; }
  Status advance(std::int64_t steps, const SpikeSink& sink) override;
  Result<std::vector<double>> state(std::uint32_t population,
                                    std::string_view variable) const override;
  SimulationCounts counts() const override;
  std::uint64_t synapses() const override;
  std::uint64_t synapse_bytes() const override;
  void measure_phases(bool on) override { measure_ = on; }
  EnginePhases phases() const override { return phases_; }

 private:
  Status build_slice(Slice slice, const std::vector<double>& units, std::int32_t longest);

  Network network_;
  EngineOptions options_;
  std::vector<SliceState> slices_;
  std::int64_t step_ = 0;
  std::uint64_t spikes_ = 0;
  bool measure_ = false;
  EnginePhases phases_;
};

Status SlicedEngine::build(Network network, const EngineOptions& options) {
  network_ = std::move(network);
  options_ = options;
  const std::vector<double> units = weight_units(network_);
  std::int32_t longest = 1;
  for (const DelayRange& range : delay_ranges(network_)) longest = std::max(longest, range.first);
  const auto threads = static_cast<std::size_t>(options.threads);
  for (Slice& slice : make_slices(network_, 0, neuron_count(network_), threads)) {
    SPIKELOOM_CHECK(build_slice(std::move(slice), units, longest));
  }
  return {};
}

Status SlicedEngine::build_slice(Slice slice, const std::vector<double>& units,
                                 std::int32_t longest) {
  const std::vector<std::int64_t> first = first_neurons(network_);
  SliceState state;
  state.accumulators = AlignedBuffer<std::int32_t>(slice.accumulators);
  for (const Part& part : slice.parts) {
    const double unit = units[part.population];
    SPIKELOOM_TRY(auto neurons, make_neurons(network_, part, unit, state.accumulators.data(),
                                             options_.in_double));
    state.neurons.push_back(std::move(neurons));
    state.stimuli.emplace_back(network_, part, unit);
    state.first.push_back(static_cast<std::uint32_t>(first[part.population] + part.first));
  }
  state.part_spikes.resize(slice.parts.size());
  SPIKELOOM_TRY(const Connectivity connectivity,
                Connectivity::make(network_, slice.first, slice.last));
  SPIKELOOM_TRY(state.rows, Rows::make(network_, slice, connectivity,
                                       static_cast<std::size_t>(options_.threads)));
  state.deliveries = Deliveries(longest);
  state.slice = std::move(slice);
  slices_.push_back(std::move(state));
  return {};
}

Status SlicedEngine::advance(std::int64_t steps, const SpikeSink& sink) {
  if (steps < 0) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "a simulation cannot go back",
                 .expected = ">= 0 steps",
                 .got = std::to_string(steps)};
  }
  const std::size_t threads = std::min<std::size_t>(static_cast<std::size_t>(options_.threads),
                                                    std::max<std::size_t>(slices_.size(), 1));
  StepBarrier barrier(threads);
  std::atomic<bool> stopped = false;
  const std::int64_t last = step_ + steps;
  on_threads(threads, [&](std::size_t thread) {
    EnginePhases unmeasured;
    const bool measure = measure_ && thread == 0;
    EnginePhases& phases = thread == 0 ? phases_ : unmeasured;
    std::vector<std::uint32_t> together;
    for (std::int64_t step = step_; step < last; ++step) {
      for (std::size_t s = thread; s < slices_.size(); s += threads) {
        slices_[s].step(step, phases, measure);
      }
      PhaseClock clock(measure);
      barrier.wait();
      for (std::size_t s = thread; s < slices_.size(); s += threads) {
        for (const SliceState& from : slices_) {
          for (const std::uint32_t source : from.spikes[step % 2]) {
            const Rows::Row row = slices_[s].rows.row(source);
            if (row.delays > 0) slices_[s].deliveries.add(row);
          }
        }
      }
      clock.add_to(phases.exchange);
      if (thread == 0) {
        together.clear();
        for (const SliceState& from : slices_) {
          spikes_ += from.spikes[step % 2].size();
          if (!sink) continue;
          together.insert(together.end(), from.spikes[step % 2].begin(),
                          from.spikes[step % 2].end());
        }
        if (sink && !sink(step, together)) stopped = true;
      }
      if (sink) barrier.wait();
      if (stopped) {
        if (thread == 0) step_ = step + 1;
        return;
      }
    }
  });
  if (stopped) return Error{.code = ErrorCode::kCancelled, .what = "the simulation was stopped"};
  step_ = last;
  return {};
}

Result<std::vector<double>> SlicedEngine::state(std::uint32_t population,
                                                std::string_view variable) const {
  if (population >= network_.populations.size()) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "no such population",
                 .got = std::to_string(population)};
  }
  std::vector<double> values(static_cast<std::size_t>(network_.populations[population].size));
  for (const SliceState& s : slices_) {
    for (std::size_t p = 0; p < s.slice.parts.size(); ++p) {
      const Part& part = s.slice.parts[p];
      if (part.population != population) continue;
      const std::span<double> here(values.data() + part.first, static_cast<std::size_t>(part.size));
      SPIKELOOM_CHECK(s.neurons[p]->read(variable, here));
    }
  }
  return values;
}

SimulationCounts SlicedEngine::counts() const {
  SimulationCounts counts;
  counts.spikes = spikes_;
  counts.neuron_updates =
      static_cast<std::uint64_t>(step_) * static_cast<std::uint64_t>(neuron_count(network_));
  for (const SliceState& s : slices_) counts.synaptic_events += s.events;
  return counts;
}

std::uint64_t SlicedEngine::synapses() const {
  std::uint64_t sum = 0;
  for (const SliceState& s : slices_) sum += s.rows.synapses();
  return sum;
}

std::uint64_t SlicedEngine::synapse_bytes() const {
  std::uint64_t sum = 0;
  for (const SliceState& s : slices_) sum += s.rows.bytes();
  return sum;
}

Status check_options(const EngineOptions& options) {
  if (options.threads >= 1 && options.threads <= kMostThreads) return {};
  return Error{.code = ErrorCode::kInvalidArgument,
               .what = "the number of threads",
               .expected = fmt::format("1 to {}", kMostThreads),
               .got = std::to_string(options.threads)};
}

}  // namespace

Result<MemoryEstimate> estimate_memory(const Network& network, const EngineOptions& options) {
  SPIKELOOM_CHECK(check(network));
  SPIKELOOM_CHECK(check_options(options));
  const auto threads = static_cast<std::size_t>(options.threads);
  MemoryEstimate estimate;
  for (const Slice& slice : make_slices(network, 0, neuron_count(network), threads)) {
    const auto [rows, building] = Rows::expected_bytes(network, slice, threads);
    estimate.synapses += rows;
    estimate.building =
        std::max(estimate.building,
                 building + Connectivity::expected_bytes(network, slice.first, slice.last));
    for (const Part& part : slice.parts) {
      estimate.neurons += expected_neuron_bytes(network, part, options.in_double);
    }
  }
  return estimate;
}

Result<std::unique_ptr<Engine>> Engine::make(Network network, const EngineOptions& options) {
  SPIKELOOM_TRY(const MemoryEstimate estimate, estimate_memory(network, options));
  const double limit = options.memory_limit > 0.0 ? options.memory_limit : available_memory();
  if (limit > 0.0 && estimate.total() > limit) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the network does not fit into memory",
                 .expected = fmt::format("at most {:.0f} MB", limit / 1e6),
                 .got = fmt::format("{:.0f} MB, {:.0f} of them synapses", estimate.total() / 1e6,
                                    estimate.synapses / 1e6),
                 .next = "simulate a smaller network, on more machines, or procedurally"};
  }
  auto engine = std::make_unique<SlicedEngine>();
  try {
    SPIKELOOM_CHECK(engine->build(std::move(network), options));
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "no memory for the network",
                 .expected = fmt::format("{:.0f} MB", estimate.total() / 1e6)};
  }
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace spikeloom::simulation
