#include "backends/simulation/engine.hpp"

#include <algorithm>
#include <bit>
#include <fstream>
#include <new>
#include <string>

#include <fmt/format.h>

#include "backends/simulation/detail/checkpoint.hpp"
#include "backends/simulation/detail/slice_state.hpp"
#include "backends/simulation/detail/workers.hpp"
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

/// Distinguishes checkpoints.
int arithmetic(const EngineOptions& options) {
  return (options.in_double ? 1 : 0) + (options.closed_form ? 2 : 0);
}

std::size_t columns_of(const Network& network, std::uint32_t population,
                       const EngineOptions& options) {
  if (options.closed_form && can_be_lazy(network, population)) return LazyNeurons::kColumns;
  return saved_columns(network, population, options.in_double);
}

/// The slices of this process.
std::vector<Slice> slices_of(const Network& network, const EngineOptions& options) {
  const auto threads = static_cast<std::size_t>(options.threads);
  // In closed form few spikes reach few neurons, and what a spike costs by itself counts.
  const bool small = !options.closed_form;
  if (options.ranks == nullptr) return make_slices(network, 0, 1, threads, small);
  return make_slices(network, options.ranks->rank(), options.ranks->size(), threads, small);
}

class SlicedEngine final : public Engine {
 public:
  Status build(Network network, const EngineOptions& options);

  const Network& network() const override { return network_; }
  std::int64_t step() const override { return step_; }
  Status advance(std::int64_t steps, const SpikeSink& sink) override;
  Result<std::vector<double>> state(std::uint32_t population,
                                    std::string_view variable) const override;
  Result<std::vector<std::byte>> save() const override;
  Status load(std::span<const std::byte> checkpoint) override;
  SimulationCounts counts() const override;
  std::uint64_t synapses() const override;
  std::uint64_t synapse_bytes() const override;
  void measure_phases(bool on) override { measure_ = on; }
  EnginePhases phases() const override { return phases_; }

 private:
  struct Run;
  void run_thread(Run& run, std::size_t thread);
  void after_step(Run& run, std::int64_t step);
  void start_exchange(Run& run, std::int64_t step);
  void finish_exchange(Run& run, std::int64_t now);
  void publish(Run& run, std::int64_t step, std::span<const std::uint32_t> neurons);
  SimulationState gathered() const;
  Status join_ranks(std::vector<double>& values) const;
  std::uint64_t local_events() const;

  Network network_;
  EngineOptions options_;
  std::vector<SliceState> slices_;
  std::int64_t step_ = 0;
  std::int32_t shortest_ = 1, longest_ = 1;  ///< delays
  /// Spikes of all ranks in the last longest_ steps, a ring by step.
  std::vector<std::vector<std::uint32_t>> history_;
  std::uint64_t spikes_ = 0, loaded_events_ = 0;
  bool measure_ = false;
  EnginePhases phases_;
};

/// A call of advance().
struct SlicedEngine::Run {
  std::int64_t last;
  const SpikeSink& sink;
  std::size_t threads = 1;
  StepBarrier barrier;
  // Written by one thread for all, when all have arrived.
  bool stopped = false;  ///< by the sink
  bool failed = false;   ///< an exchange
  Status status = {};
  std::int64_t done = 0;
  // Spikes of ranks: (step - window) << 32 | neuron.
  std::int64_t window = 0;  ///< its first step
  bool pending = false;     ///< an exchange has begun
  std::int64_t sent_window = 0, sent_steps = 0;
  std::vector<std::uint64_t> outbox = {};
  std::vector<std::pair<std::int64_t, std::uint32_t>> received = {};  ///< of other ranks
};

Status SlicedEngine::build(Network network, const EngineOptions& options) {
  network_ = std::move(network);
  options_ = options;
  bool any = false;
  for (const DelayRange& range : delay_ranges(network_)) {
    if (range.count == 0) continue;
    shortest_ = any ? std::min(shortest_, range.first) : range.first;
    longest_ = std::max(longest_, range.first + range.count - 1);
    any = true;
  }
  history_.resize(static_cast<std::size_t>(longest_));
  const std::vector<double> units = weight_units(network_);
  for (Slice& slice : slices_of(network_, options)) {
    SPIKELOOM_TRY(SliceState state, SliceState::make(network_, std::move(slice), units, options_));
    slices_.push_back(std::move(state));
  }
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
  Run run{step_ + steps, sink, threads, StepBarrier(threads)};
  run.done = run.window = step_;
  SPIKELOOM_CHECK(on_threads(threads, [&](std::size_t thread) { run_thread(run, thread); }));
  step_ = run.done;
  return run.status;
}

void SlicedEngine::run_thread(Run& run, std::size_t thread) {
  EnginePhases unmeasured;
  const bool measure = measure_ && thread == 0;
  EnginePhases& phases = thread == 0 ? phases_ : unmeasured;
  const bool ranks = options_.ranks != nullptr;
  const auto own_slices = [&](const auto& f) {
    for (std::size_t s = thread; s < slices_.size(); s += run.threads) f(slices_[s]);
  };
  const auto add_received = [&](std::int64_t now) {
    own_slices([&](SliceState& slice) {
      for (const auto& [fired, neuron] : run.received) slice.add(neuron, fired, now);
    });
  };
  // Nobody waits for the others before having delivered what is known: threads that fall behind now
  // and then need not hold up the others.
  std::uint32_t arrival = 0;
  const auto add_spikes_of = [&](std::int64_t step) {
    run.barrier.wait(arrival);
    for (const bool fetch : {true, false}) {
      own_slices([&](SliceState& slice) {
        for (const SliceState& from : slices_) {
          for (const std::uint32_t source : from.spikes(step)) {
            fetch ? slice.fetch(source) : slice.add(source, step, step + 1);
          }
        }
      });
    }
  };
  const auto exchange = [&](std::int64_t now) {
    run.barrier.wait(run.barrier.arrive([&] { finish_exchange(run, now); }));
    if (!run.failed) add_received(now);
  };
  for (std::int64_t step = step_; step < run.last; ++step) {
    own_slices([&](SliceState& slice) { slice.prepare(phases, measure); });
    PhaseClock clock(measure);
    if (step != step_) {
      add_spikes_of(step - 1);
      if (ranks && !run.failed && step == run.window) exchange(step);
      if (run.failed || (run.stopped && !ranks)) return;
    }
    clock.add_to(phases.exchange);
    own_slices([&](SliceState& slice) { slice.move(step, phases, measure); });
    arrival = run.barrier.arrive([&] { after_step(run, step); });
  }
  if (run.last == step_) return;
  add_spikes_of(run.last - 1);
  if (ranks && !run.failed) exchange(run.last);
}

void SlicedEngine::after_step(Run& run, std::int64_t step) {
  run.done = step + 1;
  if (options_.ranks != nullptr) {
    const auto at = static_cast<std::uint64_t>(step - run.window) << 32;
    for (const SliceState& from : slices_) {
      for (const std::uint32_t neuron : from.spikes(step)) run.outbox.push_back(at | neuron);
    }
    if ((step + 1) % shortest_ == 0 || step + 1 == run.last) start_exchange(run, step + 1);
    return;
  }
  std::vector<std::uint32_t>& all = history_[static_cast<std::size_t>(step % longest_)];
  all.clear();
  for (const SliceState& from : slices_) {
    all.insert(all.end(), from.spikes(step).begin(), from.spikes(step).end());
  }
  if (slices_.size() > 1) std::sort(all.begin(), all.end());
  publish(run, step, all);
}

void SlicedEngine::publish(Run& run, std::int64_t step, std::span<const std::uint32_t> neurons) {
  spikes_ += neurons.size();
  if (!run.sink || run.stopped || run.sink(step, neurons)) return;
  run.stopped = true;
  run.status = Error{.code = ErrorCode::kCancelled, .what = "the simulation was stopped"};
}

void SlicedEngine::start_exchange(Run& run, std::int64_t next) {
  if (Status s = options_.ranks->start_exchange(run.outbox); !s.ok()) {
    run.status = std::move(s);
    run.failed = true;
  }
  run.pending = !run.failed;
  run.sent_window = run.window;
  run.sent_steps = next - run.window;
  run.outbox.clear();
  run.window = next;
}

void SlicedEngine::finish_exchange(Run& run, std::int64_t now) {
  run.received.clear();
  if (!run.pending) return;
  run.pending = false;
  const auto sent = options_.ranks->finish_exchange();
  if (!sent.ok()) {
    run.status = sent.error();
    run.failed = true;
    return;
  }
  for (std::int64_t i = 0; i < run.sent_steps; ++i) {
    history_[static_cast<std::size_t>((run.sent_window + i) % longest_)].clear();
  }
  for (std::size_t rank = 0; rank < sent->size(); ++rank) {
    for (const std::uint64_t word : (*sent)[rank]) {
      const std::int64_t step = run.sent_window + static_cast<std::int64_t>(word >> 32);
      const auto neuron = static_cast<std::uint32_t>(word);
      history_[static_cast<std::size_t>(step % longest_)].push_back(neuron);
      if (static_cast<int>(rank) != options_.ranks->rank()) run.received.emplace_back(step, neuron);
    }
  }
  for (std::int64_t i = 0; i < run.sent_steps; ++i) {
    const std::int64_t step = run.sent_window + i;
    std::vector<std::uint32_t>& all = history_[static_cast<std::size_t>(step % longest_)];
    std::sort(all.begin(), all.end());
    publish(run, step, all);
  }
  // Other ranks know of this only now, too: all of them end with the step that begins.
  if (run.stopped) run.last = std::min(run.last, now + 1);
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
    for (std::size_t p = 0; p < s.slice().parts.size(); ++p) {
      const Part& part = s.slice().parts[p];
      if (part.population != population) continue;
      const std::span<double> here(values.data() + part.first, static_cast<std::size_t>(part.size));
      SPIKELOOM_CHECK(s.neurons(p).read(variable, here));
    }
  }
  SPIKELOOM_CHECK(join_ranks(values));
  return values;
}

/// Each rank has some of the values, and 0 for the others. Their bits are added, which keeps -0.
Status SlicedEngine::join_ranks(std::vector<double>& values) const {
  if (options_.ranks == nullptr) return {};
  std::vector<std::uint64_t> bits(values.size());
  std::ranges::transform(values, bits.begin(),
                         [](double x) { return std::bit_cast<std::uint64_t>(x); });
  SPIKELOOM_CHECK(options_.ranks->add_up(bits));
  std::ranges::transform(bits, values.begin(),
                         [](std::uint64_t b) { return std::bit_cast<double>(b); });
  return {};
}

/// What this rank has; zeros elsewhere.
SimulationState SlicedEngine::gathered() const {
  SimulationState all;
  all.step = step_;
  all.spikes = spikes_;
  all.synaptic_events = local_events();
  all.populations.resize(network_.populations.size());
  for (std::uint32_t p = 0; p < network_.populations.size(); ++p) {
    const auto size = static_cast<std::size_t>(network_.populations[p].size);
    all.populations[p].assign(columns_of(network_, p, options_), std::vector<double>(size, 0.0));
  }
  for (const SliceState& s : slices_) {
    for (std::size_t p = 0; p < s.slice().parts.size(); ++p) {
      const Part& part = s.slice().parts[p];
      const auto columns = s.neurons(p).save();
      for (std::size_t c = 0; c < columns.size(); ++c) {
        std::copy(columns[c].begin(), columns[c].end(),
                  all.populations[part.population][c].begin() + part.first);
      }
    }
  }
  for (std::int64_t step = std::max<std::int64_t>(step_ - longest_, 0); step < step_; ++step) {
    all.history.push_back(history_[static_cast<std::size_t>(step % longest_)]);
  }
  return all;
}

Result<std::vector<std::byte>> SlicedEngine::save() const {
  SimulationState all = gathered();
  if (options_.ranks != nullptr) {
    for (PopulationState& population : all.populations) {
      for (auto& column : population) SPIKELOOM_CHECK(join_ranks(column));
    }
    SPIKELOOM_CHECK(options_.ranks->add_up(std::span(&all.synaptic_events, 1)));
  }
  all.synaptic_events += loaded_events_;
  return write_state(all, network_, arithmetic(options_));
}

Status SlicedEngine::load(std::span<const std::byte> checkpoint) {
  SPIKELOOM_TRY(const SimulationState all,
                read_state(checkpoint, network_, arithmetic(options_), gathered().populations));
  for (SliceState& s : slices_) {
    s.forget_spikes();
    for (std::size_t p = 0; p < s.slice().parts.size(); ++p) {
      const Part& part = s.slice().parts[p];
      std::vector<std::vector<double>> columns;
      for (const auto& column : all.populations[part.population]) {
        columns.emplace_back(column.begin() + part.first, column.begin() + part.first + part.size);
      }
      s.neurons(p).load(columns);
    }
    s.set_events(0);
  }
  step_ = all.step;
  spikes_ = all.spikes;
  loaded_events_ = all.synaptic_events;
  for (auto& spikes : history_) spikes.clear();
  for (std::size_t i = 0; i < all.history.size(); ++i) {
    const std::int64_t fired =
        step_ - static_cast<std::int64_t>(all.history.size()) + static_cast<std::int64_t>(i);
    history_[static_cast<std::size_t>(fired % longest_)] = all.history[i];
    for (SliceState& s : slices_) {
      for (const std::uint32_t neuron : all.history[i]) s.add(neuron, fired, step_);
    }
  }
  return {};
}

std::uint64_t SlicedEngine::local_events() const {
  std::uint64_t sum = 0;
  for (const SliceState& s : slices_) sum += s.events();
  return sum;
}

SimulationCounts SlicedEngine::counts() const {
  SimulationCounts counts;
  counts.spikes = spikes_;
  counts.neuron_updates =
      static_cast<std::uint64_t>(step_) * static_cast<std::uint64_t>(neuron_count(network_));
  counts.synaptic_events = loaded_events_ + local_events();
  return counts;
}

std::uint64_t SlicedEngine::synapses() const {
  std::uint64_t sum = 0;
  for (const SliceState& s : slices_) sum += s.synapses();
  return sum;
}

std::uint64_t SlicedEngine::synapse_bytes() const {
  std::uint64_t sum = 0;
  for (const SliceState& s : slices_) sum += s.synapse_bytes();
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
  for (const Slice& slice : slices_of(network, options)) {
    if (options.procedural) {
      estimate.synapses += RegeneratedRows::expected_bytes(network, slice);
    } else {
      const auto [rows, building] = Rows::expected_bytes(network, slice, threads);
      estimate.synapses += rows;
      estimate.building =
          std::max(estimate.building,
                   building + Connectivity::expected_bytes(network, ranges_of(network, slice)));
    }
    estimate.neurons += SliceState::expected_bytes(network, slice, options);
    for (const Part& part : slice.parts) {
      const bool lazy = options.closed_form && can_be_lazy(network, part.population);
      estimate.neurons += lazy ? LazyNeurons::expected_bytes(part)
                               : expected_neuron_bytes(network, part, options.in_double);
    }
  }
  return estimate;
}

Result<std::unique_ptr<Engine>> Engine::make(Network network, const EngineOptions& options) {
  SPIKELOOM_TRY(const MemoryEstimate estimate, estimate_memory(network, options));
  // Ranks of one machine have as many neurons each, and build when all have looked.
  const int sharing = options.ranks == nullptr ? 1 : options.ranks->on_this_machine();
  const double limit =
      options.memory_limit > 0.0 ? options.memory_limit : available_memory() / sharing;
  const bool refuses = limit > 0.0 && estimate.total() > limit;
  std::uint64_t refusals = refuses ? 1 : 0;
  if (options.ranks != nullptr) {
    SPIKELOOM_CHECK(options.ranks->add_up(std::span(&refusals, 1)));
  }
  if (refusals > 0 && !refuses) {
    return Error{.code = ErrorCode::kResource,
                 .what = "another rank has no room for its part of the network",
                 .next = "simulate a smaller network, on more machines, or procedurally"};
  }
  if (refuses) {
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
